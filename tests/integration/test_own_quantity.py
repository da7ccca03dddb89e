"""A table whose target is a quantity, from its file to answers: trained, judged, served, scored."""

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.http as triton

from models.bundle.loading import open_bundle
from models.registry.store import Repository
from service.inference.backend.device import CPU, Device
from service.scoring.run import score_file
from tests.support.commands import training
from tests.support.server import Server, running

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_process")]

#: Far from 0 beside its spread: single precision would tell no seconds apart.
CENTRE = 1.7e9
RECORD = {"a": 0.5, "b": -1.0, "town": "Kiel"}


def table(path: Path, rows: int = 240, seed: int = 0) -> np.ndarray:
    """Write made-up rows whose noise grows with one column; return the target's values."""
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(2, rows))
    town = rng.choice(["Kiel", "Ulm"], rows)
    y = CENTRE + 600 * (a + (town == "Ulm")) + rng.normal(size=rows) * 200 * (b > 0)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["a", "b", "town", "arrival"])
        writer.writerows(zip(a.round(3), b.round(3), town, y.round(2), strict=True))
    return y


@pytest.fixture(scope="module")
def trained(one_process: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with a model of the table, trained by the command line."""
    folder = tmp_path_factory.mktemp("quantity")
    table(folder / "rows.csv")
    (folder / "recipe.json").write_text(
        json.dumps({"units": 24, "layers": 2, "epochs": 100, "learning_rate": 0.006, "dropout": 0.03})
    )
    command = ["train", "arrival", "--data", str(folder / "rows.csv"), "--target", "arrival"]
    command += ["--unit", "s", "--recipe", str(folder / "recipe.json")]
    printed = training(*command, "--models", str(folder / "models"), "--state", str(folder / "state"))
    assert "column arrival is learned as a quantity (--task regression): 240 different" in printed
    assert "passed  learned: out-of-fold R² 0.9" in printed
    assert "passed  coverage: intervals of 90% hold" in printed
    assert "promoted: it is the first version" in printed
    return folder


@pytest.fixture(scope="module")
def server(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A real server of that repository."""
    folder = tmp_path_factory.mktemp("served")
    with running(folder, models=trained / "models", state=folder / "state") as server:
        assert server.wait_until_ready().status_code == 200
        yield server
        assert server.stop() == 0
        assert server.errors() == ""


def predicted(server: Server, inputs: list[object], **options: object) -> Any:
    """The answer to ``inputs``."""
    return server.client.post("/predict", json={"model": "arrival", "inputs": inputs, **options}).json()


def test_the_manifest_says_the_task_the_unit_and_the_scale(trained: Path) -> None:
    """The target is standardised in double precision and has no threshold; figures are in its unit."""
    manifest = open_bundle(Repository(trained / "models").bundle("arrival", 1)).manifest
    (quantity,) = manifest.quantities
    rows = csv.DictReader(io.StringIO((trained / "rows.csv").read_text()))
    values = np.array([float(row["arrival"]) for row in rows])
    assert (manifest.is_regression, manifest.targets, quantity.unit) == (True, [], "s")
    assert quantity.centre == pytest.approx(values.mean(), abs=1e-3)
    assert quantity.scale == pytest.approx(values.std(), rel=1e-6)
    figures: Any = manifest.metrics["targets"]
    assert 0.03 < figures["arrival"]["rmse"] / quantity.scale < 0.3
    assert manifest.task == "regression on table rows"
    card = (trained / "models" / "arrival" / "1" / "MODEL_CARD.md").read_text()
    assert "| arrival | s | 240 |" in card
    assert "coverage" in card
    assert "Reliability" not in card


def test_a_value_and_its_interval_are_answered(server: Server) -> None:
    """By position and by name, alone and among others, with differences of fractions of a second."""
    answer = predicted(server, [RECORD, [0.5, -1.0, "Kiel"], [0.5, 2.0, "Kiel"], [1, 2]])
    by_name, by_place, noisy, short = answer["results"]
    assert by_name == by_place
    assert list(by_name) == ["status", "value", "interval", "p_value"]
    (low, high), value = by_name["interval"]["arrival"], by_name["value"]["arrival"]
    assert low < value < high
    assert value == pytest.approx(CENTRE + 300, abs=150)
    assert np.ptp(noisy["interval"]["arrival"]) > 1.2 * (high - low)
    assert short == {"status": "error", "message": "3 columns expected, 2 given"}
    (alone,) = predicted(server, [RECORD])["results"]
    assert alone["value"]["arrival"] == pytest.approx(value, abs=0.02)
    assert predicted(server, [RECORD], interval=True)["results"] == [alone]
    near = predicted(server, [[0.5 + step / 10_000, -1.0, "Kiel"] for step in range(8)])["results"]
    steps = np.diff([result["value"]["arrival"] for result in near])
    assert (np.abs(steps) < 1).all()
    assert (steps != 0).all()


@pytest.mark.parametrize("asked", [{"threshold": 0.5}, {"recall": 0.9}, {"fpr": {"arrival": 0.1}}])
def test_a_cut_off_is_refused_by_its_name(server: Server, asked: dict[str, object]) -> None:
    """A quantity is not called, and the error says so."""
    body = {"model": "arrival", "inputs": [RECORD], **asked}
    answer = server.client.post("/predict", json=body)
    assert answer.status_code == 422
    assert (
        f"{next(iter(asked))} is asked for, and model 'arrival' predicts a quantity"
        in answer.json()["error"]
    )
    table = server.client.post(
        "/predict?model=arrival&threshold=0.5",
        content="a,b,town\n0.5,-1,Kiel\n",
        headers={"content-type": "text/csv"},
    )
    assert table.status_code == 422


@pytest.mark.parametrize("kind", ["text/csv", "application/x-ndjson"])
def test_tables_have_a_column_for_the_value_and_each_end(server: Server, kind: str) -> None:
    """The columns of calls are absent, and a row that cannot be read has its error."""
    expected = predicted(server, [RECORD])["results"][0]
    headers = {"content-type": "text/csv", "accept": kind}
    content = "name,a,b,town\nAnn,0.5,-1,Kiel\nBob,0.5,-1,Rome\n"
    text = server.client.post("/predict?model=arrival", content=content, headers=headers).text
    if kind == "text/csv":
        good, bad = csv.DictReader(io.StringIO(text))
        columns = ["value_arrival", "interval_low_arrival", "interval_high_arrival"]
        columns += ["p_value", "suspect", "error"]
        assert list(good)[4:] == columns
        assert float(good["value_arrival"]) == pytest.approx(expected["value"]["arrival"], abs=0.02)
        ends = [float(good[f"interval_{end}_arrival"]) for end in ("low", "high")]
        assert ends == pytest.approx(expected["interval"]["arrival"], abs=0.02)
        assert bad["value_arrival"] == ""
        assert "Rome" in bad["error"]
    else:
        good, bad = map(json.loads, text.splitlines())
        assert list(good)[-4:] == list(expected)
        assert good["value"]["arrival"] == pytest.approx(expected["value"]["arrival"], abs=0.02)
        assert bad["status"] == "error"


def test_the_protocol_gives_double_precision(server: Server) -> None:
    """``value`` and ``interval`` are FP64, in bytes as in JSON, and stand in the metadata."""
    expected = predicted(server, [RECORD])["results"][0]
    client = triton.InferenceServerClient(server.address.removeprefix("http://"))
    outputs = {each["name"]: each for each in client.get_model_metadata("arrival")["outputs"]}
    assert outputs["value"] == {"name": "value", "datatype": "FP64", "shape": [-1, 1]}
    assert outputs["interval"] == {"name": "interval", "datatype": "FP64", "shape": [-1, 1, 2]}
    cells = np.array([[b"0.5", b"-1.0", b"Kiel"]], dtype=object)
    tensor = triton.InferInput("features", [1, 3], "BYTES")
    tensor.set_data_from_numpy(cells)
    for binary in (True, False):
        wanted = [
            triton.InferRequestedOutput(name, binary_data=binary) for name in ("value", "interval")
        ]
        result = client.infer("arrival", [tensor], outputs=wanted)
        assert result.as_numpy("value")[0, 0] == pytest.approx(expected["value"]["arrival"], abs=0.02)
        ends = expected["interval"]["arrival"]
        assert result.as_numpy("interval")[0, 0] == pytest.approx(ends, abs=0.02)
    client.close()


def test_the_models_route_tells_unit_coverage_and_figures(server: Server) -> None:
    """A regression has quantities in place of targets, and no way to choose a cut-off."""
    (about,) = server.client.get("/models").json()["models"]
    (quantity,) = about["quantities"]
    assert (about["targets"], about["cut_offs"], about["intervals"]) == ([], [], True)
    assert (quantity["name"], quantity["unit"], quantity["coverage"]) == ("arrival", "s", 0.9)
    assert quantity["rmse"]["interval"][0] < quantity["rmse"]["value"] < quantity["spread"]
    assert 0.8 < quantity["held"]["value"] < 1


def test_its_health_is_watched(server: Server) -> None:
    """Activations are compared with the reference, and golden rows are reproduced."""
    health = server.client.get("/health/activations/arrival").json()
    assert health["integrity"]["ok"]
    assert health["windows"]["start"]["rows"] > 0
    assert server.client.get("/health/activations/arrival/history").status_code == 200
    assert "snn_rows_total" in server.client.get("/metrics").text


def test_files_are_scored_alike_and_ranked(trained: Path, server: Server, tmp_path: Path) -> None:
    """``score`` gives the numbers of the server, ranked by the value, in CSV, NDJSON and Parquet."""
    pyarrow = pytest.importorskip("pyarrow.parquet")
    file = tmp_path / "new.csv"
    file.write_text("a,b,town\n-1,0,Kiel\n0.5,-1,Kiel\n2,0,Ulm\n")
    expected = predicted(server, [[2, 0, "Ulm"], [0.5, -1, "Kiel"], [-1, 0, "Kiel"]])["results"]
    values = [result["value"]["arrival"] for result in expected]
    for kind in ("csv", "ndjson", "parquet"):
        output = tmp_path / f"scored.{kind}"
        score_file(
            file,
            output,
            "arrival",
            None,
            Repository(trained / "models"),
            Device(CPU),
            lambda _: None,
            workers=1,
            sort="arrival",
        )
        if kind == "parquet":
            found = pyarrow.read_table(output)["value_arrival"].to_pylist()
        elif kind == "csv":
            found = [
                float(row["value_arrival"]) for row in csv.DictReader(io.StringIO(output.read_text()))
            ]
        else:
            found = [json.loads(line)["value"]["arrival"] for line in output.read_text().splitlines()]
        assert found == pytest.approx(values, abs=0.02)


def test_the_next_version_is_compared_with_it(trained: Path, tmp_path: Path) -> None:
    """A retraining reads the table as the first was, and its RMSE is judged against the champion's."""
    table(trained / "more.csv", rows=260, seed=1)
    command = ["train", "arrival", "--data", str(trained / "more.csv"), "--recipe"]
    command += [str(trained / "recipe.json"), "--models", str(trained / "models")]
    printed = training(*command, "--state", str(tmp_path), "--promote", "never")
    assert "error: out-of-fold RMSE" in printed
    assert "of the target's standard deviation against the champion on the same 260 rows" in printed
    again = training(
        "evaluate",
        "arrival",
        "1",
        "--data",
        str(trained / "rows.csv"),
        "--models",
        str(trained / "models"),
    )
    assert "arrival version 1, out-of-fold" in again
    assert "R² 0.9" in again
