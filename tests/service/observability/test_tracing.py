"""Which requests are traced: the header of W3C, the sampler's variables, and what is not installed."""

import sys
from types import SimpleNamespace
from typing import cast

import pytest

from service.errors import SettingsError
from service.observability.tracing import Recorder, Sampler, Trace, Tracing
from service.server.traces import open_tracing

IDENTIFIER, CALLER = 0x4BF92F3577B34DA6A3CE929D0E0E4736, 0x00F067AA0BA902B7
TEXT = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-%s"


RECORDER = cast("Recorder", SimpleNamespace())  # it is only carried


def tracing(share: float, *, by_parent: bool = True) -> Tracing:
    """A decision without anything that records."""
    return Tracing(Sampler(share, by_parent), RECORDER)


@pytest.mark.parametrize(
    ("header", "followed"),
    [
        (TEXT % b"01", True),
        (TEXT % b"03", True),
        (TEXT.replace(b"00-", b"cc-", 1) % b"01-what-comes-later", True),  # a version of the future
        (TEXT % b"00", False),
    ],
)
def test_a_caller_decides(header: bytes, followed: bool) -> None:
    """By the flag of its header, whatever the share of traces that begin here."""
    for share in (0.0, 1.0):
        expected = Trace(IDENTIFIER, CALLER, RECORDER) if followed else None
        assert tracing(share).begin(header) == expected
    assert tracing(1.0, by_parent=False).begin(header) == Trace(IDENTIFIER, CALLER, RECORDER)
    assert tracing(0.0, by_parent=False).begin(header) is None


@pytest.mark.parametrize(
    "header",
    [
        None,
        b"",
        TEXT % b"0",
        (TEXT % b"01").upper(),
        TEXT.replace(b"00-4", b"ff-4") % b"01",
        b"00-" + b"0" * 32 + b"-00f067aa0ba902b7-01",
        b"00-4bf92f3577b34da6a3ce929d0e0e4736-" + b"0" * 16 + b"-01",
        TEXT % b"01" + b"x",
    ],
)
def test_what_is_no_trace_begins_one(header: bytes | None) -> None:
    """A malformed header is none (W3C Trace Context, section 4.3): a new trace, or none by the share."""
    begun = tracing(1.0).begin(header)
    assert begun is not None
    assert (begun.caller, len(begun.text)) == (None, 32)
    assert begun.identifier != IDENTIFIER
    assert tracing(0.0).begin(header) is None


def test_the_share_is_kept() -> None:
    """A tenth of 20,000 traces, within four standard deviations; all ids differ."""
    sampled = [tracing(0.1).begin(None) for _ in range(20_000)]
    taken = [trace.identifier for trace in sampled if trace is not None]
    assert len(set(taken)) == len(taken)
    assert abs(len(taken) - 2000) < 4 * 42.4


@pytest.mark.parametrize(
    ("variables", "share", "by_parent"),
    [
        ({}, 1.0, True),
        ({"OTEL_TRACES_SAMPLER": "always_on"}, 1.0, False),
        ({"OTEL_TRACES_SAMPLER": "parentbased_always_off"}, 0.0, True),
        ({"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.01"}, 0.01, False),
        ({"OTEL_TRACES_SAMPLER": "parentbased_traceidratio"}, 1.0, True),
    ],
)
def test_the_samplers_of_the_specification(
    variables: dict[str, str], share: float, by_parent: bool
) -> None:
    """Their names and defaults are those of OpenTelemetry's environment variables."""
    assert Sampler.of(variables) == Sampler(share, by_parent)


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"OTEL_TRACES_SAMPLER": "jaeger_remote"}, "OTEL_TRACES_SAMPLER=jaeger_remote: there is always"),
        (
            {"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "1%"},
            "ARG=1%: it is a share",
        ),
        ({"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "2"}, "a share from 0 to 1"),
        (
            {"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "nan"},
            "a share from 0 to 1",
        ),
    ],
)
def test_what_cannot_be_sampled_is_named(variables: dict[str, str], message: str) -> None:
    """The service does not start with it."""
    with pytest.raises(SettingsError, match=message):
        open_tracing({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4318", **variables})


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": ""},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4318", "OTEL_SDK_DISABLED": "true"},
        {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://localhost", "OTEL_TRACES_EXPORTER": "none"},
    ],
)
def test_nothing_is_traced_unless_it_is_asked_for(variables: dict[str, str]) -> None:
    """Without an endpoint, or where the SDK is switched off, there is no tracing."""
    assert open_tracing(variables) is None


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Traces that are asked for and cannot be exported end the start."""
    monkeypatch.delitem(sys.modules, "service.observability.spans", raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with pytest.raises(SettingsError, match=r"is not installed; pip install 'snn-serving\[otel\]'"):
        open_tracing({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4318"})
