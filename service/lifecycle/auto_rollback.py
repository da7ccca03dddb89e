"""Takes a promotion back by itself, where the new version does worse than the one before it.

For some minutes after a promotion the new version is on probation. It is rolled back when

* requests fail in it that did not in its predecessor,
* its golden rows fail and loading it anew does not help, or
* its activations are unhealthy on traffic on which its predecessor's were healthy.

Every worker sees promotions happen, so that any of them can go on; the keeper alone decides. What it
does is what an operator would: a rollback through the release core, written into the log with its
reason. The reloader then takes the old version up, as after any change.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic

from models.errors import ModelError
from models.registry.releases import Releases
from service.coordination.aggregate import ClusterStatus, ModelWhole
from service.coordination.coordinator import WorkerCoordinator
from service.errors import ServiceError
from service.inference.served_models import ServedModels
from service.lifecycle.audit_log import SERVICE
from service.observability.logs import get_logger, place_of

#: How often it looks: a decision falls within a few of these.
_LOOK_SECONDS = 1.0
#: So many failed requests, and this share of all, that the predecessor did not have.
_FAILED_REQUESTS, _FAILED_SHARE = 5, 0.02

_log = get_logger()


@dataclass(frozen=True, slots=True)
class VersionHealth:
    """How a version does: its verdict, and the requests that it failed of those it was asked."""

    version: int
    verdict: str
    failed: int
    asked: int

    @property
    def share(self) -> float:
        """The failed part."""
        return self.failed / self.asked if self.asked else 0.0


@dataclass(frozen=True, slots=True)
class Probation:
    """A version that was just promoted, what was known of its predecessor, and how it began."""

    version: int
    predecessor: VersionHealth
    began: float
    failed_before: int
    asked_before: int


class AutoRollback:
    """Watches the promotions of one service; ``seconds`` is how long a probation lasts."""

    def __init__(
        self,
        served_models: ServedModels,
        coordinator: WorkerCoordinator,
        releases: Releases,
        seconds: float,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._served_models = served_models
        self._coordinator = coordinator
        self._releases = releases
        self._seconds = seconds
        self._clock = clock
        self._records: dict[str, VersionHealth] = {}
        self._probations: dict[str, Probation] = {}
        #: Where a rollback was refused, so that it is said once.
        self._given_up: set[tuple[str, int]] = set()

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            try:
                await self.look()
            except Exception as error:  # noqa: BLE001 - the next look may find things mended
                _log.error("guardian failed", kind=type(error).__name__, place=place_of(error))

    async def look(self) -> None:
        """See what serves and how it does; take back what should not have been promoted."""
        whole = self._coordinator.whole()
        for name, model in whole.models.items():
            record = self._record(name, model, whole)
            if record is not None:
                await self._note(name, record, whole)
            probation = self._probations.get(name)
            if probation is None:
                continue
            if self._clock() > probation.began + self._seconds:
                del self._probations[name]
                continue
            if self._coordinator.keeper:
                reason = self._fault(probation, record, model)
                if reason is not None:
                    await self._take_back(name, probation, reason)

    def _record(self, name: str, model: ModelWhole, whole: ClusterStatus) -> VersionHealth | None:
        """How the version that serves does; None where none does."""
        if model.version is None:
            return None
        verdict = "warming_up"
        if self._coordinator.keeper:
            try:
                served, health, _ = self._coordinator.health(name)
                if served.manifest.version == model.version:
                    verdict = health.judgement.verdict
            except ServiceError:  # just gone, or not here yet
                pass
        else:
            verdict = self._coordinator.verdict(name, model.version)
        traffic = whole.counted.traffic(name, model.version)
        return VersionHealth(
            model.version,
            verdict,
            traffic.inferences_failed,
            traffic.inferences_failed + traffic.succeeded.count,
        )

    async def _note(self, name: str, record: VersionHealth, whole: ClusterStatus) -> None:
        """Begin a probation where another version serves than at the last look, by a promotion."""
        before = self._records.get(name)
        self._records[name] = record
        if before is None or before.version == record.version:
            return
        self._probations.pop(name, None)
        try:
            serving = await asyncio.to_thread(self._releases.serving, name)
        except (ModelError, OSError):
            return
        # After a rollback the version before is no predecessor: going back to it is no remedy.
        if serving.champion == record.version and before.version in serving.previous[:1]:
            traffic = whole.counted.traffic(name, record.version)
            failed = traffic.inferences_failed
            self._probations[name] = Probation(
                record.version, before, self._clock(), failed, failed + traffic.succeeded.count
            )

    def _fault(
        self, probation: Probation, record: VersionHealth | None, model: ModelWhole
    ) -> str | None:
        """Why the new version has to go, None if it may stay."""
        before = probation.predecessor
        if not model.ready and model.intact is False:
            return f"its golden rows failed and loading it anew did not help: {model.error}"
        if record is None or record.version != probation.version:
            return None
        failed, asked = record.failed - probation.failed_before, record.asked - probation.asked_before
        share = failed / asked if asked else 0.0
        if failed >= _FAILED_REQUESTS and share > before.share + _FAILED_SHARE:
            return (
                f"{failed} of {asked} requests failed in it ({share:.1%}),"
                f" {before.share:.1%} in version {before.version}"
            )
        if record.verdict == "unhealthy" and before.verdict == "healthy":
            return f"its activations are unhealthy where those of version {before.version} were healthy"
        return None

    async def _take_back(self, name: str, probation: Probation, reason: str) -> None:
        version = probation.version
        if (name, version) in self._given_up:
            return
        try:
            serving = await asyncio.to_thread(self._releases.roll_back, name, SERVICE, reason, version)
        except (ModelError, OSError) as error:
            self._given_up.add((name, version))
            _log.error("rollback failed", model=name, version=version, reason=str(error))
            return
        self._probations.pop(name, None)
        _log.warning("rolled back", model=name, version=version, to=serving.champion, reason=reason)
