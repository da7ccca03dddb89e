"""Features of blocks of molecules against RDKit, and against computing molecule by molecule."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rdkit import Chem
from rdkit.Chem import rdMolDescriptors

from models.features import create
from models.features.molecules.descriptors import describe, quantum_numbers
from models.features.molecules.environments import features
from models.features.molecules.environments.atoms import AtomBlock
from models.features.molecules.environments.features import block_features
from models.features.molecules.environments.stars import as_star, star_at
from models.features.molecules.environments.surroundings import Surroundings
from models.features.molecules.environments.tables import KeyedRows
from models.features.molecules.parents.compound import parent_compound
from models.features.molecules.rdkit_log import captured_rdkit_log
from models.features.molecules.reading import Unreadable, parent, read_smiles
from models.features.molecules.structural_keys import KEYS, NAMES, structural_keys

# Every key that asks for another pattern is the key of one of these at least.
MOLECULES = [
    "CCO", "C", "O=C(O)c1ccccc1O", "CC(=O)Nc1ccc(O)cc1", "Cn1c(=O)c2c(ncn2C)n(C)c1=O", "C1CC1",
    "C1CO1", "Nc1ccc(S(N)(=O)=O)cc1", "O=[N+]([O-])c1ccc(Cl)cc1", "c1nc[nH]n1", "Cc1cn[nH]c1",
    "c1nnn[nH]1", "CC(C)(C)c1ccc(O)cc1", "FC(F)(F)c1ccc(N2CCNCC2)cc1", "C#CCN(C)Cc1ccccc1",
    "CN1CCCC1c1cccnc1", "CCN(CC)CC(O)COc1ccccc1", "CC(C)NCC(O)c1ccc(O)c(CO)c1", "OCC(O)CN1CCCCC1",
    "CCOP(=O)(OCC)OCC", "OP(=O)(O)O", "CCCCCCCC", "C[N+](C)(C)CC(=O)[O-]", "CN=[N+]=[N-]",
    "CN(C)N=O", "CON(C)C", "N#CSc1ccccc1", "CC1=C(C(=O)OC)C(c2ccccc2)C(C(=O)OC)=C(C)N1",
    "CN1C(=O)CN=C(c2ccccc2)c2cc(Cl)ccc21", "S=C=NCc1ccccc1", "CC12CCC3C(CCC4=CC(=O)CCC34C)C1CCC2O",
    "CC=CCCl", "C=CC(C)C", "NNc1ccccc1", "CSSC", "CS(C)=O", "CC(=O)C=C", "OCCOCCO",
    "c1ccc(-c2ccccc2)cc1", "C1CCC2(CC1)CCCCC2", "c1ccc2c(c1)[nH]c1ccccc12", "c1cocn1", "c1cscn1",
    "O=C1NC(=O)C(c2ccccc2)(c2ccccc2)N1", "O=c1[nH]c(=O)c2[nH]cnc2[nH]1", "CC(=O)OC(C)=O", "NC(=N)N",
    "CNC(=O)OC", "OB(O)c1ccccc1", "C[Si](C)(C)C", "C[Se]C", "CCS", "Ic1ccccc1Br", "O=C(O)C(=O)O",
    "OO", "NO", "CC#N", "O=C=O", "CC(C)=O", "OC(=O)CC(O)(CC(O)=O)C(O)=O", "CC(=O)c1cc2ccccc2o1",
    "O=S(=O)(O)c1ccccc1", "NC(=O)c1cccnc1", "C12C3C4C1C5C2C3C45", "C1=CC=CC=CC=C1",
    "[O-][n+]1ccccc1", "C[n+]1ccccc1", "CC(=N)N(C)C", "c1ccc(cc1)N=Nc1ccccc1",
]  # fmt: skip
# Beyond what is told from tokens and bond orders.
ODD = [
    "FS(F)(F)(F)(F)F", "FP(F)(F)(F)F", "C[Sn](C)(C)C", "[H][H]", "CS(C)->[O]", "C[As](C)(=O)O",
    "[2H]C", "CC[Hg]Cl", "B12B3B1B23", "C*", "[Na+].[Cl-]", "[BH4-].C",
    "C" * 150,
]  # fmt: skip
ENDS = (
    "C", "N", "O", "S", "F", "Cl", "c1ccccc1", "C(=O)O", "C#N", "[N+](=O)[O-]", "c1ccncc1",
    "C(F)(F)F",
)  # fmt: skip
MIDDLES = (
    "C", "N", "O", "S", "C(=O)", "c1ccc(cc1)", "C(C)", "S(=O)(=O)", "C=C", "N1CCN(CC1)",
    "c1nc(cs1)", "C(O)", "C(=O)N", "c1[nH]c(nn1)", "P(=O)(O)", "C1CC(C1)", "[N+](C)(C)",
    "c1oc(cc1)", "N=N", "C(=N)", "C1(CC1)",
)  # fmt: skip
CHAINS = st.builds(
    lambda middles, end: "".join(middles) + end,
    st.lists(st.sampled_from(MIDDLES), min_size=1, max_size=6),
    st.sampled_from(ENDS),
)


def parents(records):
    """The parents of those records that can be read, each with its canonical SMILES."""
    found = []
    with captured_rdkit_log():
        for record in records:
            try:
                its = parent_compound(read_smiles(record), record)
            except Unreadable:
                continue
            found.append((its.molecule, its.smiles))
    return found


def check(records):
    """Compare a block with each molecule read anew; return how many molecules the block took."""
    found = parents(records)
    block = block_features([molecule for molecule, _ in found], [smiles for _, smiles in found])
    for row, at in enumerate(block.taken):
        smiles = found[at][1]
        alone = parent(smiles)
        functions = list(rdMolDescriptors.GetFeatureInvariants(alone))
        assert block.functions[row] == functions, smiles
        np.testing.assert_array_equal(block.quantum_numbers[row], quantum_numbers(alone), smiles)
        np.testing.assert_array_equal(block.keys[row], structural_keys(alone), smiles)
        np.testing.assert_array_equal(block.descriptors[row], describe(alone), smiles)
    return len(block.taken)


def test_a_block_is_what_rdkit_says_of_each_molecule():
    """Bit for bit, whether what is around an atom is new or was met before."""
    assert check(MOLECULES) == len(MOLECULES)
    assert check(MOLECULES[::-1]) == len(MOLECULES)
    for smiles in MOLECULES:
        assert check([smiles]) == 1


@given(st.lists(CHAINS, min_size=1, max_size=8))
@settings(max_examples=25, deadline=None)
def test_so_are_made_molecules(records):
    """Groups joined at random have surroundings that no list foresees."""
    check(records)


def test_every_recursive_key_is_tried():
    """For each key with a pattern inside one of the molecules has it, or it is a rare ring's."""
    rows = np.array([structural_keys(molecule) for molecule, _ in parents(MOLECULES)])
    recursive = [at for at, key in enumerate(KEYS) if "$" in Chem.MolToSmarts(key.pattern)]
    missing = {NAMES[at] for at in recursive if not rows[:, at].any()}
    assert not missing


def test_odd_molecules_are_computed_alone():
    """What tokens and bond orders do not tell is left to RDKit, and its row is that of the slow way."""
    featurizer = create(
        "molecules-3",
        {"radius": 2, "fragments": [864662311], "pharmacophore_radius": 2, "pharmacophores": [6]},
    )
    records = [*ODD, *MOLECULES]
    together = featurizer.featurize(records)
    alone = [featurizer.featurize([record]) for record in records]
    np.testing.assert_array_equal(together.rows, np.concatenate([one.rows for one in alone]))
    assert together.outcomes == [one.outcomes[0] for one in alone]
    assert check(ODD) < len(ODD)


def test_a_full_table_changes_no_row(monkeypatch):
    """Where no more surroundings are kept, molecules with new ones are computed alone."""
    table = features.ContributionTable()
    monkeypatch.setattr(table, "_rows", KeyedRows(5, np.float64, 20))
    monkeypatch.setattr(features, "_contributions", table)
    few = check(MOLECULES[:4])
    assert check(MOLECULES[:4]) == few
    assert 0 < check(MOLECULES) < len(MOLECULES)


@pytest.mark.parametrize(
    "smarts",
    [
        "[#8]~[#6](~[#8])~[#8]",
        "*~*(~*)(~*)~*",
        "*!@[CH2]!@*",
        "[CH3]~*~[CH3]",
        "C#[CH]",
        "[R2][R2]",
        "S=,-O",
    ],
)
def test_a_star_matches_where_rdkit_says(smarts):
    """Different leaves have different neighbours."""
    pattern = Chem.MolFromSmarts(smarts)
    root = max(range(pattern.GetNumAtoms()), key=lambda at: pattern.GetAtomWithIdx(at).GetDegree())
    surroundings = Surroundings([star_at(pattern, root)])
    assert as_star(pattern) is not None
    for molecule, text in parents(MOLECULES):
        block = AtomBlock([molecule], [text], surroundings.classes)
        matches, known = surroundings.matches(block)
        matched = molecule.GetSubstructMatches(pattern, uniquify=False, maxMatches=10_000)
        assert known.all()
        assert set(np.flatnonzero(matches[:, 0])) == {match[root] for match in matched}, text


@pytest.mark.parametrize("smarts", ["C1CC1", "CCCC", "[C;!$(C=O)]O"])
def test_what_reaches_further_is_no_star(smarts):
    """Rings, chains and patterns inside ask for more than neighbours."""
    assert as_star(Chem.MolFromSmarts(smarts)) is None


def test_a_placed_form_has_its_atoms_in_the_order_of_its_smiles():
    """A hydrogen that moves to an equal nitrogen leaves the text as it was, and not its atoms."""
    for record in ("c1nnn[nH]1", "c1nc[nH]n1", "c1n[nH]cn1", "CCc1c[nH]cn1"):
        ((molecule, smiles),) = parents([record])
        again = parent(smiles)
        assert [a.GetTotalNumHs() for a in molecule.GetAtoms()] == [
            a.GetTotalNumHs() for a in again.GetAtoms()
        ]
