"""The promotion gate: a challenger becomes the champion unless one of its checks fails.

Champion and challenger are compared on the same rows, each row by members that never saw it.
"""

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.bundle.loading import Bundle
from training.errors import TrainingError
from training.pipeline.evaluate import bundle_out_of_fold
from training.pipeline.kinds import kind_of
from training.pipeline.run import Trained
from training.release import checks, comparison
from training.release.checks import Check
from training.release.regression import comparison as quantity_comparison

Array = NDArray[np.floating]

#: The checks that compare with the champion.
_COMPARING = ("discrimination", "error")


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
    made = [
        checks.golden(challenger),
        checks.activations(challenger, checks.real_p_values(challenger, trained.raw)),
        checks.size(challenger, champion),
        checks.speed(challenger, champion),
        checks.schema(challenger, champion),
        *(_of_classes if trained.quantities is None else _of_quantities)(trained, champion, margin),
    ]
    failed = [check for check in made if not check.passed]
    reason = "; ".join(f"{check.name}: {check.summary}" for check in failed)
    if not failed and champion is None:
        reason = "it is the first version, and nothing is wrong with it"
    elif not failed:
        reason = next(check.summary for check in made if check.name in _COMPARING)
    return Report(
        at=datetime.now(UTC).isoformat(timespec="seconds"),
        version=challenger.manifest.version,
        champion=None if champion is None else champion.manifest.version,
        passed=not failed,
        promote=promote == "always" or (promote == "auto" and not failed),
        reason=reason if promote == "auto" else f"--promote {promote} was asked for; {reason}",
        checks=tuple(made),
    )


def _of_classes(trained: Trained, champion: Bundle | None, margin: float) -> list[Check]:
    """What is checked of probabilities."""
    labels, logits = trained.dataset.labels, trained.out_of_fold
    made = [
        comparison.positives(labels, trained.dataset.targets),
        comparison.learned(labels, logits),
    ]
    probability = None
    if champion is not None:
        try:
            champion_logits, own = _champion_predictions(champion, trained)
            probability = own.probability
            made.append(comparison.discrimination(labels, logits, champion_logits, margin))
        except TrainingError as error:
            made.append(Check("comparable", False, str(error), {}))
    made.append(comparison.calibration(labels, trained.calibration.probability, probability))
    return made


def _of_quantities(trained: Trained, champion: Bundle | None, margin: float) -> list[Check]:
    """What is checked of values and intervals."""
    own, labels = trained.quantities, trained.dataset.labels
    assert own is not None
    made = [quantity_comparison.learned_quantity(labels, own), quantity_comparison.coverage(own)]
    if champion is not None:
        try:
            _, other = _champion_predictions(champion, trained)
            made.append(quantity_comparison.error(labels, own.value, other.value, margin))
        except TrainingError as error:
            made.append(Check("comparable", False, str(error), {}))
    return made


def _champion_predictions(champion: Bundle, trained: Trained) -> tuple[Array, Any]:
    """The champion's out-of-fold logits ``(n, O)`` of the same rows, and what they are calibrated to."""
    dataset = trained.dataset
    if tuple(champion.manifest.target_names) != dataset.targets:
        raise TrainingError("the champion predicts other targets; use --promote always if that is meant")
    units = [quantity.unit for quantity in champion.manifest.quantities]
    if units and units != [dataset.standard and dataset.standard.unit]:
        raise TrainingError("the champion's unit is another; use --promote always if that is meant")
    try:
        own = bundle_out_of_fold(champion, dataset)
        return own.logits, kind_of(dataset).calibrated(dataset, own, trained.recipe.threshold_rule)
    except TrainingError as error:
        raise TrainingError(f"the champion cannot be asked about these rows: {error}") from error
