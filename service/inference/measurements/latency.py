"""Estimates how long work takes from how long it took, to decide what is short enough to do at once."""

#: Weight of the newest measurement in the exponential average; about the last ten count.
_SHARE = 0.2


class LatencyEstimator:
    """Estimates the seconds that work takes by its number of rows.

    There is one average per power of two, since the fixed cost of a batch is shared by its rows.
    """

    def __init__(self) -> None:
        self._per_row: list[float | None] = [None] * 40

    def learn(self, rows: int, seconds: float) -> None:
        """Add a measurement: ``rows`` rows, at least one, took ``seconds``."""
        size = rows.bit_length()
        new, old = seconds / rows, self._per_row[size]
        # Bounded, since a pause of the process says nothing about the work.
        self._per_row[size] = new if old is None else old + _SHARE * (min(new, 2 * old) - old)

    def expect(self, rows: int) -> float:
        """Return the seconds that ``rows`` rows are expected to take; 0 before any measurement.

        A size without a measurement is estimated from the nearest smaller one, which overestimates,
        or else from the nearest larger one.
        """
        size = rows.bit_length()
        per_row = self._per_row[size]
        if per_row is None:
            smaller = (value for value in reversed(self._per_row[:size]) if value is not None)
            larger = (value for value in self._per_row[size:] if value is not None)
            per_row = next(smaller, None) or next(larger, 0.0)
        return per_row * rows
