"""What verdicts say: a headline, what to do, the runbook's section, and the numbers behind it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.health.diagnosis.inputs import Happened
from models.health.diagnosis.network import altered
from models.health.effect_size import DEGRADED_AT, EXPLAINS_AT, NAMED_AT, Effects, Origin

#: Features that a sentence names.
NAMED_FEATURES = 3
#: Words that their names may have together, so that a headline stays short.
_MOST_WORDS = 6


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
    client: str | None = None,
) -> Words:
    """Words for traffic or layers that have moved; ``happened`` is what happened to the inputs.

    ``client`` is the API key whose rows alone explain it, None where there is no such key.
    """
    if origin == "model":
        return _of_model(effect, place)
    inputs = _INTACT if client is None else f"Inputs of client {client} changed; the model is intact."
    whom, source = "the client", "the source"
    if client is not None:
        whom = source = f"client {client}"
    if happened is None:
        return Words(
            inputs,
            f"Ask {source} what has changed since then.",
            "another-population",
        )
    # A column of a table may be many features: it is named once.
    several = list(dict.fromkeys(names[at] for at in happened.features))
    if happened.kind in ("swapped", "shuffled"):
        return Words(
            f"{inputs} {_exchanged(happened, names)}: columns {happened.kind}?",
            f"Ask {whom} to send columns by name, or in the model's order.",
            "wrong-columns",
        )
    listed = _listed(several)
    one = len(several) == 1
    if happened.kind == "constant":
        return Words(
            f"{inputs} {listed} {'is' if one else 'are'} constant: is a field missing?",
            f"Ask {whom} whether the field is filled in, and by what if it is not.",
            "constant-columns",
        )
    if happened.kind == "rescaled":
        by = "" if happened.factor is None else f" by about {_factor(happened.factor)}"
        return Words(
            f"{inputs} {listed} {'is' if one else 'are'} rescaled{by}: other units?",
            f"Compare a record's values with the model card's ranges, and ask {whom} for the units.",
            "other-units",
        )
    if happened.kind == "shifted":
        return Words(
            f"{inputs} {listed} {'is' if one else 'are'} shifted: another zero or instrument?",
            f"Ask {whom} for a change of instrument, calibration or offset at that time.",
            "other-units",
        )
    return Words(
        f"{inputs} Another population, most in {_listed(several)}?",
        f"If it is here to stay, retrain with it or take a live baseline; if not, ask {source}.",
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
    found = ((names[one], names[other]) for one, other in happened.pairs)
    pairs = [pair for pair in dict.fromkeys(found) if pair[0] != pair[1]]
    if not pairs:
        return f"values within {_listed([names[one] for one, _ in happened.pairs[:1]])} look exchanged"
    heads = {one.partition("_")[0] for one, _ in pairs}
    crossing = {(one.partition("_")[0], other.partition("_")[0]) for one, other in pairs}
    if len(pairs) > 2 and len(heads) == 2 and all(one != other for one, other in crossing):
        first, second = sorted(heads, reverse=True)
        return f"{first}_* look like {second}_*"
    one, other = (_shortened(name, _MOST_WORDS // 2) for name in pairs[0])
    if len(pairs) == 2 and happened.kind == "swapped":
        return f"{one} and {other} look exchanged"
    return f"{one} looks like {other}, and {len(pairs) - 1} more"


def _shortened(name: str, most: int) -> str:
    """A column's name in so many words."""
    words = name.split()
    return name if len(words) <= most else " ".join(words[:most]) + "…"


def _factor(number: float) -> str:
    return f"{number:,.0f}" if number >= 10 else f"{number:.2g}"


def _listed(features: Sequence[str]) -> str:
    """Up to three names, or what they have in common, or how many they are."""
    heads = {feature.partition("_")[0] for feature in features}
    if len(features) > 2 and len(heads) == 1:
        return f"{heads.pop()}_*"
    words = sum(len(feature.split()) for feature in features)
    if len(features) > NAMED_FEATURES or (len(features) > 1 and words > _MOST_WORDS):
        return f"{len(features)} columns"
    features = [_shortened(feature, _MOST_WORDS) for feature in features]
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


def moved_features(
    effect: Effects, names: Sequence[str], most: int = NAMED_FEATURES, at_least: float = NAMED_AT
) -> list[tuple[str, float]]:
    """Return what has moved furthest, with its shift; none where shifts are not kept.

    ``names`` are the features', or the columns' that they were made of: a column has moved as far as
    that feature of it which has moved most.
    """
    if effect.features is None or not effect.rows:
        return []
    found: dict[str, float] = {}
    for at in np.argsort(effect.features)[::-1].tolist():
        shift = float(effect.features[at])
        if shift < at_least or len(found) == most:
            break
        found.setdefault(names[at], shift)
    return list(found.items())


def span(effect: Effects) -> str:
    """Say of how much traffic something is told."""
    return f"{effect.rows} rows of {effect.requests} requests"
