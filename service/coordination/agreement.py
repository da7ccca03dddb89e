"""One worker among those of its service: what it tells them, and what all of them agree to serve.

A worker that is asked about the service posts its own status first and adds the others' latest to it.
What one answer has shown is therefore in the shared store before the next answer is made, by whichever
worker, and no counter ever falls. The last status of a worker that died counts until its successor,
which goes on from it, posts its own. A worker that is alone has no folder and answers for itself.
"""

import os
from contextlib import AbstractContextManager
from time import monotonic

import msgspec

from service.coordination.aggregate import ClusterStatus, aggregate
from service.coordination.shared_store import SharedStore
from service.coordination.statuses import (
    CutoverDecision,
    CutoverDecisions,
    ModelStatus,
    WorkerStatus,
    encode,
)
from service.coordination.window_sums import WindowSums
from service.health.monitor import Monitor
from service.inference.served_models import ServedModel, ServedModels
from service.inference.trials.comparison import TrialSums, together
from service.inference.trials.finding import Finding
from service.observability.counters import Telemetry
from service.observability.process import counters, total, usage

#: From a decision to the moment from which all workers follow it: each looks every 50 ms.
_NOTICE_SECONDS = 0.15


class WorkerAgreement:
    """One worker's status, its view of the other workers, and its part in their decisions."""

    def __init__(
        self,
        served_models: ServedModels,
        telemetry: Telemetry,
        shared_store: SharedStore | None = None,
        number: int = 1,
    ) -> None:
        """Go on from the last status under ``number``, which counts from 1.

        Without ``shared_store`` the worker is alone. Raises ``ServiceError`` for a status that no
        worker wrote.
        """
        self._served_models = served_models
        self._telemetry = telemetry
        self._shared_store = shared_store = SharedStore() if shared_store is None else shared_store
        self._number = number
        self._posted = b""
        self._predecessor = shared_store.status(number)
        self._past_process: dict[str, float] = {}
        if self._predecessor is not None:
            telemetry.merge(self._predecessor.counted)
            self._past_process = counters(self._predecessor.process)
        #: The windows of this number's last worker, by model, for the version that serves.
        self._past_sums: dict[str, WindowSums] = {}
        #: Whether this worker accepts connections.
        self.serving = shared_store.alone
        #: Versions that are loaded here and wait for a cutover, and versions that could not be loaded.
        self.prepared: dict[str, int] = {}
        self.refused: dict[str, int] = {}
        #: What this worker has compared of challengers, what all have found, and why there is nothing.
        self.compared: dict[str, TrialSums] = {}
        self.findings: dict[str, Finding] = {}
        self.trial_errors: dict[str, str] = {}

    @property
    def alone(self) -> bool:
        """Whether there are no other workers to agree with."""
        return self._shared_store.alone

    @property
    def keeper(self) -> bool:
        """Whether this worker does what one worker does for all: it has the lowest number."""
        return self._number == min(self._shared_store.roster().slots, default=0)

    def take_over(self, served: ServedModel) -> None:
        """Count what serves from now on, and go on with its windows in this number's last worker.

        That is, where that worker served the same version.
        """
        name, version = served.manifest.name, served.manifest.version
        self._telemetry.serves(name, version, served.traffic)
        models = {} if self._predecessor is None else self._predecessor.models
        past = models.pop(name, None)
        self._past_sums.pop(name, None)
        if past is None or past.sums is None or served.monitor is None or past.version != version:
            return
        if past.sums.fits(self._sums(name, served.monitor)):
            self._past_sums[name] = past.sums

    def post(self, *, force: bool = True) -> WorkerStatus:
        """Write this worker's status, and return it; without ``force`` only where it has changed."""
        status = self._status()
        if self.alone:
            return status
        content = encode(status)
        if force or content != self._posted:
            self._posted = content
            status = msgspec.structs.replace(status, process=total([self._past_process, usage()]))
            self._shared_store.post(self._number, encode(status))
        self._shared_store.restore()
        return status

    def whole(self) -> ClusterStatus:
        """Return the state of the service over all workers."""
        status = self.post()
        if self.alone:
            status = msgspec.structs.replace(status, process=usage())
        statuses = {self._number: status, **self._others()}
        return aggregate(statuses, self._shared_store.roster(), draining=self._served_models.draining)

    def decision(self, name: str) -> CutoverDecision | None:
        """Return what is decided about a model, None where nothing is or this worker is alone."""
        return self._shared_store.decisions().get(name)

    def decide(self, name: str, version: int, *, unloaded: bool = False, at_once: bool = False) -> bool:
        """Let all workers serve a version, or none; return False if another worker decides just now."""
        if self.alone:
            return True

        def change(decisions: CutoverDecisions) -> None:
            decision = decisions.get(name)
            if decision is None or (decision.version, decision.unloaded) != (version, unloaded):
                at = monotonic() + (0.0 if at_once else _NOTICE_SECONDS)
                decisions[name] = CutoverDecision(version, at, unloaded)

        return self._shared_store.change_decisions(change)

    def ask_for_check(self, name: str) -> bool:
        """Ask every worker to check its model now; return False if another worker decides just now."""
        if self.alone:
            return True

        def change(decisions: CutoverDecisions) -> None:
            if name in decisions:
                decisions[name] = msgspec.structs.replace(decisions[name], check=monotonic())

        return self._shared_store.change_decisions(change)

    def turn(self) -> AbstractContextManager[None]:
        """Wait for other workers that load a version. Blocks, but not for ever: use it in a thread."""
        return self._shared_store.turn()

    def tried(self, name: str) -> AbstractContextManager[bool]:
        """Whether a worker noted this name; it is noted when the context ends without an error."""
        return self._shared_store.noted(name)

    def trial(self, name: str) -> TrialSums | None:
        """Return what all workers have compared of a model's challenger; None for nothing."""
        others = [status.compared.get(name) for status in self._others().values()]
        return together(self.compared.get(name), [each for each in others if each is not None])

    def can_follow(self, name: str, version: int) -> bool:
        """Return whether every other worker has this version prepared, or serves it."""
        return all(
            status is not None
            and (
                status.prepared.get(name) == version
                or (name in status.models and status.models[name].version == version)
            )
            for status in self._deciding()
        )

    def serves(self, name: str) -> bool:
        """Return whether any other worker serves a model, in any version."""
        return any(
            status is not None and name in status.models and status.models[name].version is not None
            for status in self._deciding()
        )

    def is_promised(self, name: str) -> bool:
        """Return whether the service is ready only with a model that this worker has just found.

        Of workers that the service began with, those that they find first are. A successor takes the
        others' word and its predecessor's.
        """
        slot = self._shared_store.roster().slots.get(self._number)
        if slot is None or slot.first:
            return True
        known = [self._predecessor, *self._others().values()]
        models = [status.models.get(name) for status in known if status is not None]
        return any(model is not None and (model.promised or model.has_served) for model in models)

    def refuses(self, name: str, version: int) -> bool:
        """Return whether any other worker could not load this version."""
        return any(
            status is not None and status.refused.get(name) == version for status in self._deciding()
        )

    def _deciding(self) -> list[WorkerStatus | None]:
        """Return the statuses of the other workers whose word counts; None for one without a status.

        One that hangs does not, nor does a successor that accepts no connections yet: both follow what
        is decided.
        """
        statuses: list[WorkerStatus | None] = []
        for number, slot in self._shared_store.roster().slots.items():
            if number != self._number and not slot.silent:
                status = self._shared_store.status(number)
                if status is not None and status.pid != slot.pid:  # its predecessor's
                    status = None
                if slot.first or (status is not None and status.serving):
                    statuses.append(status)
        return statuses

    def _others(self) -> dict[int, WorkerStatus]:
        """Return the last status under every other number, be its worker alive or dead."""
        numbers = range(1, self._shared_store.roster().wanted + 1)
        statuses = {
            number: self._shared_store.status(number) for number in numbers if number != self._number
        }
        return {number: status for number, status in statuses.items() if status is not None}

    def _status(self) -> WorkerStatus:
        models = {}
        for name, state in self._served_models.states().items():
            served = state.served
            monitor = None if served is None else served.monitor
            if served is not None:
                served.predictions.fold()
            models[name] = ModelStatus(
                version=None if served is None else served.manifest.version,
                provider=None if served is None else served.session.provider,
                error=state.error,
                unloaded=state.unloaded,
                promised=state.promised,
                has_served=state.has_served,
                vanished=state.vanished,
                intact=state.intact,
                checked_at=state.checked_at,
                fault=state.fault,
                files_error=state.files_error,
                waiting=0 if served is None else served.batcher.waiting,
                sums=None if monitor is None else self._sums(name, monitor),
                departing=[] if monitor is None else monitor.departing(),
                corrupted_at=None if monitor is None else monitor.corrupted_at,
            )
        # After the windows: reading them brings the latest rows into the counters.
        return WorkerStatus(
            pid=os.getpid(),
            serving=self.serving,
            trouble=self._served_models.trouble,
            models=models,
            prepared=dict(self.prepared),
            refused=dict(self.refused),
            compared=dict(self.compared),
            counted=self._telemetry.snapshot(),
            process={},
        )

    def _sums(self, name: str, monitor: Monitor) -> WindowSums:
        """Sum up what this worker and its predecessor saw of a model's traffic."""
        return WindowSums.of(monitor, monotonic(), self._past_sums.get(name))
