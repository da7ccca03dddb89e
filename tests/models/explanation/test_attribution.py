"""Contributions of a function that is known, and of the committed model for groups that are known."""

from collections.abc import Sequence

import numpy as np
import onnxruntime
import pytest
from rdkit import Chem

from models.bundle.loading import open_bundle
from models.explanation.attribution import attribute
from models.networks.outputs import INPUT
from tests.support.committed import COMMITTED

CHLORINE, BROMINE = 17, 35


def halogens(molecules: Sequence[Chem.Mol]) -> np.ndarray:
    """A logit that is known: 3 for each chlorine, -2 for each bromine, and a constant."""
    elements = [[atom.GetAtomicNum() for atom in molecule.GetAtoms()] for molecule in molecules]
    return np.array([3.0 * one.count(CHLORINE) - 2.0 * one.count(BROMINE) - 1 for one in elements])


def test_contributions_are_those_of_a_known_sum() -> None:
    """Each atom has its own; the needed atoms are those that raise the logit."""
    molecule = Chem.MolFromSmiles("ClCCc1ccc(Br)cc1")
    found = attribute(molecule, halogens)
    expected = [3.0 * (a.GetAtomicNum() == CHLORINE) - 2.0 * (a.GetAtomicNum() == BROMINE)
                for a in molecule.GetAtoms()]  # fmt: skip
    assert found.logit == 0.0
    np.testing.assert_allclose(found.contributions, expected, atol=0.3)
    assert 0 in found.needed
    assert found.without_needed == pytest.approx(-3.0)


def test_what_cannot_be_computed_is_left_out() -> None:
    """A deletion without a logit tells nothing, and breaks nothing."""

    def partly(molecules: Sequence[Chem.Mol]) -> np.ndarray:
        values = halogens(molecules)
        values[1::2] = np.nan
        return values

    found = attribute(Chem.MolFromSmiles("ClCCc1ccc(Br)cc1"), partly)
    assert np.isfinite(found.contributions).all()


@pytest.mark.parametrize("smiles", ["C", "[NH4+]"])
def test_a_single_atom_has_nothing_to_delete(smiles: str) -> None:
    """Its contribution is 0, and no atom is needed."""
    found = attribute(Chem.MolFromSmiles(smiles), halogens)
    assert (found.needed, found.without_needed, found.contributions.tolist()) == ((), None, [0.0])


_NITRO, _ANILINE, _MICHAEL = "[#6][N+](=O)[O-]", "c[NH2]", "C=CC=O"
_STEROID = (
    "[#6]1~[#6]~[#6]~[#6]2~[#6](~[#6]~1)~[#6]~[#6]~[#6]1~[#6]~2~[#6]~[#6]~[#6]2~[#6]~1~[#6]~[#6]~[#6]~2"
)
# Assays in which compounds with the group are active far more often than others: nitroaromatics 32 %
# against 15 in SR-ARE, anilines 34 against 10 in NR-AhR, Michael acceptors 29 against 15 in SR-ARE,
# steroids 74 against 2 in NR-AR and 56 against 9 in NR-ER. Source: the labels of the Tox21 archives.
KNOWN = [
    ("SR-ARE", _NITRO, "O=[N+]([O-])c1ccccc1Cl"),
    ("SR-ARE", _NITRO, "O=[N+]([O-])c1ccc(Cl)c([N+](=O)[O-])c1"),
    ("SR-ARE", _NITRO, "Cc1c([N+](=O)[O-])cccc1[N+](=O)[O-]"),
    ("SR-ARE", _NITRO, "CCOC(=O)c1ccc([N+](=O)[O-])cc1"),
    ("NR-AhR", _ANILINE, "Nc1ccc2ccccc2c1"),
    ("NR-AhR", _ANILINE, "Nc1ccc(-c2ccccc2)cc1"),
    ("NR-AhR", _ANILINE, "Nc1ccc(Cl)c(Cl)c1"),
    ("NR-AhR", _ANILINE, "COc1ccc(C)cc1N"),
    ("SR-ARE", _MICHAEL, "C=CC(=O)OCC"),
    ("SR-ARE", _MICHAEL, "O=C(C=Cc1ccccc1)c1ccccc1"),
    ("SR-ARE", _MICHAEL, "C=CC(=O)Nc1ccccc1"),
    ("SR-ARE", _MICHAEL, "COC(=O)C=CC(=O)OC"),
    ("NR-AR", _STEROID, "CC12CCC3C(CCC4=CC(=O)CCC43C)C1CCC2O"),
    ("NR-AR", _STEROID, "CC(=O)C1CCC2C3CCC4=CC(=O)CCC4(C)C3CCC12C"),
    ("NR-AR", _STEROID, "CC12CC(O)C3C(CCC4=CC(=O)CCC43C)C1CCC2(O)C(=O)CO"),
    ("NR-ER", _STEROID, "C#CC1(O)CCC2C3CCc4cc(O)ccc4C3CCC12C"),
]


@pytest.fixture(scope="module")
def tox21():
    """The committed model and a session of it."""
    version = max(int(folder.name) for folder in (COMMITTED / "tox21").iterdir() if folder.is_dir())
    bundle = open_bundle(COMMITTED / "tox21" / str(version))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(bundle.model, options, providers=["CPUExecutionProvider"])
    return bundle, session


@pytest.mark.slow
@pytest.mark.parametrize(("target", "group", "smiles"), KNOWN)
def test_the_known_group_is_found(tox21, target: str, group: str, smiles: str) -> None:
    """Its atoms contribute more than the others, and some of them are needed, or all that are needed."""
    bundle, session = tox21
    column = bundle.manifest.target_names.index(target)

    def logits(molecules: Sequence[Chem.Mol]) -> np.ndarray:
        rows, sound = bundle.featurizer.rows_of(molecules)
        values = session.run(["logit"], {INPUT: rows})[0][:, column].astype(float)
        return np.where(sound, values, np.nan)

    molecule = bundle.featurizer.parent(smiles)
    found = attribute(molecule, logits)
    atoms = sorted(set().union(*molecule.GetSubstructMatches(Chem.MolFromSmarts(group))))
    others = sorted(set(range(molecule.GetNumAtoms())) - set(atoms))
    assert set(found.needed) & set(atoms)
    assert found.contributions[atoms].mean() > found.contributions[others].mean()
    assert found.logit - found.without_needed > 0.5
