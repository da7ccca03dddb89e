"""The rows that departed furthest of late, by the ids of their requests: a small ring, no features."""

from datetime import datetime
from typing import Any

import msgspec

#: How many are kept, for how many seconds, and up to which p-value a row is one at all.
KEPT, _SECONDS = 16, 3600.0
DEPARTED = 0.02


class OutlierRow(msgspec.Struct, frozen=True):
    """A row that is unlike the reference rows; ``features`` only where the operator allows them."""

    request_id: str
    p_value: float
    at: datetime
    features: list[float] | None = None


class OutlierLog:
    """The lowest p-values of the last hour, one per request; the latest where they are equal."""

    def __init__(self) -> None:
        self._held: dict[str, tuple[float, float, OutlierRow]] = {}

    def note(
        self,
        request: bytes,
        p_value: float,
        now: float,
        at: datetime,
        features: list[float] | None = None,
    ) -> None:
        """Note a row that came at ``at``, which is ``now`` in seconds of a monotonic clock."""
        name = request.decode("ascii", "replace")
        before = self._held.get(name)
        if before is not None and before[0] < p_value:
            return
        found = OutlierRow(name, p_value, at, features)
        self._held[name] = p_value, now, found
        if len(self._held) > KEPT:
            last = max(self._held, key=lambda each: (self._held[each][0], -self._held[each][1]))
            del self._held[last]

    def read(self, now: float) -> list[OutlierRow]:
        """Return what is held, the lowest p-value first."""
        for name in [name for name, held in self._held.items() if now - held[1] > _SECONDS]:
            del self._held[name]
        return [held[2] for held in sorted(self._held.values(), key=lambda held: (held[0], -held[1]))]


def merged(parts: list[list[OutlierRow]]) -> list[OutlierRow]:
    """The furthest of several workers' rows."""
    every = [one for part in parts for one in part]
    return sorted(every, key=lambda one: (one.p_value, -one.at.timestamp()))[:KEPT]


def document(rows: list[OutlierRow]) -> list[dict[str, Any]]:
    """As the health document has them."""
    found = []
    for row in rows:
        at = row.at.isoformat("T", "milliseconds")
        shown: dict[str, Any] = {"request_id": row.request_id, "p_value": row.p_value, "at": at}
        found.append(shown if row.features is None else shown | {"features": row.features})
    return found
