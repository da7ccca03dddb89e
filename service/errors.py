"""The errors of the service's core.

    ServiceError
    ├── SettingsError       a setting is not usable; the service does not start
    ├── DeviceUnavailable   the requested device does not work; the service does not start
    ├── ScoreRefused        a file cannot be scored, or its scoring cannot be resumed
    ├── MalformedInput      a body or a file cannot be parsed
    ├── InvalidRequest      the request is well-formed, but no model can answer it
    ├── TooLarge            more rows or bytes than the service accepts at once
    ├── ModelNotFound       no model of that name is served
    │   └── VersionNotFound    the model is served, but not this version of it
    ├── ModelNotReady       the model cannot answer now
    ├── Overloaded          the queue is full; the error says when to try again
    ├── NotEnoughTraffic    too few rows for a baseline
    ├── NotWatched          the model has no taps, so no statistics for a baseline
    ├── DrawingUnavailable  molecules cannot be drawn on this machine
    ├── NotKept             state could not be written
    ├── StoreFailed         an object store does not give what it should
    ├── DeadlineMissed      the deadline passed before the request was computed
    ├── FeaturizingFailed   the processes that featurized these records died
    └── InferenceFailed     the network raised an error

A bad *record* raises none of these: it gets an error in its own place, and the other records are
answered. The core knows no HTTP; ``service.api.problems`` translates these errors.
"""


class ServiceError(Exception):
    """The base of this package's errors; the text says what is wrong, where, and what to do."""


class SettingsError(ServiceError):
    """A setting is not usable; the text names the environment variable."""


class DeviceUnavailable(ServiceError):
    """The requested device does not work; the text is the library's reason."""


class ScoreRefused(ServiceError):
    """A file cannot be scored, or its scoring cannot be resumed."""


class MalformedInput(ServiceError):
    """A body or a file cannot be parsed, or not beyond the place that the text names."""


class InvalidRequest(ServiceError):
    """The request is well-formed, but no model can answer it."""


class TooLarge(ServiceError):
    """The request has more rows or bytes than the service accepts at once."""


class ModelNotFound(ServiceError):
    """No model of that name is served."""


class VersionNotFound(ModelNotFound):
    """The model is served, but not this version of it."""


class ModelNotReady(ServiceError):
    """The model cannot answer now: it is loading, was refused, or is unloaded."""


class Overloaded(ServiceError):
    """The queue is full.

    ``retry_after`` is how long the waiting work is expected to take, in seconds.
    """

    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class NotEnoughTraffic(ServiceError):
    """The model has seen too few rows for a baseline."""


class NotWatched(ServiceError):
    """The model has no taps, and the request is about statistics of its layers."""


class DrawingUnavailable(ServiceError):
    """RDKit's drawing library does not load on this machine."""


class NotKept(ServiceError):
    """State could not be written to ``SNN_STATE``."""


class StoreFailed(ServiceError):
    """An object store cannot be reached, or does not give what it should; the text says what."""


class DeadlineMissed(ServiceError):
    """The request waited beyond its deadline and was not computed."""


class FeaturizingFailed(ServiceError):
    """The processes that featurized these records died, more than once."""


class InferenceFailed(ServiceError):
    """The network raised an error while it computed a batch."""
