"""What happened to a network whose layers depart from what their inputs lead one to expect."""

from typing import Literal

import numpy as np

from models.health.effect_size import NAMED_AT, Effects, departs_alone

#: A layer whose weights differ departs most itself: what comes after it is in part explained by it.
#: Where later layers depart so much further, or all of them about as far, they differ as well.
_FURTHER, _AS_FAR = 1.8, 0.5
#: Of so many later layers some hardly depart under other weights either: half of them are enough, and
#: by a smaller share, since what one layer does fades from layer to layer.
_MANY, _HALF_AS_FAR = 4, 0.4
#: No network of other weights departs so far: a weight has burst.
_BROKEN = 200.0

Altered = Literal["member", "stale", "layer"]


def altered(effect: Effects) -> tuple[Altered, int]:
    """Say whether one member, all of the network, or some layer differs, and which, counted from 0."""
    if len(effect.members) > 1 and departs_alone(effect):
        return "member", int(np.argmax([member.sure for member in effect.members]))
    departed = np.median(effect.departures, axis=0)
    place = effect.first_departing
    named = np.flatnonzero(departed >= NAMED_AT)
    first = int(named[0]) if len(named) else 0 if place is None else place[1]
    later = departed[first + 1 :]
    if departed[first] >= _BROKEN:
        return "layer", first
    further = len(later) > 0 and later.max() >= _FURTHER * departed[first]
    if len(later) >= _MANY:
        as_far = np.median(later) >= _HALF_AS_FAR * departed[first]
    else:
        as_far = len(later) > 1 and later.min() >= _AS_FAR * departed[first]
    if further or as_far:
        return "stale", 0
    return "layer", first if place is None else place[1]
