"""A published version is asked about rows by the folds that its own members were trained without."""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.bundle.loading import Bundle, open_bundle
from models.registry.store import Repository
from training.data import Reading, load_table
from training.data.folds import KEY_RULE, folds_by_rule
from training.errors import DataError
from training.networks.training_loop import Recipe
from training.pipeline.evaluate import bundle_folds, bundle_out_of_fold
from training.pipeline.run import train_model
from training.recipes.table import table_recipe
from training.release.publish import publish

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_process")]

READING = Reading(target="ill")


def rows(n: int = 300) -> list[dict[str, object]]:
    """Made-up people, whose illness shows in age and town."""
    rng = np.random.default_rng(0)
    return [
        {
            "age": round(float(age), 2),
            "town": town,
            "ill": "yes" if age + 20 * (town == "Ulm") + 10 * rng.normal() > 50 else "no",
        }
        for age, town in zip(rng.uniform(18, 80, n), rng.choice(["Kiel", "Ulm"], n), strict=True)
    ]


def write(path: Path, table: list[dict[str, object]]) -> Path:
    """Write rows as CSV."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(table[0]))
        writer.writeheader()
        writer.writerows(table)
    return path


@pytest.fixture(scope="module")
def bundle(one_process: None, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A small model of the table."""
    folder = tmp_path_factory.mktemp("own")
    dataset = load_table("people", write(folder / "t.csv", rows()), READING)
    network = Recipe(units=8, layers=2, epochs=10, learning_rate=5e-3)
    recipe = replace(table_recipe(dataset), networks=(network,), rounds=1, served=1)
    trained = train_model(dataset, recipe, 0, lambda _: None, lambda _member, _progress: None)
    repository = Repository(folder / "models")
    return open_bundle(repository.bundle("people", publish(trained, repository)))


def test_other_columns_leave_out_of_fold_predictions_what_they_were(
    bundle: Bundle, tmp_path: Path
) -> None:
    """Columns in another order, and more of them: no member is asked about a row that it learned."""
    own = bundle_out_of_fold(
        bundle, load_table("people", write(tmp_path / "t.csv", rows()), READING)
    ).logits
    wider = [
        {"weight": number % 50 + 0.5, "ill": row["ill"], "town": row["town"], "age": row["age"]}
        for number, row in enumerate(rows())
    ]
    dataset = load_table("people", write(tmp_path / "wider.csv", wider), READING)
    np.testing.assert_array_equal(bundle_out_of_fold(bundle, dataset).logits, own)
    assert not np.array_equal(dataset.folds, bundle_folds(bundle, dataset))


def test_an_older_bundle_keeps_the_rule_that_it_was_made_by(bundle: Bundle, tmp_path: Path) -> None:
    """Its folds are of the values in the order of its own columns, whatever the table's order."""
    provenance = bundle.manifest.provenance.model_copy(update={"fold_rule": KEY_RULE})
    older = replace(bundle, manifest=bundle.manifest.model_copy(update={"provenance": provenance}))
    swapped = [{name: row[name] for name in ("town", "ill", "age")} for row in rows()]
    dataset = load_table("people", write(tmp_path / "t.csv", swapped), READING)
    records = [(row["age"], row["town"]) for row in rows()]
    expected = folds_by_rule(KEY_RULE, ("age", "town"), records, dataset.labels)
    np.testing.assert_array_equal(bundle_folds(older, dataset), expected)


def test_what_cannot_be_compared_says_so(bundle: Bundle, tmp_path: Path) -> None:
    """A column that is gone, and a rule of folds that this code does not know."""
    narrower = [{"age": row["age"], "ill": row["ill"]} for row in rows()]
    dataset = load_table("people", write(tmp_path / "t.csv", narrower), READING)
    with pytest.raises(DataError, match="reads column town, which these rows lack"):
        bundle_out_of_fold(bundle, dataset)
    provenance = bundle.manifest.provenance.model_copy(update={"fold_rule": "by the moon"})
    other = replace(bundle, manifest=bundle.manifest.model_copy(update={"provenance": provenance}))
    dataset = load_table("people", write(tmp_path / "t.csv", rows()), READING)
    with pytest.raises(DataError, match="version 1: its rule of folds is not known here"):
        bundle_out_of_fold(other, dataset)
