"""``train`` on a small table: what is published, what is promoted, and what is held back."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from models.registry.releases import Releases
from models.registry.store import Repository
from tests.support.commands import call

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_process")]

Train = Callable[..., str]


def people(n: int = 400, *, towns: str = "Kiel Ulm Bonn", seed: int = 0) -> list[dict[str, object]]:
    """Made-up people, whose illness shows in age and town; some ages are missing."""
    rng = np.random.default_rng(seed)
    return [
        {
            "age": "" if number % 20 == 0 else round(float(age), 2),
            "town": town,
            "ill": "yes" if age + 20 * (town == "Ulm") + 10 * rng.normal() > 50 else "no",
        }
        for number, (age, town) in enumerate(
            zip(rng.uniform(18, 80, n), rng.choice(towns.split(), n), strict=True)
        )
    ]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the hyperparameters of a small network."""
    folder = tmp_path_factory.mktemp("train")
    small = {"units": 8, "layers": 2, "epochs": 12, "learning_rate": 0.005}
    (folder / "small.json").write_text(json.dumps(small))
    return folder


@pytest.fixture(scope="module")
def train(folder: Path, one_process: None) -> Train:
    """Write a table, train the model called people on it, and return what was printed."""

    def run(table: list[dict[str, object]], *options: str, file: str = "people.csv") -> str:
        with (folder / file).open("w", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, list(table[0]))
            writer.writeheader()
            writer.writerows(table)
        where = ["--models", str(folder / "models"), "--state", str(folder / "state")]
        given = ["--data", str(folder / file), "--target", "ill", "--recipe", str(folder / "small.json")]
        done = call("train", "people", *given, *where, *options)
        assert done.returncode == 0, done.stderr
        return done.stdout

    first = run(people())
    assert "published people version 1" in first
    assert "\npromoted: " in first
    return run


def test_the_same_data_recipe_and_seed_are_not_published_twice(train: Train, folder: Path) -> None:
    """Nor under another file name; another seed is another model."""
    for file in ("people.csv", "again.csv"):
        printed = train(people(), file=file)
        assert printed.startswith("not published: version 1 was made of the same data")
    assert Repository(folder / "models").versions("people") == [1]
    again = train(people(), "--json")
    assert json.loads(again) == {"model": "people", "version": 1, "published": False}
    printed = train(people(), "--seed", "5", "--margin", "0.1")
    version = Repository(folder / "models").versions("people")[-1]
    assert f"published people version {version}" in printed
    assert "margin 0.1: not worse" in printed


def test_a_program_reads_one_object_and_the_words_go_elsewhere(train: Train, folder: Path) -> None:
    """``train --json`` tells version, verdict, metrics and checks; ``evaluate --json`` the metrics."""
    told = json.loads(train(people(seed=3), "--json", "--promote", "never"))
    assert (told["published"], told["promoted"]) == (True, False)
    assert {check["name"] for check in told["checks"]} >= {"golden", "calibration"}
    where = ["--models", str(folder / "models"), "--data", str(folder / "people.csv"), "--json"]
    done = call("evaluate", "people", str(told["version"]), *where)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert (document["model"], document["version"]) == ("people", told["version"])
    assert document["metrics"]["overall"]["rows"] == told["metrics"]["overall"]["rows"]
    assert "out-of-fold" in done.stderr


def test_an_extract_that_lacks_a_town_and_missing_ages_is_held_back(train: Train, folder: Path) -> None:
    """What the champion takes would be refused: the reason is printed and logged, the champion stays."""
    table = [row | {"age": row["age"] or 40.0} for row in people(towns="Kiel Ulm", seed=1)]
    printed = train(table, "--margin", "0.2")
    reason = "would newly be refused: a missing value in column age, 'Bonn' in column town"
    assert "FAILED  schema" in printed
    assert f"not promoted: schema: {reason}" in printed
    releases = Releases(Repository(folder / "models"), folder / "state")
    assert releases.log.entries("people")[-1].action == "hold"
    assert reason in releases.log.entries("people")[-1].why


def test_a_margin_that_is_none_is_one_sentence(folder: Path) -> None:
    """A loss of AUC lies between 0 and a half."""
    done = call("train", "htru2", "--margin", "0", "--models", str(folder))
    assert (done.returncode, "--margin is a loss between 0 and 0.5" in done.stderr) == (
        1,
        True,
    )


def test_a_target_without_signal_is_held_back_with_figures(folder: Path, one_process: None) -> None:
    """Labels that no column tells: published with its figures, and not promoted."""
    rng = np.random.default_rng(3)
    with (folder / "noise.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["a", "b", "y"])
        writer.writerows([rng.normal(), rng.normal(), int(rng.random() < 0.3)] for _ in range(300))
    done = call(
        *["train", "noise", "--data", str(folder / "noise.csv"), "--target", "y"],
        *["--recipe", str(folder / "small.json"), "--models", str(folder / "models")],
        *["--state", str(folder / "state")],
    )
    assert done.returncode == 0, done.stderr
    assert "published noise version 1" in done.stdout
    assert "not promoted: learned: out-of-fold mean AUC 0." in done.stdout


def test_a_network_that_diverges_is_one_sentence(folder: Path, one_process: None) -> None:
    """Weights beyond 16-bit numbers are no network to serve."""
    (folder / "wild.json").write_text(
        json.dumps({"units": 8, "layers": 12, "epochs": 12, "learning_rate": 1, "optimizer": "sgd"})
    )
    rng = np.random.default_rng(4)
    with (folder / "wild.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["a", "y"])
        writer.writerows([value, int(value + rng.normal() > 0)] for value in rng.normal(size=300))
    done = call(
        *["train", "wild", "--data", str(folder / "wild.csv"), "--target", "y"],
        *["--recipe", str(folder / "wild.json"), "--models", str(folder / "models")],
        *["--state", str(folder / "state")],
    )
    assert done.returncode == 1
    assert "diverged: its weights are no 16-bit numbers; a learning_rate below 1" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
