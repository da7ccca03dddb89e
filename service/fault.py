"""What a check of a model's integrity found, as it is shown to whoever asks."""

from datetime import UTC, datetime

import msgspec

from models.errors import NotReproduced


class Fault(msgspec.Struct, frozen=True):
    """The first part of a model that differed; members count from 0, layers from 1."""

    message: str
    at: datetime
    part: str | None = None
    member: int | None = None
    layer: int | None = None


def fault_of(error: Exception) -> Fault:
    """Say where an error is, where it knows."""
    text, now = str(error) or type(error).__name__, datetime.now(UTC)
    if isinstance(error, NotReproduced):
        place = error.place
        return Fault(text, now, place.part, place.member, place.layer)
    return Fault(text, now)
