"""A trial over two workers with keys: begun by request, judged by the rows of both, and dropped."""

import time
from http.client import HTTPConnection
from pathlib import Path

import grpc
import msgspec
import pytest

from service.api.auth.keys import KeyFile, new_key
from service.grpc.messages import SERVICE, message
from tests.benchmarks.server import free_port
from tests.support import bundles
from tests.support.server import Server, running

pytestmark = pytest.mark.slow


def told(server: Server, key: dict[str, str]) -> dict:
    """What is told of the trial."""
    return server.client.get("/health/trials/htru2", headers=key).json()


def until(server: Server, key: dict[str, str], name: str, seconds: float = 20) -> dict:
    """Wait until something is told."""
    end = time.monotonic() + seconds
    while not (document := told(server, key))[name]:
        assert time.monotonic() < end, document
        time.sleep(0.05)
    return document


def test_a_bad_canary_of_two_workers_is_named_and_drops_by_itself(tmp_path: Path) -> None:
    """Both workers answer by it, whichever is asked tells of both, and no request by it remains."""
    root, state, port = tmp_path / "models", tmp_path / "state", free_port()
    bundles.publish(root)
    bad = bundles.publish(root, promote=False, ill=3.0)
    made = {name: new_key(name, (name,)) for name in ("admin", "predict", "metrics")}
    file = tmp_path / "keys.json"
    file.write_bytes(msgspec.json.encode(KeyFile(tuple(entry for _, entry in made.values()))))
    keys = {name: {"x-api-key": key} for name, (key, _) in made.items()}
    rows = bundles.candidates(500).tolist()
    settings = {"workers": 2, "api_keys_file": file, "grpc_port": port, "state": state}
    with running(tmp_path, models=root, **settings) as server:
        server.wait_until_ready(60)
        begin = {"version": bad, "share": 0.5, "auto": True, "why": "a new seed"}
        for name, status in (("predict", 403), ("metrics", 403), ("admin", 200)):
            path = "/admin/models/htru2/trial"
            assert server.client.post(path, json=begin, headers=keys[name]).status_code == status
        begun = until(server, keys["metrics"], "challenger")
        assert (begun["kind"], begun["share"], begun["auto"]) == ("canary", 0.5, True)
        time.sleep(1.5)  # the other worker looks as often
        versions = set[str]()
        address = server.client.base_url
        for row in rows:
            # A connection of its own: either worker may have it.
            connection = HTTPConnection(address.host, address.port, timeout=10)
            body = msgspec.json.encode({"model": "htru2", "inputs": [row]})
            headers = keys["predict"] | {"content-type": "application/json"}
            connection.request("POST", "/predict", body, headers)
            versions.add(msgspec.json.decode(connection.getresponse().read())["version"])
            connection.close()
        assert versions == {"1", str(bad)}
        server.wait_for_line("trial ends", 20)
        fault = server.wait_for_line("challenger at fault", 5)
        assert fault["version"] == bad
        assert {line["worker"] for line in server.lines() if line["event"] == "trial begins"} == {1, 2}
        asked = message("inference.ModelInferRequest")(
            model_name="htru2", raw_input_contents=[bundles.candidates(1).tobytes()]
        )
        asked.inputs.add(name="features", datatype="FP32", shape=[1, 8])
        answered = message("inference.ModelInferResponse")
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            infer = channel.unary_unary(
                f"/{SERVICE}/ModelInfer",
                request_serializer=lambda each: each.SerializeToString(),
                response_deserializer=answered.FromString,
            )
            metadata = tuple(keys["predict"].items())
            assert {infer(asked, metadata=metadata).model_version for _ in range(20)} == {"1"}
        assert server.stop() == 0
