"""The shapes of what is told of trials, for OpenAPI and for the answers themselves."""

from typing import Annotated, Literal

from msgspec import Meta, Struct


class TrialTarget(Struct):
    """One target: how far the two versions' answers are apart on the same rows."""

    name: str
    gap: Annotated[
        float, Meta(description="Mean absolute difference of probability, or of a quantity in its unit.")
    ]
    largest: Annotated[float, Meta(description="The largest difference.")]
    called: Annotated[int, Meta(description="Rows that only one of them calls.")]


class TrialConcordance(Struct):
    """Lin's concordance of the logits, or of quantities, from -1 to 1; each end with 95 % confidence."""

    value: float
    low: float
    high: float


class TrialVersion(Struct):
    """One side of a trial; the health is by the compared rows alone, null without taps or rows."""

    version: str
    verdict: str | None
    reason: str | None
    effect: float | None
    seconds_per_row: Annotated[
        float | None, Meta(description="Seconds of processor for a row that both computed.")
    ]
    requests: Annotated[int, Meta(description="Requests that this version has answered.")]
    failed: int
    mean_seconds: Annotated[float | None, Meta(description="Of a request that it answered.")]


class TrialAnswer(Struct):
    """A model's trial; ``kind`` is null where none runs, and ``error`` says why one does not."""

    model: str
    kind: Literal["canary", "shadow"] | None
    share: float
    sticky: bool
    auto: bool
    champion: TrialVersion
    challenger: TrialVersion | None
    rows: Annotated[int, Meta(description="Rows that both have computed.")]
    requests: int
    shed: Annotated[int, Meta(description="Rows for which there was no time.")]
    concordance: TrialConcordance | None
    targets: list[TrialTarget]
    fault: Annotated[str | None, Meta(description="What is wrong with the challenger.")]
    waits: Annotated[str | None, Meta(description="Why it would not be promoted by itself.")]
    error: str | None


class TrialsAnswer(Struct):
    """The trial of every served model."""

    models: dict[str, TrialAnswer]


class TrialBegun(Struct):
    """The versions of a trial after a step; ``challenger`` is null after its end."""

    model: str
    champion: int
    challenger: int | None
    replaced: Annotated[int | None, Meta(description="The version that was on trial until now.")] = None
    warning: str | None = None
