"""The molecule featurizer as training and service use it."""

import json
import pickle
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rdkit import Chem
from rdkit.Chem import rdFingerprintGenerator, rdMolDescriptors

from models.features import Accepted, FeaturizerError, Rejected, create
from models.features.molecules import descriptors
from models.features.molecules.environments import descriptors as block_descriptors
from models.features.molecules.featurizer import AT_ONCE
from models.features.molecules.fingerprints import fragment_counts, pharmacophore_counts
from models.features.molecules.reading import parent, read_smiles
from models.features.molecules.standardise import standardise

DRUGS = [
    "CC(=O)Oc1ccccc1C(=O)O",
    "CN1C=NC2=C1C(=O)N(C)C(=O)N2C",
    "C[C@]12CC[C@H]3[C@@H](CCC4=CC(=O)CC[C@@]34C)[C@@H]1CC[C@@H]2O",
    "Clc1cc2Oc3cc(Cl)c(Cl)cc3Oc2cc1Cl",
    "CN(C)CCCN1c2ccccc2Sc2ccc(Cl)cc12.Cl",
    "CS(=O)c1ccccc1",
    "[O-][n+]1ccccc1C(=O)O",
    "CC(C)(C)NCC(O)c1ccc(O)c(CO)c1",
    "C12C3C4C1C5C2C3C45",
    "OB(O)c1ccccc1",
    "FC(F)(F)c1ccc(cc1)[N+](=O)[O-]",
    "C1C2CC3CC1CC(C2)C3",
]


def clique(symbol, size):
    """The SMILES of atoms that are all bound to one another."""
    molecule = Chem.RWMol()
    for atom in range(size):
        molecule.AddAtom(Chem.Atom(symbol))
        for other in range(atom):
            molecule.AddBond(other, atom, Chem.BondType.SINGLE)
    return Chem.MolToSmiles(molecule, canonical=False)


# Graphs that make listing rings, paths or matches explode; each was seconds to minutes, or
# gigabytes, before a limit or a closed form took that away.
HOSTILE = {
    "a macrocycle of sixteen phenylenes": "c1%10ccc(cc1)" + "-c1ccc(cc1)" * 15 + "-%10",
    "a macrocycle of thirty phenylenes": "c1%10ccc(cc1)" + "-c1ccc(cc1)" * 29 + "-%10",
    "a cyclodextrin of eleven glucoses": "C1%10OC(CO)C(C(O)C1O)O" + "C1OC(CO)C(C(O)C1O)O" * 10 + "-%10",
    "linked bicyclooctanes": "C1%10(CC2)CCC2(CC1)" + "-C1(CC2)CCC2(CC1)" * 10 + "-%10",
    "eleven uranium atoms, all bound to all": clique("U", 11),
    "a fullerene": (
        "c12c3c4c5c1c1c6c7c2c2c8c3c3c9c4c4c%10c5c5c1c1c6c6c%11c7c2c2c7c8c3c3c8c9c4c4c9c%10c5c5"
        "c1c1c6c6c%11c2c2c7c3c3c8c4c4c9c5c1c1c6c2c3c41"
    ),
    "sixty-six sulfoxides": "CS(=O)" * 66 + "C",
    "a hundred salts": ".".join(["[Na+]", "[Cl-]"] * 100),
    "a zwitterion of fifty charges": "C" + "[N+](C)(CC([O-])=O)C" * 25,
    "a ring of two hundred atoms": "C1" + "C" * 198 + "C1",
    "twelve rings without their hydrogen": ".".join(["c1cncn1"] * 12),
    "two thousand brackets": "[" * 2000,
    "nine hundred open branches": "C(" * 900,
    "a thousand fragments": "C." * 999 + "C",
}


@pytest.fixture(scope="module")
def featurizer():
    """A featurizer that counts the fragments of a few drugs."""
    fragments = {fragment for smiles in DRUGS[:3] for fragment in fragment_counts(parent(smiles), 3)}
    return create("molecules-1", {"radius": 3, "fragments": sorted(fragments)})


@pytest.fixture(scope="module")
def wider(featurizer):
    """The same with quantum numbers and the pharmacophores of those drugs."""
    found = {number for smiles in DRUGS[:3] for number in pharmacophore_counts(parent(smiles), 2)}
    more = {"pharmacophore_radius": 2, "pharmacophores": sorted(found)}
    return create("molecules-2", featurizer.parameters | more)


def test_the_wider_featurizer_adds_to_the_narrower(featurizer, wider):
    """What both have is the same; quantum numbers and pharmacophores are RDKit's own."""
    rows, narrow = wider.featurize(DRUGS).rows, featurizer.featurize(DRUGS).rows
    places = {name: place for place, name in enumerate(wider.names)}
    np.testing.assert_array_equal(rows[:, [places[name] for name in featurizer.names]], narrow)
    parents = [standardise(read_smiles(smiles), smiles).parent for smiles in DRUGS]
    quantum = np.array([rdMolDescriptors.MQNs_(molecule) for molecule in parents])
    np.testing.assert_array_equal(rows[:, [places[f"MQN_{n}"] for n in range(1, 43)]], quantum)
    invariants = rdFingerprintGenerator.GetMorganFeatureAtomInvGen()
    generator = rdFingerprintGenerator.GetMorganGenerator(radius=2, atomInvariantsGenerator=invariants)
    for row, molecule in zip(rows, parents, strict=True):
        counts = generator.GetSparseCountFingerprint(molecule).GetNonzeroElements()
        for number in wider.parameters["pharmacophores"]:
            assert row[places[f"fcfp4_{number}"]] == counts.get(number, 0)


@pytest.mark.parametrize("kind", ["featurizer", "wider"])
def test_a_manifest_rebuilds_the_same_featurizer(kind, request):
    """Parameters survive JSON, and names and rows come back the same."""
    featurizer = request.getfixturevalue(kind)
    again = create(featurizer.identifier, json.loads(json.dumps(featurizer.parameters)))
    assert again.names == featurizer.names
    assert again.parameters == featurizer.parameters
    assert len(set(again.names)) == len(again.names)
    np.testing.assert_array_equal(again.featurize(DRUGS).rows, featurizer.featurize(DRUGS).rows)


def test_bad_records_take_no_row_and_leave_their_neighbours_alone(featurizer):
    """Every record has its outcome in order; rows are those of the accepted ones."""
    records = ["CCO", "CC[Na", None, "CCO.Cl", "", "C1=CC=C(C=C1)c1nc2ccccc2n1", "C" * 300]
    answer = featurizer.featurize(records)
    kinds = [type(outcome) for outcome in answer.outcomes]
    assert kinds == [Accepted, Rejected, Rejected, Accepted, Rejected, Accepted, Rejected]
    assert answer.outcomes[0].details == {"parent": "CCO"}
    assert answer.outcomes[3].details == {"parent": "CCO", "removed": ["Cl"]}
    assert answer.outcomes[5].details["repaired"].startswith("a pyrrole-like nitrogen")
    assert answer.rows.shape == (3, len(featurizer.names))
    assert answer.rows.dtype == np.float32
    assert answer.rows.flags.c_contiguous
    np.testing.assert_array_equal(answer.rows[0], answer.rows[1])
    np.testing.assert_array_equal(
        answer.rows[2], featurizer.featurize(["c1ccc(-c2nc3ccccc3[nH]2)cc1"]).rows[0]
    )


def test_many_records_are_answered_as_few_are(featurizer):
    """Working in groups shows in neither the order nor the values."""
    records = [*DRUGS, "CC[Na"] * (2 * AT_ONCE // len(DRUGS))
    answer = featurizer.featurize(records)
    alone = featurizer.featurize([*DRUGS, "CC[Na"])
    repeats = len(records) // (len(DRUGS) + 1)
    np.testing.assert_array_equal(answer.rows, np.tile(alone.rows, (repeats, 1)))
    assert answer.outcomes == alone.outcomes * repeats


def test_a_molecule_on_which_rdkit_fails_is_refused(featurizer, monkeypatch):
    """An invariant that fails inside RDKit costs that record alone."""

    def fail(molecule):
        if molecule.GetNumAtoms() == 4:
            raise RuntimeError("Pre-condition Violation")
        return charge_surfaces(molecule)

    charge_surfaces = descriptors.charge_surfaces
    for module in (descriptors, block_descriptors):
        monkeypatch.setattr(module, "charge_surfaces", fail)
    answer = featurizer.featurize(["CCO", "CCCN", "CCCCl", "CCCCC"])
    assert [type(outcome) for outcome in answer.outcomes] == [Accepted, Rejected, Rejected, Accepted]
    assert answer.outcomes[1].message.startswith("the molecule cannot be described by RDKit")
    np.testing.assert_array_equal(answer.rows, featurizer.featurize(["CCO", "CCCCC"]).rows)


def test_nothing_gives_no_rows(featurizer):
    """An empty request, and one without a single good record, are empty blocks."""
    width = len(featurizer.names)
    assert featurizer.featurize([]).rows.shape == (0, width)
    assert featurizer.featurize(["C1CC"]).rows.shape == (0, width)


@given(st.sampled_from(DRUGS), st.integers(0, 2**31 - 1))
def test_every_way_of_writing_gives_the_same_features(featurizer, smiles, seed):
    """Bit for bit: features are taken from the parent's canonical form."""
    (other,) = Chem.MolToRandomSmilesVect(Chem.MolFromSmiles(smiles), 1, seed)
    rows = featurizer.featurize([smiles, other]).rows
    np.testing.assert_array_equal(rows[0], rows[1])


def test_stereo_makes_no_difference(featurizer):
    """Enantiomers and the flat drawing are one parent."""
    rows = featurizer.featurize(["N[C@@H](C)C(=O)O", "N[C@H](C)C(=O)O", "NC(C)C(=O)O"]).rows
    np.testing.assert_array_equal(rows[0], rows[1])
    np.testing.assert_array_equal(rows[0], rows[2])


@settings(max_examples=300)
@given(st.text(alphabet="CNOSPFclnos123456%()[]=#+-@/\\.H*:Br ", max_size=40) | st.text(max_size=10))
def test_no_text_raises(featurizer, text):
    """Whatever a client sends is a row without infinities, or a refusal."""
    answer = featurizer.featurize([text])
    assert len(answer.rows) == isinstance(answer.outcomes[0], Accepted)
    assert not np.isinf(answer.rows).any()


@pytest.mark.parametrize("smiles", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_molecule_costs_little(featurizer, smiles):
    """It is refused or featurized within two seconds of processor time."""
    start = time.process_time()
    featurizer.featurize([smiles])
    assert time.process_time() - start < 2.0


@pytest.mark.slow
def test_threads_get_what_one_thread_gets(featurizer):
    """Many threads with bad records at once: the same answers, each with its own reason."""
    records = [*DRUGS, "CC[Na", "c1cccc1", "C1CC", "CCO>>C", "C1=CC=C(C=C1)c1nc2ccccc2n1"] * 4
    alone = featurizer.featurize(records)
    with ThreadPoolExecutor(8) as pool:
        for answer in pool.map(featurizer.featurize, [records] * 40):
            np.testing.assert_array_equal(answer.rows, alone.rows)
            assert answer.outcomes == alone.outcomes


def test_it_travels_to_another_process(featurizer):
    """A process pool may pickle it."""
    again = pickle.loads(pickle.dumps(featurizer))
    np.testing.assert_array_equal(again.featurize(DRUGS).rows, featurizer.featurize(DRUGS).rows)


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({}, "takes the parameters radius and fragments, got none"),
        ({"radius": 2, "fragments": [], "keys": []}, "got fragments, keys, radius"),
        ({"radius": 9, "fragments": []}, "radius of Morgan fragments is 1, 2 or 3, got 9"),
        ({"radius": True, "fragments": []}, "radius of Morgan fragments"),
        ({"radius": 2.0, "fragments": []}, "radius of Morgan fragments is 1, 2 or 3, got 2.0"),
        ({"radius": 2, "fragments": ["a"]}, "unsigned 32-bit"),
        ({"radius": 2, "fragments": [2**32]}, "unsigned 32-bit"),
        ({"radius": 2, "fragments": 5}, "unsigned 32-bit"),
        ({"radius": 2, "fragments": [5, 5]}, "name an id twice"),
    ],
)
def test_parameters_of_another_build_are_refused(parameters, words):
    """A manifest that this build cannot honour says so."""
    with pytest.raises(FeaturizerError, match=words):
        create("molecules-1", parameters)


def test_parameters_of_the_wider_featurizer_are_checked_too():
    """All four must be there, and pharmacophores be ids."""
    good = {"radius": 3, "fragments": [], "pharmacophore_radius": 2, "pharmacophores": [7]}
    assert create("molecules-2", good).parameters == good
    with pytest.raises(FeaturizerError, match="molecules-2 takes the parameters radius, fragments, "):
        create("molecules-2", {"radius": 3, "fragments": []})
    with pytest.raises(FeaturizerError, match="pharmacophores must be a list"):
        create("molecules-2", good | {"pharmacophores": [-1]})
