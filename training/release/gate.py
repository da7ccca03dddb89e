"""The promotion gate: a challenger becomes the champion unless one of its checks fails.

Champion and challenger are compared on the same rows, each row by members that never saw it.
"""

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from models.bundle.loading import Bundle
from training.errors import TrainingError
from training.pipeline.evaluate import bundle_out_of_fold
from training.pipeline.run import Trained, calibrated
from training.release import checks, comparison
from training.release.checks import Check

Array = NDArray[np.floating]


@dataclass(frozen=True, slots=True)
class Report:
    """Outcome of all checks: ``passed`` if none failed, ``promote`` after the option ``--promote``."""

    at: str
    version: int
    champion: int | None
    passed: bool
    promote: bool
    reason: str
    checks: tuple[Check, ...]

    def to_bytes(self) -> bytes:
        """The file ``gate.json`` of the bundle."""
        return json.dumps(asdict(self), indent=1).encode() + b"\n"


def examine(
    promote: str,
    trained: Trained,
    champion: Bundle | None,
    challenger: Bundle,
    margin: float = comparison.MARGIN,
) -> Report:
    """Make every check of a run's bundle and apply ``--promote`` and ``--margin``.

    Raises ``TrainingError`` if the challenger gives no taps.
    """
    labels, logits = trained.dataset.labels, trained.out_of_fold
    made = [
        checks.golden(challenger),
        checks.activations(challenger, checks.real_p_values(challenger, trained.raw)),
        checks.size(challenger, champion),
        checks.speed(challenger, champion),
        checks.schema(challenger, champion),
        comparison.positives(labels, trained.dataset.targets),
        comparison.learned(labels, logits),
    ]
    probability = None
    if champion is not None:
        try:
            champion_logits, probability = _champion_predictions(champion, trained)
            made.append(comparison.discrimination(labels, logits, champion_logits, margin))
        except TrainingError as error:
            made.append(Check("comparable", False, str(error), {}))
    made.append(comparison.calibration(labels, trained.calibration.probability, probability))
    failed = [check for check in made if not check.passed]
    reason = "; ".join(f"{check.name}: {check.summary}" for check in failed)
    if not failed and champion is None:
        reason = "it is the first version, and nothing is wrong with it"
    elif not failed:
        reason = next(check.summary for check in made if check.name == "discrimination")
    return Report(
        at=datetime.now(UTC).isoformat(timespec="seconds"),
        version=challenger.manifest.version,
        champion=None if champion is None else champion.manifest.version,
        passed=not failed,
        promote=promote == "always" or (promote == "auto" and not failed),
        reason=reason if promote == "auto" else f"--promote {promote} was asked for; {reason}",
        checks=tuple(made),
    )


def _champion_predictions(champion: Bundle, trained: Trained) -> tuple[Array, Array]:
    """The champion's out-of-fold logits and probabilities ``(n, T)`` of the same rows."""
    dataset = trained.dataset
    if tuple(champion.manifest.target_names) != dataset.targets:
        raise TrainingError("the champion predicts other targets; use --promote always if that is meant")
    try:
        own = bundle_out_of_fold(champion, dataset)
        return own.logits, calibrated(dataset, own, trained.recipe.threshold_rule).probability
    except TrainingError as error:
        raise TrainingError(f"the champion cannot be asked about these rows: {error}") from error
