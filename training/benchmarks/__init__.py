"""Comparisons of the SNN and its activation health with other methods, on the same rows and folds."""

from collections.abc import Callable

from models.registry.store import Repository
from training.benchmarks import health
from training.benchmarks.accuracy import (
    gate_power,
    htru2,
    own,
    refits,
    regression,
    served_calibration,
    similarity_calibration,
    tables,
    uci,
)
from training.benchmarks.accuracy.tox21 import by_depth, served
from training.benchmarks.harness import Say
from training.benchmarks.health import kinds, onset, suite
from training.benchmarks.internals import (
    faithfulness,
    onnx_speed,
    round_trip,
    row_marks,
    signal_propagation,
    weight_faults,
)

#: By name: functions of the model repository, the numbers of seeds and of processes, and a function
#: that is called with progress; they return a report in Markdown.
BENCHMARKS: dict[str, Callable[[Repository, int, int, Say], str]] = {
    "calibration": served_calibration.run,
    "calibration-similarity": similarity_calibration.run,
    "drawings": round_trip.run,
    "explain": faithfulness.run,
    "gate": gate_power.run,
    "graph": onnx_speed.run,
    "health": health.run,
    "health-delay": onset.run,
    "health-kinds": kinds.run,
    "health-suite": suite.run,
    "htru2": htru2.run,
    "integrity": weight_faults.run,
    "own": own.run,
    "refits": refits.run,
    "regression": regression.run,
    "rows": row_marks.run,
    "signal": signal_propagation.run,
    "tables": tables.run,
    "tox21": by_depth.run,
    "tox21-served": served.run,
    "uci": uci.run,
}
