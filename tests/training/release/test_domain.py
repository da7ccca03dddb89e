"""The domain of a run on a few molecules: its cut-offs, its figures, what bundle and card have."""

from dataclasses import replace

import numpy as np
import pytest

from models.bundle.loading import open_bundle
from models.features import create
from models.registry.store import Repository
from training.data import Dataset
from training.data.folds import folds_of_molecules
from training.data.fragment_choice import fragment_parameters
from training.evaluation.metrics import log_loss_rows, mean_interval
from training.networks.training_loop import Recipe
from training.pipeline.run import train_model
from training.recipes.official import TOX21
from training.release.domain import _figures as domain_figures
from training.release.domain import fit_domain
from training.release.publish import publish

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_process")]

CHAINS = [f"{'C' * length}{end}" for length in range(1, 16) for end in ("O", "N", "Cl", "C(=O)O", "C#N")]
RINGS = [
    f"{'C' * length}c1ccc({other})cc1"
    for length in range(1, 9)
    for other in ("O", "N", "Cl", "F", "C=O")
]
SMILES = [*CHAINS, *RINGS]
RECIPE = replace(TOX21, networks=(Recipe(units=16, layers=2, epochs=4),), rounds=1, served=1)


def made_up() -> Dataset:
    """Chains and rings; rings are active in the one assay, and every seventh was not measured."""
    labels = np.array([["c1" in smiles] for smiles in SMILES], np.float32)
    labels[::7] = np.nan
    return Dataset(
        name="tox21",
        featurizer="molecules-3",
        records=SMILES,
        labels=labels,
        targets=("assay",),
        folds=folds_of_molecules(SMILES),
        sources={"made-up.smi": "0" * 64},
        summary={"molecules": len(SMILES)},
    )


def test_cutoffs_and_figures_are_out_of_fold() -> None:
    """Similarities leave the compound's own fold out: with all compounds each would be 1."""
    dataset = made_up()
    featurizer = create("molecules-3", fragment_parameters(SMILES))
    probability = np.random.default_rng(0).uniform(0.01, 0.99, dataset.labels.shape)
    domain, evidence = fit_domain(dataset, featurizer, probability)
    highest = []
    for smiles, fold in zip(SMILES, dataset.folds, strict=True):
        nearest = domain.nearest(featurizer.fingerprint(smiles), len(SMILES))
        others = {SMILES[at] for at in np.flatnonzero(dataset.folds != fold)}
        parents = {featurizer.fingerprint(other).smiles for other in others}
        highest.append(max(one["similarity"] for one in nearest if one["smiles"] in parents))
    assert evidence.similarity == domain.cutoffs.similarity
    assert evidence.similarity == pytest.approx(np.floor(100 * np.quantile(highest, 0.05)) / 100)
    measured = int(np.isfinite(dataset.labels).sum())
    assert sum(part.rows for part in evidence.fifths) == measured
    assert evidence.inside.rows + (evidence.outside.rows if evidence.outside else 0) == measured
    tops = [part.similarity[1] for part in evidence.fifths]
    assert tops == sorted(tops)
    assert all(part.log_loss > part.log_loss_base_rate for part in evidence.fifths)  # made by lot
    known = np.isfinite(dataset.labels[:, 0])
    values = log_loss_rows(dataset.labels, probability)[known, 0]
    whole = domain_figures(dataset.labels, probability, np.zeros(len(SMILES)), np.flatnonzero(known))
    assert whole.log_loss_95_interval is not None
    assert whole.log_loss_95_interval == pytest.approx(mean_interval(values)[1:], abs=5e-3)
    assert all(
        part.mean_auc_95_interval is None or part.mean_auc_95_interval[0] <= part.mean_auc
        for part in evidence.fifths
        if part.mean_auc is not None
    )


def test_the_bundle_has_what_was_learned_from(tmp_path) -> None:
    """Every molecule with its label or none, the figures in manifest and card."""
    trained = train_model(made_up(), RECIPE, 0, lambda _: None, lambda _member, _progress: None)
    repository = Repository(tmp_path)
    folder = repository.bundle("tox21", publish(trained, repository))
    bundle = open_bundle(folder)
    outcomes = bundle.featurizer.featurize(SMILES).outcomes
    labels = trained.dataset.labels[:, 0]
    for outcome, label in zip(outcomes, labels, strict=True):
        assert outcome.details["domain"] == {"similarity": 1.0, "in_domain": True}
        assert outcome.details["measured"] == ({} if np.isnan(label) else {"assay": bool(label)})
    (new,) = bundle.featurizer.featurize(["C" * 60 + "O"]).outcomes
    assert not new.details["domain"]["in_domain"]
    assert bundle.manifest.domain is not None
    card = (folder / "MODEL_CARD.md").read_text()
    assert "## Domain" in card
    assert f"from a similarity of {bundle.manifest.domain.similarity:.2f} on" in card
    assert card.count("\n| ") > 10
    inside = bundle.manifest.domain.inside
    assert inside.log_loss_95_interval is not None
    low, high = inside.log_loss_95_interval
    assert f"({low:.4f}–{high:.4f}; {inside.log_loss_base_rate:.4f})" in card
    (value,), ((lower, upper),) = (
        bundle.manifest.metrics[f"mean_auc_by_round{name}"] for name in ("", "_95_interval")
    )
    assert f"{value:.4f} ({lower:.4f}–{upper:.4f})." in card
