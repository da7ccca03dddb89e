"""The v2 protocol beside inference: metadata, health, configuration, statistics, the repository."""

import asyncio
from pathlib import Path

import httpx
import pytest

from models.registry.store import Repository
from service.api.app import create_app
from tests.service.conftest import MAX_BYTES, MAX_ROWS, App
from tests.support import bundles


def allow_control(app: App) -> None:
    """Let models be loaded and unloaded by request, as ``SNN_REPOSITORY_CONTROL`` does."""
    app.asgi = create_app(
        app.served_models,
        app.predictor,
        app.telemetry,
        max_rows=MAX_ROWS,
        max_bytes=MAX_BYTES,
        control=app.reloader,
    )
    app.client = httpx.AsyncClient(transport=httpx.ASGITransport(app.asgi), base_url="http://test")


async def get(app: App, path: str, status: int = 200) -> dict:
    """Get a document."""
    answer = await app.client.get(path)
    assert answer.status_code == status, answer.text
    return answer.json()


async def post(app: App, path: str, status: int = 200, content: bytes = b"") -> dict:
    """Post to a route of the repository, without a content type."""
    answer = await app.client.post(path, content=content)
    assert answer.status_code == status, answer.text
    return answer.json()


def test_the_server_and_its_health(with_app) -> None:
    """The server names its extensions; readiness says both ``live`` and ``ready``, as clients differ."""

    async def work(app: App) -> None:
        server = await get(app, "/v2")
        assert server["name"] == "snn-serving"
        assert {"binary_tensor_data", "statistics", "model_repository"} <= set(server["extensions"])
        assert await get(app, "/v2/health/live") == {"live": True}
        assert await get(app, "/v2/health/ready", 503) == {"live": True, "ready": False}
        assert (await get(app, "/v2/models/htru2/ready", 503))["ready"] is False
        await app.reloader.poll()
        assert await get(app, "/v2/health/ready") == {"live": True, "ready": True}
        app.served_models.draining = True
        assert (await get(app, "/v2/health/ready", 503))["ready"] is False

    with_app(work, load=False)


def test_a_model_that_could_not_be_loaded_is_not_ready(with_app, tmp_path: Path) -> None:
    """Its readiness is 503 with a body, the index has the reason."""
    model = tmp_path / "htru2" / "1" / "model.onnx"
    model.write_bytes(model.read_bytes()[:100])

    async def work(app: App) -> None:
        answer = await get(app, "/v2/models/htru2/ready", 503)
        assert answer == {"name": "htru2", "version": None, "ready": False}
        (entry,) = await post(app, "/v2/repository/index")
        assert (entry["name"], entry["state"]) == ("htru2", "UNAVAILABLE")
        assert "model.onnx" in entry["reason"]
        assert await post(app, "/v2/repository/index", content=b'{"ready": true}') == []
        assert "model.onnx" in (await get(app, "/v2/models/htru2", 503))["error"]

    with_app(work)


def test_model_metadata(with_app, tmp_path: Path) -> None:
    """A model's one input and its outputs, -1 standing for the rows; the version may be named."""
    bundles.publish(tmp_path, name="tox21", kind=bundles.MOLECULES)

    def tensor(name: str, shape: list[int], datatype: str = "FP32") -> dict:
        return {"name": name, "datatype": datatype, "shape": shape}

    async def work(app: App) -> None:
        expected = {
            "name": "htru2",
            "versions": ["1"],
            "platform": "onnx_onnxv1",
            "inputs": [tensor("features", [-1, 8])],
            "outputs": [
                tensor("probability", [-1, 1]),
                tensor("logit", [-1, 1]),
                tensor("taps", [-1, 2, 3, 3]),
            ],
        }
        assert await get(app, "/v2/models/htru2") == expected
        assert await get(app, "/v2/models/htru2/versions/1") == expected
        molecules = await get(app, "/v2/models/tox21")
        assert molecules["inputs"] == [tensor("smiles", [-1], "BYTES")]
        assert molecules["outputs"][0] == tensor("probability", [-1, 12])
        ready = {"name": "htru2", "version": "1", "ready": True}
        assert await get(app, "/v2/models/htru2/ready") == ready
        assert await get(app, "/v2/models/htru2/versions/1/ready") == ready
        for tail in ("", "/ready", "/config", "/stats"):
            error = (await get(app, f"/v2/models/htru2/versions/2{tail}", 404))["error"]
            assert "version 1 is" in error
            assert "nobody" in (await get(app, f"/v2/models/nobody{tail}", 404))["error"]

    with_app(work)


def test_model_configuration(with_app, tmp_path: Path) -> None:
    """Triton's names: dims without the rows, datatypes with TYPE_, what runs the model."""
    bundles.publish(tmp_path, name="tox21", kind=bundles.MOLECULES)

    async def work(app: App) -> None:
        config = await get(app, "/v2/models/htru2/config")
        assert config["backend"] == "onnxruntime"
        assert config["max_batch_size"] == MAX_ROWS
        assert config["input"] == [{"name": "features", "data_type": "TYPE_FP32", "dims": [8]}]
        assert [output["dims"] for output in config["output"]] == [[1], [1], [2, 3, 3]]
        assert config["parameters"]["provider"] == {"string_value": "CPUExecutionProvider"}
        (smiles,) = (await get(app, "/v2/models/tox21/versions/1/config"))["input"]
        assert smiles == {
            "name": "smiles",
            "data_type": "TYPE_STRING",
            "dims": [1],
            "reshape": {"shape": []},
        }

    with_app(work)


def test_statistics(with_app) -> None:
    """Requests of either protocol are counted, rows and batches apart, failures by themselves."""
    rows = bundles.candidates(300).tolist()

    async def work(app: App) -> None:
        (before,) = (await get(app, "/v2/models/stats"))["model_stats"]
        assert (before["name"], before["version"]) == ("htru2", "1")
        assert (before["last_inference"], before["inference_count"], before["batch_stats"]) == (0, 0, [])
        declared = {"name": "features", "shape": [300, 8], "datatype": "FP32", "data": rows}
        url = "/v2/models/htru2/infer"
        assert (await app.client.post(url, json={"inputs": [declared]})).status_code == 200
        assert (await app.predict(model="htru2", inputs=rows[:1])).status_code == 200
        assert (await app.client.post(url, json={})).status_code == 400
        whole = await get(app, "/v2/models/htru2/stats")
        assert whole == await get(app, "/v2/models/htru2/versions/1/stats")
        assert whole == await get(app, "/v2/models/stats")
        (after,) = whole["model_stats"]
        assert (after["inference_count"], after["execution_count"]) == (301, 3)
        assert after["last_inference"] > 1.6e12
        stages = after["inference_stats"]
        assert (stages["success"]["count"], stages["fail"]["count"]) == (2, 1)
        for stage in ("queue", "compute_input", "compute_infer", "compute_output"):
            assert stages[stage]["count"] == 2
            assert 0 < stages[stage]["ns"] < stages["success"]["ns"]
        by_size = {each["batch_size"]: each["compute_infer"]["count"] for each in after["batch_stats"]}
        assert by_size == {1: 1, 44: 1, 256: 1}

    with_app(work)


def test_the_index_reads_any_body(with_app) -> None:
    """Clients post nothing at all, an empty object, or a filter; anything else is 400."""

    async def work(app: App) -> None:
        entry = {"name": "htru2", "version": "1", "state": "READY", "reason": ""}
        for content in (b"", b"{}", b'{"ready": true}', b'{"ready": false}', b'{"other": 1}'):
            assert await post(app, "/v2/repository/index", content=content) == [entry]
        wrong = ((b"x", "not JSON"), (b"[]", "shape"), (b'{"ready": 7}', "shape"), (b"\xff", "not JSON"))
        for content, words in (*wrong, (b"[" * 60_000, "shape")):
            assert words in (await post(app, "/v2/repository/index", 400, content))["error"]
        assert (await post(app, "/v2/repository/index", 413, b" " * 70_000))["error"]

    with_app(work)


def test_loading_and_unloading_are_refused_unless_allowed(with_app) -> None:
    """The default is 403 with what to do instead, for any name, so that nothing is learned."""

    async def work(app: App) -> None:
        for name in ("htru2", "nobody"):
            for verb in ("load", "unload"):
                error = (await post(app, f"/v2/repository/models/{name}/{verb}", 403))["error"]
                assert "SNN_REPOSITORY_CONTROL" in error
        assert (await app.predict(model="htru2", inputs=[[1] * 8])).status_code == 200

    with_app(work)


def test_an_unloaded_model_stays_so_until_it_is_loaded(with_app) -> None:
    """It answers 503 while the service is ready, the poll leaves it alone, and load brings it back."""

    async def work(app: App) -> None:
        served = app.served_models.get("htru2")
        await post(app, "/v2/repository/models/htru2/unload", content=b'{"parameters": {}}')
        await post(app, "/v2/repository/models/htru2/unload")  # twice is no error
        for _ in range(2):
            answer = await app.predict(model="htru2", inputs=[[1] * 8])
            assert answer.status_code == 503
            assert "unloaded" in answer.json()["error"]
            assert (await get(app, "/v2/models/htru2/ready", 503))["ready"] is False
            assert (await get(app, "/v2/health/ready", 503))["ready"] is False
            (entry,) = await post(app, "/v2/repository/index")
            assert entry["state"] == "UNAVAILABLE"
            assert "unloaded" in entry["reason"]
            await app.reloader.poll()
        await asyncio.sleep(0.05)
        with pytest.raises(RuntimeError):
            served.lane.submit(print)  # the old model is closed
        await post(app, "/v2/repository/models/htru2/load")
        assert (await app.predict(model="htru2", inputs=[[1] * 8])).status_code == 200
        await post(app, "/v2/repository/models/htru2/load")
        assert "nobody" in (await post(app, "/v2/repository/models/nobody/load", 404))["error"]
        assert "nobody" in (await post(app, "/v2/repository/models/nobody/unload", 404))["error"]
        configured = b'{"parameters": {"config": "{}"}}'
        error = (await post(app, "/v2/repository/models/htru2/load", 400, configured))["error"]
        assert "'config'" in error

    with_app(work, prepare=allow_control)


def test_a_load_takes_what_is_promoted_and_says_why_it_cannot(with_app, tmp_path: Path) -> None:
    """A newer version comes at once; a broken one is an error, and the old one serves on."""

    async def work(app: App) -> None:
        bundles.publish(tmp_path, seed=1)
        await post(app, "/v2/repository/models/htru2/load")
        assert (await get(app, "/v2/models/htru2"))["versions"] == ["2"]
        version = bundles.publish(tmp_path, promote=False)
        (tmp_path / "htru2" / str(version) / "model.onnx").write_bytes(b"")
        Repository(tmp_path).promote("htru2", version)
        error = (await post(app, "/v2/repository/models/htru2/load", 503))["error"]
        assert "version 3 was refused" in error
        assert (await get(app, "/v2/models/htru2"))["versions"] == ["2"]
        (entry,) = await post(app, "/v2/repository/index")
        assert (entry["version"], entry["state"]) == ("2", "READY")
        assert "version 3 was refused" in entry["reason"]

    with_app(work, prepare=allow_control)


@pytest.mark.parametrize(
    "path",
    ["/v2/logging", "/v2/trace/setting", "/v2/systemsharedmemory/status", "/v2/nothing",
     "/v2/models/htru2/trace/setting", "/v2/cudasharedmemory/status", "/v2/models/htru2/versions"],
)  # fmt: skip
def test_extensions_that_are_not_served(with_app, path: str) -> None:
    """They are 404 with an error in the protocol's shape."""

    async def work(app: App) -> None:
        assert "error" in await get(app, path, 404)

    with_app(work, load=False)


def test_every_route_is_in_the_openapi_document(with_app) -> None:
    """The routes that the router does not answer are described beside those that it does."""

    async def work(app: App) -> None:
        paths = (await get(app, "/openapi.json"))["paths"]
        model = "/v2/models/{model}"
        for path in (model, f"{model}/versions/{{version}}"):
            assert {"post"} == set(paths[f"{path}/infer"])
            for tail in ("", "/ready", "/config", "/stats"):
                assert {"get"} == set(paths[f"{path}{tail}"])

    with_app(work, load=False)
