"""The shapes of requests and answers: msgspec decodes and encodes by them, OpenAPI describes them."""

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from service.api.error_codes import Code

_VALUE = {"anyOf": [{"type": kind} for kind in ("number", "string", "boolean", "null")]}
#: One number for all targets, or one for each of some.
_CutOff = float | dict[str, float]
_RECORD = {
    "anyOf": [
        {"type": "array", "items": {"type": "number"}, "minItems": 8, "maxItems": 8},
        {"$ref": "#/components/schemas/NamedCandidate"},
        {"type": "string"},
        {"type": "array", "items": _VALUE},
        {"type": "object", "additionalProperties": _VALUE},
    ]
}


class PredictRequest(Struct, forbid_unknown_fields=True):
    """Records for a model: molecules as ``smiles``, or records of any model as ``inputs``.

    ``smiles`` are answered by SMILES as the Tox21 leaderboard asks, and in order. ``inputs`` are SMILES,
    pulsar candidates, or rows of a table, by position or by name. The query may name the model, too.
    """

    # Records are checked one by one, by the model's featurizer.
    model: (
        Annotated[str, Meta(description="Of smiles by default tox21.", examples=["htru2"])] | UnsetType
    ) = UNSET
    smiles: (
        Annotated[
            list[Any],
            Meta(
                examples=[["CCO", "c1ccccc1O"]],
                extra_json_schema={"items": {"type": "string"}, "minItems": 1},
            ),
        ]
        | UnsetType
    ) = UNSET
    version: (
        Annotated[str | int, Meta(description="Answer by this version or not at all.", examples=["1"])]
        | UnsetType
    ) = UNSET
    inputs: (
        Annotated[
            list[Any],
            Meta(
                examples=[[[99.4, 41.6, 1.55, 4.1, 27.6, 61.7, 2.2, 3.7]]],
                extra_json_schema={"items": _RECORD, "minItems": 1},
            ),
        ]
        | UnsetType
    ) = UNSET
    applicability: (
        Annotated[
            Literal["judge", "ignore"],
            Meta(
                description="With ignore there are numbers for records that the model cannot judge, too;"
                " by default what the service is set to."
            ),
        ]
        | UnsetType
    ) = UNSET
    threshold: (
        Annotated[_CutOff, Meta(description="Call from this probability on; not of classes.")]
        | UnsetType
    ) = UNSET
    recall: (
        Annotated[
            _CutOff,
            Meta(description="Call so that this share of positives is found, on rows left out."),
        ]
        | UnsetType
    ) = UNSET
    fpr: (
        Annotated[
            _CutOff,
            Meta(description="Call so that at most this share of negatives is called, on such rows."),
        ]
        | UnsetType
    ) = UNSET
    interval: Annotated[
        bool, Meta(description="Add what nine of ten refits of the model would answer.")
    ] = False
    nearest: (
        Annotated[
            int,
            Meta(
                ge=1,
                le=10,
                description="So many of the measured compounds that are nearest to each molecule;"
                " at most 100 molecules, answered as JSON.",
                examples=[3],
            ),
        ]
        | UnsetType
    ) = UNSET


_Rows = Annotated[list[Any], Meta(extra_json_schema={"items": _RECORD})]


class Invocation(Struct, forbid_unknown_fields=True):
    """A table as MLflow's clients send it: one of the four forms.

    ``params`` are the query's parameters.
    """

    dataframe_split: (
        Annotated[
            dict[str, Any],
            Meta(examples=[{"columns": ["profile_mean", "…"], "data": [[99.4, 41.6]]}]),
        ]
        | UnsetType
    ) = UNSET
    dataframe_records: _Rows | UnsetType = UNSET
    instances: _Rows | dict[str, Any] | UnsetType = UNSET
    inputs: _Rows | dict[str, Any] | UnsetType = UNSET
    params: dict[str, Any] | UnsetType | None = UNSET


class NamedCandidate(Struct):
    """A pulsar candidate by name; other fields are carried to its result."""

    profile_mean: float
    profile_stdev: float
    profile_skewness: float
    profile_kurtosis: float
    dm_mean: float
    dm_stdev: float
    dm_skewness: float
    dm_kurtosis: float


class ErrorAnswer(Struct):
    """Any error."""

    error: Annotated[str, Meta(description="What is wrong, where, and what to do.")]
    code: Annotated[
        str,
        Meta(
            description="The same for programs; docs/reference/requests.md lists what each code means.",
            extra_json_schema={"enum": [code.value for code in Code]},
        ),
    ]
    request_id: str


class Live(Struct):
    """The process answers."""

    live: bool = True


class Ok(Struct):
    """The same, as the Tox21 leaderboard asks."""

    ok: bool = True


class Ready(Struct):
    """Readiness of one model; ``error`` tells why the promoted version was refused, if it was."""

    version: str | None
    provider: str | None
    ready: bool
    error: str | None


class ReadyAnswer(Struct):
    """Readiness of the service and of every model."""

    ready: bool
    draining: bool
    error: str | None
    models: dict[str, Ready]


class Metadata(Struct):
    """The Tox21 leaderboard's description of a model."""

    name: str
    version: str
    max_batch_size: int
    tox_endpoints: list[str]


class Drawing(Struct, forbid_unknown_fields=True):
    """A molecule to draw; ``dark`` draws it for a dark page."""

    smiles: Annotated[str, Meta(extra_json_schema={"maxLength": 2000}, examples=["c1ccccc1O"])]
    dark: bool = False
    parent: Annotated[
        str | None,
        Meta(description="What was judged: X-Parent-Differs is 1 if it is another structure, else 0."),
    ] = None


class ExplainRequest(Struct, forbid_unknown_fields=True):
    """Molecules, and the target whose prediction is to be explained; ``dark`` is for a dark page."""

    smiles: Annotated[
        list[str],
        Meta(examples=[["c1ccc([N+](=O)[O-])cc1"]], extra_json_schema={"minItems": 1, "maxItems": 5}),
    ]
    target: Annotated[str, Meta(examples=["SR-MMP"])]
    model: Annotated[str | None, Meta(description="By default tox21.")] = None
    version: Annotated[str | int | None, Meta(description="Answer by this version or not at all.")] = (
        None
    )
    nearest: Annotated[int, Meta(ge=0, le=10, description="Nearest measured compounds of each.")] = 3
    applicability: Literal["judge", "ignore"] | None = None
    dark: bool = False


class TrialChange(Struct, forbid_unknown_fields=True):
    """Which version is tried beside the champion, how, and why the release log is told it."""

    version: Annotated[int, Meta(ge=1, le=10**9)]
    share: Annotated[
        float,
        Meta(ge=0, lt=1, description="Of the requests that it answers; with 0 it answers none."),
    ] = 0.0
    sticky: Annotated[bool, Meta(description="Whether a key is answered by the same version.")] = False
    auto: Annotated[bool, Meta(description="Whether it is promoted or dropped by itself.")] = False
    why: Annotated[str, Meta(max_length=1000)] = ""


class Change(Struct, forbid_unknown_fields=True):
    """Which version, and why the release log is told it."""

    version: Annotated[int, Meta(ge=1, le=10**9)] | None = None
    why: Annotated[str, Meta(max_length=1000)] = ""
