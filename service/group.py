"""All workers of the service as one: what any of them answers about the whole.

A worker that is asked first posts its own notice, then adds the others' latest to it. So whatever
one answer has shown is on the board before the next is made, by whichever worker: no counter ever
falls. The last notice of a worker that died counts until its successor, which begins with it, posts
its own. With a single worker there is no board, and the whole is that worker.
"""

import os
from collections.abc import Iterable
from datetime import UTC, datetime
from time import monotonic

import msgspec

from service.board import (
    Board,
    Decision,
    Decisions,
    ModelNotice,
    Notice,
    Roster,
    Seat,
    Standing,
    Standings,
    encode_notice,
)
from service.catalog import Catalog, ServedModel
from service.logs import get_logger
from service.monitor import Health
from service.telemetry import ALARMS, Telemetry
from service.usage import counters, total, usage
from service.whole import Whole, put_together

#: Between a decision and the moment from which all follow it: long enough to be seen by all.
_NOTICE_SECONDS = 0.15

_log = get_logger()


class Group:
    """One worker's sight of them all."""

    def __init__(
        self, catalog: Catalog, telemetry: Telemetry, board: Board | None = None, number: int = 1
    ) -> None:
        """``number`` counts from 1; what its last holder counted is taken over."""
        self._catalog = catalog
        self._telemetry = telemetry
        self._board = board
        self._number = number
        self._posted = b""
        self._standings: Standings = {}
        self._past = None if board is None else board.notice(number)
        self._past_process: dict[str, float] = {}
        if self._past is not None:
            telemetry.merge(self._past.counted)
            self._past_process = counters(self._past.process)
        #: Whether this worker takes connections.
        self.serving = board is None
        #: Versions that this worker could serve at once, and those that it could not load.
        self.prepared: dict[str, int] = {}
        self.refused: dict[str, int] = {}

    @property
    def alone(self) -> bool:
        """Whether there are no other workers to agree with."""
        return self._board is None

    @property
    def keeper(self) -> bool:
        """Whether this is the one that looks after what one worker has to: the lowest number."""
        return self._board is None or self._number == min(self._board.roster().seats, default=0)

    def post(self, *, force: bool = True) -> Notice:
        """Say how this worker is; without ``force`` only if that has changed since."""
        notice = self._notice()
        content = encode_notice(notice)
        if self._board is not None and (force or content != self._posted):
            self._posted = content
            notice = msgspec.structs.replace(notice, process=total([self._past_process, usage()]))
            self._board.post(self._number, encode_notice(notice))
        return notice

    def whole(self) -> Whole:
        """Everything, over all workers."""
        if self._board is None:
            own = msgspec.structs.replace(self._notice(), process=usage())
            roster = Roster({1: Seat(own.pid, first=True)})
            return put_together({1: own}, roster, draining=self._catalog.draining)
        notices = {self._number: self.post(), **self._others()}
        return put_together(notices, self._board.roster(), draining=self._catalog.draining)

    def health(self, name: str) -> tuple[ServedModel, Health, datetime]:
        """Judge what went through a model in all workers; also return since when it is judged so.

        Raises ``ModelNotFound`` or ``ModelNotReady``.
        """
        served = self._catalog.get(name)
        version = served.manifest.version
        histories = [
            model.history
            for notice in self._others().values()
            for model in [notice.models.get(name)]
            if model is not None and model.version == version and model.history is not None
        ]
        health = served.monitor.health(histories)
        return served, health, self._since(served, health)

    def alarm(self, name: str, version: int, kind: str) -> None:
        """Count that something began for which an operator is called, one of ``ALARMS``."""
        self._telemetry.traffic(name, version).alarms[kind] += 1

    def take_over(self, served: ServedModel) -> None:
        """Go on with the windows of this number's last holder, if it served the same version."""
        past = None if self._past is None else self._past.models.pop(served.manifest.name, None)
        if past is not None and past.history is not None and past.version == served.manifest.version:
            served.monitor.take_over(past.history)

    def decision(self, name: str) -> Decision | None:
        """What all have agreed to serve."""
        return None if self._board is None else self._board.decisions().get(name)

    def decide(self, name: str, version: int, *, unloaded: bool = False, at_once: bool = False) -> bool:
        """Let all serve a version, or none; False if another worker is deciding just now."""
        if self._board is None:
            return True

        def change(decisions: Decisions) -> None:
            held = decisions.get(name)
            if held is None or (held.version, held.unloaded) != (version, unloaded):
                at = monotonic() + (0.0 if at_once else _NOTICE_SECONDS)
                decisions[name] = Decision(version, at, unloaded)

        return self._board.decide(change)

    def ask_for_check(self, name: str) -> bool:
        """Let every worker check its model at once; False if another worker is deciding just now."""
        if self._board is None:
            return True
        now = monotonic()

        def change(decisions: Decisions) -> None:
            if name in decisions:
                decisions[name] = msgspec.structs.replace(decisions[name], check=now)

        return self._board.decide(change)

    def can_follow(self, name: str, version: int) -> bool:
        """Whether every other worker that runs could serve this version at once, or does."""
        return all(
            notice is not None
            and (
                notice.prepared.get(name) == version
                or (name in notice.models and notice.models[name].version == version)
            )
            for notice in self._running()
        )

    def serves(self, name: str) -> bool:
        """Whether any other worker serves a model."""
        return any(
            notice is not None and name in notice.models and notice.models[name].version is not None
            for notice in self._running()
        )

    def refuses(self, name: str, version: int) -> bool:
        """Whether any other worker could not load this version."""
        return any(
            notice is not None and notice.refused.get(name) == version for notice in self._running()
        )

    def _running(self) -> Iterable[Notice | None]:
        """What every other worker says that takes part in a decision; None if it said nothing yet.

        A successor that takes no connections yet has no part: it will follow what is decided.
        """
        if self._board is None:
            return []
        roster, running = self._board.roster(), []
        for number, seat in roster.seats.items():
            if number != self._number:
                notice = self._board.notice(number)
                current = notice is not None and notice.pid == seat.pid
                if seat.first or (current and notice is not None and notice.serving):
                    running.append(notice if current else None)
        return running

    def _others(self) -> dict[int, Notice]:
        """The latest notice under every other number, of the living and the dead."""
        if self._board is None:
            return {}
        numbers = range(1, self._board.roster().wanted + 1)
        found = {number: self._board.notice(number) for number in numbers if number != self._number}
        return {number: notice for number, notice in found.items() if notice is not None}

    def _notice(self) -> Notice:
        models = {}
        for name, state in self._catalog.states().items():
            served = state.served
            models[name] = ModelNotice(
                version=None if served is None else served.manifest.version,
                provider=None if served is None else served.session.provider,
                error=state.error,
                unloaded=state.unloaded,
                intact=state.intact,
                checked_at=state.checked_at,
                fault=state.fault,
                files_error=state.files_error,
                waiting=0 if served is None else served.batcher.waiting,
                history=None if served is None else served.monitor.history(),
            )
        # After the histories: reading those brings the latest rows into the sums.
        return Notice(
            pid=os.getpid(),
            serving=self.serving,
            trouble=self._catalog.trouble,
            models=models,
            prepared=dict(self.prepared),
            refused=dict(self.refused),
            counted=self._telemetry,
            process={},
        )

    def _since(self, served: ServedModel, health: Health) -> datetime:
        """Since when the verdict holds: one memory for all workers, and one log line."""
        name, version = served.manifest.name, served.manifest.version
        judgement, changed = health.judgement, []

        def change(standings: Standings) -> None:
            held = standings.get(name)
            if held is None or (held.version, held.verdict) != (version, judgement.verdict):
                standings[name] = Standing(version, judgement.verdict, datetime.now(UTC))
                if judgement.verdict != "warming_up":
                    changed.append(name)

        standings = self._standings if self._board is None else self._board.standings()
        held = standings.get(name)
        if held is None or (held.version, held.verdict) != (version, judgement.verdict):
            if self._board is None:
                change(standings)
            elif self._board.stand(change):
                standings = self._board.standings()
        if changed:
            if judgement.verdict in ALARMS:  # by the one worker that wrote it down
                self.alarm(name, version, judgement.verdict)
            log = _log.info if judgement.verdict == "healthy" else _log.warning
            log("verdict", model=served.label, verdict=judgement.verdict, reason=judgement.reason)
        held = standings.get(name)
        return datetime.now(UTC) if held is None else held.since
