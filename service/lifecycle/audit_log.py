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
        self._hand = ThreadPoolExecutor(1, thread_name_prefix="release-log")

    def note(
        self,
        model: str,
        action: Action,
        before: int | None,
        after: int | None,
        why: str,
        by: str = SERVICE,
    ) -> None:
        """Write a step down, soon."""
        if self._log is not None:
            self._hand.submit(self._write, self._log, model, action, before, after, by, why)

    def close(self) -> None:
        """Wait until all is written."""
        self._hand.shutdown(wait=True)

    @staticmethod
    def _write(
        log: ReleaseLog,
        model: str,
        action: Action,
        before: int | None,
        after: int | None,
        by: str,
        why: str,
    ) -> None:
        try:
            log.add(model, action, before, after, by, why)
        except OSError as error:
            # Serving goes on: what cannot be written there is at least in the service's own log.
            _log.error(
                "release log unwritable", model=model, action=action, after=after, reason=error.strerror
            )
