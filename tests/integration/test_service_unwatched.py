"""A model without taps behind real sockets and two workers, and in a file scored without them."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.integration.test_service_workers import wait_until
from tests.support import bundles
from tests.support.server import environment, running

pytestmark = pytest.mark.slow


def test_it_serves_on_and_says_that_nothing_inside_is_watched(tmp_path: Path) -> None:
    """Every worker predicts without p-values, is ready, and has one word for the model's health."""
    repository = tmp_path / "repository"
    repository.mkdir()
    bundles.publish(repository, taps=False)
    rows = bundles.candidates(64)
    with running(tmp_path, models=repository, workers=2) as server:
        assert server.wait_until_ready(60).status_code == 200
        sent = 0
        for count in (1, 3, 64) * 4:  # the short way, a batch's shared answer, and a block
            body = {"model": "htru2", "inputs": rows[:count].tolist()}
            answer = server.client.post("/predict", json=body, headers={"connection": "close"})
            assert answer.status_code == 200
            assert {result["p_value"] for result in answer.json()["results"]} == {None}
            sent += count
        with server.client.stream("GET", "/health/activations/stream") as stream:
            line = next(line for line in stream.iter_lines() if line.startswith("data: "))
            streamed = json.loads(line.removeprefix("data: "))["models"]["htru2"]

        def rows_seen() -> int:
            document = server.client.get("/health/activations/htru2").json()
            return document["windows"]["start"]["rows"]

        wait_until(lambda: rows_seen() == sent)  # the other worker posts within a quarter of a second
        document = server.client.get("/health/activations/htru2").json()
        assert {document["verdict"], streamed["verdict"]} == {"unwatched"}
        checked = server.client.get("/health/integrity/htru2").json()
        assert (checked["ok"], checked["fault"]) == (True, None)
        families = text_string_to_metric_families(server.client.get("/metrics").text)
        verdicts = {
            sample.labels["verdict"]: sample.value
            for family in families
            for sample in family.samples
            if sample.name == "snn_activation_verdict"
        }
        assert [name for name, value in verdicts.items() if value] == ["unwatched"]
        told = [line["event"] for line in server.lines() if line["level"] in ("warning", "error")]
        assert told == ["no API keys: open to all"]
        assert server.stop() == 0
        assert server.errors() == ""


def test_a_file_is_scored_without_p_values(tmp_path: Path) -> None:
    """The column is there and empty, and nothing counts as an error for it."""
    repository = tmp_path / "repository"
    repository.mkdir()
    bundles.publish(repository, name="tox21", kind=bundles.MOLECULES, taps=False)
    table = tmp_path / "library.csv"
    table.write_text("\n".join(["smiles", *bundles.SMILES, ""]))
    command = [sys.executable, "-m", "service", "score", str(table), "--workers", "1", "--quiet"]
    done = subprocess.run(
        command, env=environment(models=repository), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    with (tmp_path / "library.scored.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["p_value"], row["error"]) for row in rows] == [("", "")] * len(bundles.SMILES)
    assert all(0 < float(row["probability_NR-AR"]) < 1 for row in rows)
