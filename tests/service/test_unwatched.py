"""A model without taps: it is served, and everything that would judge it says that it cannot."""

import asyncio
import csv
import io
import json
from pathlib import Path

import numpy as np
import onnx
import pyarrow as pa
import pytest
from prometheus_client.parser import text_string_to_metric_families

from models.bundle.golden import FLOAT32
from models.bundle.loading import Bundle, open_bundle, read_manifest
from models.errors import BundleRefused, NotReproduced, Place
from models.networks.outputs import INPUT
from service.api.problems import problem_of
from service.errors import NotWatched
from service.inference.backend.device import CPU, Device
from service.scoring.scorer import open_model
from service.tables import OutputLayout, writer
from tests.service.api.routes.test_tables import CSV, HTRU2, table
from tests.service.conftest import App
from tests.service.lifecycle.test_auto_rollback import House
from tests.support import bundles

ROWS = bundles.candidates(5)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of a bundle whose graph has no taps."""
    bundles.publish(tmp_path, name="plain", taps=False)
    return tmp_path / "plain" / "1"


@pytest.fixture
def bundle(folder: Path) -> Bundle:
    """The same, opened."""
    return open_bundle(folder)


def plain(work, with_app, tmp_path: Path) -> None:
    """Do a test's work where a model without taps serves beside one that has them."""
    bundles.publish(tmp_path, name="plain", taps=False)
    with_app(work)


def test_it_opens_without_a_reference(bundle: Bundle) -> None:
    """There is nothing to compare with, and golden rows of outputs alone are enough."""
    assert bundle.reference is None
    assert bundle.golden.taps is None
    bundle.check_golden(lambda rows: bundles.run_all(bundle.model, rows))


def test_its_golden_rows_find_a_network_that_differs_and_cannot_say_where(bundle: Bundle) -> None:
    """Outputs that are off are a fault, of which no layer is named."""
    other = bundles.graph(scale_layer=1.1, inner=False, taps=False)
    with pytest.raises(NotReproduced, match="no taps to tell where") as found:
        bundle.check_golden(lambda rows: bundles.run_all(other, rows))
    assert found.value.place == Place("network")


def test_whatever_was_published_of_taps_that_a_graph_has_not_is_left_alone(tmp_path: Path) -> None:
    """A graph that lost its taps is served by its outputs; a reference of layers is not read."""
    stripped = bundles.graph(inner=False, taps=False)
    bundles.publish(tmp_path, model=stripped)
    bundle = open_bundle(tmp_path / "htru2" / "1")
    assert bundle.reference is None
    bundle.check_golden(lambda rows: bundles.run_all(stripped, rows), FLOAT32)


def test_taps_that_golden_rows_do_not_know_are_refused(folder: Path) -> None:
    """Layers that give statistics are compared with published ones, or not served at all."""
    manifest = read_manifest(folder)
    bundles.write_bundle(folder, 1, name="plain", taps=False, model=bundles.graph())
    with pytest.raises(BundleRefused, match=r"golden\.npz has no taps"):
        open_bundle(folder)
    assert manifest.reference == []


@pytest.mark.parametrize("lost", ["probability", "logit"])
def test_no_other_output_may_be_missing(folder: Path, lost: str) -> None:
    """Probabilities and logits are what is served: a graph without them is foreign."""
    model = onnx.load_model_from_string(bundles.graph(inner=False, taps=False))
    kept = [output for output in model.graph.output if output.name != lost]
    del model.graph.output[:]
    model.graph.output.extend(kept)
    bundles.write_bundle(folder, 1, name="plain", taps=False, model=model.SerializeToString())
    with pytest.raises(BundleRefused, match=r"is foreign: its outputs are not probability, logit"):
        open_bundle(folder)


def test_it_predicts_what_its_graph_says_without_a_p_value(with_app, tmp_path: Path) -> None:
    """Probability and call as of any model, and null where a p-value would be."""

    async def work(app: App) -> None:
        answer = await app.predict(model="plain", inputs=ROWS.tolist())
        assert answer.status_code == 200
        found = answer.json()["results"]
        expected = bundles.run(bundles.graph(), ROWS)["probability"][:, 0]
        shown = [result["probability"]["pulsar"] for result in found]
        assert shown == pytest.approx(expected, abs=1e-6)
        assert [result["p_value"] for result in found] == [None] * len(ROWS)
        beside = await app.predict(model="htru2", inputs=ROWS.tolist())
        assert all(result["p_value"] is not None for result in beside.json()["results"])

    plain(work, with_app, tmp_path)


def test_molecules_are_predicted_without_a_p_value(with_app, tmp_path: Path) -> None:
    """The form that is keyed by SMILES says the same."""
    bundles.publish(tmp_path, name="tox21", kind=bundles.MOLECULES, taps=False)

    async def work(app: App) -> None:
        answer = (await app.predict(smiles=["CCO", "no molecule"])).json()
        assert answer["results"][0]["p_value"] is None
        assert set(answer["predictions"]["CCO"]) == set(bundles.TARGETS)
        assert answer["results"][1]["status"] == "error"

    with_app(work)


def test_tables_have_an_empty_p_value(with_app, tmp_path: Path) -> None:
    """The column is there, as of any model, and nothing stands in it."""

    async def work(app: App) -> None:
        wanted = HTRU2 | {"model": "plain"}
        answer = await app.client.post("/predict", params=wanted, content=table(3), headers=CSV)
        rows = list(csv.DictReader(io.StringIO(answer.text, newline="")))
        assert [(row["p_value"], row["error"]) for row in rows] == [("", "")] * 3

    plain(work, with_app, tmp_path)


@pytest.mark.parametrize("kind", ["csv", "ndjson", "json", "parquet"])
def test_every_kind_of_result_can_be_written(folder: Path, kind: str) -> None:
    """Scoring without a server gives results that all writers take."""
    model = open_model(folder, Device(CPU))
    results = model.results(ROWS.tolist())
    assert [result["p_value"] for result in results] == [None] * len(ROWS)
    to = writer(kind, OutputLayout("plain", "1", ("pulsar",), is_smiles=False))
    content = to.head() + to.rows([{}] * len(ROWS), results, first=True) + to.tail()
    if kind == "json":
        assert json.loads(content)["results"][0]["p_value"] is None
    if kind == "csv":
        assert content.count(b",,") == len(ROWS)
    if kind == "parquet":
        found = pa.ipc.open_stream(content + b"\xff\xff\xff\xff\0\0\0\0").read_all()
        assert found.column("p_value").null_count == len(ROWS)


def test_its_health_says_that_there_is_nothing_to_watch(with_app, tmp_path: Path) -> None:
    """The document has its shape and no verdict on traffic; how many rows came is known."""

    async def work(app: App) -> None:
        await app.predict(model="plain", inputs=ROWS.tolist())
        answer = await app.client.get("/health/activations/plain")
        document = answer.json()
        assert document["verdict"] == "unwatched"
        assert document["reason"].startswith("no taps")
        assert document["integrity"]["ok"] is True
        assert document["members"] == []
        nothing = ("origin", "first_departing", "window", "inputs", "sequential", "baseline")
        assert [document[name] for name in nothing] == [None] * len(nothing)
        assert {name: window["rows"] for name, window in document["windows"].items()} == {
            "1m": None, "10m": None, "1h": None, "start": len(ROWS),
        }  # fmt: skip
        every = (await app.client.get("/health/activations")).json()["models"]
        assert every["plain"]["verdict"] == "unwatched"
        assert set(every["htru2"]) == set(document)
        assert (await app.client.get("/health/ready")).status_code == 200

    plain(work, with_app, tmp_path)


def test_there_is_nothing_to_take_a_baseline_of(with_app, tmp_path: Path) -> None:
    """An operator who asks is told why not, as a conflict; none is there, and none can be dropped."""

    async def work(app: App) -> None:
        with pytest.raises(NotWatched, match="gives no taps") as refused:
            app.coordinator.take_baseline("plain", "operator")
        assert problem_of(refused.value).status == 409
        assert app.coordinator.baseline("plain") == (None, None)
        assert app.coordinator.departing("plain") == []

    plain(work, with_app, tmp_path)


def test_its_integrity_is_checked_by_outputs(with_app, tmp_path: Path) -> None:
    """A check passes while the graph answers as published."""

    async def work(app: App) -> None:
        await app.reloader.check("plain")
        document = (await app.client.get("/health/integrity/plain")).json()
        assert (document["ok"], document["fault"]) == (True, None)

    plain(work, with_app, tmp_path)


def test_its_metrics_alarm_nobody(with_app, tmp_path: Path) -> None:
    """One verdict holds, which is none of those that alerts are about; effects are not made up."""

    async def work(app: App) -> None:
        await app.predict(model="plain", inputs=ROWS.tolist())
        text = (await app.client.get("/metrics")).text
        samples = [
            sample
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.labels.get("model") == "plain"
        ]
        verdicts = {
            sample.labels["verdict"]: sample.value
            for sample in samples
            if sample.name == "snn_activation_verdict"
        }
        assert [name for name, value in verdicts.items() if value] == ["unwatched"]
        names = {sample.name for sample in samples}
        assert not names & {"snn_activation_effect", "snn_activation_layer_effect"}
        assert not any(name.startswith("snn_activation_rows_total") for name in names)
        alarms = [sample.value for sample in samples if sample.name == "snn_alarms_total"]
        assert alarms == [0] * len(alarms)

    plain(work, with_app, tmp_path)


def test_the_v2_protocol_has_no_taps_to_give(with_app, tmp_path: Path) -> None:
    """Metadata and answers list two outputs; asking for the third is an error that lists them."""

    async def work(app: App) -> None:
        metadata = (await app.client.get("/v2/models/plain")).json()
        assert [output["name"] for output in metadata["outputs"]] == ["probability", "logit"]
        config = (await app.client.get("/v2/models/plain/config")).json()
        told = {"string_value": "unwatched: no taps"}
        assert config["parameters"]["activation_health"] == told
        tensor = {"name": INPUT, "shape": list(ROWS.shape), "datatype": "FP32", "data": ROWS.tolist()}
        path = "/v2/models/plain/infer"
        answer = await app.client.post(path, json={"inputs": [tensor]})
        assert [output["name"] for output in answer.json()["outputs"]] == ["probability", "logit"]
        logits = np.array(answer.json()["outputs"][1]["data"])
        assert logits == pytest.approx(bundles.run(bundles.graph(), ROWS)["logit"][:, 0], abs=1e-5)
        asked = {"inputs": [tensor], "outputs": [{"name": "taps"}]}
        refused = await app.client.post(path, json=asked)
        assert refused.status_code == 400
        assert "no output 'taps'; it has probability, logit" in refused.json()["error"]

    plain(work, with_app, tmp_path)


def test_a_promotion_to_it_is_not_taken_back(tmp_path: Path) -> None:
    """On probation there is no verdict to compare; what fails in it counts as of any version."""
    house = House(tmp_path)

    async def main() -> None:
        await house.reloader.poll()
        await house.traffic()
        await house.auto_rollback.look()
        await house.promote(taps=False)
        assert await house.traffic() == 0
        await house.auto_rollback.look()
        assert house.serves == 2
        assert house.coordinator.verdict("htru2", 2) == "unwatched"
        await house.promote(ill=1.6)
        await house.traffic()
        await house.auto_rollback.look()
        assert house.coordinator.verdict("htru2", 3) == "unhealthy"
        assert house.serves == 3

    asyncio.run(main())
