"""The shapes of the health documents, for OpenAPI: the documents are made as dictionaries."""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

Verdict = Literal["warming_up", "healthy", "degraded", "unhealthy", "unwatched"]
_SD = "in standard deviations of the reference rows"


class Fault(Struct):
    """The first part of a model that differed; members count from 0, layers from 1."""

    message: str
    at: str | None
    part: str | None
    member: int | None
    layer: int | None


class FilesCheck(Struct):
    """Whether the files on disk are those that were published."""

    ok: bool
    error: str | None


class IntegrityCheck(Struct):
    """The last check of a model in all workers."""

    ok: bool | None
    checked_at: str | None
    fault: Fault | None
    files: FilesCheck


class IntegrityAnswer(Struct):
    """Whether a model is what was published."""

    model: str
    version: str | None
    ok: bool | None
    checked_at: str | None
    fault: Fault | None
    files: FilesCheck
    error: Annotated[str | None, Meta(description="Why the promoted version is not served.")]


class Advice(Struct):
    """What to do, and which section of the runbook tells more."""

    text: str
    runbook: str


class TrafficChange(Struct):
    """When traffic last moved, and how far."""

    began: str | None
    ended: Annotated[str | None, Meta(description="Null while it lasts.")]
    rows: int
    requests: int
    effect: float | None
    estimate: float | None
    margin: float | None


class DepartingPlace(Struct):
    """The first layer that departs; members count from 0, layers from 1."""

    member: int
    layer: int


class WindowShift(Struct):
    """Traffic of one window of time."""

    rows: int | None
    requests: int | None
    effect: Annotated[float | None, Meta(description=f"The part of it beyond chance, {_SD}.")]
    estimate: Annotated[float | None, Meta(description=f"The largest shift, {_SD}.")]
    margin: Annotated[float | None, Meta(description="What chance may add to it.")]


class FeatureShift(Struct):
    """One input's shift."""

    name: str
    effect: float | None


class InputShift(Struct):
    """How far the inputs have moved, and which of them most."""

    effect: float | None
    estimate: float | None
    margin: float | None
    features: list[FeatureShift]


class SequentialAlarm(Struct):
    """An alarm of the sequential detector: when, and where."""

    at: str | None
    where: str


class SequentialState(Struct):
    """The detector of small lasting departures; it alarms where ``level`` passes ``threshold``."""

    delta: float
    requests_per_false_alarm: int
    requests: int
    level: float | None
    threshold: float | None
    alarms: int
    alarm: SequentialAlarm | None


class DepartingRow(Struct):
    """A row that departed furthest; its features only where the service is set to show them."""

    request_id: str
    p_value: float
    at: str | None
    features: list[float | None] | None = None


class ClientTraffic(Struct):
    """What came with one API key since traffic moved or, where it has not, since it last had."""

    key: Annotated[str | None, Meta(description="Its name; null for all keys that are not kept apart.")]
    rows: int
    requests: int
    departing: Annotated[int, Meta(description="Rows whose p-value is at most 0.02.")]
    effect: Annotated[float | None, Meta(description="How far its rows have moved, beyond chance.")]
    estimate: float | None
    margin: float | None


class LiveBaseline(Struct):
    """Traffic that an operator declared to be healthy."""

    version: str
    rows: int
    requests: int
    window: str
    taken_at: str | None
    by: str


class BaselineTaken(Struct):
    """The baseline that is in force now."""

    baseline: LiveBaseline


class BaselineDropped(Struct):
    """Whether there was a baseline, and that there is none now."""

    dropped: bool
    baseline: None


class LayerReference(Struct):
    """A layer's statistics on rows that the member never learned."""

    mean: float
    variance: float
    saturated: float


class LayerSpread(Struct):
    """Standard deviations of a layer's statistics from row to row."""

    mean: float
    log_variance: float
    saturated: float


class LayerHealth(Struct):
    """One hidden layer, after its activation function."""

    layer: int
    mean: float | None
    variance: float | None
    saturated: Annotated[float | None, Meta(description="Share of units near the lower bound.")]
    reference: LayerReference
    spread: LayerSpread
    effect: float | None
    error: float | None
    departure: Annotated[
        float | None,
        Meta(description="Distance from what the inputs lead one to expect, beyond chance."),
    ]
    theory: Annotated[dict[str, Any] | None, Meta(description="Mean and variance that theory predicts.")]


class MemberHealth(Struct):
    """One network of the ensemble."""

    departure: float | None
    layers: list[LayerHealth]


class WatchState(Struct):
    """How much of the traffic is watched (``SNN_WATCH``)."""

    mode: Literal["full", "sampled", "off"]
    share: Annotated[float | None, Meta(description="Of all rows, those that entered the windows.")]


class ActivationHealth(Struct):
    """A model's live statistics beside its reference, and what they mean."""

    model: str
    version: str
    verdict: Annotated[Verdict, Meta(description="The worse of the two verdicts below.")]
    model_verdict: Literal["intact", "suspect", "faulty"]
    traffic_verdict: Literal["warming_up", "like_training", "degraded", "unhealthy", "unwatched"]
    headline: Annotated[str, Meta(description="What happened, in at most 20 words.")]
    advice: Advice | None
    reason: str
    since: Annotated[str | None, Meta(description="When the verdict became what it is.")]
    change: TrafficChange | None
    origin: Annotated[
        Literal["input", "model"] | None,
        Meta(description="Whether the inputs or the network have moved."),
    ]
    first_departing: DepartingPlace | None
    integrity: IntegrityCheck
    window: str | None
    windows: dict[str, WindowShift]
    inputs: InputShift | None
    client: Annotated[
        str | None,
        Meta(description="The API key whose rows alone explain that inputs have moved, by its name."),
    ]
    clients: Annotated[list[ClientTraffic], Meta(description="By API key; empty without keys.")]
    sequential: SequentialState | None
    departing: list[DepartingRow]
    baseline: LiveBaseline | None
    baseline_error: str | None
    rows_not_finite: int
    watch: WatchState
    members: list[MemberHealth]


class ActivationHealthAnswer(Struct):
    """The activation health of every model that can answer."""

    models: dict[str, ActivationHealth]
