"""``adapt``: another survey's columns, calibration, cut-offs and reference, by the same networks."""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.bundle.loading import Bundle, open_bundle
from models.errors import UnknownModel
from models.features.tabular.pulsar import NAMES
from models.networks.weights import read_weights
from models.registry.store import Repository
from tests.support.commands import call
from tests.training.pipeline.test_run import RECIPE, made_up
from training.data.few_rows import read_few
from training.errors import DataError, TrainingError
from training.evaluation.metrics import auc
from training.pipeline.adaptation import adapt, choices
from training.pipeline.evaluate import run_graph
from training.pipeline.run import train_model
from training.release.adapted import publish_adapted
from training.release.publish import publish

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_process")]

FACTOR = np.array([0.2, 3, 1, 7, 0.5, 1, 20, 1])
OFFSET = np.array([5.0, -40, 0, 3, 1, 0, -1, 100])


def other_survey(n: int = 1500, *, seed: int = 7) -> tuple[np.ndarray, np.ndarray]:
    """Rows like those of training, each column in other units and from another zero; and labels."""
    data = made_up(n, seed)
    return np.array(data.records) * FACTOR + OFFSET, data.labels[:, 0]


def write(path: Path, rows: np.ndarray, labels: np.ndarray) -> Path:
    """A file of labelled candidates."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([*NAMES, "class"])
        writer.writerows([*row, int(label)] for row, label in zip(rows.tolist(), labels, strict=True))
    return path


def few(bundle: Bundle, path: Path):
    """The rows as ``adapt`` reads them."""
    fields = bundle.featurizer.fields
    readers = dict(zip(fields, bundle.featurizer.readers, strict=True))
    return read_few(path, fields, readers, ("pulsar",), exclusive=False, column=None)


@pytest.fixture(scope="module")
def repository(one_process: None, tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """A champion of made-up candidates."""
    trained = train_model(made_up(), RECIPE, 0, lambda _: None, lambda _member, _progress: None)
    repository = Repository(tmp_path_factory.mktemp("repository"))
    repository.promote("htru2", publish(trained, repository))
    return repository


@pytest.fixture(scope="module")
def origin(repository: Repository) -> Bundle:
    """The champion's bundle."""
    return open_bundle(repository.bundle("htru2", 1))


def test_a_rescaled_survey_is_answered_as_before(
    repository: Repository, origin: Bundle, tmp_path: Path
) -> None:
    """From 200 rows with another share of positives: ranks, calls and health of fresh rows are right."""
    rows, labels = other_survey()
    chosen = np.concatenate([np.flatnonzero(labels == 1)[:40], np.flatnonzero(labels == 0)[:160]])
    rest = np.setdiff1d(np.arange(len(labels)), chosen)
    adapted = adapt(
        origin, few(origin, write(tmp_path / "few.csv", rows[chosen], labels[chosen])), 0.05, print
    )
    version = publish_adapted(adapted, "other", repository)
    bundle = open_bundle(repository.bundle("other", version))

    before = run_graph(origin, ((rows - OFFSET) / FACTOR)[rest].astype(np.float32), "logit")[:, 0]
    unadapted = run_graph(origin, rows[rest].astype(np.float32), "logit")[:, 0]
    after = run_graph(bundle, rows[rest].astype(np.float32), "probability")[:, 0]
    y = labels[rest]
    assert auc(y, after) > auc(y, before) - 0.01
    assert auc(y, unadapted) < auc(y, before) - 0.05
    false_positives = (after[y == 0] >= bundle.manifest.targets[0].threshold).mean()
    assert false_positives < 0.1
    assert np.array_equal(
        np.concatenate([layer.weights.ravel() for layer in read_weights(bundle.model)[0]]),
        np.concatenate([layer.weights.ravel() for layer in read_weights(origin.model)[0]]),
    )
    assert bundle.curves is not None
    assert repository.serving("htru2").champion == 1
    with pytest.raises(UnknownModel):
        repository.serving("other")


def test_adapting_twice_leads_back(repository: Repository, origin: Bundle, tmp_path: Path) -> None:
    """An adapted version that is adapted to the first survey again answers as the first did."""
    rows, labels = other_survey(300)
    own = made_up(300, 7)
    plain = np.array(own.records)
    there = adapt(origin, few(origin, write(tmp_path / "there.csv", rows, labels)), 0.05, print)
    version = publish_adapted(there, "there", repository)
    other = open_bundle(repository.bundle("there", version))
    back = adapt(other, few(other, write(tmp_path / "back.csv", plain, labels)), 0.05, print)
    version = publish_adapted(back, "there", repository)
    again = open_bundle(repository.bundle("there", version))
    own_rows = plain.astype(np.float32)
    first, last = run_graph(origin, own_rows, "logit")[:, 0], run_graph(again, own_rows, "logit")[:, 0]
    assert np.corrcoef(first, last)[0, 1] > 0.98


def test_rows_at_the_training_scale_keep_it(origin: Bundle, tmp_path: Path) -> None:
    """Where nothing moved, no column is mapped, and only calibration and reference are new."""
    data = made_up(400, 11)
    path = write(tmp_path / "same.csv", np.array(data.records), data.labels[:, 0])
    adapted = adapt(origin, few(origin, path), 0.05, print)
    assert adapted.summary["columns brought to the training rows' scale"] == "none"


def test_too_few_rows_are_refused(origin: Bundle, tmp_path: Path) -> None:
    """Fewer than 50 rows, or 10 of a class, with the file and the numbers."""
    rows, labels = other_survey(300)
    with pytest.raises(DataError, match=r"few.csv has 40 labelled rows; at least 50"):
        adapt(origin, few(origin, write(tmp_path / "few.csv", rows[:40], labels[:40])), 0.01, print)
    one = np.concatenate([np.flatnonzero(labels == 1)[:4], np.flatnonzero(labels == 0)[:80]])
    with pytest.raises(DataError, match="pulsar has 4 positive rows; at least 10"):
        adapt(origin, few(origin, write(tmp_path / "few.csv", rows[one], labels[one])), 0.01, print)


def test_a_version_without_statistics_of_inputs_is_refused(origin: Bundle, tmp_path: Path) -> None:
    """There would be nothing to bring the columns to."""
    rows, labels = other_survey(300)
    assert origin.reference is not None
    older = replace(origin, reference=replace(origin.reference, inputs=None))
    with pytest.raises(TrainingError, match="without statistics of its inputs"):
        adapt(older, few(origin, write(tmp_path / "few.csv", rows, labels)), 0.01, print)


def test_the_command_publishes_and_promotes_nothing(repository: Repository, tmp_path: Path) -> None:
    """Figures, the mapped columns and the command that would serve it are printed."""
    rows, labels = other_survey(300)
    path = write(tmp_path / "few.csv", rows, labels)
    where = ["--models", str(repository.root), "--state", str(tmp_path)]
    done = call("adapt", "htru2", "--data", str(path), "--name", "by-command", *where)
    assert done.returncode == 0, done.stderr
    assert "not promoted: `python -m training promote by-command 1` serves it" in done.stdout
    assert "profile_mean" in done.stdout
    wrong = call("adapt", "htru2", "--data", str(path), "--fpr", "2", *where)
    assert wrong.returncode == 1
    assert "--fpr is a share" in wrong.stderr


def test_no_row_decides_which_scale_it_is_judged_by() -> None:
    """Of two equal candidates the choice gains nothing, and ignores the losses of its own part."""
    rng = np.random.default_rng(0)
    losses, parts = rng.normal(size=(2, 400)), np.arange(400) % 5
    own = choices(losses, parts)
    moved = losses + np.where(parts == 3, [[50.0], [-50.0]], 0.0)
    assert np.array_equal(choices(moved, parts)[parts == 3], own[parts == 3])
    assert (choices(moved, parts)[parts != 3] == 1).all()
    gains = []
    for _ in range(500):
        losses = rng.normal(size=(2, 50))
        picked = losses[choices(losses, np.arange(50) % 5), np.arange(50)].sum()
        gains.append(picked - losses[0].sum())
    assert abs(np.mean(gains)) < 4 * np.std(gains) / np.sqrt(500)
