"""How many of a model's latest records were refused, by counters that all workers have anyway."""

from collections import deque
from dataclasses import dataclass, field

#: For how long a look at the counters counts. It is longer than the time between two looks.
_SECONDS = 60.0
#: Looks at most so often are kept.
_STEP_SECONDS = 2.0


@dataclass(slots=True)
class RecentRefusals:
    """Looks at one version's counters: the time, rows that were computed, records that were refused."""

    _looks: deque[tuple[float, int, int]] = field(default_factory=deque)

    def look(self, now: float, rows: int, refused: int) -> tuple[int, int]:
        """Return the records of about the last minute, and those of them that were refused.

        ``now`` is the time of a monotonic clock in seconds, ``rows`` and ``refused`` are counts so far.
        A counter that fell was a worker's that died; the looks begin anew.
        """
        looks = self._looks
        if looks and (rows < looks[-1][1] or refused < looks[-1][2]):
            looks.clear()
        while len(looks) > 1 and now - looks[1][0] >= _SECONDS:
            looks.popleft()
        if not looks or now - looks[-1][0] >= _STEP_SECONDS:
            looks.append((now, rows, refused))
        _, before, refused_before = looks[0]
        return rows - before + refused - refused_before, refused - refused_before
