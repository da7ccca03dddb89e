"""A champion and its challenger on the same rows: activations, answers and time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from threading import Lock

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.networks.outputs import VALUE
from service.health.change import Health
from service.health.monitor import Monitor
from service.health.row_owner import RowOwner
from service.inference.queue import Outputs, Rows
from service.inference.results import shown
from service.inference.served_models import ServedModel
from service.inference.trials.agreement import Agreement


class WatchedHealth(msgspec.Struct, frozen=True):
    """The verdict on one version by the compared rows alone; ``effect`` is how far they have moved."""

    verdict: str
    origin: str | None
    reason: str
    effect: float | None


class TrialSums(msgspec.Struct, frozen=True):
    """What one worker has compared; ``fault`` is what its rows show of the challenger, None for nothing.

    The health is that of the champion, then of the challenger; None for a model without taps.
    """

    champion: int
    challenger: int
    agreement: Agreement
    health: tuple[WatchedHealth | None, WatchedHealth | None]
    fault: str | None


def together(own: TrialSums | None, others: Sequence[TrialSums]) -> TrialSums | None:
    """Return what all workers have compared, of the trial that ``own`` is of; None without it.

    The health is that of the worker whose challenger does worst.
    """
    if own is None:
        return None
    same = [
        each for each in others if (each.champion, each.challenger) == (own.champion, own.challenger)
    ]
    agreement = own.agreement
    for each in same:
        agreement = agreement.plus(each.agreement)
    at_fault = next((each for each in (own, *same) if each.fault is not None), own)
    return TrialSums(own.champion, own.challenger, agreement, at_fault.health, at_fault.fault)


@dataclass(frozen=True, slots=True)
class Computed:
    """Rows (n, F) with the outputs of one version, and the seconds of processor that they took."""

    rows: Rows
    parts: Sequence[RowOwner]
    outputs: Mapping[str, NDArray[np.floating]]
    seconds: float


class Comparison:
    """The comparison of a trial in one worker. Rows may be added and sums read by any thread."""

    def __init__(self, champion: ServedModel, challenger: ServedModel) -> None:
        """Both must have the same features and targets."""
        self._models = champion, challenger
        self._monitors = _monitor(champion), _monitor(challenger)
        self._agreement = Agreement.of_none(len(champion.targets))
        self._lock = Lock()

    def shed(self, rows: int) -> None:
        """Count rows that were not computed by both."""
        with self._lock:
            self._agreement.shed += rows

    def failed(self) -> None:
        """Count a run of the challenger that raised."""
        with self._lock:
            self._agreement.failed += 1

    def add(self, champion: Computed, challenger: Computed) -> None:
        """Take in rows that both have computed; those of synthetic requests tell nothing."""
        parts = champion.parts
        real = [not part.synthetic for part in parts]
        sizes = [part.rows for part in parts]
        kept = np.repeat(real, sizes)
        if not kept.any():
            return
        owners = [part for part, is_real in zip(parts, real, strict=True) if is_real]
        numbers = np.repeat(np.arange(len(owners)), [part.rows for part in owners])
        outputs = [
            {name: values[kept] for name, values in computed.outputs.items()}
            for computed in (champion, challenger)
        ]
        for monitor, each in zip(self._monitors, outputs, strict=True):
            if monitor is not None:
                monitor.observe(each, owners)
        own, other = (self._answers(*each) for each in zip(self._models, outputs, strict=True))
        with self._lock:
            self._agreement.add((own[0], other[0]), (own[1], other[1]), (own[2], other[2]), numbers)
            spent = self._agreement.seconds
            self._agreement.seconds = spent[0] + champion.seconds, spent[1] + challenger.seconds

    def sums(self) -> TrialSums:
        """Judge what was compared so far."""
        verdicts = [None if monitor is None else monitor.health() for monitor in self._monitors]
        champion, challenger = (None if health is None else _told(health) for health in verdicts)
        with self._lock:
            agreement = msgspec.structs.replace(self._agreement, moments=self._agreement.moments.copy())
        departs = (
            champion is not None
            and challenger is not None
            and challenger.verdict == "unhealthy"
            and challenger.origin == "model"
            and champion.verdict in ("healthy", "warming_up")
        )
        first, second = (model.manifest.version for model in self._models)
        fault = None
        if departs and challenger is not None:
            fault = (
                "its activations are unhealthy where the champion's are not, on the same rows:"
                f" {challenger.reason}"
            )
        return TrialSums(first, second, agreement, (champion, challenger), fault)

    def _answers(
        self, model: ServedModel, outputs: Outputs
    ) -> tuple[NDArray[np.floating], NDArray[np.floating], NDArray[np.bool_]]:
        """Return the logits, probabilities and calls (n, T) of a version.

        The call of exclusive classes is the most probable. Of quantities these are the values in the
        champion's standard deviations, the values in their unit, and no calls.
        """
        quantities = self._models[0].manifest.quantities
        if quantities:
            values = outputs[VALUE]
            centres = np.array([each.centre for each in quantities])
            scales = np.array([each.scale for each in quantities])
            return (values - centres) / scales, values, np.zeros(values.shape, np.bool_)
        probability, exclusive = outputs["probability"], model.manifest.exclusive
        _, called = shown(probability, model.decision.thresholds, exclusive)
        if exclusive:
            called = np.arange(probability.shape[1]) == called[:, None]
        return outputs["logit"], probability, called.astype(np.bool_)


def _monitor(model: ServedModel) -> Monitor | None:
    """A monitor of the compared rows alone."""
    if model.monitor is None:
        return None
    return Monitor(model.monitor.reference, names=model.monitor.names)


def _told(health: Health) -> WatchedHealth:
    judgement, effect = health.judgement, None if health.now is None else health.now.largest
    return WatchedHealth(judgement.verdict, judgement.origin, judgement.reason, effect)
