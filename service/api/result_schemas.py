"""The shapes of the answers of ``POST /predict``, for OpenAPI: the results are written by hand."""

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

Probabilities = Annotated[dict[str, float], Meta(description="Calibrated probability of each target.")]


class Warned(Struct):
    """What to know about a result; docs/reference/requests.md has a table of the codes."""

    code: str
    message: str


class InDomain(Struct):
    """How near the molecule is to what the model learned from."""

    similarity: Annotated[
        float, Meta(description="To the nearest measured compound: Tanimoto of ECFP counts.")
    ]
    in_domain: bool


Measured = Annotated[
    dict[str, bool],
    Meta(
        description="Whether it was active, of the assays where it was measured; pooled over"
        " stereoisomers and salts."
    ),
]


class Nearest(Struct):
    """A measured compound, by its parent."""

    smiles: str
    similarity: float
    measured: Measured


class OkResult(Struct):
    """A record that was predicted, after the fields that it carries."""

    status: Literal["ok"]
    probability: Probabilities
    call: Annotated[
        dict[str, bool] | str,
        Meta(description="Whether each target's threshold is reached; of classes the most probable."),
    ]
    p_value: Annotated[
        float | None,
        Meta(
            description="Share of training-like records whose activations are as unusual as these;"
            " null of a model without taps."
        ),
    ]
    level: Annotated[
        dict[str, Literal["low", "elevated", "active"]] | None,
        Meta(description="Of assays: by the model's own two cut-offs, whatever the request asks for."),
    ] = None
    interval: Annotated[
        dict[str, list[float]] | None,
        Meta(description="If asked for: between which probabilities nine of ten refits would answer."),
    ] = None
    suspect: Annotated[
        bool | None,
        Meta(
            description="The network's numbers for this record are beyond the bounds of all records that"
            " it was made with: the computation may be corrupted. Absent of all others."
        ),
    ] = None
    smiles: Annotated[str | None, Meta(description="The SMILES as it was sent.")] = None
    parent: Annotated[str | None, Meta(description="The molecule that was predicted.")] = None
    removed: Annotated[list[str] | None, Meta(description="Fragments that were left out.")] = None
    warnings: list[Warned] | None = None
    domain: InDomain | None = None
    measured: Measured | None = None
    nearest: Annotated[list[Nearest] | None, Meta(description="As many as were asked for.")] = None


class QuantityResult(Struct):
    """A record of a regression that was predicted, after the fields that it carries."""

    status: Literal["ok"]
    value: Annotated[dict[str, float], Meta(description="The value of each target, in its unit.")]
    interval: Annotated[
        dict[str, list[float]],
        Meta(description="Ends of the interval that holds the stated part of new measurements."),
    ]
    p_value: Annotated[
        float | None,
        Meta(description="As of a classification; null of a model without taps."),
    ]
    suspect: bool | None = None


class NotApplicableResult(Struct):
    """A record that the model cannot judge; the others were predicted."""

    status: Literal["not_applicable"]
    message: Annotated[str, Meta(description="Why not.")]
    smiles: str | None = None
    parent: Annotated[str | None, Meta(description="The molecule that would be predicted.")] = None
    removed: list[str] | None = None
    warnings: list[Warned] | None = None
    domain: InDomain | None = None
    measured: Measured | None = None
    nearest: list[Nearest] | None = None


class ErrorResult(Struct):
    """A record that could not be predicted; the others were."""

    status: Literal["error"]
    message: str
    smiles: str | None = None


# msgspec takes one of them by its status alone where they are tagged, and they are not: results are
# written by hand.
Result = Annotated[
    Any,
    Meta(
        extra_json_schema={
            "anyOf": [
                {"$ref": f"#/components/schemas/{name}"}
                for name in ("OkResult", "QuantityResult", "NotApplicableResult", "ErrorResult")
            ]
        }
    ),
]


class ModelInfo(Struct):
    """Which model answered."""

    name: str
    version: str


class SmilesAnswer(Struct):
    """The answer to ``smiles``; ``predictions`` is null for what has no numbers."""

    predictions: dict[str, Probabilities | None]
    model_info: ModelInfo
    results: list[Result]
    thresholds: Annotated[
        dict[str, float] | None,
        Meta(description="Where the request asks for cut-offs: the probabilities that they mean."),
    ] = None


class InputsAnswer(Struct):
    """The answer to ``inputs``, one result per record in order."""

    model: str
    version: str
    results: list[Result]
    thresholds: Annotated[
        dict[str, float] | None,
        Meta(description="Where the request asks for cut-offs: the probabilities that they mean."),
    ] = None
    #: What is odd about the records together.
    warnings: list[Warned] | UnsetType = UNSET


class Predictions(Struct):
    """The answer to ``POST /invocations``, one result per record in order."""

    predictions: list[Result]


class AtomContribution(Struct):
    """One atom of ``parent``; the contribution is about how much the logit falls without it."""

    symbol: str
    contribution: float


class Needed(Struct):
    """The connected atoms whose deletion lowers the logit most, and what is predicted without them."""

    atoms: list[int]
    logit_without: float
    probability_without: float


class FoundAlert(Struct):
    """A structural alert, its list, and the atoms of each place where the molecule has it."""

    name: str
    source: str
    places: list[list[int]]


class ExplainedResult(Struct):
    """A molecule that was explained, with what a prediction tells of it."""

    status: Literal["ok"]
    smiles: str
    parent: str
    logit: float
    probability: float
    call: bool
    atoms: list[AtomContribution]
    needed: Annotated[Needed | None, Meta(description="null where no deletion lowers the logit.")]
    alerts: list[FoundAlert]
    nearest: list[Nearest]
    svg: Annotated[str | None, Meta(description="null on a machine that cannot draw.")]
    warnings: list[Warned] | None = None
    domain: InDomain | None = None
    measured: Measured | None = None


class ExplainAnswer(Struct):
    """One result per molecule, in order."""

    model: str
    version: str
    target: str
    results: Annotated[
        list[Any],
        Meta(
            extra_json_schema={
                "items": {
                    "anyOf": [
                        {"$ref": f"#/components/schemas/{name}"}
                        for name in ("ExplainedResult", "NotApplicableResult", "ErrorResult")
                    ]
                }
            }
        ),
    ]
