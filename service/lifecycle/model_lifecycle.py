"""One model in one worker: takes in what happens to it, and acts as its state machine says.

Loads and checks are jobs beside the event loop, and are in the state while they count. A job that was
overtaken is not in the state when it ends: it changes nothing, and what it loaded is closed.
"""

import asyncio

from models.errors import ModelError
from service.errors import ServiceError
from service.inference.integrity import fault_of
from service.inference.served_models import ServedModel
from service.lifecycle.loader import Files
from service.lifecycle.promotions import Promoted
from service.lifecycle.shared_parts import Worker
from service.lifecycle.state_machine import Failure, Load, Ready, State, next_step
from service.observability.logs import get_logger

_log = get_logger()


class ModelLifecycle:
    """Drives the state of one model. All methods are called on the event loop."""

    def __init__(self, name: str, worker: Worker, *, anew: bool = False) -> None:
        """``anew``: what was decided before is about another model of this name."""
        self.state = State(name)
        self._name = name
        self._worker = worker
        self._peers = worker.coordinator
        self._told: object = None
        self._ended = False
        if anew:
            self._overrule()

    def promoted(self, read: Promoted) -> None:
        """Take in what the repository promotes, or what is wrong."""
        (wanted, files, vanished), now = read, self._worker.clock()
        state, self.state.vanished = self.state, vanished
        if isinstance(wanted, str):
            if wanted != state.trouble:
                self._refuse(None, wanted)
            state.trouble = wanted
        else:
            if wanted.champion != state.champion:
                state.failures = {}
            state.champion, state.previous = wanted.champion, wanted.previous
            state.trouble, state.fresh = None, True
        for version, failure in state.failures.items():
            idle = state.loading is None and state.ready is None  # nothing is tried in its place
            if idle and failure.is_over(files.get(version, failure.files), now):
                state.failures[version] = failure._replace(may_retry=True)
        self.advance()

    def forget(self) -> None:
        """End, where nothing serves and nothing is promoted: what is under way changes nothing."""
        self._unload()
        self._ended = True
        self._worker.served_models.forget(self._name)
        for versions in (self._peers.prepared, self._peers.refused):
            versions.pop(self._name, None)
        _log.info("model forgotten", model=self._name)

    def load_asked(self) -> None:
        """Try what is promoted again, whatever was decided before."""
        self._overrule()
        self.state.failures, self.state.fresh = {}, True
        self.state.returning = self.state.status == "unloaded"
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
        if self._ended:
            return
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
            if version == state.champion:
                state.failures = {}
            failed = [] if state.serving else [failure.reason for failure in state.failures.values()]
            why = "; ".join(["it is to be served", *failed])  # in the place of those that failed
            self._serve(state.ready.model, state.ready.seconds, why)
            if version != state.champion:
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
        loader, state, version = self._worker.loader, self.state, load.version
        reason, files, model, beside = "", Files(), None, self._worker.serves
        try:
            files = await asyncio.to_thread(loader.files, self._name, version)
            model = await asyncio.to_thread(self._worker.load, self._name, version, in_turn=beside)
        except Exception as error:  # noqa: BLE001 - a broken bundle can break anything below
            foreseen = isinstance(error, (ModelError, ServiceError, OSError))
            reason = str(error) if foreseen else f"{type(error).__name__} while loading it"
        now = self._worker.clock()
        if load not in (state.loading, state.repairing):
            self._worker.close(model)
        elif model is None:
            self._failed(load, reason, files)
        elif load is state.repairing:
            self._serve(model, now - load.began, "its golden rows failed, and it was loaded anew")
        else:
            state.loading, state.ready = None, Ready(version, model, now - load.began, now)
            state.failures.pop(version, None)
        self.advance()

    def _failed(self, load: Load, reason: str, files: Files) -> None:
        state, version, bad = self.state, load.version, self.state.serving
        known = state.failures.get(version)
        if load is state.repairing and bad is not None:
            reason = f"its golden rows failed ({load.fault}) and reloading did not help: {reason}"
            state.stop("withdrawn")
            self._worker.served_models.withdraw(self._name, reason)
            self._worker.audit.note(self._name, "refuse", version, None, reason)
            _log.error("model withdrawn", model=bad.label, reason=reason)
            self._worker.close(bad)
        else:
            state.loading, reason = None, f"version {version} was refused: {reason}"
            if known is None or known.reason != reason:
                self._refuse(version, reason)
        state.failures[version] = Failure(reason, files, self._worker.clock())

    def _check(self) -> None:
        state, now = self.state, self._worker.clock()
        due = state.check_due or now >= state.checked_at + self._worker.golden_seconds
        if due and state.serving is not None and state.checking is None and state.repairing is None:
            state.check_due, state.checked_at, state.checking = False, now, state.serving
            self._worker.start(self._run_check(state.serving))

    async def _run_check(self, model: ServedModel) -> None:
        worker, state, fault, files_error = self._worker, self.state, None, None
        try:
            with model.leased():
                files_error = await asyncio.to_thread(worker.loader.check, model)
        except Exception as error:  # noqa: BLE001 - a session that raises is not intact either
            fault = fault_of(error)
            _log.error("golden rows failed", model=model.label, reason=str(error))
        if model is not state.checking:
            return
        state.checking = None
        if fault is not None:
            state.repairing = self._load(model.manifest.version, fault.message)
            self._peers.alarm(self._name, model.manifest.version, "golden_rows")
        elif files_error not in (None, worker.served_models.state(self._name).files_error):
            _log.error("bundle altered on disk", model=model.label, reason=files_error)
        worker.served_models.checked(self._name, fault, files_error)
        self.advance()

    def _serve(self, model: ServedModel, seconds: float, why: str) -> None:
        """Let a loaded model serve; loading it has run its golden rows."""
        worker, state, before = self._worker, self.state, self.state.version
        if state.ready is not None and state.ready.model is model:
            state.ready = None
        state.stop("serving")
        state.serving, state.version = model, model.manifest.version
        state.checked_at = worker.clock()
        self._peers.take_over(model)
        old = worker.served_models.put(self._name, model)
        _log.info(
            "model serving",
            model=model.label,
            provider=model.session.provider,
            replaces=None if old is None else old.label,
            seconds=round(seconds, 3),
        )
        self._worker.close(old)
        if self._peers.keeper:
            worker.audit.note(self._name, "serve", before, state.version, why)

    def _unload(self) -> None:
        self.state.loading, self.state.failures = None, {}
        self._drop_ready()
        self.state.stop("unloaded")
        old = self._worker.served_models.unload(self._name)
        if old is not None:
            _log.info("model unloaded", model=old.label)
        self._worker.close(old)

    def _drop_ready(self) -> None:
        ready, self.state.ready = self.state.ready, None
        self._worker.close(None if ready is None else ready.model)

    def _refuse(self, version: int | None, reason: str) -> None:
        served, before = self.state.serving, self.state.version
        serving = None if served is None else served.label
        _log.error("model refused", model=self._name, version=version, reason=reason, serving=serving)
        self._worker.audit.note(self._name, "refuse", before, version, reason)

    def _tell(self) -> None:
        """Tell the other workers what is ready and what is refused here, and clients what is wrong."""
        state, peers = self.state, self._peers
        failed = state.champion in state.failures and state.status != "withdrawn"
        refused, ready = state.champion if failed else None, state.ready and state.ready.version
        reasons = [failure.reason for failure in state.failures.values()]
        error = state.trouble or "; ".join(reasons) or None
        told = ready, refused, error, state.vanished, id(state.serving), state.status, state.checked_at
        if told == self._told:
            return
        for versions, version in ((peers.prepared, ready), (peers.refused, refused)):
            versions.pop(self._name, None)
            if version is not None:
                versions[self._name] = version
        if error is not None or state.status != "unloaded":  # which has a reason of its own
            self._worker.served_models.blame(self._name, error, vanished=state.vanished)
        if not peers.alone:
            peers.post()
        self._told = told
