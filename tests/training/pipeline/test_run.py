"""A whole training run on made-up candidates: trained, calibrated, exported, published, served."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from models.bundle.loading import Bundle, open_bundle
from models.bundle.manifest import Trees, parse_manifest
from models.bundle.targets import Assay
from models.errors import BundleRefused
from models.networks.outputs import INPUT, OUTPUTS
from models.networks.weights import read_weights, tensor_names
from models.registry.store import Repository
from training.data import Dataset
from training.data.dataset import Replicates
from training.data.folds import folds_of_rows
from training.errors import TrainingError
from training.evaluation.metrics import mean_auc
from training.networks.ensemble import OutOfFold, fit_ensemble, out_of_fold
from training.networks.export import all_outputs
from training.networks.training_loop import Recipe, train
from training.networks.trees import TreeRecipe
from training.pipeline.evaluate import bundle_out_of_fold, evaluate_on
from training.pipeline.kinds import kind_of
from training.pipeline.run import Trained, train_model
from training.recipes.official import HTRU2
from training.release.model_card import model_card
from training.release.publish import publish

pytestmark = pytest.mark.slow

RECIPE = replace(HTRU2, networks=(Recipe(units=16, layers=3, epochs=8),), rounds=2, served=1)


def made_up(n: int = 1500, seed: int = 0) -> Dataset:
    """Candidates whose class shows in two of their eight numbers."""
    rng = np.random.default_rng(seed)
    values = rng.lognormal(1, 1, (n, 8))
    labels = (values[:, 0] > values[:, 4] + rng.normal(0, 2, n)).astype(np.float32)
    return Dataset(
        name="htru2",
        featurizer="pulsar-1",
        records=tuple(map(tuple, values.tolist())),
        labels=labels[:, None],
        targets=("pulsar",),
        folds=folds_of_rows(values),
        sources={"made-up.csv": "0" * 64},
        summary={"candidates": n},
    )


@pytest.fixture(scope="module")
def trained() -> Trained:
    """One small run in processes, shared by the tests."""
    return train_model(made_up(), RECIPE, 0, lambda _: None, lambda _member, _progress: None)


@pytest.fixture(scope="module")
def repository(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """A repository that holds the run's bundle as version 1, promoted."""
    repository = Repository(tmp_path_factory.mktemp("repository"))
    repository.promote("htru2", publish(trained, repository))
    return repository


def test_the_bundle_opens_and_reproduces_its_golden_rows(repository: Repository) -> None:
    """What was published passes every check that the service makes."""
    bundle = open_bundle(repository.bundle("htru2", 1))
    session = onnxruntime.InferenceSession(bundle.model, providers=["CPUExecutionProvider"])
    bundle.check_golden(
        lambda rows: dict(zip(OUTPUTS, session.run(list(OUTPUTS), {INPUT: rows}), strict=True))
    )
    assert len(bundle.manifest.members) == 5
    assert [member.fold for member in bundle.manifest.members] == [0, 1, 2, 3, 4]


def test_the_bundle_has_what_decisions_need(repository: Repository, trained: Trained) -> None:
    """A curve whose counts are the data's, an interval's spread, and figures with intervals."""
    bundle = open_bundle(repository.bundle("htru2", 1))
    (target,), labels = bundle.manifest.targets, trained.dataset.labels
    assert bundle.curves is not None
    curve = bundle.curves["pulsar"]
    assert (curve.positive, curve.negative) == ((labels == 1).sum(), (labels == 0).sum())
    assert bundle.manifest.metrics["targets"]["pulsar"]["recall"] == pytest.approx(
        np.interp(-target.threshold, -np.array(curve.threshold), curve.recall), abs=0.05
    )
    assert target.spread is not None
    assert 0.3 < target.spread.factor < 6
    assert target.spread.typical > 0
    assert (target.elevated, bundle.manifest.are_assays) == (None, False)
    card = bundle.card.decode()
    assert "## How sure" in card
    assert "## Levels" not in card


def test_assays_are_published_with_both_cut_offs(trained: Trained, tmp_path: Path) -> None:
    """A recipe of assays: levels, what they measure, and figures of both in manifest and card."""
    assay = Assay(measures="a pathway", mode="agonist", cells="HeLa", readout="dye", source="a paper")
    recipe = replace(RECIPE, threshold_rule="levels", assays={"pulsar": assay})
    dataset = replace(trained.dataset, parts={"leaderboard": trained.dataset.folds < 2})
    own = OutOfFold(trained.out_of_fold, np.zeros_like(trained.out_of_fold))
    kind = kind_of(dataset)
    calibration = kind.calibrated(dataset, own, "levels")
    rounds = {"mean_auc_by_round": trained.metrics["mean_auc_by_round"]}
    as_assays = replace(
        trained,
        dataset=dataset,
        recipe=recipe,
        calibrated=calibration,
        metrics=kind.metrics(dataset, calibration) | rounds,
    )
    repository = Repository(tmp_path)
    bundle = open_bundle(repository.bundle("htru2", publish(as_assays, repository)))
    (target,) = bundle.manifest.targets
    assert bundle.manifest.are_assays
    assert target.elevated <= target.threshold
    assert target.assay == assay
    assert "active (what call means)" in bundle.manifest.threshold_rule
    card = bundle.card.decode()
    for words in (
        "## Levels",
        "| pulsar | elevated |",
        "| a pathway | agonist | HeLa |",
        "leaderboard set",
    ):
        assert words in card


def test_the_file_is_one_graph_that_knows_its_origin(repository: Repository) -> None:
    """Model, version and training hash are in the ONNX metadata; no Dropout, no outside data."""
    bundle = open_bundle(repository.bundle("htru2", 1))
    model = onnx.load_model_from_string(bundle.model)
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    assert metadata["model"] == "htru2"
    assert metadata["version"] == "1"
    assert metadata["training_hash"] == bundle.manifest.provenance.training_hash
    assert "Dropout" not in {node.op_type for node in model.graph.node}


def test_altered_weights_are_refused(repository: Repository, tmp_path: Path) -> None:
    """Golden rows name the member and layer of a weight that was changed in memory."""
    bundle = open_bundle(repository.bundle("htru2", 1))
    model = onnx.load_model_from_string(bundle.model)
    stacks = [tensor for tensor in model.graph.initializer if list(tensor.dims) == [5, 16, 16]]
    weights = onnx.numpy_helper.to_array(stacks[1]).copy()
    weights[3] *= 1.1
    stacks[1].CopyFrom(onnx.numpy_helper.from_array(weights, stacks[1].name))
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    with pytest.raises(BundleRefused, match="member 3, layer 3"):
        bundle.check_golden(
            lambda rows: dict(zip(OUTPUTS, session.run(list(OUTPUTS), {INPUT: rows}), strict=True))
        )


@pytest.fixture(scope="module")
def unlike(one_process: None, tmp_path_factory: pytest.TempPathFactory) -> tuple[Trained, Bundle]:
    """A run whose two rounds have recipes of their own, both served, and its bundle."""
    narrow, wide = (Recipe(units=units, layers=2, epochs=2) for units in (8, 24))
    networks = (narrow, replace(wide, shares=False, input_dropout=0.2, without=("dm_", "profile_k")))
    recipe = replace(HTRU2, networks=networks, rounds=2, served=2)
    trained = train_model(made_up(600), recipe, 0, lambda _: None, lambda _member, _progress: None)
    repository = Repository(tmp_path_factory.mktemp("unlike"))
    return trained, open_bundle(repository.bundle("htru2", publish(trained, repository)))


def test_rounds_of_unlike_recipes_are_served_together(unlike: tuple[Trained, Bundle]) -> None:
    """The bundle tells each member's widths, the card each round's recipe; the graph computes both."""
    trained, bundle = unlike
    assert bundle.manifest.member_widths == [[8, 8]] * 5 + [[24, 24]] * 5
    assert bundle.manifest.widths == [24, 24]
    assert len(bundle.manifest.theory) == 10
    members = read_weights(bundle.model)
    assert members[0][0].weights.all()
    seen = [True, True, True, False, False, False, False, False]
    assert members[5][0].weights.any(axis=1).tolist() == seen
    assert bundle_out_of_fold(bundle, trained.dataset).logits == pytest.approx(
        trained.out_of_fold, abs=1e-4
    )
    summary = trained.dataset.summary
    card = model_card(bundle.manifest, summary, trained.recipe.selection, trained.recipe.limits)
    assert "| 1 | 8, 8 | 0.0, 0.0 | all features | shares of samples |" in card
    assert "| 2 | 24, 24 | 0.0, 0.2 | all but dm_, profile_k | majority labels |" in card


@pytest.fixture(scope="module")
def with_trees(one_process: None, tmp_path_factory: pytest.TempPathFactory) -> tuple[Trained, Bundle]:
    """A run of two rounds with trees beside their networks, and its bundle."""
    networks = (Recipe(units=8, layers=2, epochs=2),)
    trees = TreeRecipe(number=20, depth=4, columns=8, tried=1.0)
    recipe = replace(HTRU2, networks=networks, rounds=2, served=2, trees=trees)
    trained = train_model(made_up(600), recipe, 0, lambda _: None, lambda _member, _progress: None)
    repository = Repository(tmp_path_factory.mktemp("trees"))
    return trained, open_bundle(repository.bundle("htru2", publish(trained, repository)))


def test_trees_are_served_with_the_networks(with_trees: tuple[Trained, Bundle]) -> None:
    """The graph gives each member the logits of the trees without its fold; manifest and card say so."""
    trained, bundle = with_trees
    assert trained.trees is not None
    assert bundle.manifest.trees == Trees(
        number=20, depth=trained.trees.depth, nodes=len(trained.trees.child)
    )
    assert bundle_out_of_fold(bundle, trained.dataset).logits == pytest.approx(
        trained.out_of_fold, abs=1e-4
    )
    alone = trained.ensemble.member_logits(trained.rows)
    networks = out_of_fold(alone, trained.ensemble.members, trained.dataset.folds, False).logits
    labels = trained.dataset.labels
    assert mean_auc(labels, trained.out_of_fold) > mean_auc(labels, networks)
    # What is watched are the networks, as if there were no trees.
    assert bundle.reference is not None
    assert bundle.reference.members == trained.reference.members
    card = model_card(bundle.manifest, {}, "", "")
    assert "Beside them stand boosted trees, 20 without each fold" in card


def test_an_altered_tree_is_refused(with_trees: tuple[Trained, Bundle]) -> None:
    """Golden rows find a threshold or a step that was changed in memory."""
    bundle = with_trees[1]
    for name in ("trees.root_threshold", "trees.value"):
        model = onnx.load_model_from_string(bundle.model)
        (kept,) = (tensor for tensor in model.graph.initializer if tensor.name == name)
        values = onnx.numpy_helper.to_array(kept)
        kept.CopyFrom(onnx.numpy_helper.from_array(values * values.dtype.type(1.5), name))
        session = onnxruntime.InferenceSession(
            model.SerializeToString(), providers=["CPUExecutionProvider"]
        )
        with pytest.raises(BundleRefused, match="output layer of member 0, or trees beside it"):
            bundle.check_golden(partial(all_outputs, session))


@pytest.mark.parametrize(("member", "layer"), [(2, 1), (7, 2)])
def test_an_altered_member_among_unlike_ones_is_named(
    unlike: tuple[Trained, Bundle], member: int, layer: int
) -> None:
    """Golden rows find the member and layer where widths differ, too."""
    bundle = unlike[1]
    model = onnx.load_model_from_string(bundle.model)
    (kept,) = (
        tensor for tensor in model.graph.initializer if tensor.name == tensor_names(layer - 1, member)[0]
    )
    kept.CopyFrom(
        onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(kept) * np.float16(1.1), kept.name)
    )
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    with pytest.raises(BundleRefused, match=f"member {member}, layer {layer}"):
        bundle.check_golden(
            lambda rows: dict(zip(OUTPUTS, session.run(list(OUTPUTS), {INPUT: rows}), strict=True))
        )


@pytest.mark.parametrize(
    "wrong", [[[8, 8]] * 9, [[8, 8]] * 10, [[24, 24]] * 9 + [[24]], [[8, 24]] * 9 + [[24, 8, 1]]]
)
def test_widths_that_contradict_are_refused(
    unlike: tuple[Trained, Bundle], wrong: list[list[int]]
) -> None:
    """Widths by member are of all members and layers, and the widest are the manifest's widths."""
    document = unlike[1].manifest.model_copy(update={"member_widths": wrong}).model_dump_json()
    with pytest.raises(BundleRefused, match="member_widths are not those"):
        parse_manifest(document.encode())


def test_a_recipe_says_what_is_learned_of_several_samples(one_process: None) -> None:
    """With ``shares`` a round learns the samples' shares, without it the labels."""
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((400, 4)).astype(np.float32)
    labels = (rows[:, :1] > 0).astype(np.float32)
    against = Replicates(1 - labels, np.ones_like(labels))
    folds = np.arange(400) % 2
    recipe = Recipe(units=8, layers=2, epochs=15, batch_size=32)
    ensemble = fit_ensemble(
        rows,
        labels,
        folds,
        [recipe, replace(recipe, shares=False)],
        names=list("abcd"),
        rounds=2,
        seed=0,
        watch=lambda _member, _progress: None,
        replicates=against,
    )
    logits = ensemble.member_logits(rows)[..., 0]
    means = logits[labels[:, 0] == 1].mean(axis=0)
    assert (means[:2] < 0).all()
    assert (means[2:] > 0).all()


def test_out_of_fold_predictions_are_the_held_out_members(
    trained: Trained, repository: Repository
) -> None:
    """The published graph gives for each row the logit of the member that never saw it."""
    bundle = open_bundle(repository.bundle("htru2", 1))
    logits = bundle_out_of_fold(bundle, trained.dataset).logits
    assert logits == pytest.approx(trained.out_of_fold, abs=1e-4)
    assert trained.metrics["overall"]["mean_auc"] > 0.7


def test_unseen_rows_are_judged_by_the_served_probability(repository: Repository) -> None:
    """Rows of another set are scored by all members; a refused one counts, with the base rate."""
    bundle = open_bundle(repository.bundle("htru2", 1))
    other = made_up(seed=1)
    labels = np.concatenate([other.labels, [[1.0]]])
    document = evaluate_on(bundle, [*other.records, "no candidate"], labels)
    assert document["refused"] == 1
    assert document["overall"]["rows"] == len(labels)
    assert document["overall"]["mean_auc"] > 0.7


def test_the_same_seed_gives_the_same_network() -> None:
    """Training is deterministic, and another seed gives another network."""
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((300, 8)).astype(np.float32)
    labels = (rows[:, :1] > 0).astype(np.float32)
    recipe = Recipe(units=8, layers=2, epochs=2, dropout=0.1, input_dropout=0.1)

    def weights(seed: int) -> torch.Tensor:
        return train(rows, labels, (rows, labels), recipe, seed, lambda _: None).head.weight.detach()

    assert torch.equal(weights(1), weights(1))
    assert not torch.equal(weights(1), weights(2))


def test_labels_without_meaning_end_in_a_sentence() -> None:
    """A data set of one class is refused before anything is trained."""
    dataset = made_up(400)
    with pytest.raises(TrainingError, match="pulsar has no positive"):
        train_model(
            replace(dataset, labels=np.zeros_like(dataset.labels)),
            RECIPE,
            0,
            lambda _: None,
            lambda _member, _progress: None,
        )


def test_theory_is_in_the_manifest_and_on_the_card(repository: Repository) -> None:
    """Every layer of every member beside its predictions; the covariance predicts the units' means."""
    folder = repository.bundle("htru2", 1)
    manifest = open_bundle(folder).manifest
    assert [len(member.layers) for member in manifest.theory] == [3] * 5
    lines = [line for member in manifest.theory for line in member.layers]
    assert min(line.correlation or 0 for line in lines) > 0.9
    error = [abs(line.covariance_mean - line.mean) for line in lines]
    assert np.mean(error) < np.mean([abs(line.map_mean - line.mean) for line in lines])
    assert "| layer | measured | map g | with covariance | r |" in (folder / "MODEL_CARD.md").read_text()
