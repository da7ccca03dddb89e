"""What verdicts say: a headline, what to do, the runbook's section, and the numbers behind it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.health.diagnosis.inputs import Happened
from models.health.diagnosis.network import altered
from models.health.effect_size import DEGRADED_AT, EXPLAINS_AT, NAMED_AT, Effects, Origin

#: Features that a sentence names.
NAMED_FEATURES = 3


@dataclass(frozen=True, slots=True)
class Words:
    """A headline of at most 20 words, what to do, and the section of the runbook that tells more."""

    headline: str
    advice: str
    section: str


FAULTY = Words(
    "The model fails its golden rows: do not rely on its answers.",
    "Wait for the reload that is under way; if it does not help, roll back and look at the machine.",
    "snnmodelnotintact",
)

CORRUPTED = Words(
    "Rows were computed wrongly, and rightly the second time: the machine's memory or processor errs.",
    "Look for memory errors in the machine's log, and move the service to another one.",
    "rows-computed-wrongly",
)


def refused(records: int, number: int) -> Words:
    """Words for records of which most cannot be read."""
    return Words(
        f"{100 * number / records:.0f} % of the latest records were refused; the model is intact.",
        "Read the messages of some refused records: columns, units or the file may be others.",
        "wrong-columns",
    )


_INTACT = "Inputs changed; the model is intact."


def of_drift(origin: Origin) -> Words:
    """Words for a small lasting departure that only the sequential detector has found."""
    if origin == "input":
        return Words(
            "Inputs drift a little, but lastingly; the model is intact.",
            "Ask what has changed at the source; if it stays, take a live baseline or retrain.",
            "another-population",
        )
    return Words(
        "Layers depart a little, but lastingly, while inputs are usual: the model is suspect.",
        "Run the golden rows by POST /health/integrity/MODEL; roll back if they fail.",
        "altered-weights",
    )


def of_change(
    effect: Effects,
    origin: Origin,
    place: tuple[int, int] | None,
    names: Sequence[str],
    happened: Happened | None,
) -> Words:
    """Words for traffic or layers that have moved; ``happened`` is what happened to the inputs."""
    if origin == "model":
        return _of_model(effect, place)
    if happened is None:
        return Words(
            _INTACT,
            "Ask whoever sends the records what has changed since then.",
            "another-population",
        )
    several = [names[at] for at in happened.features]
    if happened.kind in ("swapped", "shuffled"):
        return Words(
            f"{_INTACT} {_exchanged(happened, names)}: columns {happened.kind}?",
            "Ask the client to send columns by name, or in the model's order.",
            "wrong-columns",
        )
    listed = _listed(several)
    one = len(several) == 1
    if happened.kind == "constant":
        return Words(
            f"{_INTACT} {listed} {'is' if one else 'are'} constant: is a field missing?",
            "Ask the client whether the field is filled in, and by what if it is not.",
            "constant-columns",
        )
    if happened.kind == "rescaled":
        by = "" if happened.factor is None else f" by about {_factor(happened.factor)}"
        return Words(
            f"{_INTACT} {listed} {'is' if one else 'are'} rescaled{by}: other units?",
            "Compare a record's values with the model card's ranges, and ask for the units.",
            "other-units",
        )
    if happened.kind == "shifted":
        return Words(
            f"{_INTACT} {listed} {'is' if one else 'are'} shifted: another zero or instrument?",
            "Ask for a change of instrument, calibration or offset at that time.",
            "other-units",
        )
    return Words(
        f"{_INTACT} Another population, most in {_listed(several)}?",
        "If it is here to stay, retrain with it or take a live baseline; if not, ask the source.",
        "another-population",
    )


def _of_model(effect: Effects, place: tuple[int, int] | None) -> Words:
    kind, number = altered(effect)
    if kind == "member":
        return Words(
            f"Member {number} departs alone while inputs are usual: the model is suspect.",
            "Run the golden rows by POST /health/integrity/MODEL; roll back if they fail.",
            "altered-weights",
        )
    if kind == "stale":
        return Words(
            "Layers depart from the first on while inputs are usual: another version's weights?",
            "Compare the served version with the release log; roll back to the version before.",
            "stale-model",
        )
    layer = number + 1 if place is None else place[1] + 1
    return Words(
        f"Layers depart from layer {layer} on while inputs are usual: altered weights?",
        "Run the golden rows by POST /health/integrity/MODEL; roll back if they fail.",
        "altered-weights",
    )


def _exchanged(happened: Happened, names: Sequence[str]) -> str:
    """Which columns look like which; groups of one prefix are named by it."""
    pairs = [(names[one], names[other]) for one, other in happened.pairs]
    heads = {one.partition("_")[0] for one, _ in pairs}
    crossing = {(one.partition("_")[0], other.partition("_")[0]) for one, other in pairs}
    if len(pairs) > 2 and len(heads) == 2 and all(one != other for one, other in crossing):
        first, second = sorted(heads, reverse=True)
        return f"{first}_* look like {second}_*"
    if len(pairs) == 2 and happened.kind == "swapped":
        return f"{pairs[0][0]} and {pairs[0][1]} look exchanged"
    return f"{pairs[0][0]} looks like {pairs[0][1]}, and {len(pairs) - 1} more"


def _factor(number: float) -> str:
    return f"{number:,.0f}" if number >= 10 else f"{number:.2g}"


def _listed(features: Sequence[str]) -> str:
    """Up to three names, or what they have in common."""
    heads = {feature.partition("_")[0] for feature in features}
    if len(features) > 2 and len(heads) == 1:
        return f"{heads.pop()}_*"
    if len(features) > NAMED_FEATURES:
        return f"{len(features)} columns"
    return ", ".join(features[:-1]) + (" and " if len(features) > 1 else "") + features[-1]


def numbers(effect: Effects, origin: Origin, place: tuple[int, int] | None, names: Sequence[str]) -> str:
    """Say in numbers what moved, how far, and where."""
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
    return f"{text} ({span(effect)})"


def moved_features(effect: Effects, names: Sequence[str]) -> list[tuple[str, float]]:
    """Return the features that have moved furthest, with their shifts; none where they are not kept."""
    if effect.features is None or not effect.rows:
        return []
    order = np.argsort(effect.features)[::-1][:NAMED_FEATURES]
    shifts = [(names[at], float(effect.features[at])) for at in order]
    return [(feature, shift) for feature, shift in shifts if shift >= NAMED_AT]


def span(effect: Effects) -> str:
    """Say of how much traffic something is told."""
    return f"{effect.rows} rows of {effect.requests} requests"
