"""What happened to a network whose layers depart from what their inputs lead one to expect."""

from typing import Literal

import numpy as np

from models.health.effect_size import Effects, departs_alone

#: The least departure of any layer, as a share of the largest, where every layer has other weights.
_EVERYWHERE = 0.2

Altered = Literal["member", "stale", "layer"]


def altered(effect: Effects) -> tuple[Altered, int]:
    """Say whether one member, all of the network, or some layer differs, and which, counted from 0."""
    if len(effect.members) > 1 and departs_alone(effect):
        return "member", int(np.argmax([member.sure for member in effect.members]))
    departed = np.median(effect.departures, axis=0)
    place = effect.first_departing
    if departed.min() >= _EVERYWHERE * departed.max():
        return "stale", 0
    return "layer", int(departed.argmax()) if place is None else place[1]
