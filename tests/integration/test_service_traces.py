"""Traces: the service exports what a real receiver of OTLP understands, and lives without one."""

import gzip
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from models.features.tabular.pulsar import NAMES
from tests.support import bundles
from tests.support.server import Server, running

collector = pytest.importorskip("opentelemetry.proto.collector.trace.v1.trace_service_pb2")

ROW = {"model": "htru2", "inputs": [[1.0] * 8]}
TRACE, CALLER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


class Receiver(HTTPServer):
    """Takes spans by OTLP over HTTP, as a collector does."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.spans: list[Any] = []
        self.services: set[str] = set()

    @property
    def address(self) -> str:
        """What ``OTEL_EXPORTER_OTLP_ENDPOINT`` is set to."""
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    """Reads one export."""

    server: Receiver

    def do_POST(self) -> None:
        """Decode the spans; anything else than an export of traces fails the test."""
        assert self.path == "/v1/traces"
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        for resource in collector.ExportTraceServiceRequest.FromString(body).resource_spans:
            named = {each.key: each.value.string_value for each in resource.resource.attributes}
            self.server.services.add(named["service.name"])
            for scope in resource.scope_spans:
                self.server.spans += scope.spans
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Write nothing."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A receiver that runs."""
    with Receiver() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def served(folder: Path, monkeypatch: pytest.MonkeyPatch, endpoint: str, **variables: str):
    """A service that exports its traces."""
    bundles.publish(folder / "models")
    for name, value in {"EXPORTER_OTLP_ENDPOINT": endpoint, **variables}.items():
        monkeypatch.setenv(f"OTEL_{name}", value)
    return running(folder, models=folder / "models", state=folder / "state")


def ask(server: Server) -> None:
    """Ask by the fast path, by the usual one, and for what is not there."""
    assert server.wait_until_ready().status_code == 200
    header = {"traceparent": f"00-{TRACE}-{CALLER}-01"}
    assert server.client.post("/predict", json=ROW, headers=header).status_code == 200
    named = {"model": "htru2", "inputs": [dict(zip(NAMES, [1.0] * 8, strict=True))]}
    assert server.client.post("/predict", json=named, headers=header).status_code == 200
    unsampled = {"traceparent": f"00-{'9' * 32}-{CALLER}-00"}
    assert server.client.post("/predict", json=ROW, headers=unsampled).status_code == 200
    assert server.client.post("/predict", json={"model": "x", "inputs": [[1]]}).status_code == 404


def test_a_request_has_a_span_for_each_stage(
    tmp_path: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Below the caller's span, in order, within the request; the log has the trace's id."""
    with served(tmp_path, monkeypatch, receiver.address) as server:
        ask(server)
        assert server.stop() == 0
        assert server.errors() == ""
        logged = [
            line for line in server.lines() if line["event"] == "request" and line["route"] == "/predict"
        ]
    assert receiver.services == {"snn-serving"}
    assert [line.get("trace") == TRACE for line in logged] == [True, True, False, False]
    spans = [span for span in receiver.spans if span.trace_id.hex() == TRACE]
    roots = [span for span in spans if span.parent_span_id.hex() == CALLER]
    assert [root.name for root in roots] == ["POST /predict"] * 2
    for root in roots:
        stages = [span for span in spans if span.parent_span_id == root.span_id]
        assert [span.name for span in stages] == ["read", "featurize", "queue", "infer", "encode"]
        times = [root.start_time_unix_nano]
        for span in stages:
            times += [span.start_time_unix_nano, span.end_time_unix_nano]
        assert times == sorted(times)
        assert times[-1] <= root.end_time_unix_nano
        about = {each.key: each.value for each in root.attributes}
        assert about["http.response.status_code"].int_value == 200
        assert about["snn.model"].string_value == "htru2@1"
    assert not [span for span in receiver.spans if span.trace_id.hex() == "9" * 32]
    missing = [
        span for span in receiver.spans if not span.parent_span_id and span.name == "POST /predict"
    ]
    assert len(missing) == 1
    assert missing[0].trace_id.hex() == logged[3]["trace"]


def test_a_receiver_that_is_gone_costs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests are answered, the service stops in time, and what is not sampled is not exported."""
    with served(tmp_path, monkeypatch, "http://127.0.0.1:9", BSP_SCHEDULE_DELAY="100") as server:
        ask(server)
        assert server.stop() == 0
        assert "Traceback" not in server.errors()
