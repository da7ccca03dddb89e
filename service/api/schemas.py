"""The shapes of requests and answers, for the OpenAPI document. Nothing is validated by these."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field

#: OpenAPI's description of the header, for every route that predicts.
TIMEOUT_PARAMETER = {
    "name": "X-Request-Timeout-Ms",
    "in": "header",
    "required": False,
    "description": (
        "Milliseconds from its arrival after which nothing more is begun for the request: 504. Where"
        " more work is waiting than that, it is turned away at once: 429. By default"
        " SNN_DEADLINE_SECONDS. A table is answered in pieces and has none."
    ),
    "schema": {"type": "integer", "minimum": 0, "maximum": 999_999_999},
}

Probabilities = Annotated[dict[str, float], Field(description="Calibrated probability of each target.")]


class SmilesRequest(BaseModel):
    """Molecules, answered by SMILES as the Tox21 leaderboard asks, and in order."""

    smiles: Annotated[list[str], Field(min_length=1, examples=[["CCO", "c1ccccc1O"]])]
    model: Annotated[str, Field(description="A model that takes SMILES.")] = "tox21"


class NamedCandidate(BaseModel):
    """A pulsar candidate by name."""

    profile_mean: float
    profile_stdev: float
    profile_skewness: float
    profile_kurtosis: float
    dm_mean: float
    dm_stdev: float
    dm_skewness: float
    dm_kurtosis: float


Value = float | str | bool | None
Candidate = Annotated[list[float], Field(min_length=8, max_length=8)]


class InputsRequest(BaseModel):
    """Records for any model: SMILES, pulsar candidates, or rows of a table, by position or by name."""

    model: Annotated[str, Field(examples=["htru2"])]
    inputs: Annotated[
        list[Candidate | NamedCandidate | str | list[Value] | dict[str, Value]],
        Field(
            min_length=1,
            examples=[[[99.4, 41.6, 1.55, 4.1, 27.6, 61.7, 2.2, 3.7]]],
        ),
    ]


class OkResult(BaseModel):
    """A record that was predicted."""

    status: Literal["ok"]
    probability: Probabilities
    call: Annotated[
        dict[str, bool] | str,
        Field(description="Whether each target's threshold is reached; of classes the most probable."),
    ]
    p_value: Annotated[
        float | None,
        Field(
            description="Share of training-like records whose activations are as unusual as these;"
            " null of a model without taps."
        ),
    ]
    smiles: Annotated[str | None, Field(description="The SMILES as it was sent.")] = None
    parent: Annotated[str | None, Field(description="The molecule that was predicted.")] = None
    removed: Annotated[list[str] | None, Field(description="Fragments that were left out.")] = None


class ErrorResult(BaseModel):
    """A record that could not be predicted; the others were."""

    status: Literal["error"]
    message: str
    smiles: str | None = None


class ModelInfo(BaseModel):
    """Which model answered."""

    name: str
    version: str


class SmilesAnswer(BaseModel):
    """The answer to ``SmilesRequest``; ``predictions`` is null for what could not be read."""

    predictions: dict[str, Probabilities | None]
    model_info: ModelInfo
    results: list[OkResult | ErrorResult]


class InputsAnswer(BaseModel):
    """The answer to ``InputsRequest``, one result per record in order."""

    model: str
    version: str
    results: list[OkResult | ErrorResult]


class ErrorAnswer(BaseModel):
    """Any error."""

    error: Annotated[str, Field(description="What is wrong, where, and what to do.")]
    request_id: str


class Ready(BaseModel):
    """Readiness of one model; ``error`` tells why the promoted version was refused, if it was."""

    version: str | None
    provider: str | None
    ready: bool
    error: str | None


class ReadyAnswer(BaseModel):
    """Readiness of the service and of every model."""

    ready: bool
    draining: bool
    error: str | None
    models: dict[str, Ready]


class Metadata(BaseModel):
    """The Tox21 leaderboard's description of a model."""

    name: str
    version: str
    max_batch_size: int
    tox_endpoints: list[str]
