"""Searches: resumable, never worse than the recipe they begin with, and what is trained by them."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from training.data import Dataset
from training.data.folds import folds_of_rows
from training.errors import TrainingError
from training.networks.training_loop import Recipe
from training.pipeline.search import Progress, search, winner
from training.recipes.official import HTRU2
from training.recipes.overrides import recipe_of_file

POOR = replace(HTRU2, networks=(Recipe(units=8, layers=2, epochs=1, learning_rate=1e-4),))


def made_up(n: int = 300, seed: int = 0) -> Dataset:
    """Candidates whose class shows in two of their eight numbers."""
    rng = np.random.default_rng(seed)
    values = rng.normal(0, 1, (n, 8)).round(6)
    labels = (values[:, 0] > values[:, 4]).astype(np.float32)
    return Dataset(
        name="htru2",
        featurizer="pulsar-1",
        records=tuple(map(tuple, values.tolist())),
        labels=labels[:, None],
        targets=("pulsar",),
        folds=folds_of_rows(values),
        sources={"made-up.csv": str(seed) * 64},
        summary={},
    )


@pytest.mark.slow
def test_a_search_goes_on_where_it_was_and_its_winner_is_trained(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Two calls make one study; the recipe itself is its first trial; other data are refused."""
    path, told = tmp_path / "studies" / "htru2.study", []
    dataset = made_up()

    def call(trials: int) -> Progress:
        return search(dataset, POOR, path, trials=trials, timeout=None, seed=0, watch=told.append)

    first = call(2)
    assert (first.trials, first.pruned) == (2, 0)
    request.getfixturevalue("one_process")  # the first two trials went through processes
    second = call(4)
    assert second.trials == 4
    assert call(4) == second  # nothing is left to do
    assert [progress.trials for progress in told] == [0, 1, 2, 2, 3, 4, 4]
    assert second.best >= first.best > 0.4

    chosen = winner(POOR, dataset, path)
    assert chosen.configuration()["search"] == {
        "study": "htru2.study",
        "trial": second.number,
        "score": second.best,
        "trials": 4,
        "pruned": second.pruned,
    }
    assert "Chosen on the five folds by a search of 4 trials" in chosen.selection
    assert "search" not in POOR.configuration()
    with pytest.raises(TrainingError, match="a study of htru2 on other data"):
        winner(POOR, made_up(seed=1), path)


def test_what_is_no_study_is_told(tmp_path: Path) -> None:
    """A missing file, and one that holds something else."""
    with pytest.raises(TrainingError, match="is no study"):
        winner(POOR, made_up(), tmp_path / "none")
    (tmp_path / "other").write_text("something else\n")
    with pytest.raises(TrainingError, match="is not a study"):
        winner(POOR, made_up(), tmp_path / "other")


def test_a_recipe_of_a_file(tmp_path: Path) -> None:
    """Hyperparameters alone, of every round, or the networks of a manifest's configuration."""
    path = tmp_path / "recipe.json"
    path.write_text('{"units": 12, "learning_rate": 0.01}')
    (poor,) = POOR.networks
    unlike = replace(POOR, networks=(poor, replace(poor, units=32, dropout=0.1)))
    assert recipe_of_file(unlike, path).networks == (
        replace(poor, units=12, learning_rate=0.01),
        replace(poor, units=12, learning_rate=0.01, dropout=0.1),
    )
    path.write_text(json.dumps(unlike.configuration()))
    assert recipe_of_file(HTRU2, path).networks == unlike.networks
    path.write_text(json.dumps({"network": asdict(poor)}))  # as manifests said it before
    assert recipe_of_file(HTRU2, path).networks == (poor,)


def test_networks_of_one_ensemble_have_equally_many_layers(tmp_path: Path) -> None:
    """Statistics are by member and layer; a file's networks are held to it, too."""
    path = tmp_path / "recipe.json"
    path.write_text(json.dumps({"networks": [{"layers": 2}, {"layers": 3}]}))
    with pytest.raises(TrainingError, match="need equally many layers, not"):
        recipe_of_file(POOR, path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("units: 12", "cannot be read as JSON"),
        ("[]", "is no object of hyperparameters"),
        ("{}", "is no object of hyperparameters"),
        ('{"networks": 3}', "no hyperparameter is named 'networks'"),
        ('{"networks": [{"units": "many"}]}', "hyperparameter units: "),
        ('{"width": 12}', "no hyperparameter is named 'width'; there are shape, units"),
        ('{"exclusive": true}', "no hyperparameter is named 'exclusive'"),
        ('{"units": "many"}', "hyperparameter units: "),
        ('{"shape": "round"}', "hyperparameter shape: "),
        ('{"units": 0}', "hyperparameter units is 0; it must be 1 to 8192"),
        ('{"layers": -1}', "hyperparameter layers is -1; it must be 1 to 64"),
        ('{"learning_rate": 1e6}', "hyperparameter learning_rate is 1e+06; it must be 1e-08 to 1"),
        ('{"learning_rate": NaN}', "hyperparameter learning_rate"),
        ('{"learning_rate": 0}', "hyperparameter learning_rate is 0; it must be 1e-08 to 1"),
        ('{"dropout": -0.5}', "hyperparameter dropout is -0.5; it must be 0 to 0.9"),
        ('{"dropout": 1}', "hyperparameter dropout is 1; it must be 0 to 0.9"),
        ('{"input_dropout": 1.5}', "hyperparameter input_dropout is 1.5; it must be 0 to 0.9"),
        ('{"weight_decay": -1}', "hyperparameter weight_decay is -1; it must be 0 to 100"),
        ('{"weight_decay": Infinity}', "hyperparameter weight_decay"),
        ('{"epochs": 0}', "hyperparameter epochs is 0; it must be 1 to 10000"),
        ('{"batch_size": 0}', "hyperparameter batch_size is 0; it must be 1 to 1e+06"),
        ('{"networks": [{"dropout": -0.5}]}', "hyperparameter dropout is -0.5"),
    ],
)
def test_a_wrong_recipe_is_one_sentence(tmp_path: Path, text: str, message: str) -> None:
    """The hyperparameter that is wrong is named."""
    (tmp_path / "recipe.json").write_text(text)
    with pytest.raises(TrainingError) as error:
        recipe_of_file(POOR, tmp_path / "recipe.json")
    assert message in str(error.value)
    assert "\n" not in str(error.value)
