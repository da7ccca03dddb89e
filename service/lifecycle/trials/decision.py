"""Promotes or drops challengers by what their trials have shown, where that was asked for."""

import asyncio

from models.bundle.manifest import GATE_FILE
from models.errors import LogUnwritable, ModelError
from models.registry.releases import Releases
from models.registry.serving_state import Challenger
from service.coordination.coordinator import WorkerCoordinator
from service.inference.served_models import ServedModel
from service.inference.trials.comparison import TrialSums
from service.inference.trials.finding import Finding, finding_alone, finding_of
from service.lifecycle.audit_log import SERVICE
from service.observability.logs import get_logger

_log = get_logger()


class TrialDecision:
    """Judges trials over all workers; the one that does so for all of them acts."""

    def __init__(self, coordinator: WorkerCoordinator, releases: Releases) -> None:
        self._coordinator, self._releases = coordinator, releases
        #: Faults that were logged, and steps that could not be taken.
        self._named: set[tuple[str, int]] = set()
        self._given_up: set[tuple[str, int]] = set()
        #: When a gate's report was written, and whether it was passed.
        self._gates: dict[tuple[str, int], tuple[int | None, bool]] = {}

    def forget(self, name: str) -> None:
        """Forget the trials of a model that have ended: another of the same version begins anew."""
        self._named = {place for place in self._named if place[0] != name}
        self._given_up = {place for place in self._given_up if place[0] != name}
        self._gates = {place: gate for place, gate in self._gates.items() if place[0] != name}

    async def look(self, name: str, wanted: Challenger, champion: ServedModel, seconds: float) -> None:
        """Judge a trial that has run for ``seconds``; promote or drop where that was asked for."""
        sums = self._coordinator.trial(name)
        if sums is None or (sums.champion, sums.challenger) != (
            champion.manifest.version, wanted.version,
        ):  # fmt: skip
            return
        place = name, wanted.version
        finding = finding_of(sums, seconds, gate=await self._passed_gate(place))
        await self._take_up(place, finding, wanted, sums)

    async def look_alone(self, name: str, wanted: Challenger) -> None:
        """Judge a trial whose rows cannot be compared; drop the challenger where that was asked for."""
        counted = self._coordinator.whole().counted.traffic(name, wanted.version)
        await self._take_up((name, wanted.version), finding_alone(counted.inferences_failed), wanted)

    async def _take_up(
        self,
        place: tuple[str, int],
        finding: Finding,
        wanted: Challenger,
        sums: TrialSums | None = None,
    ) -> None:
        name = place[0]
        self._coordinator.findings[name] = finding
        if not self._coordinator.keeper:
            return
        if finding.fault is not None and place not in self._named:
            self._named.add(place)
            _log.warning("challenger at fault", model=name, version=wanted.version, reason=finding.fault)
        if wanted.auto and (finding.fault is not None or finding.waits is None):
            await self._act(place, finding, sums)

    async def _passed_gate(self, place: tuple[str, int]) -> bool:
        """Whether a challenger passed its gate; its report is read again only where it has changed."""
        try:
            known = self._gates.get(place)
            written = await asyncio.to_thread(self._written, *place)
            if known is None or known[0] != written:
                passed = await asyncio.to_thread(self._releases.passed_gate, *place)
                self._gates[place] = known = written, passed is True
        except (ModelError, OSError, ValueError):
            return False
        return known[1]

    def _written(self, name: str, version: int) -> int | None:
        """When a gate's report was written, in ns; None if there is none."""
        file = self._releases.repository.bundle(name, version) / GATE_FILE
        return file.lstat().st_mtime_ns if file.exists() else None

    async def _act(self, place: tuple[str, int], finding: Finding, sums: TrialSums | None) -> None:
        name, version = place
        if place in self._given_up:
            return
        try:
            if finding.fault is not None:
                await asyncio.to_thread(self._releases.drop, name, SERVICE, finding.fault, version)
            elif sums is not None:
                concordance = sums.agreement.concordance()
                why = f"its trial of {sums.agreement.rows} rows found no fault"
                if concordance is not None:
                    why += f": concordance {concordance.value:.3f}, at least {concordance.low:.3f}"
                await asyncio.to_thread(self._releases.promote, name, version, SERVICE, why)
        except LogUnwritable as error:  # the step itself was taken
            _log.error("release log unwritable", model=name, reason=str(error))
        except (ModelError, OSError) as error:
            self._given_up.add(place)
            _log.error("trial not ended", model=name, version=version, reason=str(error))
