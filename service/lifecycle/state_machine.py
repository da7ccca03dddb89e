"""What one worker knows of one model, and what it is to do next.

``docs/explanation/lifecycle.md`` has a diagram. Nothing here acts: ``next_step`` reads
the state and what the coordinator tells of the other workers.
"""

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from service.coordination.coordinator import WorkerCoordinator
from service.coordination.statuses import CutoverDecision
from service.inference.served_models import ServedModel
from service.lifecycle.loader import Files

#: A failed load is repeated when the bundle's files change, and after this many seconds in any case:
#: the cause may lie outside the bundle.
_RETRY_SECONDS = 30.0
#: A version that is ready waits no longer than this for a worker that is still loading it.
_PATIENCE_SECONDS = 60.0

#: ``empty``: no version has served yet. ``withdrawn``: golden rows failed, and so did the reload.
Status = Literal["empty", "serving", "withdrawn", "unloaded"]
Step = Literal["stay", "load", "wait", "serve", "propose", "propose at once"]


@dataclass(frozen=True, slots=True, eq=False)
class Load:
    """A load under way; ``fault`` is what a check has found, where it repairs what serves."""

    version: int
    began: float
    fault: str | None = None


class Ready(NamedTuple):
    """A loaded version that waits since ``at`` to serve; loading took ``seconds``."""

    version: int
    model: ServedModel
    seconds: float
    at: float


class Failure(NamedTuple):
    """Why the latest load of a version failed, when, and of which files."""

    reason: str
    files: Files
    at: float
    may_retry: bool = False

    def is_over(self, files: Files, now: float) -> bool:
        """Whether a load of these files may succeed now."""
        return files != self.files or now >= self.at + _RETRY_SECONDS


@dataclass(slots=True)
class State:
    """One model in one worker; times are of the monotonic clock, in seconds."""

    name: str
    status: Status = "empty"
    #: The model and the version that serve, and the version that is loaded and waits.
    serving: ServedModel | None = None
    version: int | None = None
    ready: Ready | None = None
    #: The jobs that count: to load another version, to load the same again, to check what serves.
    loading: Load | None = None
    repairing: Load | None = None
    checking: ServedModel | None = None
    #: Failed loads since the last promotion, by version.
    failures: dict[int, Failure] = field(default_factory=dict)
    #: What the repository promotes and promoted before, what is wrong, and whether it was just read.
    champion: int | None = None
    previous: tuple[int, ...] = ()
    trouble: str | None = None
    fresh: bool = False
    #: Whether nothing is promoted any more of what serves.
    vanished: bool = False
    #: Whether an unloaded model is to serve again.
    returning: bool = False
    check_due: bool = False
    checked_at: float = 0.0
    #: Which decision, and at what time which request for a check, were followed last.
    followed: tuple[float, bool] | None = None
    check_followed: float = 0.0

    def stop(self, status: Status) -> None:
        """Let nothing serve, so that a check or a repair of what served counts no more."""
        self.status = status
        self.serving = self.version = self.repairing = self.checking = None
        self.returning = self.check_due = False


def next_step(
    state: State, agreed: CutoverDecision | None, peers: WorkerCoordinator, now: float
) -> tuple[int | None, Step]:
    """The version that is to take over, None for no change, and what brings that nearer.

    ``agreed`` is what all workers have decided to serve.
    """
    target, ready = _target(state, agreed, peers), state.ready
    if target is None:
        right = state.fresh and state.version is not None and state.version == state.champion
        if agreed is None or agreed.version == state.version or not right:
            return None, "stay"
        return state.version, "propose at once"  # so that no worker that starts follows what was decided
    if ready is None or ready.version != target:
        return target, "load"
    if agreed is not None and agreed.version == target:
        return target, "wait" if now < agreed.at else "serve"
    if peers.alone:
        return target, "serve"
    if state.version is None and not peers.serves(state.name):
        return target, "propose at once"
    late = now > ready.at + _PATIENCE_SECONDS
    return target, "propose" if late or peers.can_follow(state.name, target) else "stay"


def _target(state: State, agreed: CutoverDecision | None, peers: WorkerCoordinator) -> int | None:
    """The version that is to take over; None if what serves, or nothing, is right."""
    name, version, champion, failures = state.name, state.version, state.champion, state.failures
    failed = {number for number, failure in failures.items() if not failure.may_retry}
    decided = None if agreed is None else agreed.version
    if state.status == "unloaded" and not state.returning:
        return None
    # What the others serve comes first: what is promoted may be refused, or take its time to load.
    if version is None and decided is not None and decided not in failed and peers.serves(name):
        return decided
    if champion is None or version == champion:
        return None
    # Where another worker refuses it, loading it is in vain, but for one that refuses it as well. A
    # refusal also ends by a rollback, so that a load begins only when the repository was just read.
    go = version is None or decided == champion or champion in failures
    begun = any(job is not None and job.version == champion for job in (state.loading, state.ready))
    may_go = (state.fresh or begun) and not peers.refuses(name, champion)
    if champion not in failed and (go or may_go):
        return champion
    # A version before the champion serves in its place at the start alone. What was withdrawn gave
    # wrong answers: whether to go back is for the automatic rollback or an operator to say.
    if state.status == "empty" and not peers.serves(name):
        return next((earlier for earlier in state.previous if earlier not in failed), None)
    return None
