"""Keeps the models that serve intact: re-runs their golden rows, mends or withdraws what fails them.

On a schedule, and when any worker is asked to. What fails is loaded anew once; what fails even then
must not answer any more.
"""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

from models.errors import ModelError
from service.coordination.coordinator import WorkerCoordinator
from service.inference.integrity import fault_of
from service.inference.served_models import ServedModel, ServedModels
from service.lifecycle.audit_log import ReleaseAudit
from service.lifecycle.load_failures import LoadFailures
from service.lifecycle.loader import Loader
from service.lifecycle.rollout import Rollout
from service.observability.logs import get_logger

_log = get_logger()


class IntegrityChecker:
    """One worker's care for what it serves."""

    def __init__(
        self,
        served_models: ServedModels,
        loader: Loader,
        coordinator: WorkerCoordinator,
        load_failures: LoadFailures,
        audit: ReleaseAudit,
        rollout: Rollout,
        golden_seconds: float,
        clock: Callable[[], float],
        turn: asyncio.Lock,
    ) -> None:
        """``turn`` is held by whoever changes what serves."""
        self._served_models = served_models
        self._loader = loader
        self._coordinator = coordinator
        self._load_failures = load_failures
        self._audit = audit
        self._golden_seconds = golden_seconds
        self._clock = clock
        self._turn = turn
        self._rollout = rollout
        self._known: dict[str, ServedModel] = {}
        self._checked: dict[str, float] = {}
        self._examined: dict[str, float] = {}

    async def look_after(self, name: str) -> None:
        """Re-run a model's golden rows when they are due."""
        served = self._served_models.state(name).served
        if served is None:
            self._known.pop(name, None)
        elif self._known.get(name) is not served:
            # It reproduced them when it was loaded, a moment ago.
            self._known[name] = served
            self._checked[name] = self._clock()
        elif self._clock() >= self._checked[name] + self._golden_seconds:
            await self.check(name)

    async def check_as_asked(self) -> None:
        """Check the models that another worker was asked to check."""
        for name, state in self._served_models.states().items():
            decision = self._coordinator.decision(name)
            asked = 0.0 if decision is None else decision.check
            if state.served is None or self._turn.locked() or asked <= self._examined.get(name, 0.0):
                continue
            self._examined[name] = asked
            async with self._turn:
                await self.check(name)

    async def ask(self, name: str) -> datetime:
        """Check a model here and have all other workers check theirs; return when that began.

        Raises ``ModelNotFound`` or ``ModelNotReady``.
        """
        self._served_models.get(name)
        began = datetime.now(UTC)
        while not self._coordinator.ask_for_check(name):
            await asyncio.sleep(0.002)
        async with self._turn:
            decision = self._coordinator.decision(name)
            self._examined[name] = 0.0 if decision is None else decision.check
            await self.check(name)
        return began

    def checked_since(self, name: str, moment: datetime) -> bool:
        """Whether all workers have checked a model since then."""
        model = self._coordinator.whole().models.get(name)
        return model is None or model.checked_at is None or model.checked_at >= moment

    async def check(self, name: str) -> None:
        """Run a serving model's golden rows; reload it once if they fail, withdraw it if that fails."""
        served = self._served_models.get(name)
        self._checked[name] = self._clock()
        try:
            with served.leased():
                await asyncio.to_thread(self._loader.check, served)
        except Exception as error:  # noqa: BLE001 - a session that raises is no more intact than one that errs
            _log.error("golden rows failed", model=served.label, reason=str(error))
            self._served_models.checked(name, fault_of(error))
            self._coordinator.alarm(name, served.manifest.version, "golden_rows")
            self._coordinator.post()
            await self._mend(name, served, error)
        else:
            self._served_models.checked(name, None, await self._files_error(served))
        self._coordinator.post()

    async def _files_error(self, served: ServedModel) -> str | None:
        """What is wrong on disk; logged once, and no reason to stop what serves."""
        try:
            await asyncio.to_thread(served.integrity.check_files)
        except (ModelError, OSError) as error:
            reason = str(error)
        else:
            return None
        if self._served_models.state(served.manifest.name).files_error != reason:
            _log.error("bundle altered on disk", model=served.label, reason=reason)
        return reason

    async def _mend(self, name: str, served: ServedModel, found: Exception) -> None:
        """Reload a version whose memory went bad; without success it must not answer any more."""
        version, started = served.manifest.version, self._clock()
        try:
            fresh = await asyncio.to_thread(self._loader.load, name, version)
        except Exception as error:  # noqa: BLE001 - as for any load
            reason = f"its golden rows failed ({found}) and reloading did not help: {error}"
            self._served_models.withdraw(name, reason)
            self._audit.note(name, "refuse", version, None, reason)
            files = await asyncio.to_thread(self._load_failures.files, name, version)
            self._load_failures.note(name, version, files, reason)
            _log.error("model withdrawn", model=served.label, reason=reason)
            self._rollout.retire(served)
        else:
            why = "its golden rows failed, and it was loaded anew"
            self._rollout.serve(name, fresh, self._clock() - started, why)
