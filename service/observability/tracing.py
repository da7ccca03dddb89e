"""Which requests are traced by OpenTelemetry, where its usual variables ask for traces (extra ``otel``).

That is decided here, by a request's ``traceparent`` and the sampler of the variables, at the cost of one
comparison. Only for a request that is traced does the SDK make spans; see ``spans``.

Sources: W3C Trace Context, section 3.2 (``traceparent``); OpenTelemetry, "Environment Variable
Specification" (``OTEL_…``).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Any, NamedTuple, Protocol

from service.errors import SettingsError

TRACE_HEADER = b"traceparent"

_PARENT = re.compile(rb"(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_SAMPLED = 1
_SAMPLERS = ("always_on", "always_off", "traceidratio")


class Recorder(Protocol):
    """Makes spans; see ``spans``."""

    def record(self, request: Any, trace: "Trace", method: str, route: str, seconds: float) -> None:
        """Make the spans of a request that took ``seconds`` until now."""

    def close(self) -> None:
        """Export what is left."""


class Trace(NamedTuple):
    """The trace of a request; ``caller`` is the caller's span, None where the trace begins here."""

    identifier: int
    caller: int | None
    recorder: Recorder

    @property
    def text(self) -> str:
        """The trace's id as logs have it: 32 hexadecimal digits."""
        return f"{self.identifier:032x}"


@dataclass(frozen=True, slots=True)
class Sampler:
    """Decides which requests are traced; ``by_parent`` follows a caller's decision, if there is one."""

    share: float
    by_parent: bool

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> "Sampler":
        """Read ``OTEL_TRACES_SAMPLER`` and its argument; raises ``SettingsError``."""
        name = environment.get("OTEL_TRACES_SAMPLER") or "parentbased_always_on"
        kind = name.removeprefix("parentbased_")
        if kind not in _SAMPLERS:
            known = ", ".join((*_SAMPLERS, *(f"parentbased_{each}" for each in _SAMPLERS)))
            raise SettingsError(f"OTEL_TRACES_SAMPLER={name}: there is {known}")
        share = {"always_on": 1.0, "always_off": 0.0}.get(kind)
        if share is None:
            share = _share(environment.get("OTEL_TRACES_SAMPLER_ARG") or "1")
        return cls(share, name != kind)

    def takes(self, identifier: int, *, sampled: bool | None) -> bool:
        """Return whether a trace is taken; ``sampled`` is what its caller decided, None for no caller.

        As the SDK's own samplers do it: all services of a trace decide alike by its id.
        """
        if self.by_parent and sampled is not None:
            return sampled
        return (identifier & (1 << 64) - 1) < self.share * (1 << 64)


class Tracing:
    """Takes the requests that are traced, and keeps who records their spans."""

    def __init__(self, sampler: Sampler, recorder: Recorder) -> None:
        self._sampler = sampler
        self._random = Random()  # noqa: S311 - an id is no secret
        #: Makes the spans.
        self.recorder = recorder

    def begin(self, parent: bytes | None) -> Trace | None:
        """Return the trace of a request with this ``traceparent``, None where it is not traced.

        A malformed ``traceparent`` counts as none, as the standard has it.
        """
        identifier = caller = 0
        sampled: bool | None = None
        if parent is not None and (match := _PARENT.fullmatch(parent)) is not None:
            identifier, caller = int(match[1], 16), int(match[2], 16)
            sampled = bool(int(match[3], 16) & _SAMPLED)
        if not identifier or not caller:
            identifier, caller, sampled = self._random.getrandbits(128) or 1, 0, None
        if not self._sampler.takes(identifier, sampled=sampled):
            return None
        return Trace(identifier, caller or None, self.recorder)


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise SettingsError(f"OTEL_TRACES_SAMPLER_ARG={text}: it is a share from 0 to 1")
    return share
