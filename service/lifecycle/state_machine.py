"""What one worker knows of one model, and what it is to do next. ``service/README.md`` has a diagram.

Nothing here acts: ``next_step`` reads the state and what the coordinator tells of the other workers.
"""

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from models.registry.store import ServingState
from service.coordination.coordinator import WorkerCoordinator
from service.coordination.statuses import CutoverDecision
from service.inference.served_models import ServedModel
from service.lifecycle.loader import Files

#: A version that is ready waits no longer than this for a worker that is still loading it.
_PATIENCE_SECONDS = 60.0

#: ``empty``: no version has served yet. ``withdrawn``: golden rows failed, and so did the reload.
Status = Literal["empty", "serving", "withdrawn", "unloaded"]


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


class Step(NamedTuple):
    """The version that is to take over, None for no change, and what brings that nearer."""

    version: int | None
    do: Literal["stay", "load", "wait", "serve", "propose", "propose at once"]


@dataclass(slots=True)
class State:
    """One model in one worker; times are of the monotonic clock, in seconds."""

    name: str
    status: Status = "empty"
    serving: ServedModel | None = None
    ready: Ready | None = None
    #: The jobs that count: to load another version, to load the same again, to check what serves.
    loading: Load | None = None
    repairing: Load | None = None
    checking: ServedModel | None = None
    #: Failed loads since the last promotion, by version.
    failures: dict[int, Failure] = field(default_factory=dict)
    #: What the repository promotes, what is wrong with that, and whether it was just read.
    wanted: ServingState | None = None
    trouble: str | None = None
    fresh: bool = False
    #: Whether an unloaded model is to serve again.
    returning: bool = False
    check_due: bool = False
    checked_at: float = 0.0
    #: Which decision, and at what time which request for a check, were followed last.
    followed: tuple[float, bool] | None = None
    check_followed: float = 0.0

    @property
    def version(self) -> int | None:
        """The version that serves."""
        return None if self.serving is None else self.serving.manifest.version

    @property
    def champion(self) -> int | None:
        """The version that the repository promotes."""
        return None if self.wanted is None else self.wanted.champion

    @property
    def refused(self) -> int | None:
        """The champion, if it cannot be loaded here."""
        failed = self.champion in self.failures and self.status != "withdrawn"
        return self.champion if failed else None

    @property
    def error(self) -> str | None:
        """What is wrong with the repository, or with versions that should serve."""
        return self.trouble or "; ".join(each.reason for each in self.failures.values()) or None

    @property
    def busy(self) -> bool:
        """Whether a job is under way that counts."""
        return any(job is not None for job in (self.loading, self.repairing, self.checking))


def next_step(
    state: State, agreed: CutoverDecision | None, peers: WorkerCoordinator, now: float
) -> Step:
    """What brings a model nearer to what should serve; ``agreed`` is what all have decided to serve."""
    target, version, ready = _target(state, agreed, peers), state.version, state.ready
    if target is None:
        right = state.fresh and version is not None and version == state.champion
        if agreed is None or agreed.version == version or not right:
            return Step(None, "stay")
        return Step(version, "propose at once")  # a worker that starts must not follow what was decided
    if ready is None or ready.version != target:
        return Step(target, "load")
    if agreed is not None and agreed.version == target:
        return Step(target, "wait" if now < agreed.at else "serve")
    if peers.alone:
        return Step(target, "serve")
    if version is None and not peers.serves(state.name):
        return Step(target, "propose at once")
    late = now > ready.at + _PATIENCE_SECONDS
    return Step(target, "propose" if late or peers.can_follow(state.name, target) else "stay")


def _target(state: State, agreed: CutoverDecision | None, peers: WorkerCoordinator) -> int | None:
    """The version that is to take over; None if what serves, or nothing, is right."""
    name, wanted, version, failures = state.name, state.wanted, state.version, state.failures
    failed = {number for number, failure in failures.items() if not failure.may_retry}
    if state.status == "unloaded" and not state.returning:
        return None
    # What the others serve comes first: what is promoted may be refused, or take its time to load.
    if version is None and agreed is not None and agreed.version not in failed and peers.serves(name):
        return agreed.version
    if wanted is None or version == wanted.champion:
        return None
    champion = wanted.champion
    # Where another worker refuses it, loading it is in vain, but for one that refuses it as well.
    go = version is None or champion in failures or (agreed is not None and agreed.version == champion)
    if champion not in failed and (go or not peers.refuses(name, champion)):
        return champion
    # A version before the champion serves in its place at the start alone. What was withdrawn gave
    # wrong answers: whether to go back is for the automatic rollback or an operator to say.
    if state.status == "empty" and not peers.serves(name):
        return next((each for each in wanted.previous if each not in failed), None)
    return None
