"""How long work takes, learned from doing it: decides what is short enough to do at once."""

#: Weight of the newest measurement; about the last ten count.
_SHARE = 0.2


class LatencyEstimator:
    """Seconds that a piece of work takes, by its number of rows.

    Rows are told apart by their power of two, since a batch's fixed cost is spread over them.
    """

    def __init__(self) -> None:
        self._per_row: list[float | None] = [None] * 40

    def learn(self, rows: int, seconds: float) -> None:
        """Take in one measurement of ``rows`` rows, at least one."""
        size = rows.bit_length()
        new, old = seconds / rows, self._per_row[size]
        # Bounded, since a pause of the whole process says nothing about the work.
        self._per_row[size] = new if old is None else old + _SHARE * (min(new, 2 * old) - old)

    def expect(self, rows: int) -> float:
        """Return the seconds to expect; 0 before anything was measured.

        Sizes never seen are judged by the nearest smaller one, which errs on the long side, or
        else by the nearest larger.
        """
        size = rows.bit_length()
        known = self._per_row[size]
        if known is None:
            smaller = (seen for seen in reversed(self._per_row[:size]) if seen is not None)
            larger = (seen for seen in self._per_row[size:] if seen is not None)
            known = next(smaller, None) or next(larger, 0.0)
        return known * rows
