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
from training.benchmarks.accuracy.gate_power import promoted
from training.benchmarks.statistics import with_interval
from training.data import Dataset, load_htru2
from training.errors import TrainingError
from training.networks.training_loop import Recipe
from training.pipeline.run import Trained, train_model
from training.recipes.official import HTRU2
from training.release import checks
from training.release.comparison import discrimination, not_worse, positives, power
from training.release.gate import Report, examine
from training.release.publish import publish, published_before

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
        "golden", "activations", "size", "latency", "schema", "positives", "learned",
        "discrimination", "calibration",
    }  # fmt: skip
    assert "not worse" in report.reason
    assert not judge(trained, bundle, bundle, "never").promote
    assert json.loads(report.to_bytes())["champion"] == 1


def test_scores_of_other_rows_do_not_pass(trained: Trained, bundle: Bundle) -> None:
    """Out-of-fold scores in another order: no better than chance, and worse than the champion."""
    logits = np.random.default_rng(0).permutation(trained.out_of_fold)
    constant = np.full_like(trained.calibration.probability, trained.dataset.labels.mean())
    calibration = replace(trained.calibration, probability=constant)
    shuffled = replace(trained, out_of_fold=logits, calibrated=calibration)
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
    calibration = replace(trained.calibration, probability=sure)
    report = judge(replace(trained, calibrated=calibration), bundle, bundle)
    assert [check.name for check in report.checks if not check.passed] == ["calibration"]


def test_a_network_that_is_not_what_it_was_is_stopped(trained: Trained, bundle: Bundle) -> None:
    """Altered weights fail the golden rows; dead, burst and undefined layers are named."""
    model = onnx.load_model_from_string(bundle.model)
    # Whatever the graph's form: halve the largest of its weights.
    largest = max(model.graph.initializer, key=lambda tensor: np.prod(tensor.dims))
    weights = onnx.numpy_helper.to_array(largest)
    largest.CopyFrom(onnx.numpy_helper.from_array(weights * weights.dtype.type(0.5), largest.name))
    altered = replace(bundle, model=model.SerializeToString())
    assert not checks.golden(altered).passed
    for name, value in (("variance", 0.0), ("variance", 1e6), ("mean", np.nan), ("saturated", 1.0)):
        members = [member.model_copy(deep=True) for member in bundle.manifest.reference]
        getattr(members[2], name)[1] = value
        ill = replace(bundle, manifest=bundle.manifest.model_copy(update={"reference": members}))
        report = judge(trained, bundle, ill)
        (check,) = [check for check in report.checks if not check.passed]
        assert (check.name, check.summary[:17]) == ("activations", "member 2, layer 2")


def test_data_that_looks_foreign_is_stopped(trained: Trained, bundle: Bundle) -> None:
    """Rows of the data that all look foreign to the network, or p-values that are no numbers."""
    assert not checks.activations(bundle, checks.real_p_values(bundle, trained.raw * -50)).passed
    for value in (1e-4, np.nan):
        assert not checks.activations(bundle, np.full(100, value)).passed


def test_golden_rows_need_not_look_like_the_data(trained: Trained, bundle: Bundle) -> None:
    """They check what is computed: columns that are correlated in the data are not so in them."""
    foreign = replace(bundle, golden=replace(bundle.golden, records=bundle.golden.records[:1] * 2))
    check = checks.activations(foreign, checks.real_p_values(foreign, trained.raw))
    assert check.passed
    assert check.figures["familiar"] > 0.9


def test_size_is_bounded_by_the_champion_and_absolutely(bundle: Bundle) -> None:
    """Twice the champion or 64 MiB, whichever is more."""
    large = replace(bundle, model=bytes(65 * 1024 * 1024))
    assert not checks.size(large, bundle).passed
    assert not checks.size(large, None).passed
    assert checks.size(large, large).passed


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
    bad = replace(learn(replace(dataset, labels=dataset.labels[order]), recipe), dataset=dataset)
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
        checks.real_p_values(open_bundle(tmp_path / "htru2" / "1"), np.zeros((2, 8), np.float32))


@pytest.mark.parametrize("correlation", [0.0, 0.9])
def test_of_5000_rows_the_gate_tells_a_loss_of_three_hundredths_from_none(correlation: float) -> None:
    """An equal challenger passes in 90 % of cases or more, one whose AUC is .03 less in 10 % or less."""
    job = {"rows": 5000, "positive": 0.2, "correlation": correlation, "trials": 60, "margin": 0.03}
    assert promoted(job | {"loss": 0.0})["promoted"] >= 0.9
    assert promoted(job | {"loss": 0.03})["promoted"] <= 0.1


def test_few_rows_show_nothing_and_the_report_says_so() -> None:
    """At 200 rows the margin is not met by anything, and ``--promote always`` is named."""
    rng = np.random.default_rng(0)
    labels = (np.arange(200) < 40).astype(float)[:, None]
    champion, challenger = 1.8 * labels + rng.normal(size=(2, 200, 1))
    check = discrimination(labels, challenger, champion)
    assert not check.passed
    assert check.figures["equal_passes"] < 0.5
    assert "nothing useful can be met" in check.summary
    assert "--promote always" in check.summary
    assert discrimination(labels, challenger, champion, margin=0.2).passed


def test_a_small_loss_that_is_shown_is_not_promoted() -> None:
    """Within the margin, but of many rows that leave no doubt."""
    rng = np.random.default_rng(1)
    labels = (rng.random((20_000, 1)) < 0.3).astype(float)
    champion = 2 * labels + rng.normal(size=labels.shape)
    challenger = champion + 0.3 * rng.normal(size=labels.shape)
    check = discrimination(labels, challenger, champion)
    assert -0.03 < check.figures["low"] < check.figures["high"] < 0
    assert (check.passed, ": worse." in check.summary) == (False, True)


def test_power_is_that_of_a_normal_difference() -> None:
    """Against simulated differences: how often an equal one passes, and the margin of nine in ten."""
    gaps = np.random.default_rng(2).normal(0, 0.01, 200_000)
    passes, smallest = power(0.01, 0.03)
    simulated = (gaps - 1.6449 * 0.01 > -0.03) & (gaps + 1.6449 * 0.01 >= -0.003)
    assert passes == pytest.approx(simulated.mean(), abs=0.005)
    assert (gaps - 1.6449 * 0.01 > -smallest).mean() == pytest.approx(0.9, abs=0.005)


def test_few_positives_are_named_with_what_they_leave_open() -> None:
    """Ten positives in a thousand rows: the recall is known to a third."""
    labels = np.zeros((1000, 2))
    labels[:10, 0] = labels[:500, 1] = 1
    check = positives(labels, ("rare", "common"))
    assert check.passed
    assert check.figures == {"few": {"rare": 10}}
    assert "rare has 10 rows of its rarer class: its recall is known to ±0.32" in check.summary
    assert positives(labels[:, 1:], ("common",)).figures == {"few": {}}


def test_one_is_no_plural_and_nothing_is_no_negative(bundle: Bundle) -> None:
    """The report says "1 row", and +0.0000 of a difference that rounds to nothing."""
    assert checks.speed(bundle, bundle).summary.startswith("1 row in ")
    alone = positives(np.array([[1.0]] + [[0.0]] * 60), ("rare",)).summary
    assert alone.startswith("rare has 1 row of its rarer class: its recall is known to ±1.00")
    summary = not_worse("error", "RMSE", -1e-6, 1e-6, 0.03, 900, loss=1).summary
    for told in (summary, with_interval(-1e-6, -2e-6, 1e-6)):
        assert "+0.0000 to +0.0000" in told
        assert "-0.0000" not in told


def column(
    kind: str, *, optional: bool = False, other: bool = False, values: str = ""
) -> dict[str, object]:
    """A column of a table's schema."""
    entry: dict[str, object] = {"name": "c", "kind": kind, "optional": optional}
    return entry if kind == "number" else entry | {"other": other, "values": values.split()}


@pytest.mark.parametrize(
    ("old", "new", "refused"),
    [
        (column("number"), column("number", optional=True), []),
        (column("number", optional=True), column("number"), ["a missing value in column c"]),
        (column("category", values="a b"), column("category", values="b a d"), []),
        (column("category", values="a b"), column("category", values="b"), ["'a' in column c"]),
        (column("category", values="a b"), column("category", values="b", other=True), []),
        (
            column("category", values="a", other=True),
            column("category", values="a"),
            ["an unknown value in column c"],
        ),
        (
            column("category", values="1 2"),
            column("number"),
            ["the categories of column c, which has numbers now"],
        ),
        (
            column("number"),
            column("category", values="1 2"),
            ["numbers in column c that are none of its categories"],
        ),
        (
            column("number"),
            column("number") | {"name": "d"},
            ["records without column d, which is new", "lists with a value of column c, which is gone"],
        ),
    ],
)
def test_what_would_newly_be_refused_holds_a_challenger_back(
    bundle: Bundle, old: dict[str, object], new: dict[str, object], refused: list[str]
) -> None:
    """Whoever sends what the champion takes is told before it is refused."""

    def with_column(entry: dict[str, object]) -> Bundle:
        featurizer = bundle.manifest.featurizer.model_copy(update={"parameters": {"columns": [entry]}})
        return replace(bundle, manifest=bundle.manifest.model_copy(update={"featurizer": featurizer}))

    check = checks.schema(with_column(new), with_column(old))
    assert check.figures == {"newly_refused": refused}
    assert check.passed is not bool(refused)
    assert checks.schema(with_column(new), None).passed


def test_the_repository_is_free_while_the_gate_computes(trained: Trained, tmp_path: Path) -> None:
    """Somebody else publishes and promotes meanwhile; the version is then the next one."""
    repository = Repository(tmp_path)

    def slow(challenger: Bundle) -> Report:
        assert challenger.manifest.version == 1
        assert bundles.publish(tmp_path) == 1
        return judge(trained, None, challenger)

    assert publish(trained, repository, slow) == 2
    published = open_bundle(repository.bundle("htru2", 2))
    assert published.manifest.version == 2
    assert json.loads((repository.bundle("htru2", 2) / GATE_FILE).read_bytes())["version"] == 2
    assert published_before(published.manifest.provenance.training_hash, "htru2", repository) == 2
    assert published_before("1" * 64, "htru2", repository) is None
