"""Everything that can go wrong while serving, as the core sees it.

    ServiceError
    ├── SettingsError       a setting that cannot be honoured; the service does not start
    ├── DeviceUnavailable   the device that was asked for does not work; the service does not start
    ├── ScoreRefused        a file cannot be scored, or not gone on with
    ├── MalformedInput      a body or a file that cannot be read on, whatever is asked of it
    ├── InvalidRequest      understood, but not something that a model can be asked
    ├── TooLarge            more rows or bytes than the service takes at once
    ├── ModelNotFound       no such model here
    ├── ModelNotReady       the model is there but cannot answer now
    ├── Overloaded          the queue is full; knows when to try again
    ├── NotEnoughTraffic    too few rows were seen for a baseline
    ├── NotWatched          the model has no taps, so that there is nothing to take a baseline of
    ├── NotKept             what was to be remembered could not be written
    ├── DeadlineMissed      the answer would have come too late, so it was not computed
    ├── FeaturizingFailed   a process died over these records; nothing that the client meant
    └── InferenceFailed     the network raised; nothing that the client did

A bad *record* is none of these: it is answered in its own place and its neighbours are served.
The core raises these and knows no HTTP; ``service.api.problems`` translates them.
"""


class ServiceError(Exception):
    """The root of this package's errors; its text says what is wrong, where, and what to do."""


class SettingsError(ServiceError):
    """A setting that cannot be honoured; the text names the environment variable."""


class DeviceUnavailable(ServiceError):
    """The device that was asked for does not work; the text is the library's own reason."""


class ScoreRefused(ServiceError):
    """Scoring a file cannot begin, or cannot go on from where it was."""


class MalformedInput(ServiceError):
    """A body or a file that cannot be read, or not beyond some place."""


class InvalidRequest(ServiceError):
    """A request that is well-formed but asks for something that makes no sense."""


class TooLarge(ServiceError):
    """A request of more rows or bytes than the service takes at once."""


class ModelNotFound(ServiceError):
    """No model of that name is published here."""


class ModelNotReady(ServiceError):
    """The model is published but cannot answer now: still loading, or refused."""


class Overloaded(ServiceError):
    """More work is waiting than the queue holds.

    ``retry_after`` is how many seconds the waiting work will take, as measured.
    """

    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class NotEnoughTraffic(ServiceError):
    """Too few rows were seen for what was asked."""


class NotWatched(ServiceError):
    """The model gives no taps, and what was asked for is of the statistics of layers."""


class DrawingUnavailable(ServiceError):
    """RDKit's drawing library does not load on this machine."""


class NotKept(ServiceError):
    """What the service was to remember could not be written to ``SNN_STATE``."""


class DeadlineMissed(ServiceError):
    """The request waited longer than its deadline allows and was dropped before it was computed."""


class FeaturizingFailed(ServiceError):
    """Processes that read these records died, more than once."""


class InferenceFailed(ServiceError):
    """The network raised while computing a batch."""
