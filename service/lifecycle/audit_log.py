"""Writes the service's own steps into the release log, in their order and off the event loop."""

from concurrent.futures import ThreadPoolExecutor

from models.registry.release_log import Action, ReleaseLog
from service.observability.logs import get_logger

#: Who takes the steps that nobody asked for.
SERVICE = "service"

_log = get_logger()


class ReleaseAudit:
    """A release log that is written to from the event loop; without one nothing is written."""

    def __init__(self, log: ReleaseLog | None = None) -> None:
        self._log = log
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="release-log")

    def note(
        self,
        model: str,
        step: Action,
        before: int | None,
        after: int | None,
        why: str,
        by: str = SERVICE,
    ) -> None:
        """Write a step down soon; before and after it these versions served."""

        def write(log: ReleaseLog) -> None:
            try:
                log.add(model, step, before, after, by, why)
            except OSError as error:  # serving goes on, and the service's own log has the step
                reason = error.strerror
                _log.error(
                    "release log unwritable", model=model, action=step, after=after, reason=reason
                )

        if self._log is not None:
            self._thread.submit(write, self._log)

    def close(self) -> None:
        """Wait until all steps are written."""
        self._thread.shutdown(wait=True)
