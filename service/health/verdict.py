"""From windows' effects to a verdict, with a sentence that says what moved, how far, and where."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from models.health.effect_size import (
    DEGRADED_AT,
    EXPLAINS_AT,
    NAMED_AT,
    UNHEALTHY_AT,
    Effects,
    Origin,
    origin_of,
)
from service.health.windows import WINDOWS

Verdict = Literal["unwatched", "warming_up", "healthy", "degraded", "unhealthy"]
VERDICTS: tuple[Verdict, ...] = ("unwatched", "warming_up", "healthy", "degraded", "unhealthy")

#: Fewer rows than this in a window give no verdict.
WARM_UP_ROWS = 64

#: The windows that decide, where they have rows enough.
_RECENT = ("1m", "10m")

#: Features that a sentence names.
NAMED_FEATURES = 3


@dataclass(frozen=True, slots=True)
class HealthVerdict:
    """A verdict and its reasons; ``window`` is the one that decided, None while warming up."""

    verdict: Verdict
    reason: str
    origin: Origin | None = None
    first_departing: tuple[int, int] | None = None  # member and layer, both from 0
    window: str | None = None


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
)


def judge(
    effects: Mapping[str, Effects], names: Sequence[str], alarm: Alarmed | None = None
) -> HealthVerdict:
    """Turn windows' effects into a verdict; ``names`` are the features'.

    The last minute and the last ten are looked at, whichever has moved further: a minute sees a
    fault soon, ten see a small one. Where traffic is too thin for both, a longer window decides.
    ``alarm`` says what the sequential detector found lately: it degrades, and never more than that.
    """
    full = [name for name in WINDOWS if effects[name].rows >= WARM_UP_ROWS]
    eligible = [name for name in full if name in _RECENT] or full[:1]
    if not eligible:
        text = f"{effects['start'].rows} rows so far; a verdict needs {WARM_UP_ROWS}"
        return HealthVerdict("warming_up", text)
    name = max(eligible, key=lambda window: effects[window].largest)
    effect = effects[name]
    size, place = effect.largest, effect.first_departing
    if size < DEGRADED_AT and alarm is None:
        text = (
            "inputs and layers are within"
            f" {max(size, 0.01):.2f} standard deviations of the reference rows ({_within(name, effect)})"
        )
        return HealthVerdict("healthy", text, window=name)
    origin = origin_of(effect)
    if size < DEGRADED_AT and alarm is not None:
        # What the windows do not show yet, they cannot tell the origin of.
        return HealthVerdict("degraded", alarm.reason, "input" if alarm.inputs else origin, place, name)
    verdict: Verdict = "unhealthy" if size >= UNHEALTHY_AT else "degraded"
    return HealthVerdict(verdict, _sentence(name, effect, origin, place, names), origin, place, name)


def _sentence(
    name: str,
    effect: Effects,
    origin: Origin,
    place: tuple[int, int] | None,
    names: Sequence[str],
) -> str:
    where = "" if place is None else f", first in member {place[0]}, layer {place[1] + 1}"
    layers = max((member.sure for member in effect.members), default=0.0)
    if origin == "input":
        size = effect.largest if effect.inputs is None else effect.inputs.sure
        features = moved_features(effect, names)
        most = ", most in " + ", ".join(f"{feature} ({shift:.2f})" for feature, shift in features)
        text = f"the inputs have moved by {size:.2f} standard deviations of the reference rows"
        text += most if features else ""
        if layers >= DEGRADED_AT:
            text += f", and layers depart by {layers:.2f}{where}"
    else:
        moved = 0.0 if effect.inputs is None else effect.inputs.sure
        usual = "are as usual" if moved < EXPLAINS_AT else f"have moved by {moved:.2f} only"
        text = (
            f"layers depart by {layers:.2f} standard deviations of the reference rows from what the"
            f" inputs lead one to expect{where}, while the inputs {usual}: the network differs"
        )
    return f"{text} ({_within(name, effect)})"


def moved_features(effect: Effects, names: Sequence[str]) -> list[tuple[str, float]]:
    """Return the features that have moved furthest, with their shifts; none where they are not kept."""
    if effect.features is None or not effect.rows:
        return []
    order = np.argsort(effect.features)[::-1][:NAMED_FEATURES]
    shifts = [(names[at], float(effect.features[at])) for at in order]
    return [(feature, shift) for feature, shift in shifts if shift >= NAMED_AT]


def _within(name: str, effect: Effects) -> str:
    span = "since the start" if WINDOWS[name] is None else f"last {name}"
    return f"{span}, {effect.rows} rows of {effect.requests} requests"
