"""Rolls a promotion back where the new version does worse than the one before it.

For some minutes after a promotion the new version is on probation. It is rolled back when

* requests fail in it that did not in its predecessor,
* its golden rows fail and loading it again does not help, or
* its activations are unhealthy on traffic on which its predecessor's were healthy.

Every worker observes promotions, so that any of them can take over; only the one with the lowest number
decides. It does what an operator would do: a rollback in the repository, with its reason in the release
log. The reloader then serves the version before, as after any change.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic

from models.errors import LogUnwritable, ModelError
from models.registry.releases import Releases
from service.coordination.aggregate import ClusterStatus, ModelWhole
from service.coordination.coordinator import WorkerCoordinator
from service.errors import ServiceError
from service.inference.served_models import ServedModels
from service.lifecycle.audit_log import SERVICE
from service.observability.logs import get_logger, place_of

#: How often versions are compared; a rollback follows its cause within a few of these.
_LOOK_SECONDS = 1.0
#: A rollback takes as many failed requests, and by so much a larger share of all than before.
_FAILED_REQUESTS, _FAILED_SHARE = 5, 0.02

_log = get_logger()


@dataclass(frozen=True, slots=True)
class VersionHealth:
    """The verdict on a version's activations, and its requests: those that failed, and all."""

    version: int
    verdict: str
    failed: int
    asked: int

    @property
    def share(self) -> float:
        """The share of requests that failed."""
        return self.failed / self.asked if self.asked else 0.0


@dataclass(frozen=True, slots=True)
class Probation:
    """A version since its promotion: its predecessor's health, and its own counts at the start."""

    version: int
    predecessor: VersionHealth
    began: float
    failed_before: int
    asked_before: int


class AutoRollback:
    """Compares promoted versions with their predecessors; a probation lasts ``seconds``."""

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
        self._latest: dict[str, VersionHealth] = {}
        self._probations: dict[str, Probation] = {}
        #: Versions whose rollback was refused, so that it is not tried again.
        self._given_up: set[tuple[str, int]] = set()

    async def run(self) -> None:
        """Look once a second until cancelled; an error is logged, and the next look may succeed."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            try:
                await self.look()
            except Exception as error:  # noqa: BLE001 - the next look may succeed
                _log.error("automatic rollback failed", kind=type(error).__name__, place=place_of(error))

    async def look(self) -> None:
        """Compare every version on probation with its predecessor, and roll back what does worse."""
        cluster = self._coordinator.whole()
        for name, model in cluster.models.items():
            health = self._health(name, model, cluster)
            if health is not None:
                await self._observe(name, health, cluster)
            probation = self._probations.get(name)
            if probation is None:
                continue
            if self._clock() > probation.began + self._seconds:
                del self._probations[name]
            elif self._coordinator.keeper:
                reason = self._fault(probation, health, model)
                if reason is not None:
                    await self._roll_back(name, probation, reason)

    def _health(self, name: str, model: ModelWhole, cluster: ClusterStatus) -> VersionHealth | None:
        """The health of the version that serves; None where none does."""
        if model.version is None:
            return None
        verdict = "warming_up"
        if self._coordinator.keeper:
            try:
                served, health, _ = self._coordinator.health(name)
                if served.manifest.version == model.version:
                    verdict = health.judgement.verdict
            except ServiceError:  # it was unloaded, or does not serve in this worker yet
                pass
        else:
            verdict = self._coordinator.verdict(name, model.version)
        traffic = cluster.counted.traffic(name, model.version)
        failed = traffic.inferences_failed
        return VersionHealth(model.version, verdict, failed, failed + traffic.succeeded.count)

    async def _observe(self, name: str, health: VersionHealth, cluster: ClusterStatus) -> None:
        """Begin a probation where a promotion has changed the version since the last look."""
        before = self._latest.get(name)
        self._latest[name] = health
        if before is None or before.version == health.version:
            return
        self._probations.pop(name, None)
        try:
            serving = await asyncio.to_thread(self._releases.serving, name)
        except (ModelError, OSError):
            return
        # After a rollback the version that served before is no predecessor to return to.
        if serving.champion == health.version and before.version in serving.previous[:1]:
            self._probations[name] = Probation(
                health.version, before, self._clock(), health.failed, health.asked
            )

    def _fault(
        self, probation: Probation, health: VersionHealth | None, model: ModelWhole
    ) -> str | None:
        """Why the new version has to go; None if it may stay."""
        before = probation.predecessor
        if not model.ready and model.intact is False:
            return f"its golden rows failed and loading it anew did not help: {model.error}"
        if health is None or health.version != probation.version:
            return None
        failed, asked = health.failed - probation.failed_before, health.asked - probation.asked_before
        share = failed / asked if asked else 0.0
        if failed >= _FAILED_REQUESTS and share > before.share + _FAILED_SHARE:
            return (
                f"{failed} of {asked} requests failed in it ({share:.1%}),"
                f" {before.share:.1%} in version {before.version}"
            )
        # A model that fails its golden rows is loaded anew first.
        turned = health.verdict == "unhealthy" and before.verdict == "healthy"
        if turned and model.intact is not False:
            return f"its activations are unhealthy where those of version {before.version} were healthy"
        return None

    async def _roll_back(self, name: str, probation: Probation, reason: str) -> None:
        version, before = probation.version, probation.predecessor.version
        if (name, version) in self._given_up:
            return
        try:
            await asyncio.to_thread(self._releases.roll_back, name, SERVICE, reason, version)
        except LogUnwritable as error:  # the rollback itself was done
            _log.error("release log unwritable", model=name, reason=str(error))
        except (ModelError, OSError) as error:
            self._given_up.add((name, version))
            _log.error("rollback failed", model=name, version=version, reason=str(error))
            return
        self._probations.pop(name, None)
        _log.warning("rolled back", model=name, version=version, to=before, reason=reason)
