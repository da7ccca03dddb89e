"""The promotion gate: a challenger takes the champion's place unless it is worse.

Both are judged on the same rows, each row by members that never saw it: a fold is a function of
the row, so the champion's held-out rows are known without asking how it was trained. The report is
a file of the bundle, so that it stands beside what it speaks of.
"""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from models.bundle.loading import Bundle
from models.health.detector import Detector
from models.networks.outputs import SQUASHED, TAPS
from training.data import Dataset
from training.errors import TrainingError
from training.evaluation.calibration import Calibration, ThresholdRule
from training.pipeline.evaluate import bundle_out_of_fold
from training.pipeline.run import calibrated
from training.release import gate_checks
from training.release.gate_checks import Check

#: The values of ``--promote``.
PROMOTE = ("auto", "always", "never")

Judge = Callable[[Bundle], "Report"]


@dataclass(frozen=True, slots=True)
class Report:
    """What the gate found. ``promote`` is what is done, ``passed`` what it found."""

    at: str
    version: int
    champion: int | None
    passed: bool
    promote: bool
    reason: str
    checks: tuple[Check, ...]

    def to_bytes(self) -> bytes:
        """The file ``gate.json``."""
        return json.dumps(asdict(self), indent=1).encode() + b"\n"


def examine(
    promote: str,
    dataset: Dataset,
    out_of_fold: NDArray[np.floating],
    calibration: Calibration,
    rule: ThresholdRule,
    champion: Bundle | None,
    challenger: Bundle,
) -> Report:
    """Make every check and apply ``--promote``.

    ``out_of_fold`` are the challenger's uncalibrated logits ``(n, T)``, ``calibration`` what they
    taught; ``rule`` is how thresholds are chosen.
    """
    found = [
        gate_checks.golden(challenger),
        gate_checks.activations(challenger, golden_p_values),
        gate_checks.size(challenger, champion),
        gate_checks.speed(challenger, champion),
        gate_checks.learned(dataset.labels, out_of_fold),
    ]
    beside, fault = _beside(dataset, champion, rule)
    if fault is not None:
        found.append(Check("comparable", False, fault, {}))
    if beside is not None:
        found.append(gate_checks.discrimination(dataset.labels, out_of_fold, beside[0]))
    probability = None if beside is None else beside[1]
    found.append(gate_checks.calibration(dataset.labels, calibration.probability, probability))
    failed = [check for check in found if not check.passed]
    passed = not failed
    return Report(
        at=datetime.now(UTC).isoformat(timespec="seconds"),
        version=challenger.manifest.version,
        champion=None if champion is None else champion.manifest.version,
        passed=passed,
        promote={"always": True, "never": False}.get(promote, passed),
        reason=_reason(promote, found, failed, champion),
        checks=tuple(found),
    )


def golden_p_values(bundle: Bundle) -> NDArray[np.float64]:
    """P-values of the golden rows' published activations and inputs.

    Raises ``TrainingError`` where there are none: what is trained here has taps.
    """
    golden, taps = bundle.golden, bundle.golden.taps
    if bundle.reference is None or taps is None:
        raise TrainingError("the challenger gives no taps, by which its layers could be examined")
    inner = {} if golden.squashed is None else {SQUASHED: golden.squashed}
    return Detector(bundle.reference).p_values({TAPS: taps, **inner})


def _beside(
    dataset: Dataset, champion: Bundle | None, rule: ThresholdRule
) -> tuple[tuple[NDArray[np.float64], NDArray[np.float64]] | None, str | None]:
    """The champion's out-of-fold logits and probabilities of the same rows, or why there are none."""
    if champion is None:
        return None, None
    if tuple(champion.manifest.target_names) != dataset.targets:
        return None, "the champion predicts other targets; use --promote always if that is meant"
    try:
        logits = bundle_out_of_fold(champion, dataset)
        return (logits, calibrated(dataset, logits, rule).probability), None
    except TrainingError as error:
        return None, f"the champion cannot be asked about these rows: {error}"


def _reason(promote: str, found: list[Check], failed: list[Check], champion: Bundle | None) -> str:
    if failed:
        text = "; ".join(f"{check.name}: {check.summary}" for check in failed)
    elif champion is None:
        text = "it is the first version, and nothing is wrong with it"
    else:
        text = next(check.summary for check in found if check.name == "discrimination")
    return text if promote == "auto" else f"--promote {promote} was asked for; {text}"
