"""From what traffic shows to verdicts: on the model, on the traffic, and the worse of both."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from models.health.diagnosis.inputs import Happened
from models.health.effect_size import DEGRADED_AT, UNHEALTHY_AT, Effects, Origin, origin_of
from models.health.windows.onset import FEWEST_ROWS, Scan
from models.health.windows.uncertainty import FEWEST_DISTINCT
from service.health import words
from service.health.windows import WINDOWS

Verdict = Literal["unwatched", "warming_up", "healthy", "degraded", "unhealthy"]
VERDICTS: tuple[Verdict, ...] = ("unwatched", "warming_up", "healthy", "degraded", "unhealthy")
ModelVerdict = Literal["intact", "suspect", "faulty"]
MODEL_VERDICTS: tuple[ModelVerdict, ...] = ("intact", "suspect", "faulty")
TrafficVerdict = Literal["unwatched", "warming_up", "like_training", "degraded", "unhealthy"]
TRAFFIC_VERDICTS: tuple[TrafficVerdict, ...] = (
    "unwatched", "warming_up", "like_training", "degraded", "unhealthy",
)  # fmt: skip

#: Fewer rows than this in a window give no verdict.
WARM_UP_ROWS = FEWEST_ROWS

#: The windows of which a healthy verdict tells, where they have rows enough.
_RECENT = ("1m", "10m")


@dataclass(frozen=True, slots=True)
class HealthVerdict:
    """A verdict and its reasons.

    ``window`` is the one that shows it, None while warming up. ``headline`` says in a few words what
    happened, ``advice`` what to do, ``section`` is the runbook's. ``reason`` has the numbers. ``client``
    is the API key whose rows alone explain that inputs have moved, None where there is no such key.
    """

    verdict: Verdict
    reason: str
    origin: Origin | None = None
    first_departing: tuple[int, int] | None = None  # member and layer, both from 0
    window: str | None = None
    model: ModelVerdict = "intact"
    traffic: TrafficVerdict = "unwatched"
    headline: str = ""
    advice: str | None = None
    section: str | None = None
    client: str | None = None


@dataclass(frozen=True, slots=True)
class Alarmed:
    """What the sequential detector found lately, in words; ``inputs`` says that it was the inputs."""

    reason: str
    inputs: bool


#: The verdict on a model without taps: nothing is known of its traffic.
UNWATCHED = HealthVerdict(
    "unwatched",
    "no taps: the model's graph gives no statistics of its layers, so that there is nothing to watch"
    " inside; golden rows check its outputs alone, and predictions have no p-value",
    headline="Nothing is watched: this model's graph gives no statistics of its layers.",
)

#: How much is watched: all rows of every batch; all rows, and of dense traffic some in windows; nothing.
WatchMode = Literal["full", "sampled", "off"]

#: The verdict where watching is switched off.
SWITCHED_OFF = HealthVerdict(
    "unwatched",
    "SNN_WATCH is off: statistics of layers are not computed, predictions have no p-value, and rows no"
    " bounds; golden rows check outputs alone",
    headline="Nothing is watched: SNN_WATCH is off.",
)


def judge(
    windows: Mapping[str, Effects],
    found: Scan | None,
    names: Sequence[str],
    alarm: Alarmed | None = None,
    *,
    seconds: float = 0.0,
    happened: Happened | None = None,
    client: str | None = None,
) -> HealthVerdict:
    """Turn what traffic shows into verdicts; ``names`` are the features'.

    ``found`` is what the suffixes of traffic show, None with too few rows; ``seconds`` is how long ago
    that began which they show, ``happened`` what happened to the inputs, and ``client`` the API key
    whose rows alone explain it. ``windows`` are shown beside it. ``alarm`` says what the sequential
    detector found lately: it degrades, and never more.
    """
    if found is None:
        rows = windows["start"].rows
        return HealthVerdict(
            "warming_up",
            f"{rows} rows so far; a verdict needs {WARM_UP_ROWS}",
            traffic="warming_up",
            headline=f"Warming up: {rows} of {WARM_UP_ROWS} rows seen.",
        )
    effect = found.now.effects
    if not found.has_moved and alarm is None:
        return _healthy(windows, effect)
    name, place = _window_of(windows, seconds), effect.first_departing
    if not found.has_moved and alarm is not None:
        # What the suffixes do not show yet, they cannot tell the origin of.
        origin: Origin = "input" if alarm.inputs else "model"
        text = words.of_drift(origin)
        reason, of_model, of_traffic, named = alarm.reason, UNHEALTHY_AT, DEGRADED_AT, None
        verdict: Verdict = "degraded"
    else:
        origin = origin_of(effect)
        named = client if origin == "input" else None
        text = words.of_change(effect, origin, place, names, happened, named)
        reason = words.numbers(effect, origin, place, names)
        reason += "" if named is None else f"; the rows of key {named} alone explain it"
        of_model = of_traffic = effect.largest
        verdict = "unhealthy" if effect.largest >= UNHEALTHY_AT else "degraded"
        if origin == "model":
            of_traffic = 0.0 if effect.inputs is None else effect.inputs.sure
    traffic: TrafficVerdict = "like_training"
    if of_traffic >= DEGRADED_AT and (origin == "input" or found.has_moved):
        traffic = "unhealthy" if of_traffic >= UNHEALTHY_AT else "degraded"
    model: ModelVerdict = "intact" if origin == "input" or of_model < DEGRADED_AT else "suspect"
    return HealthVerdict(
        verdict, reason, origin, place, name, model, traffic,
        text.headline, text.advice, text.section, named,
    )  # fmt: skip


def with_integrity(judged: HealthVerdict, intact: bool | None) -> HealthVerdict:
    """Add what golden rows say of the model: one that fails them is faulty, whatever traffic shows."""
    if intact is not False:
        return judged
    text = words.FAULTY
    return _saying(
        judged,
        text,
        verdict="unhealthy",
        model="faulty",
        reason=f"golden rows are not reproduced; {judged.reason}",
        origin="model",
    )


def with_refusals(judged: HealthVerdict, records: int, refused: int) -> HealthVerdict:
    """Add that most of the latest records were refused: those that are judged are the rest.

    What the rest shows comes first where it has moved.
    """
    if records < WARM_UP_ROWS or 2 * refused < records:
        return judged
    text = words.refused(records, refused)
    reason = f"{refused} of the latest {records} records were refused; {judged.reason}"
    traffic = max(judged.traffic, "degraded", key=TRAFFIC_VERDICTS.index)
    if judged.verdict in ("degraded", "unhealthy"):
        return replace(judged, reason=reason, traffic=traffic)
    return _saying(
        judged,
        text,
        verdict="degraded",
        traffic=traffic,
        reason=reason,
        origin="input",
    )


def with_corruption(judged: HealthVerdict, *, corrupted: bool) -> HealthVerdict:
    """Add that rows were computed wrongly of late: the model that computes them is suspect."""
    if not corrupted or judged.model == "faulty":
        return judged
    text = words.CORRUPTED
    worst = max(judged.verdict, "degraded", key=VERDICTS.index)
    return _saying(
        judged,
        text,
        verdict=worst,
        model="suspect",
        reason=f"rows that were computed again were other the second time; {judged.reason}",
        origin="model",
    )


def _saying(judged: HealthVerdict, text: words.Words, **changes: Any) -> HealthVerdict:
    """The verdict with these changes, and with headline and advice of its own."""
    said: dict[str, Any] = {"headline": text.headline, "advice": text.advice, "section": text.section}
    return replace(judged, client=None, **said, **changes)


def _healthy(windows: Mapping[str, Effects], effect: Effects) -> HealthVerdict:
    full = [name for name in WINDOWS if windows[name].rows >= WARM_UP_ROWS]
    recent = [name for name in full if name in _RECENT] or full[:1] or ["start"]
    name = max(recent, key=lambda window: windows[window].largest)
    if effect.distinct < FEWEST_DISTINCT:
        reason = (
            f"the same few rows again and again: {effect.rows} rows count as about"
            f" {effect.distinct:.0f} distinct ones, which is no shift of a population"
        )
        headline = (
            "The same few rows again and again: no shift is told from so few. The model is intact."
        )
    else:
        size = max(effect.largest, 0.01)
        reason = (
            f"inputs and layers are within {size:.2f} standard deviations of the reference rows"
            f" ({words.span(effect)})"
        )
        headline = "Traffic is like the training data; the model is intact."
    return HealthVerdict("healthy", reason, window=name, traffic="like_training", headline=headline)


def _window_of(windows: Mapping[str, Effects], seconds: float) -> str:
    """The shortest window that reaches back so far and has rows."""
    for name, length in WINDOWS.items():
        if (length is None or length >= seconds) and windows[name].rows:
            return name
    return "start"
