"""The rows that departed furthest of late, with the ids of their requests."""

from datetime import UTC, datetime, timedelta
from operator import itemgetter
from typing import Any

import msgspec

#: How many rows are kept, for how many seconds, and up to which p-value a row is an outlier at all.
KEPT, _SECONDS = 16, 3600.0
DEPARTED = 0.02


class OutlierRow(msgspec.Struct, frozen=True):
    """A row that is unlike the reference rows; ``features`` only where the operator allows them."""

    request_id: str
    p_value: float
    at: datetime
    features: list[float] | None = None


_p_value = itemgetter(0)


class OutlierLog:
    """The lowest p-values of the last hour, one per request id; the latest where they are equal."""

    def __init__(self) -> None:
        self._rows: dict[str, tuple[float, float, OutlierRow]] = {}

    def note(
        self,
        request_id: bytes,
        p_value: float,
        came: float,
        now: float,
        features: list[float] | None = None,
    ) -> None:
        """Note a row that came at ``came``; this and ``now`` are seconds of a monotonic clock."""
        p_value = round(p_value, 6)
        if len(self._rows) == KEPT and p_value > max(self._rows.values(), key=_p_value)[0]:
            return  # as most are, and the rest of this takes some microseconds
        name = request_id.decode("ascii", "replace")
        before = self._rows.get(name)
        if before is not None and before[0] < p_value:
            return
        at = datetime.now(UTC) - timedelta(seconds=now - came)
        self._rows[name] = p_value, -came, OutlierRow(name, p_value, at, features)
        if len(self._rows) > KEPT:
            del self._rows[max(self._rows, key=lambda name: self._rows[name][:2])]

    def read(self, now: float) -> list[OutlierRow]:
        """Return the rows that are kept, the lowest p-value first."""
        self._rows = {name: row for name, row in self._rows.items() if now + row[1] <= _SECONDS}
        return [row[2] for row in sorted(self._rows.values(), key=lambda row: row[:2])]


def merged(parts: list[list[OutlierRow]]) -> list[OutlierRow]:
    """Return the furthest of several workers' rows."""
    rows = [row for part in parts for row in part]
    return sorted(rows, key=lambda row: (row.p_value, -row.at.timestamp()))[:KEPT]


def document(rows: list[OutlierRow]) -> list[dict[str, Any]]:
    """Return the rows as the health document has them."""
    entries = []
    for row in rows:
        at = row.at.isoformat("T", "milliseconds")
        entry: dict[str, Any] = {"request_id": row.request_id, "p_value": row.p_value, "at": at}
        entries.append(entry if row.features is None else entry | {"features": row.features})
    return entries
