"""Loads the challengers that the repository names, and has them run beside their champions.

Every worker does so by itself. A trial ends with the champion that it belongs to: what serves then was
promoted or rolled back to.
"""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from time import monotonic
from typing import Any

from models.errors import ModelError
from models.registry.releases import Releases
from models.registry.serving_state import Challenger
from service.coordination.coordinator import WorkerCoordinator
from service.errors import ServiceError
from service.inference.served_models import ServedModel, ServedModels
from service.inference.trials.comparison import Comparison
from service.inference.trials.routing import Routing
from service.inference.trials.shadow import Shadow
from service.lifecycle.loader import Loader
from service.lifecycle.shared_parts import load_beside
from service.lifecycle.trials.decision import TrialDecision
from service.observability.logs import get_logger
from service.observability.looks import look_again

#: How often the repository is looked at, and trials are judged.
_LOOK_SECONDS = 1.0
#: A challenger that could not be loaded is tried again after this time.
_RETRY_SECONDS = 30.0

_log = get_logger()


@dataclass(frozen=True, slots=True)
class Trial:
    """A challenger that runs beside its champion.

    ``shadow`` and ``comparison`` are None where the features of the two are not the same, so that no row
    can be computed by both.
    """

    wanted: Challenger
    champion: ServedModel
    challenger: ServedModel
    began: float
    comparison: Comparison | None
    shadow: Shadow | None


class Challengers:
    """The trials of one worker. All methods are called on the event loop."""

    def __init__(
        self,
        served_models: ServedModels,
        coordinator: WorkerCoordinator,
        releases: Releases,
        loader: Loader,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._served_models, self._coordinator = served_models, coordinator
        self._releases, self._loader, self._clock = releases, loader, clock
        self._decision = TrialDecision(coordinator, releases)
        self._trials: dict[str, Trial] = {}
        self._refused: dict[str, tuple[Challenger, float]] = {}
        self._closing: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Look again and again until cancelled; an error is logged, and the next look may succeed."""
        try:
            await look_again(self.look, _LOOK_SECONDS, "trials failed")
        finally:
            for name in list(self._trials):
                self._end(name)

    async def look(self) -> None:
        """Begin and end trials as the repository says, post what was compared, and judge it."""
        states = self._served_models.states()
        for name in self._trials.keys() - states.keys():
            self._end(name)
        for name, state in states.items():
            wanted = None if state.served is None else await self._wanted(name, state.served)
            trial = self._trials.get(name)
            if trial is not None and (trial.wanted, trial.champion) != (wanted, state.served):
                self._end(name)
                trial = None
            if wanted is None:
                self._refused.pop(name, None)
                self._coordinator.trial_errors.pop(name, None)
            elif trial is None and state.served is not None:
                await self._begin(name, state.served, wanted)
        for name, trial in list(self._trials.items()):
            if trial.comparison is not None:
                sums = await asyncio.to_thread(trial.comparison.sums)
                if self._trials.get(name) is trial:
                    self._coordinator.compared[name] = sums
            seconds = self._clock() - trial.began
            if trial.comparison is None:
                await self._decision.look_alone(name, trial.wanted)
            else:
                await self._decision.look(name, trial.wanted, trial.champion, seconds)

    async def _wanted(self, name: str, served: ServedModel) -> Challenger | None:
        """The challenger of what serves."""
        try:
            serving = await asyncio.to_thread(self._releases.serving, name)
        except (ModelError, OSError):  # which the reloader reports
            trial = self._trials.get(name)
            return None if trial is None else trial.wanted
        return serving.challenger if serving.champion == served.manifest.version else None

    async def _begin(self, name: str, champion: ServedModel, wanted: Challenger) -> None:
        refused, at = self._refused.get(name, (None, 0.0))
        if refused == wanted and self._clock() < at + _RETRY_SECONDS:
            return
        try:
            challenger = await asyncio.to_thread(
                load_beside, self._loader, self._coordinator, name, wanted.version
            )
        except (ModelError, ServiceError, OSError) as error:
            self._refuse(name, wanted, str(error))
            return
        except Exception as error:  # noqa: BLE001 - a broken bundle can break anything below
            self._refuse(name, wanted, f"{type(error).__name__} while loading it")
            return
        state = self._served_models.states().get(name)
        unlike = _unlike(champion, challenger, shadow=wanted.share == 0)
        if state is None or state.served is not champion or unlike is not None:
            self._begin_job(challenger.retire())
            if unlike is not None:
                self._refuse(name, wanted, unlike)
            return
        self._coordinator.trial_errors.pop(name, None)
        self._start(name, champion, challenger, wanted)

    def _start(
        self, name: str, champion: ServedModel, challenger: ServedModel, wanted: Challenger
    ) -> None:
        comparison = shadow = None
        if champion.manifest.featurizer == challenger.manifest.featurizer:
            comparison = Comparison(champion, challenger)
            canary = wanted.share > 0
            answered, other = (challenger, champion) if canary else (champion, challenger)
            shadow = Shadow(answered, other, comparison, answers_first=not canary)
            answered.copies.take = shadow.offer
            other.leases.count += 1
        champion.trial.challenger, champion.trial.wanted = challenger, wanted
        if wanted.share > 0:
            champion.trial.routing = Routing(wanted.share, wanted.sticky, wanted.salt)
        self._trials[name] = Trial(wanted, champion, challenger, self._clock(), comparison, shadow)
        _log.info("trial begins", model=challenger.label, champion=champion.label, how=wanted.how)

    def _end(self, name: str) -> None:
        """Let the champion alone answer from now on, and close the challenger after its last request."""
        trial = self._trials.pop(name)
        on_trial = trial.champion.trial
        on_trial.routing = on_trial.challenger = on_trial.wanted = None
        trial.champion.copies.take = trial.challenger.copies.take = None
        for told in (self._coordinator.compared, self._coordinator.findings):
            told.pop(name, None)
        self._decision.forget(name)
        _log.info("trial ends", model=trial.challenger.label)
        self._begin_job(_closed(trial))

    def _refuse(self, name: str, wanted: Challenger, reason: str) -> None:
        before, _ = self._refused.get(name, (None, 0.0))
        self._refused[name] = wanted, self._clock()
        text = f"version {wanted.version} is not on trial: {reason}"
        self._coordinator.trial_errors[name] = text
        if before != wanted:
            _log.error("challenger refused", model=name, version=wanted.version, reason=reason)

    def _begin_job(self, work: Coroutine[Any, Any, None]) -> None:
        job = asyncio.get_running_loop().create_task(work)
        self._closing.add(job)
        job.add_done_callback(self._closing.discard)


async def _closed(trial: Trial) -> None:
    if trial.shadow is not None:
        await asyncio.to_thread(trial.shadow.close)
        trial.shadow.other.leases.count -= 1
    await trial.challenger.retire()


def _unlike(champion: ServedModel, challenger: ServedModel, *, shadow: bool) -> str | None:
    """Why the two cannot be compared; None if they can."""
    if _answered(champion) != _answered(challenger):
        return "its targets are not the champion's, so that clients would get other answers"
    if shadow and champion.manifest.featurizer != challenger.manifest.featurizer:
        return (
            "its features are not the champion's, so that it cannot compute the same rows in the shadow;"
            " give it a share of the requests"
        )
    return None


def _answered(model: ServedModel) -> tuple[object, ...]:
    """What answers are about: the targets, of which kind, and in which units."""
    manifest = model.manifest
    return model.targets, manifest.exclusive, [each.unit for each in manifest.quantities]
