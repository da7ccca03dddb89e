"""How late ``SNN_WATCH=sampled`` sees a fault in dense single rows, beside ``full``.

A monitor's clock goes as fast as the traffic would: rows come in batches, and the verdict is looked at
after every other one. What rows would take to be computed plays no part.
"""

from dataclasses import dataclass
from statistics import median

import numpy as np
from numpy.typing import NDArray

from models.health.reference import Reference
from models.networks.outputs import INPUT
from service.health.monitor import Monitor
from tests.benchmarks import direct
from tests.benchmarks.bundles import CANDIDATES, champion
from tests.benchmarks.records import recorded_candidates
from tests.benchmarks.report import Options, Skipped, Table
from training.benchmarks.health.faults import data_faults

#: Rows of a batch, those before a fault, and those of it at most.
_BATCH, _BEFORE, _MOST = 16, 10_240, 4096
#: Batches between two looks.
_LOOK_EVERY = 2

Outputs = dict[str, NDArray[np.floating]]


@dataclass(slots=True)
class Clock:
    """A monotonic clock, in seconds, that goes on with the traffic."""

    now: float = 1000.0

    def __call__(self) -> float:
        """Tell the time."""
        return self.now


@dataclass(frozen=True, slots=True)
class Pace:
    """Rows a second, and seconds of silence before the fault."""

    name: str
    rows_per_second: float
    pause: float = 0.0


_PACES = (
    Pace("400 rows a second", 400.0),
    Pace("2,000 rows a second", 2000.0),
    Pace("10,000 rows a second", 10_000.0),
    Pace("10,000 rows a second after 10 s of silence", 10_000.0, 10.0),
)


def run(options: Options) -> list[Table]:
    """Rows and milliseconds from a fault's begin to the verdict, in the median of the repetitions."""
    rows = recorded_candidates()
    if rows is None:
        raise Skipped("the recorded candidates are not here: set SNN_DATA_DIR")
    bundle, session = direct.opened(champion(options, CANDIDATES))
    raw = rows.astype(np.float32)
    faults = {"clean": raw} | {
        fault.name: fault.apply(raw) for fault in data_faults(CANDIDATES, bundle, raw)
    }
    names = [output.name for output in session.get_outputs()]
    seen = {
        name: dict(zip(names, session.run(names, {INPUT: rows}), strict=True))
        for name, rows in faults.items()
    }
    lines = []
    for pace in _PACES:
        full, sampled = (
            [
                [
                    _delay(bundle.reference, seen["clean"], seen[fault], pace, number, sampled=sampled)
                    for number in range(options.repetitions)
                ]
                for fault in faults
                if fault != "clean"
            ]
            for sampled in (False, True)
        )
        cells = [_cell(full, pace), _cell(sampled, pace)]
        found = [(median(one), median(other)) for one, other in zip(full, sampled, strict=True)]
        ratios = [other / one for one, other in found if max(one, other) <= _MOST]
        lines.append([pace.name, *cells, f"{median(ratios):.1f}, {max(ratios):.1f}"])
        options.say(f"sampled: {lines[-1]}")
    columns = ["single rows", "full", "sampled", "ratio of a fault's medians: middle, largest"]
    note = (
        f"{len(faults) - 1} faults of the data, {options.repetitions} onsets each after {_BEFORE:,}"
        f" clean rows, in batches of {_BATCH}: rows until the verdict turns in the middle and"
        f" the slowest fault, and milliseconds of the former; then faults that {_MOST:,} rows"
        " did not show."
    )
    return [Table("How late faults are seen", columns, lines, [note])]


def _cell(delays: list[list[float]], pace: Pace) -> str:
    middles = [median(each) for each in delays]
    seen = [middle for middle in middles if middle <= _MOST]
    middle = median(seen)
    return (
        f"{middle:.0f}, {max(seen):.0f} rows; {1000 * middle / pace.rows_per_second:.0f} ms;"
        f" {len(middles) - len(seen)} not"
    )


def _delay(
    reference: Reference | None, clean: Outputs, faulty: Outputs, pace: Pace, seed: int, *, sampled: bool
) -> float:
    """Rows of a fault until the verdict turns; infinity where it does not within some thousand."""
    assert reference is not None
    clock, rng = Clock(), np.random.default_rng(seed)
    monitor = Monitor(reference, clock, sampled=sampled)

    def take(outputs: Outputs) -> None:
        rows = rng.integers(0, len(outputs["taps"]), _BATCH)
        monitor.observe({name: array[rows] for name, array in outputs.items()})
        clock.now += _BATCH / pace.rows_per_second

    for _ in range(_BEFORE // _BATCH):
        take(clean)
    monitor.health()
    clock.now += pace.pause
    for batch in range(1, _MOST // _BATCH + 1):
        take(faulty)
        if batch % _LOOK_EVERY == 0:
            found = monitor.scan([monitor.blocks()], clock.now)
            if found is not None and found.scan.has_moved:
                return float(batch * _BATCH)
    return float("inf")
