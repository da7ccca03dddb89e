"""Health, metrics, metadata, and the pages."""

import asyncio
import json
import re
import time
from datetime import UTC, datetime
from pathlib import Path

import httpx
import msgspec
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families

from models.networks.selu import SATURATION
from service.api.auth.keys import KeyFile, KeyStore, new_key
from service.api.routes.health.activations import every_model
from service.inference.integrity import IntegrityFault
from service.observability.counters import ALARMS
from tests.service.conftest import App
from tests.support import bundles

ROOT = Path(__file__).resolve().parents[5]


def test_readiness_follows_loading_and_draining(with_app) -> None:
    """503 before the models are loaded, 200 with version and provider, 503 again while draining."""

    async def work(app: App) -> None:
        before = await app.client.get("/health/ready")
        assert before.status_code == 503
        assert before.json()["ready"] is False
        predict = await app.predict(model="htru2", inputs=[[1]])
        assert predict.status_code == 503
        assert predict.headers["retry-after"] == "1"
        await app.reloader.poll()
        ready = await app.client.get("/health/ready")
        assert ready.status_code == 200
        assert ready.json() == {
            "ready": True,
            "draining": False,
            "error": None,
            "models": {
                "htru2": {
                    "version": "1",
                    "provider": "CPUExecutionProvider",
                    "ready": True,
                    "error": None,
                }
            },
        }
        app.served_models.draining = True
        assert (await app.client.get("/health/ready")).status_code == 503
        for route, expected in [("/health/live", {"live": True}), ("/healthz", {"ok": True})]:
            answer = await app.client.get(route)
            assert (answer.status_code, answer.json()) == (200, expected)

    with_app(work, load=False)


def test_activation_health_has_the_promised_shape(with_app) -> None:
    """Verdict, windows, members and layers, with nothing that JSON lacks, before and after traffic."""

    async def work(app: App) -> None:
        empty = (await app.client.get("/health/activations/htru2")).json()
        assert empty["verdict"] == "warming_up"
        assert empty["windows"]["1m"] == dict.fromkeys(("effect", "estimate", "margin")) | {
            "rows": 0,
            "requests": 0,
        }
        assert empty["members"][0]["layers"][0]["mean"] is None
        await app.predict(model="htru2", inputs=bundles.candidates(300).tolist())
        answer = await app.client.get("/health/activations/htru2")
        document = answer.json(parse_constant=pytest.fail)
        assert document["model"] == "htru2"
        assert document["version"] == "1"
        assert document["verdict"] == "healthy"
        assert document["origin"] is None
        assert document["first_departing"] is None
        assert document["integrity"]["ok"] is True
        assert document["integrity"]["checked_at"].endswith("+00:00")
        assert set(document["windows"]) == {"1m", "10m", "1h", "start"}
        assert all(window["rows"] == 300 for window in document["windows"].values())
        assert len(document["members"]) == bundles.MEMBERS
        for member in document["members"]:
            assert [layer["layer"] for layer in member["layers"]] == [1, 2, 3]
            for layer in member["layers"]:
                assert set(layer["reference"]) == {"mean", "variance", "saturated"}
                assert layer["effect"] < 0.5
                assert layer["variance"] == pytest.approx(layer["reference"]["variance"], rel=0.3)
        every = (await app.client.get("/health/activations")).json()
        assert set(every["models"]) == {"htru2"}
        assert (await app.client.get("/health/activations/nope")).status_code == 404

    with_app(work)


def test_an_unhealthy_verdict_names_the_layer_and_leaves_readiness_alone(with_app) -> None:
    """Scaled inputs turn the verdict; layers count from 1; the service stays ready."""

    async def work(app: App) -> None:
        await app.predict(model="htru2", inputs=(3 * bundles.candidates(300)).tolist())
        document = (await app.client.get("/health/activations/htru2")).json()
        assert document["verdict"] == "unhealthy"
        assert document["origin"] == "input"
        assert document["first_departing"]["layer"] == 1
        assert (await app.client.get("/health/ready")).status_code == 200

    with_app(work)


def test_model_and_traffic_have_verdicts_of_their_own(with_app) -> None:
    """In the document, the list and metrics; a headline, advice and a change go with them."""

    async def work(app: App) -> None:
        async def document() -> dict:
            one = (await app.client.get("/health/activations/htru2")).json()
            every = (await app.client.get("/health/activations")).json()["models"]["htru2"]
            assert every["headline"] == one["headline"]
            return one

        first = await document()
        assert (first["model_verdict"], first["traffic_verdict"]) == ("intact", "warming_up")
        for seed in range(8):
            rows = bundles.candidates(64, seed=100 + seed)
            await app.predict(model="htru2", inputs=rows.tolist())
        healthy = await document()
        assert (healthy["model_verdict"], healthy["traffic_verdict"]) == ("intact", "like_training")
        assert (healthy["advice"], healthy["change"]) == (None, None)
        for seed in range(4):
            rows = 3 * bundles.candidates(64, seed=seed)
            await app.predict(model="htru2", inputs=rows.tolist())
        moved = await document()
        assert (moved["model_verdict"], moved["traffic_verdict"]) == ("intact", "unhealthy")
        assert (moved["verdict"], moved["origin"]) == ("unhealthy", "input")
        assert moved["headline"].startswith("Inputs changed; the model is intact.")
        assert len(moved["headline"].split()) <= 20
        assert moved["change"]["ended"] is None
        assert moved["change"]["rows"] == pytest.approx(256, abs=64)
        page, _, section = moved["advice"]["runbook"].partition("#")
        headings = re.findall(r"^## (.+)$", (ROOT / page).read_text(), re.MULTILINE)
        assert section in [heading.lower().replace(" ", "-") for heading in headings]
        text = (await app.client.get("/metrics")).text
        assert 'snn_traffic_verdict{model="htru2",verdict="unhealthy",version="1"} 1.0' in text
        assert 'snn_model_verdict{model="htru2",verdict="intact",version="1"} 1.0' in text
        assert 'snn_model_verdict{model="htru2",verdict="faulty",version="1"} 0.0' in text

    with_app(work)


def test_the_streams_document_is_that_of_the_list(with_app) -> None:
    """Made model by model, with the loop free in between, it says the same."""

    async def work(app: App) -> None:
        await app.predict(model="htru2", inputs=bundles.candidates(300).tolist())
        free = 0

        async def others() -> None:
            nonlocal free
            while True:
                free += 1
                await asyncio.sleep(0)

        task = asyncio.create_task(others())
        await asyncio.sleep(0)
        before = free
        content = await every_model(app.served_models, app.coordinator)
        task.cancel()
        assert free > before
        listed = (await app.client.get("/health/activations")).json()
        streamed = json.loads(content)
        assert set(streamed) == set(listed)
        one, other = streamed["models"]["htru2"], listed["models"]["htru2"]
        assert set(one) == set(other)
        assert (one["windows"], one["members"]) == (other["windows"], other["members"])

    with_app(work)


def test_golden_rows_that_fail_make_the_model_faulty(with_app) -> None:
    """Whatever traffic shows; the verdict is the worse of both."""

    async def work(app: App) -> None:
        await app.predict(model="htru2", inputs=bundles.candidates(300).tolist())
        app.served_models.checked("htru2", IntegrityFault("golden rows differ", datetime.now(UTC)))
        document = (await app.client.get("/health/activations/htru2")).json()
        assert (document["model_verdict"], document["verdict"]) == ("faulty", "unhealthy")
        assert document["traffic_verdict"] == "like_training"
        assert "golden rows" in document["headline"]

    with_app(work)


@pytest.mark.parametrize(
    ("client", "mark", "counted"),
    [
        ("127.0.0.1", "1", 0),
        ("::1", "1", 0),
        ("127.0.0.1", "0", 300),
        ("127.0.0.1", None, 300),
        ("10.1.2.3", "1", 300),
    ],
)
def test_requests_that_are_marked_as_synthetic_are_no_traffic(
    with_app, client: str, mark: str | None, counted: int
) -> None:
    """They are answered as any; a mark from elsewhere counts for nothing where there are no keys."""

    async def work(app: App) -> None:
        transport = httpx.ASGITransport(app=app.client._transport.app, client=(client, 5000))
        headers = {} if mark is None else {"x-snn-synthetic": mark}
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as marked:
            body = {"model": "htru2", "inputs": (3 * bundles.candidates(300)).tolist()}
            answer = (await marked.post("/predict", json=body, headers=headers)).json()
        assert answer["results"][0]["p_value"] < 0.05
        document = (await app.client.get("/health/activations/htru2")).json()
        assert document["windows"]["start"]["rows"] == counted
        assert bool(document["departing"]) == bool(counted)

    with_app(work)


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "Via", "X-Real-IP"])
def test_what_a_proxy_passes_on_is_not_from_this_machine(with_app, header: str) -> None:
    """A proxy beside the service makes every client look local; the mark of those counts for nothing."""

    async def work(app: App) -> None:
        body = {"model": "htru2", "inputs": bundles.candidates(10).tolist()}
        headers = {"x-snn-synthetic": "1", header: "203.0.113.9"}
        await app.client.post("/predict", json=body, headers=headers)
        document = (await app.client.get("/health/activations/htru2")).json()
        assert document["windows"]["start"]["rows"] == 10

    with_app(work)


@pytest.mark.parametrize(
    ("scopes", "counted"),
    [(("predict",), 10), (("predict", "metrics"), 10), (("probe",), 0), (("predict", "admin"), 0)],
)
def test_with_keys_the_mark_takes_a_scope(
    with_app, tmp_path_factory, scopes: tuple[str, ...], counted: int
) -> None:
    """Of probe or admin, wherever the request comes from; a probe's key may predict."""
    key, entry = new_key("someone", scopes)
    file = tmp_path_factory.mktemp("keys") / "keys.json"
    file.write_bytes(msgspec.json.encode(KeyFile((entry,))))

    async def work(app: App) -> None:
        body = {"model": "htru2", "inputs": bundles.candidates(10).tolist()}
        headers = {"x-snn-synthetic": "1", "x-api-key": key}
        answer = await app.client.post("/predict", json=body, headers=headers)
        assert answer.status_code == 200
        document = (await app.coordinator.health("htru2"))[1]
        assert document.windows["start"].count == counted
        unsigned = await app.client.post("/predict", json=body, headers={"x-snn-synthetic": "1"})
        assert unsigned.status_code == 401

    with_app(work, key_store=KeyStore(file))


def test_metrics_give_exact_moments_and_count_what_happened(with_app) -> None:
    """The sums rebuild each layer's mean and variance; requests, rows and rejections are counted."""

    async def work(app: App) -> None:
        rows = bundles.candidates(200)
        await app.predict(model="htru2", inputs=[*rows.tolist(), [1, 2]])
        await app.predict(model="nope", inputs=[[1]])
        await app.client.get("/surely/not/here?CCO")
        answer = await app.client.get("/metrics")
        assert answer.headers["content-type"].startswith("text/plain")
        samples = {
            (sample.name, *sorted(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(answer.text)
            for sample in family.samples
        }

        def value(name: str, **labels: str) -> float:
            return samples[(name, *sorted(labels.items()))]

        of = {"model": "htru2", "version": "1"}
        assert value("snn_requests_total", route="/predict", status="200") == 1
        assert value("snn_requests_total", route="/predict", status="404") == 1
        assert value("snn_requests_total", route="unmatched", status="404") == 1
        assert value("snn_request_seconds_count", route="/predict") == 2
        assert value("snn_rows_total", **of) == 200
        assert value("snn_rejected_rows_total", reason="unreadable", **of) == 1
        assert value("snn_queue_seconds_count", **of) == 1
        assert value("snn_compute_seconds_count", **of) == 1
        assert value("snn_featurize_seconds_count", **of) == 1
        assert value("snn_model_ready", model="htru2") == 1
        assert value("snn_model_info", provider="CPUExecutionProvider", **of) == 1
        assert value("snn_activation_verdict", verdict="healthy", **of) == 1
        assert value("snn_activation_rows_total", **of) == 200
        assert value("snn_activation_rows_not_finite_total", **of) == 0
        assert value("snn_activation_verdict_timestamp_seconds", **of) == pytest.approx(
            time.time(), abs=60
        )
        assert value("snn_model_checked_timestamp_seconds", model="htru2") > time.time() - 60
        for kind in ALARMS:
            assert value("snn_alarms_total", kind=kind, **of) == 0
        assert value("snn_activation_layer_effect", member="0", layer="3", **of) < 0.5
        taps = bundles.run(bundles.graph(), rows)["taps"].astype(float)
        for member in range(bundles.MEMBERS):
            for layer in range(3):
                place = {**of, "member": str(member), "layer": str(layer + 1)}
                mean = value("snn_activation_shifted_total", **place) / 200
                square = value("snn_activation_shifted_squared_total", **place) / 200
                own = taps[:, member, layer]
                assert mean + SATURATION == pytest.approx(own[:, 0].mean(), abs=1e-6)
                pooled = own[:, 1].mean() + own[:, 0].var()
                assert square - mean**2 == pytest.approx(pooled, rel=1e-5)

    with_app(work)


def test_metrics_are_also_openmetrics(with_app) -> None:
    """What Prometheus asks for by itself is one document with one end, and says the same."""

    async def work(app: App) -> None:
        await app.predict(model="htru2", inputs=bundles.candidates(300).tolist())
        accept = {"accept": "application/openmetrics-text; version=1.0.0"}
        answer = await app.client.get("/metrics", headers=accept)
        assert answer.headers["content-type"].startswith("application/openmetrics-text")
        names = {family.name for family in openmetrics(answer.text)}
        plain = text_string_to_metric_families((await app.client.get("/metrics")).text)
        assert names == {family.name.removesuffix("_total") for family in plain}

    with_app(work)


def test_an_alarm_is_counted_when_it_begins(with_app) -> None:
    """Once, however often somebody looks while it lasts; golden rows that fail count as well."""

    async def work(app: App) -> None:
        await app.predict(model="htru2", inputs=(3 * bundles.candidates(300)).tolist())
        for _ in range(3):
            text = (await app.client.get("/metrics")).text
            assert 'snn_alarms_total{kind="unhealthy",model="htru2",version="1"} 1.0' in text
            assert 'snn_alarms_total{kind="golden_rows",model="htru2",version="1"} 0.0' in text
        served = app.served_models.get("htru2")
        served.session.run = None  # type: ignore[method-assign]
        await app.reloader.check("htru2")
        text = (await app.client.get("/metrics")).text
        assert 'snn_alarms_total{kind="golden_rows",model="htru2",version="1"} 1.0' in text
        assert 'snn_model_intact{model="htru2"} 1.0' in text  # a reload has mended it

    with_app(work)


def test_pages_and_the_openapi_document_are_there(with_app) -> None:
    """The start page links what there is; ``/predict`` and its errors are documented."""

    async def work(app: App) -> None:
        page = await app.client.get("/")
        assert page.status_code == 200
        for link in ("docs", "health/activations", "metrics", "health/ready"):
            assert f'href="{link}"' in page.text
        docs = await app.client.get("/docs")
        assert docs.status_code == 200
        assert "://" not in docs.text  # nothing comes from elsewhere
        for name in re.findall(r'"(/swagger/[^"]+)"', docs.text):
            assert (await app.client.get(name)).status_code == 200
        document = (await app.client.get("/openapi.json")).json()
        predict = document["paths"]["/predict"]["post"]
        assert {"200", "400", "404", "413", "415", "422", "429", "503"} <= set(predict["responses"])
        schema = predict["requestBody"]["content"]["application/json"]["schema"]
        assert schema == {"$ref": "#/components/schemas/PredictRequest"}
        shape = document["components"]["schemas"]["PredictRequest"]
        known = {"smiles", "model", "version", "inputs", "applicability", "interval"}
        assert known | {"threshold", "recall", "fpr", "nearest"} == set(shape["properties"])
        wrong = await app.client.put("/predict")
        assert wrong.status_code == 405
        assert set(wrong.json()) == {"error", "code", "request_id"}
        assert wrong.headers["allow"] == "POST"
        metadata = await app.client.get("/metadata")
        assert metadata.status_code == 404

    with_app(work)


def test_the_history_answers_in_columns(with_app) -> None:
    """Every column has a value for each moment; a foreign member, span or model is named."""

    async def work(app: App) -> None:
        path = "/health/activations/htru2/history"
        document = (await app.client.get(path)).json()
        assert (document["model"], document["span"], document["times"]) == ("htru2", "hour", [])
        assert [target["name"] for target in document["targets"]] == ["pulsar"]
        wrong = await app.client.get(path, params={"member": 9})
        assert wrong.status_code == 422
        assert "no member 9" in wrong.json()["error"]
        assert (await app.client.get(path, params={"span": "week"})).status_code == 422
        assert (await app.client.get("/health/activations/nosuch/history")).status_code == 404
        described = (await app.client.get("/openapi.json")).json()
        operation = described["paths"]["/health/activations/{model}/history"]["get"]
        assert operation["operationId"] == "get_activation_history"
        schema = operation["responses"]["200"]["content"]["application/json"]["schema"]
        assert schema["$ref"].rpartition("/")[2] in described["components"]["schemas"]

    with_app(work)
