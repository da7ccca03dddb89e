"""Opens the export of traces, where OpenTelemetry's variables ask for it."""

import os
from collections.abc import Mapping

from service.errors import SettingsError
from service.observability.logs import get_logger
from service.observability.tracing import Sampler, Tracing

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")

_log = get_logger()


def open_tracing(environment: Mapping[str, str] = os.environ) -> Tracing | None:
    """Return the tracing that the variables ask for, None for none.

    Raises ``SettingsError`` for a value that is not known, and where the extra is not installed.
    """
    asked = any(environment.get(name) for name in _ENDPOINTS)
    off = environment.get("OTEL_SDK_DISABLED", "").lower() == "true"
    if not asked or off or environment.get("OTEL_TRACES_EXPORTER") == "none":
        return None
    sampler = Sampler.of(environment)
    try:
        from service.observability.spans import SpanRecorder
    except ImportError as error:
        raise SettingsError(
            f"OTEL_EXPORTER_OTLP_ENDPOINT asks for traces, but {error.name} is not installed;"
            " pip install 'snn-serving[otel]'"
        ) from error
    _log.info("traces exported", share=sampler.share, by_parent=sampler.by_parent)
    return Tracing(sampler, SpanRecorder())
