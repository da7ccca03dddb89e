"""How a sequential detector stands, as the worker that runs it tells the others."""

from datetime import datetime

import msgspec

#: Where an alarm is that is of no member.
INPUTS = "the inputs"


class Alarm(msgspec.Struct, frozen=True):
    """What the sequential detector found; ``at_clock`` is a time of the monotonic clock."""

    at: datetime
    at_clock: float
    where: str


class Watch(msgspec.Struct, frozen=True):
    """How a version's sequential detector stands; ``level`` and ``threshold`` are logs of wealth."""

    requests: int
    level: float
    threshold: float
    alarms: int
    alarm: Alarm | None
