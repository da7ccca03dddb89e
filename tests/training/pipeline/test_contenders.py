"""Recipes that contend: one round of each, and the better one trains the others."""

from dataclasses import replace

import numpy as np
import pytest

from tests.training.pipeline.test_run import made_up
from training.errors import TrainingError
from training.evaluation.scores import METRICS, score
from training.networks.training_loop import Recipe
from training.pipeline.run import fit, train_model
from training.recipes.official import HTRU2
from training.recipes.overrides import override, with_metric

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_process")]

POOR = Recipe(units=8, layers=2, epochs=1, learning_rate=1e-5)
GOOD = Recipe(units=8, layers=2, epochs=8, learning_rate=1e-2)
CONTEST = replace(HTRU2, networks=(POOR,), contenders=(POOR, GOOD), rounds=2, served=2)


def test_the_better_recipe_is_taken_and_recorded() -> None:
    """Its networks are those that it would have trained alone; the manifest names it and the scores."""
    data = made_up(600)
    trained = train_model(data, CONTEST, 0, lambda _: None, lambda *_: None)
    configuration = trained.provenance["configuration"]
    assert isinstance(configuration, dict)
    assert configuration["networks"][0]["epochs"] == 8
    assert configuration["scores"] == list(trained.scores)
    assert trained.scores[1] > trained.scores[0]
    alone = fit(data, replace(HTRU2, networks=(GOOD,)), 2, 0, lambda _: None, lambda *_: None)
    logits = [each.rounds.member_logits(each.rows) for each in (trained, alone)]
    assert np.array_equal(*logits)
    assert [m.seed for m in trained.ensemble.members] == [m.seed for m in alone.rounds.members]


def test_hyperparameters_of_ones_own_end_the_contest() -> None:
    """--recipe and --search say how to train: nothing is chosen any more."""
    assert override(CONTEST, {"units": 16}, "given").contenders == ()


def test_a_metric_is_one_of_a_list_and_needs_a_choice() -> None:
    """Anything else is refused with the list, and a recipe alone has nothing to choose."""
    assert with_metric(CONTEST, "auc").metric == "auc"
    with pytest.raises(
        TrainingError, match=r"classes \(--task classification\), whose metric is one of log_loss"
    ):
        with_metric(CONTEST, "luck")
    with pytest.raises(TrainingError, match="nothing is chosen by it"):
        with_metric(HTRU2, "auc")


@pytest.mark.parametrize("metric", METRICS)
def test_every_metric_is_higher_for_better_probabilities(metric) -> None:
    """Of independent targets, some not measured, and of classes."""
    rng = np.random.default_rng(0)
    labels = (rng.random((300, 2)) < 0.3).astype(float)
    labels[rng.random((300, 2)) < 0.2] = np.nan
    sharp = np.where(np.isnan(labels), 0.5, 0.1 + 0.8 * np.nan_to_num(labels))
    noisy = np.clip(sharp + rng.normal(0, 0.5, sharp.shape), 0.01, 0.99)
    assert score(metric, labels, sharp, exclusive=False) > score(metric, labels, noisy, exclusive=False)
    classes = np.eye(3)[rng.integers(0, 3, 300)]
    good = 0.8 * classes + 0.2 / 3
    bad = rng.dirichlet(np.ones(3), 300)
    assert score(metric, classes, good, exclusive=True) > score(metric, classes, bad, exclusive=True)
