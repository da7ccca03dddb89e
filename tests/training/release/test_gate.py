"""The promotion gate: what passes, what does not, and where its report stands."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest

from models.bundle.loading import Bundle, open_bundle
from models.bundle.manifest import GATE_FILE
from models.registry.release_log import ReleaseLog
from models.registry.releases import Releases
from models.registry.store import Repository
from tests.support import bundles
from tests.training.pipeline.test_run import RECIPE, made_up
from training.data import Dataset, load_htru2
from training.errors import TrainingError
from training.evaluation.calibration import Calibration
from training.networks.training_loop import Recipe
from training.pipeline.run import Trained, calibrated, train_model
from training.recipes.official import HTRU2
from training.release import gate
from training.release.gate import Report, examine, golden_p_values
from training.release.publish import publish

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_process")]


def learn(dataset: Dataset, recipe=RECIPE) -> Trained:
    """Train without a word."""
    return train_model(dataset, recipe, 0, lambda _: None, lambda _member, _progress: None)


def judge(trained: Trained, champion: Bundle | None, challenger: Bundle, promote="auto") -> Report:
    """What the command asks of the gate."""
    return examine(promote, trained, champion, challenger)


@pytest.fixture(scope="module")
def trained(one_process: None) -> Trained:
    """One small run, shared by the tests."""
    return learn(made_up())


@pytest.fixture(scope="module")
def bundle(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """Its bundle, judged as the first version and published with the report."""
    repository = Repository(tmp_path_factory.mktemp("repository"))
    version = publish(trained, repository, lambda challenger: judge(trained, None, challenger))
    folder = repository.bundle("htru2", version)
    report = json.loads((folder / GATE_FILE).read_bytes())
    assert report["passed"] is report["promote"] is True, report
    assert report["champion"] is None
    assert "## Gate" in (folder / "MODEL_CARD.md").read_text()
    assert Releases(repository, folder).gate("htru2", version) == report
    return open_bundle(folder)


def test_a_champion_passes_against_itself(trained: Trained, bundle: Bundle) -> None:
    """Nothing is worse than itself: every check passes, and each says what it found."""
    report = judge(trained, bundle, bundle)
    assert report.passed
    assert {check.name for check in report.checks} == {
        "golden", "activations", "size", "latency", "learned", "discrimination", "calibration",
    }  # fmt: skip
    assert "not worse" in report.reason
    assert not judge(trained, bundle, bundle, "never").promote
    assert json.loads(report.to_bytes())["champion"] == 1


def test_scores_of_other_rows_do_not_pass(trained: Trained, bundle: Bundle) -> None:
    """Out-of-fold scores in another order: no better than chance, and worse than the champion."""
    logits = np.random.default_rng(0).permutation(trained.out_of_fold)
    constant = np.full_like(trained.calibration.probability, trained.dataset.labels.mean())
    calibration = Calibration(trained.calibration.maps, trained.calibration.thresholds, constant)
    shuffled = replace(trained, out_of_fold=logits, calibration=calibration)
    report = judge(shuffled, bundle, bundle)
    failed = {check.name for check in report.checks if not check.passed}
    assert failed == {"learned", "discrimination", "calibration"}
    assert not report.promote
    assert judge(shuffled, bundle, bundle, "always").promote
    assert not judge(shuffled, None, bundle).promote  # not even where there is no champion


def test_worse_calibration_alone_is_stopped(trained: Trained, bundle: Bundle) -> None:
    """The same order of rows with probabilities too sure of themselves."""
    logit = np.log(trained.calibration.probability / (1 - trained.calibration.probability))
    sure = 1 / (1 + np.exp(-3 * logit))
    calibration = Calibration(trained.calibration.maps, trained.calibration.thresholds, sure)
    report = judge(replace(trained, calibration=calibration), bundle, bundle)
    assert [check.name for check in report.checks if not check.passed] == ["calibration"]


def test_a_network_that_is_not_what_it_was_is_stopped(trained: Trained, bundle: Bundle) -> None:
    """Altered weights fail the golden rows; dead, burst and undefined layers are named."""
    model = onnx.load_model_from_string(bundle.model)
    # Whatever the graph's form: halve the largest of its weights.
    largest = max(model.graph.initializer, key=lambda tensor: np.prod(tensor.dims))
    weights = onnx.numpy_helper.to_array(largest)
    largest.CopyFrom(onnx.numpy_helper.from_array(weights * weights.dtype.type(0.5), largest.name))
    altered = replace(bundle, model=model.SerializeToString())
    assert not gate.golden(altered).passed
    for name, value in (("variance", 0.0), ("variance", 1e6), ("mean", np.nan), ("saturated", 1.0)):
        members = [member.model_copy(deep=True) for member in bundle.manifest.reference]
        getattr(members[2], name)[1] = value
        ill = replace(bundle, manifest=bundle.manifest.model_copy(update={"reference": members}))
        report = judge(trained, bundle, ill)
        (check,) = [check for check in report.checks if not check.passed]
        assert (check.name, check.summary[:17]) == ("activations", "member 2, layer 2")


def test_strange_golden_rows_are_stopped(bundle: Bundle) -> None:
    """Golden rows that all look foreign to the network, or p-values that are no numbers."""
    for value in (1e-4, np.nan):
        p_values = np.full(len(bundle.golden.records), value)
        assert not gate.activations(bundle, p_values).passed


def test_size_is_bounded_by_the_champion_and_absolutely(bundle: Bundle) -> None:
    """Twice the champion or 64 MiB, whichever is more."""
    large = replace(bundle, model=bytes(65 * 1024 * 1024))
    assert not gate.size(large, bundle).passed
    assert not gate.size(large, None).passed
    assert gate.size(large, large).passed


def test_other_targets_are_not_compared(trained: Trained, bundle: Bundle) -> None:
    """A champion of other targets stops the challenger unless it is meant."""
    manifest = bundle.manifest.model_copy(
        update={"targets": [bundle.manifest.targets[0].model_copy(update={"name": "quasar"})]}
    )
    other = replace(bundle, manifest=manifest)
    assert "--promote always" in judge(trained, other, bundle).reason
    assert judge(trained, other, bundle, "always").promote


def test_labels_shuffled_on_the_real_candidates_are_stopped(tmp_path: Path) -> None:
    """The champion is trained on HTRU2, the challenger on the same rows with their labels shuffled."""
    try:
        dataset = load_htru2()
    except (TrainingError, OSError) as error:
        pytest.skip(f"HTRU2 is not at hand: {error}")
    recipe = replace(HTRU2, networks=(Recipe(units=16, layers=3, epochs=3),), rounds=1, served=1)
    repository, releases = Repository(tmp_path), Releases(Repository(tmp_path), tmp_path / "state")
    good = learn(dataset, recipe)
    publish(good, repository, lambda challenger: judge(good, None, challenger))
    releases.promote("htru2", 1, "cli:test", "first")
    champion = open_bundle(repository.bundle("htru2", 1))
    order = np.random.default_rng(0).permutation(len(dataset))
    try:
        bad = learn(replace(dataset, labels=dataset.labels[order]), recipe)
    except TrainingError as error:
        # Where the logits fall as labels rise there is not even anything to publish.
        assert "nothing was learned" in str(error)
        logits = good.out_of_fold[order]
        calibration = calibrated(dataset, good.out_of_fold, "f1")
        bad = replace(good, out_of_fold=logits, calibration=calibration)
    bad = replace(bad, dataset=dataset)
    version = publish(bad, repository, lambda challenger: judge(bad, champion, challenger))
    report = releases.gate("htru2", version)
    assert report["promote"] is False
    assert {"learned", "discrimination"} <= {
        check["name"] for check in report["checks"] if not check["passed"]
    }
    releases.hold("htru2", version, "cli:test", report["reason"])
    assert ReleaseLog(tmp_path / "state").entries()[-1].action == "hold"
    assert repository.serving("htru2").champion == 1


def test_a_challenger_without_taps_is_not_examined(tmp_path: Path) -> None:
    """What is trained here has taps; of what has none, nothing is said of its layers."""
    bundles.publish(tmp_path, taps=False)
    with pytest.raises(TrainingError, match="gives no taps"):
        golden_p_values(open_bundle(tmp_path / "htru2" / "1"))
