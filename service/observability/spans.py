"""Spans of requests by OpenTelemetry's SDK, sent by OTLP over HTTP. Imported only where it is asked for.

They are made after the answer was sent, from times that were measured anyway. Names and attributes
follow OpenTelemetry's semantic conventions for HTTP servers.
"""

import os
from collections.abc import Iterator
from time import time_ns
from typing import Any, Protocol

from opentelemetry import trace as api
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator

from service.observability.tracing import Trace

_FLUSH_MILLISECONDS = 2000
_SERVER_ERROR = 500


class StageSeconds(Protocol):
    """Seconds of the stages of a prediction."""

    featurize: float
    queue: float
    infer: float


class Traced(Protocol):
    """What the spans of a request tell."""

    request_id: bytes
    status: int
    model: str | None
    rows: int
    read: float
    encode: float

    @property
    def stages(self) -> StageSeconds | None:
        """The stages of its prediction, None if there was none."""


class SpanRecorder:
    """Makes the spans of requests, and exports them from a thread of its own."""

    def __init__(self) -> None:
        """Read the exporter's variables: ``OTEL_EXPORTER_OTLP_…``, ``OTEL_BSP_…`` and others."""
        named = {} if os.environ.get("OTEL_SERVICE_NAME") else {SERVICE_NAME: "snn-serving"}
        self._identifiers = _Identifiers()
        self._provider = TracerProvider(
            resource=Resource.create({**named, "process.pid": os.getpid()}),
            id_generator=self._identifiers,
            shutdown_on_exit=False,
        )
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("service")

    def record(self, request: Traced, trace: Trace, method: str, route: str, seconds: float) -> None:
        """Make the span of a request that took ``seconds`` until now, with one for each stage."""
        end = time_ns()
        start = end - int(seconds * 1e9)
        self._identifiers.trace = trace.identifier
        server = self._tracer.start_span(
            f"{method} {route}",
            _called_by(trace),
            kind=api.SpanKind.SERVER,
            attributes=_attributes(request, method, route),
            start_time=start,
        )
        if request.status >= _SERVER_ERROR:
            server.set_status(api.StatusCode.ERROR)
        inside = api.set_span_in_context(server, Context())
        for name, begin, stop in _stages(request, start, end):
            self._tracer.start_span(name, inside, start_time=begin).end(stop)
        server.end(end)

    def close(self) -> None:
        """Export what is left, for at most some seconds."""
        self._provider.force_flush(_FLUSH_MILLISECONDS)
        self._provider.shutdown()


class _Identifiers(RandomIdGenerator):
    """Gives a trace that begins here the id by which it was sampled."""

    trace = 0

    def generate_trace_id(self) -> int:
        return self.trace


def _called_by(trace: Trace) -> Context:
    """The context of the caller's span; an empty one, which begins the trace, for none."""
    if trace.caller is None:
        return Context()
    flags = api.TraceFlags(api.TraceFlags.SAMPLED)
    caller = api.SpanContext(trace.identifier, trace.caller, is_remote=True, trace_flags=flags)
    return api.set_span_in_context(api.NonRecordingSpan(caller), Context())


def _attributes(request: Traced, method: str, route: str) -> dict[str, Any]:
    attributes: dict[str, Any] = {
        "http.request.method": method,
        "http.route": route,
        "http.response.status_code": request.status,
        "snn.request_id": request.request_id.decode(),
    }
    if request.model is not None:
        attributes |= {"snn.model": request.model, "snn.rows": request.rows}
    return attributes


def _stages(request: Traced, start: int, end: int) -> Iterator[tuple[str, int, int]]:
    """Yield name, begin and end of each stage, in nanoseconds.

    The stages of a table overlap. Their times are sums over its pieces, which stand one after another
    from the beginning, and none ends later than the request.
    """
    stages, begin = request.stages, start
    if stages is None:
        return
    lasted = {
        "read": request.read,
        "featurize": stages.featurize,
        "queue": stages.queue,
        "infer": stages.infer,
        "encode": request.encode,
    }
    for name, seconds in lasted.items():
        stop = min(end, begin + int(seconds * 1e9))
        yield name, begin, stop
        begin = stop
