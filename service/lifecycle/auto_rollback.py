"""Rolls a promotion back where the new version does worse than the one before it.

For some minutes after a promotion the new version is on probation. It is rolled back when

* requests fail in it that did not in its predecessor,
* its golden rows fail and loading it again does not help, or
* its activations are unhealthy, by its own fault, on rows on which its predecessor's are healthy: the
  predecessor is loaded again to judge the very same rows. A shift of traffic moves both, and is reported
  by the verdict alone.

Every worker observes promotions and compares the rows that it computed itself; what concerns all of them
the one with the lowest number decides. It does what an operator would do: a rollback in the repository,
with its reason in the release log. The reloader then serves the version before, as after any change.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from time import monotonic

from models.errors import LogUnwritable, ModelError
from models.registry.releases import Releases
from service.coordination.aggregate import ModelWhole
from service.coordination.coordinator import WorkerCoordinator
from service.errors import ServiceError
from service.inference.served_models import ServedModel, ServedModels
from service.lifecycle.audit_log import SERVICE
from service.lifecycle.loader import Loader
from service.lifecycle.version_comparison import fault_on_same_rows
from service.observability.logs import get_logger
from service.observability.looks import look_again

#: How often versions are compared; a rollback follows its cause within a few of these.
_LOOK_SECONDS = 1.0
#: A rollback takes as many failed requests, and by so much a larger share of all than before.
_FAILED_REQUESTS, _FAILED_SHARE = 5, 0.02
#: Two versions are not compared on the same rows more often: it takes loading one of them.
_COMPARE_SECONDS = 10.0

_log = get_logger()


@dataclass(frozen=True, slots=True)
class VersionHealth:
    """A version's requests: those that failed, and all."""

    version: int
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
        loader: Loader,
        seconds: float,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._served_models = served_models
        self._coordinator = coordinator
        self._releases = releases
        self._loader = loader
        self._seconds = seconds
        self._clock = clock
        self._latest: dict[str, VersionHealth] = {}
        self._probations: dict[str, Probation] = {}
        #: Versions whose rollback was refused, so that it is not tried again.
        self._given_up: set[tuple[str, int]] = set()
        #: When a model's versions were last compared on the same rows.
        self._compared_at: dict[str, float] = {}

    async def run(self) -> None:
        """Look once a second until cancelled; an error is logged, and the next look may succeed."""
        await look_again(self.look, _LOOK_SECONDS, "automatic rollback failed")

    async def look(self) -> None:
        """Compare every version on probation with its predecessor, and roll back what does worse."""
        cluster = self._coordinator.whole()
        for name, model in cluster.models.items():
            if model.version is not None:
                traffic = cluster.counted.traffic(name, model.version)
                failed = traffic.inferences_failed
                asked = failed + traffic.succeeded.count - traffic.synthetic
                health = VersionHealth(model.version, failed, asked)
                await self._observe(name, health)
            probation = self._probations.get(name)
            if probation is None:
                continue
            if self._clock() > probation.began + self._seconds:
                self._end(name)
                continue
            self._keep_rows(name, probation.version)
            reason = self._fault(name, probation, model) if self._coordinator.keeper else None
            reason = reason or await self._moved(name, probation)
            if reason is not None:
                await self._roll_back(name, probation, reason)

    def _served(self, name: str, version: int) -> ServedModel | None:
        """What serves in this worker, if it is this version."""
        state = self._served_models.states().get(name)
        served = None if state is None else state.served
        return None if served is None or served.manifest.version != version else served

    def _keep_rows(self, name: str, version: int) -> None:
        served = self._served(name, version)
        if served is not None:
            served.sample.wanted = True

    def _end(self, name: str) -> None:
        """End a model's probation, and forget the rows that were kept for it."""
        probation = self._probations.pop(name, None)
        served = None if probation is None else self._served(name, probation.version)
        if served is not None:
            served.sample.forget()

    async def _observe(self, name: str, health: VersionHealth) -> None:
        """Begin a probation where a promotion has changed the version since the last look."""
        before = self._latest.get(name)
        self._latest[name] = health
        if before is None or before.version == health.version:
            return
        self._end(name)
        try:
            serving = await asyncio.to_thread(self._releases.serving, name)
        except (ModelError, OSError):
            return
        # After a rollback the version that served before is no predecessor to return to.
        if serving.champion == health.version and before.version in serving.previous[:1]:
            self._probations[name] = Probation(
                health.version, before, self._clock(), health.failed, health.asked
            )

    def _fault(self, name: str, probation: Probation, model: ModelWhole) -> str | None:
        """Why the new version has to go, whatever its rows; None if it may stay."""
        before, now = probation.predecessor, self._latest.get(name)
        if not model.ready and model.intact is False:
            return f"its golden rows failed and loading it anew did not help: {model.error}"
        if now is None or model.version != probation.version:
            return None
        failed, asked = now.failed - probation.failed_before, now.asked - probation.asked_before
        share = failed / asked if asked else 0.0
        if failed >= _FAILED_REQUESTS and share > before.share + _FAILED_SHARE:
            return (
                f"{failed} of {asked} requests failed in it ({share:.1%}),"
                f" {before.share:.1%} in version {before.version}"
            )
        return None

    async def _moved(self, name: str, probation: Probation) -> str | None:
        """Why the new version has to go, by its own rows; None if it may stay."""
        served, earlier = self._served(name, probation.version), probation.predecessor.version
        due = self._compared_at.get(name, -inf) + _COMPARE_SECONDS
        if served is None or self._clock() < due:
            return None
        judgement = (await self._coordinator.health(name))[1].judgement
        # A model that fails its golden rows is loaded anew first.
        departs = judgement.verdict == "unhealthy" and judgement.origin == "model"
        if not departs or judgement.model == "faulty":
            return None
        self._compared_at[name] = self._clock()
        try:
            with served.leased():
                fault = await asyncio.to_thread(fault_on_same_rows, self._loader, served, earlier)
        except (ModelError, ServiceError, OSError) as error:
            _log.error("versions not compared", model=name, version=earlier, reason=str(error))
            return None
        if fault is None:
            return None
        return (
            f"its activations are unhealthy where those of version {earlier} were healthy,"
            f" on the same rows: {fault}"
        )

    async def _is_gone(self, name: str, version: int) -> bool:
        try:
            return (await asyncio.to_thread(self._releases.serving, name)).champion != version
        except (ModelError, OSError):
            return False

    async def _roll_back(self, name: str, probation: Probation, reason: str) -> None:
        version, before = probation.version, probation.predecessor.version
        if (name, version) in self._given_up:
            return
        try:
            await asyncio.to_thread(self._releases.roll_back, name, SERVICE, reason, version)
        except LogUnwritable as error:  # the rollback itself was done
            _log.error("release log unwritable", model=name, reason=str(error))
        except (ModelError, OSError) as error:
            if await self._is_gone(name, version):  # another worker was faster
                return
            self._given_up.add((name, version))
            _log.error("rollback failed", model=name, version=version, reason=str(error))
            return
        self._end(name)
        _log.warning("rolled back", model=name, version=version, to=before, reason=reason)
