"""A table that nobody prepared, from its file to answers: trained, served by a real server, watched."""

import csv
import io
from pathlib import Path

import numpy as np
import pytest
import tritonclient.http as triton

from tests.support.commands import training
from tests.support.server import running

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_process")]


def people(n: int = 500) -> list[dict[str, object]]:
    """Made-up people whose sport shows in their height, age and town; some values are missing."""
    rng = np.random.default_rng(0)
    table = []
    for _ in range(n):
        sport = rng.choice(["chess", "rowing", "running"], p=[0.3, 0.3, 0.4])
        town = "Ulm" if rng.random() < {"chess": 0.8, "rowing": 0.3, "running": 0.2}[sport] else "Kiel"
        table.append(
            {
                "height": round(float(rng.normal({"rowing": 190}.get(sport, 172), 6)), 1),
                "age": "" if rng.random() < 0.1 else round(float(rng.uniform(18, 60)), 1),
                "town": "" if rng.random() < 0.05 else town,
                "sport": sport,
            }
        )
    return table


def write(path: Path, table: list[dict[str, object]]) -> None:
    """Write rows as CSV."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(table[0]))
        writer.writeheader()
        writer.writerows(table)


@pytest.fixture(scope="module")
def models(one_process: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with a model of the people's sports, trained by the command line."""
    folder = tmp_path_factory.mktemp("own")
    write(folder / "people.csv", people())
    command = ["train", "sports", "--data", str(folder / "people.csv"), "--target", "sport"]
    printed = training(*command, "--models", str(folder / "models"), "--state", str(folder / "state"))
    assert "published sports version 1" in printed
    assert "promoted: " in printed
    accuracy = float(printed.split("accuracy ")[1].split()[0])
    assert accuracy > 0.65
    return folder


def test_it_is_served_under_its_name_with_no_code(models: Path, tmp_path: Path) -> None:
    """``/predict`` by position and by name, tables, the v2 protocol and the activation health."""
    with running(tmp_path, models=models / "models", state=tmp_path / "state") as server:
        assert server.wait_until_ready().status_code == 200
        rower = {"height": 195.0, "age": None, "town": "Kiel"}
        inputs = [[195.0, None, "Kiel"], rower, [170, 30, "Ulm"], [170, 30, "Rome"], [1, 2]]
        answer = server.client.post("/predict", json={"model": "sports", "inputs": inputs}).json()
        by_place, by_name, player, stranger, short = answer["results"]
        assert by_place == by_name
        assert by_place["call"] == "rowing"
        assert player["call"] in ("chess", "running")
        assert list(by_place["probability"]) == ["chess", "rowing", "running"]
        for result in (by_place, player):
            assert sum(result["probability"].values()) == pytest.approx(1, abs=1e-6)
        assert stranger["message"] == (
            "column town (position 3) is 'Rome', which is not known; give one of Kiel, Ulm"
        )
        assert short["message"] == "3 columns expected, 2 given"

        table = "name,town,age,height\nAnn,Kiel,,195.0\nBob,Ulm,30,170\nCid,Rome,30,170\n"
        headers = {"content-type": "text/csv", "accept": "text/csv"}
        text = server.client.post("/predict?model=sports", content=table, headers=headers).text
        rows = list(csv.DictReader(io.StringIO(text)))
        assert [row["call"] for row in rows] == ["rowing", player["call"], ""]
        assert float(rows[0]["probability_rowing"]) == by_place["probability"]["rowing"]
        assert "Rome" in rows[2]["error"]

        client = triton.InferenceServerClient(server.address.removeprefix("http://"))
        described = client.get_model_metadata("sports")
        assert described["inputs"] == [{"name": "features", "datatype": "BYTES", "shape": [-1, 3]}]
        cells = np.array([[b"195.0", b"", b"Kiel"], [b"170", b"30", b"Ulm"]], dtype=object)
        tensor = triton.InferInput("features", list(cells.shape), "BYTES")
        tensor.set_data_from_numpy(cells)
        probability = client.infer("sports", [tensor]).as_numpy("probability")
        client.close()
        assert probability[:, 1] == pytest.approx(
            [by_place["probability"]["rowing"], player["probability"]["rowing"]], abs=1e-6
        )

        health = server.client.get("/health/activations/sports").json()
        assert health["integrity"]["ok"]
        assert health["windows"]["start"]["rows"] > 0
        assert len(health["members"][0]["layers"]) == 3
        assert server.stop() == 0
        assert server.errors() == ""


def test_its_figures_come_out_of_the_published_graph_again(models: Path) -> None:
    """``evaluate`` reads the table as the model's manifest says it was read."""
    command = ["evaluate", "sports", "--data", str(models / "people.csv")]
    printed = training(*command, "--models", str(models / "models"))
    assert "sports version 1, out-of-fold" in printed
    assert "accuracy 0." in printed


def test_the_card_tells_of_the_table(models: Path) -> None:
    """Its file, its rows by class and its columns are in the model card."""
    card = (models / "models" / "sports" / "1" / "MODEL_CARD.md").read_text()
    assert "people.csv" in card
    assert "chess" in card
    assert "columns with missing values: 2" in card
    assert "Accuracy" in card


def test_it_is_trained_again_from_a_newer_table(models: Path) -> None:
    """Columns in another order and a town that is new: the gate compares, the target is known."""
    rng = np.random.default_rng(1)
    table = [{name: row[name] for name in ("sport", "town", "age", "height")} for row in people()]
    for row in table:
        if rng.random() < 0.1:
            row["town"] = "Bonn"
    write(models / "newer.csv", table)
    command = ["train", "sports", "--data", str(models / "newer.csv"), "--promote", "never"]
    printed = training(*command, "--models", str(models / "models"), "--state", str(models / "state"))
    assert "published sports version 2" in printed
    assert "discrimination: " in printed
    assert "comparable: " not in printed
