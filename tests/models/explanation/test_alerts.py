"""Alerts are found where they are, and nowhere else."""

import pytest
from rdkit import Chem

from models.explanation.alerts import alerts

CASES = [
    ("nitroaromatic", "O=[N+]([O-])c1ccccc1", "CC[N+](=O)[O-]"),
    ("primary aromatic amine", "Nc1ccccc1", "NCc1ccccc1"),
    ("secondary or tertiary aromatic amine", "CN(C)c1ccccc1", "CC(=O)Nc1ccccc1"),
    ("Michael acceptor", "C=CC(=O)OCC", "CCC(=O)OCC"),
    ("Michael acceptor", "C=CC#N", "C=CCC#N"),
    ("quinone", "O=C1C=CC(=O)C=C1", "O=C1CCC(=O)CC1"),
    ("ortho-quinone", "O=C1C=CC=CC1=O", "O=C1CCCCC1=O"),
    ("steroid skeleton", "CC12CCC3C(CCC4=CC(=O)CCC43C)C1CCC2O", "C1CCC2CCCCC2C1"),
    ("phenol", "Oc1ccccc1", "OCc1ccccc1"),
    ("catechol or hydroquinone", "Oc1ccccc1O", "Oc1cccc(O)c1"),
    ("epoxide, aziridine or thiirane", "C1CO1", "C1CCO1"),
    ("aldehyde", "CC=O", "CC(C)=O"),
    ("alkyl halide", "CCBr", "Brc1ccccc1"),
    ("acyl halide", "CC(=O)Cl", "CC(=O)CCl"),
    ("isocyanate or isothiocyanate", "CN=C=S", "CC#N"),
    ("hydrazine", "CNNC", "CNCC"),
    ("azo", "c1ccccc1N=Nc1ccccc1", "c1ccccc1NCc1ccccc1"),
    ("N-nitroso", "CN(C)N=O", "CN(C)C=O"),
    ("organophosphate", "CCOP(=S)(OCC)OCC", "CP(=O)(O)O"),
    ("thiol", "CCS", "CSC"),
    ("organotin or organomercury", "CCCC[Sn](Cl)(CCCC)CCCC", "CCCC[Si](C)(C)C"),
    ("polycyclic aromatic", "c1ccc2cc3ccccc3cc2c1", "c1ccc2ccccc2c1"),
    ("phenanthrene-like", "c1ccc2c(c1)ccc1ccccc12", "c1ccc2ccccc2c1"),
    ("polyhalogenated aromatic", "Clc1ccccc1Cl", "Clc1ccccc1"),
]


@pytest.mark.parametrize(("name", "has", "lacks"), CASES)
def test_each_alert_is_found_where_it_is(name: str, has: str, lacks: str) -> None:
    """With its atoms; a relative without the group does not have it."""
    found = {alert.name: alert for alert in alerts(Chem.MolFromSmiles(has)) if alert.source == "known"}
    assert name in found
    assert all(found[name].places)
    assert name not in {alert.name for alert in alerts(Chem.MolFromSmiles(lacks))}


def test_the_list_of_brenk_is_searched_too() -> None:
    """With its source, and atoms of the molecule."""
    molecule = Chem.MolFromSmiles("O=[N+]([O-])c1ccccc1")
    brenk = [alert for alert in alerts(molecule) if alert.source == "Brenk 2008"]
    assert "nitro group" in {alert.name for alert in brenk}
    assert {index for alert in brenk for place in alert.places for index in place} <= set(range(9))


@pytest.mark.parametrize("smiles", ["CNN", "CON"])
def test_a_bond_between_nitrogens_is_not_called_one_of_oxygen(smiles: str) -> None:
    """RDKit's pattern takes both, and the name says so."""
    names = {alert.name for alert in alerts(Chem.MolFromSmiles(smiles))}
    assert "single bond of nitrogen to oxygen or nitrogen" in names
    assert "Oxygen-nitrogen single bond" not in names


def test_a_harmless_molecule_has_none() -> None:
    """No alert of either list."""
    assert alerts(Chem.MolFromSmiles("CCO")) == []
