"""One model in one worker: takes in what happens to it, and acts as its state machine says.

Loads and checks are jobs beside the event loop, and are in the state while they count. A job that was
overtaken is not in the state when it ends: it changes nothing, and what it loaded is closed.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any

from models.errors import ModelError
from models.registry.store import ServingState
from service.coordination.coordinator import WorkerCoordinator
from service.errors import ServiceError
from service.inference.integrity import fault_of
from service.inference.served_models import ServedModel, ServedModels
from service.lifecycle.audit_log import ReleaseAudit
from service.lifecycle.loader import Files, Loader
from service.lifecycle.state_machine import Failure, Load, Ready, State, Status, next_step
from service.observability.logs import get_logger

#: A failed load is repeated when the bundle's files change, and after this many seconds in any case:
#: the cause may lie outside the bundle.
_RETRY_SECONDS = 30.0

_log = get_logger()


@dataclass(frozen=True, slots=True)
class Worker:
    """What the models of one worker share; ``start`` runs a job beside the event loop."""

    served_models: ServedModels
    loader: Loader
    coordinator: WorkerCoordinator
    audit: ReleaseAudit
    golden_seconds: float
    clock: Callable[[], float]
    in_thread: Callable[..., Awaitable[Any]]
    start: Callable[[Coroutine[Any, Any, None]], None]


class ModelLifecycle:
    """Drives the state of one model. All methods are called on the event loop."""

    def __init__(self, name: str, worker: Worker) -> None:
        self.state = State(name)
        self._name = name
        self._worker = worker
        self._peers = worker.coordinator
        self._told: object = None

    def promoted(self, wanted: ServingState | str, files: Mapping[int, Files]) -> None:
        """Take in what the repository promotes, or what is wrong; ``files`` are of failed versions."""
        state, before, now = self.state, self.state.trouble, self._worker.clock()
        state.trouble = wanted if isinstance(wanted, str) else None
        if state.trouble not in (None, before):
            self._refuse(None, str(wanted))
        if not isinstance(wanted, str):
            if wanted.champion != state.champion:
                state.failures = {}
            state.wanted, state.fresh = wanted, True
        for version, failure in state.failures.items():
            changed = files.get(version, ()) != failure.files or now >= failure.at + _RETRY_SECONDS
            if changed and state.loading is None:  # not while another version is tried in its place
                state.failures[version] = failure._replace(may_retry=True)
        self.advance()

    def load_asked(self) -> None:
        """Try what is promoted again, whatever was decided before."""
        self._overrule()
        self.state.failures, self.state.returning = {}, self.state.status == "unloaded"
        self.advance()

    def unload_asked(self) -> None:
        """Serve nothing, until a load is asked for or decided."""
        self._overrule()
        self._unload()
        self.advance()

    def check_asked(self) -> None:
        """Run the golden rows as soon as no check or repair is under way."""
        decision = self._peers.decision(self._name)
        self.state.check_due = True
        self.state.check_followed = 0.0 if decision is None else decision.check
        self.advance()

    def advance(self) -> None:
        """Do what is due, and go towards what should serve as far as the other workers let this one."""
        self._check()
        state, now, decision = self.state, self._worker.clock(), self._peers.decision(self._name)
        if decision is not None and decision.check > state.check_followed:
            state.check_due, state.check_followed = True, decision.check
            self._check()
        if decision is not None and (decision.at, decision.unloaded) != state.followed:
            state.followed = decision.at, decision.unloaded
            state.returning = state.status == "unloaded"
            if decision.unloaded:
                self._unload()
        agreed = None if decision is None or decision.unloaded else decision
        version, step = next_step(state, agreed, self._peers, now)
        state.fresh = False
        if state.loading is not None and state.loading.version != version:
            state.loading = None
        if state.ready is not None and state.ready.version != version:
            self._drop_ready()
        if version is None:
            state.returning = state.returning and agreed is not None
        elif step == "load" and state.loading is None:
            state.loading = self._load(version)
        elif step == "wait" and agreed is not None:
            asyncio.get_running_loop().call_later(agreed.at - now, self.advance)
        elif step == "serve" and state.ready is not None:
            others = [] if state.serving else [each.reason for each in state.failures.values()]
            why = "; ".join(
                ["it is to be served", *others]
            )  # the others are those that it stands in for
            self._serve(state.ready.model, state.ready.seconds, why)
            self.advance()
        elif step in ("propose", "propose at once") and self._peers.decide(
            self._name, version, at_once=step == "propose at once"
        ):
            self.advance()
        self._tell()

    def _overrule(self) -> None:
        decision = self._peers.decision(self._name)
        self.state.followed = None if decision is None else (decision.at, decision.unloaded)

    def _load(self, version: int, fault: str | None = None) -> Load:
        load = Load(version, self._worker.clock(), fault)
        self._worker.start(self._run_load(load))
        return load

    async def _run_load(self, load: Load) -> None:
        worker, reason, files = self._worker, "", Files()
        model: ServedModel | None = None
        try:
            files = await worker.in_thread(worker.loader.files, self._name, load.version)
            model = await worker.in_thread(worker.loader.load, self._name, load.version)
        except Exception as error:  # noqa: BLE001 - a broken bundle can break anything below
            foreseen = isinstance(error, (ModelError, ServiceError, OSError))
            reason = str(error) if foreseen else f"{type(error).__name__} while loading it"
        if load is self.state.loading:
            self._loaded(load, model, reason, files)
        elif load is self.state.repairing:
            self._repaired(load, model, reason, files)
        elif model is not None:
            self._close(model)
        self.advance()

    def _loaded(self, load: Load, model: ServedModel | None, reason: str, files: Files) -> None:
        state, version, now = self.state, load.version, self._worker.clock()
        state.loading = None
        if model is not None:
            state.ready = Ready(version, model, now - load.began, now)
            state.failures.pop(version, None)
            if version == state.champion:
                state.failures = {}
            return
        reason, known = f"version {version} was refused: {reason}", state.failures.get(version)
        state.failures[version] = Failure(reason, files, now)
        if known is None or known.reason != reason:
            self._refuse(version, reason)

    def _repaired(self, load: Load, model: ServedModel | None, reason: str, files: Files) -> None:
        state, now, bad = self.state, self._worker.clock(), self.state.serving
        if model is not None:
            self._serve(model, now - load.began, "its golden rows failed, and it was loaded anew")
        elif bad is not None:
            reason = f"its golden rows failed ({load.fault}) and reloading did not help: {reason}"
            state.failures[load.version] = Failure(reason, files, now)
            self._stop("withdrawn")
            self._worker.served_models.withdraw(self._name, reason)
            self._worker.audit.note(self._name, "refuse", load.version, None, reason)
            _log.error("model withdrawn", model=bad.label, reason=reason)
            self._close(bad)

    def _check(self) -> None:
        state, now = self.state, self._worker.clock()
        due = state.check_due or now >= state.checked_at + self._worker.golden_seconds
        if due and state.serving is not None and state.checking is None and state.repairing is None:
            state.check_due, state.checked_at, state.checking = False, now, state.serving
            self._worker.start(self._run_check(state.serving))

    async def _run_check(self, model: ServedModel) -> None:
        worker, state = self._worker, self.state
        fault: Exception | None = None
        files_error: str | None = None
        try:
            with model.leased():
                files_error = await worker.in_thread(worker.loader.check, model)
        except Exception as error:  # noqa: BLE001 - a session that raises is not intact either
            fault = error
            _log.error("golden rows failed", model=model.label, reason=str(error))
        if model is not state.checking:
            return
        state.checking = None
        if fault is not None:
            state.repairing = self._load(model.manifest.version, str(fault))
            self._peers.alarm(self._name, model.manifest.version, "golden_rows")
        elif files_error not in (None, worker.served_models.state(self._name).files_error):
            _log.error("bundle altered on disk", model=model.label, reason=files_error)
        found = None if fault is None else fault_of(fault)
        worker.served_models.checked(self._name, found, files_error)
        self.advance()

    def _serve(self, model: ServedModel, seconds: float, why: str) -> None:
        """Let a loaded model serve; loading it has run its golden rows."""
        worker, state = self._worker, self.state
        if state.ready is not None and state.ready.model is model:
            state.ready = None
        self._stop("serving")
        state.serving, state.checked_at = model, worker.clock()
        self._peers.take_over(model)
        old = worker.served_models.put(self._name, model)
        _log.info(
            "model serving",
            model=model.label,
            provider=model.session.provider,
            replaces=None if old is None else old.label,
            seconds=round(seconds, 3),
        )
        if old is not None:
            self._close(old)
        if self._peers.keeper:
            before = None if old is None else old.manifest.version
            worker.audit.note(self._name, "serve", before, model.manifest.version, why)

    def _unload(self) -> None:
        self.state.loading, self.state.failures = None, {}
        self._drop_ready()
        self._stop("unloaded")
        old = self._worker.served_models.unload(self._name)
        if old is not None:
            _log.info("model unloaded", model=old.label)
            self._close(old)

    def _stop(self, status: Status) -> None:
        """Let nothing serve, so that a check or a repair of it counts no more."""
        state = self.state
        state.serving, state.status = None, status
        state.repairing = state.checking = None
        state.returning = state.check_due = False

    def _drop_ready(self) -> None:
        if self.state.ready is not None:
            self._close(self.state.ready.model)
            self.state.ready = None

    def _close(self, model: ServedModel) -> None:
        self._worker.start(model.retire())

    def _refuse(self, version: int | None, reason: str) -> None:
        served = self.state.serving
        serving = None if served is None else served.label
        _log.error("model refused", model=self._name, version=version, reason=reason, serving=serving)
        self._worker.audit.note(self._name, "refuse", self.state.version, version, reason)

    def _tell(self) -> None:
        """Tell the other workers what is ready and what is refused here, and clients what is wrong."""
        state, peers = self.state, self._peers
        ready = None if state.ready is None else state.ready.version
        told = ready, state.refused, state.error, id(state.serving), state.status, state.checked_at
        if told == self._told:
            return
        for versions, version in ((peers.prepared, ready), (peers.refused, state.refused)):
            versions.pop(self._name, None)
            if version is not None:
                versions[self._name] = version
        if state.error is not None or state.status != "unloaded":  # which has a reason of its own
            self._worker.served_models.blame(self._name, state.error)
        if not peers.alone:
            peers.post()
        self._told = told
