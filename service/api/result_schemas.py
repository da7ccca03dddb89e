"""The shapes of the answers of ``POST /predict``, for OpenAPI: the results are written by hand."""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

Probabilities = Annotated[dict[str, float], Meta(description="Calibrated probability of each target.")]


class Warned(Struct):
    """What to know about a result; service/README.md has a table of the codes."""

    code: str
    message: str


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
    suspect: Annotated[
        Literal[True] | None,
        Meta(
            description="The network's numbers for this record are beyond the bounds of all records that"
            " it was made with: the computation may be corrupted. Absent of all others."
        ),
    ] = None
    smiles: Annotated[str | None, Meta(description="The SMILES as it was sent.")] = None
    parent: Annotated[str | None, Meta(description="The molecule that was predicted.")] = None
    removed: Annotated[list[str] | None, Meta(description="Fragments that were left out.")] = None
    warnings: list[Warned] | None = None


class NotApplicableResult(Struct):
    """A record that the model cannot judge; the others were predicted."""

    status: Literal["not_applicable"]
    message: Annotated[str, Meta(description="Why not.")]
    smiles: str | None = None
    parent: Annotated[str | None, Meta(description="The molecule that would be predicted.")] = None
    removed: list[str] | None = None
    warnings: list[Warned] | None = None


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
                for name in ("OkResult", "NotApplicableResult", "ErrorResult")
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


class InputsAnswer(Struct):
    """The answer to ``inputs``, one result per record in order."""

    model: str
    version: str
    results: list[Result]
