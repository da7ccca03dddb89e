"""Tox21 as it is published, standardised and merged."""

import io
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from rdkit import Chem
from rdkit.Chem.MolStandardize import rdMolStandardize

from models.features import Accepted
from models.features.molecules.parents.compound import parent_compound
from models.features.molecules.reading import Unreadable, read_smiles
from models.features.molecules.standardise import standardise
from training.data import featurizer_for, load_tox21, load_tox21_twin
from training.data.fragment_choice import fragment_parameters
from training.data.official import sources
from training.data.official.tox21 import TARGETS, Sample, merge

OFFICIAL = (sources.TOX21_TRAINING, sources.TOX21_LEADERBOARD)


@pytest.fixture(scope="module")
def official():
    """Skips where the archives are not at hand."""
    missing = [source.name for source in OFFICIAL if sources.locate(source) is None]
    if missing:
        pytest.skip(f"{', '.join(missing)} not at hand: set SNN_DATA_DIR to a folder that holds them")


@pytest.fixture(scope="module")
def dataset(official):
    """Training and leaderboard sets."""
    return load_tox21()


def sample(parent, **labels):
    """A made-up record with the labels given by target."""
    values = [labels.get(target.replace("-", "_"), np.nan) for target in TARGETS]
    return Sample(
        name="made up",
        parent=parent,
        labels=np.array(values, dtype=np.float32),
        is_mixture=False,
        repaired="",
    )


def test_the_majority_of_records_decides_and_a_tie_is_not_measured():
    """Repeated samples of one parent become one row."""
    merged = merge(
        "made-up",
        [
            sample("CCO", NR_AR=1, NR_ER=1, SR_p53=0),
            sample("CCN", NR_AR=0),
            sample("CCO", NR_AR=1, NR_ER=0),
        ],
        [sample("CCO", NR_AR=0), sample("CCC", SR_HSE=1)],
    )
    assert merged.records == ("CCO", "CCN", "CCC")
    by_target = dict(zip(TARGETS, merged.labels.T, strict=True))
    np.testing.assert_array_equal(by_target["NR-AR"], [1, 0, np.nan])
    np.testing.assert_array_equal(by_target["NR-ER"], [np.nan, np.nan, np.nan])
    np.testing.assert_array_equal(by_target["SR-p53"], [0, np.nan, np.nan])
    assert merged.summary["conflicting_labels"] == 2
    assert merged.summary["conflicting_labels_without_majority"] == 1


def test_shares_keep_what_the_labels_leave_out():
    """A share agrees with the majority where there is one, and is one half at a tie."""
    votes = {"CCO": [1, 1, 0], "CCN": [1, 0], "CCC": [np.nan]}
    samples = [
        Sample("one", parent, np.full(12, label, np.float32), False, "")
        for parent, labels in votes.items()
        for label in labels
    ]
    merged = merge("made-up", samples, [])
    np.testing.assert_allclose(merged.replicates.shares[:, 0], [2 / 3, 0.5, np.nan])
    np.testing.assert_array_equal(merged.replicates.counts[:, 0], [3, 2, 0])
    np.testing.assert_array_equal(merged.labels[:, 0], [1, np.nan, np.nan])


def test_what_cannot_be_judged_is_left_out_and_counted():
    """Mercury acetate says nothing about acetic acid."""
    kept, left = sample("CC(=O)O", NR_AR=0), sample("CC(=O)O", NR_AR=1)
    merged = merge("made-up", [kept, replace(left, not_applicable="the record holds mercury")], [])
    assert merged.records == ("CC(=O)O",)
    assert merged.labels[0, TARGETS.index("NR-AR")] == 0
    assert (merged.summary["records"], merged.summary["records_not_applicable"]) == (2, 1)


def test_fragments_are_the_commonest_whatever_the_order():
    """The choice depends on the set of molecules alone."""
    parents = ["CCO", "CCN", "CCC", "c1ccccc1O", "CCCl"]
    chosen = fragment_parameters(parents)
    assert chosen == fragment_parameters(parents[::-1])
    (methyl, *_) = fragment_parameters(["CC"])["fragments"]
    assert methyl in chosen["fragments"][:3]
    for kind in ("fragments", "pharmacophores"):
        assert len(chosen[kind]) == len(set(chosen[kind]))


@pytest.mark.slow
def test_the_published_records_become_parents(dataset):
    """12,060 records, of which 187 cannot be judged, and the counts that the model card will tell."""
    assert dataset.summary["records"] == 12_060
    assert dataset.summary["records_not_applicable"] == 187
    assert dataset.summary["parents"] == len(dataset) == 7_671
    assert dataset.summary["conflicting_labels"] == 627
    assert dataset.summary["records_repaired"] == []
    assert dataset.labels.shape == (7_671, 12)
    assert set(np.unique(dataset.labels[np.isfinite(dataset.labels)])) == {0.0, 1.0}
    assert np.bincount(dataset.folds).min() > 1_400
    assert set(dataset.sources) == {source.name for source in OFFICIAL}


@pytest.mark.slow
def test_the_twin_never_saw_the_leaderboard(official, capfd):
    """No parent is in both parts; and RDKit's remarks do not bury the progress bar."""
    learned, judged = load_tox21_twin()
    captured = capfd.readouterr()
    assert captured.out + captured.err == ""
    assert not set(learned.records) & set(judged.records)
    assert (len(learned), len(judged)) == (7_380, 291)
    assert (judged.labels == 1).sum() == 257


def whole_way(smiles):
    """RDKit's own standardisation, every step for every molecule."""
    cleaned = rdMolStandardize.Cleanup(Chem.MolFromSmiles(smiles))
    chosen = rdMolStandardize.LargestFragmentChooser(preferOrganic=True).choose(cleaned)
    neutral = rdMolStandardize.Uncharger().uncharge(chosen)
    Chem.RemoveStereochemistry(neutral)
    return Chem.MolToSmiles(neutral)


def published_smiles():
    """Every distinct SMILES of the two archives that RDKit reads without repair."""
    seen = set()
    for source in OFFICIAL:
        with zipfile.ZipFile(io.BytesIO(sources.read(source))) as archive:
            content = archive.read(archive.namelist()[0])
        for molecule in Chem.ForwardSDMolSupplier(io.BytesIO(content), sanitize=False):
            smiles = Chem.MolToSmiles(molecule)
            if "[Cl-][Pt" not in smiles:
                seen.add(smiles)
    return sorted(seen)


@pytest.mark.slow
def test_the_short_cut_gives_what_the_whole_way_gives(official):
    """On every published molecule, but for those where the whole way errs or keeps deuterium."""
    differing = {}
    for smiles in published_smiles():
        parent = standardise(read_smiles(smiles)).smiles
        expected = whole_way(smiles)
        if parent != expected:
            differing[parent] = expected
    assert differing == {
        "c1cc[cH-]c1": "c1cccc1",  # four metallocenes: not a molecule that can be kekulised
        "CCOC(=O)[N-]c1c[n+](N2CCOCC2)no1": "CCOC(=O)N=C1CN(N2CCOCC2)NO1",  # two hydrogens too many
        "CC(N)Cc1ccccc1": "[2H]C([2H])([2H])C(N)Cc1ccccc1",
    }


@pytest.mark.slow
def test_parents_are_served_as_they_were_trained_on(dataset):
    """A parent's parent is itself, and no parent is refused."""
    records = dataset.records[::8]
    answer = featurizer_for(dataset).featurize(records)
    assert set(map(type, answer.outcomes)) == {Accepted}
    assert [outcome.details["parent"] for outcome in answer.outcomes] == list(records)
    assert not any({"removed", "repaired"} & set(outcome.details) for outcome in answer.outcomes)
    assert not np.isinf(answer.rows).any()
    assert np.isnan(answer.rows).mean() < 0.001


@pytest.mark.slow
def test_the_final_compounds_are_all_read(dataset):
    """Both SMILES that lack a hydrogen are mended; their labels play no part here."""
    if sources.locate(sources.TOX21_FINAL) is None:
        pytest.skip(f"{sources.TOX21_FINAL.name} is not at hand: set SNN_DATA_DIR")
    lines = sources.read(sources.TOX21_FINAL).decode().splitlines()[1:]
    answer = featurizer_for(dataset).featurize([line.split("\t")[0] for line in lines if line])
    assert len(answer.rows) == 647
    assert sum("repaired" in outcome.details for outcome in answer.outcomes) == 2


def test_an_export_by_inchi_leaves_most_compounds_what_they_are(dataset):
    """Not more than one in a hundred has another parent: InChI cuts metals off, which are refused."""
    drawn = np.random.default_rng(1).permutation(len(dataset))[:400]
    changed = 0
    for row in drawn:
        smiles = dataset.records[row]
        exported = Chem.MolToSmiles(Chem.MolFromInchi(Chem.MolToInchi(Chem.MolFromSmiles(smiles))))
        try:
            changed += parent_compound(read_smiles(exported), exported).smiles != smiles
        except Unreadable as fault:
            assert "open valence" in str(fault)
            changed += 1
    assert changed <= 4
