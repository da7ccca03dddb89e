"""Descriptors, keys and fragments against RDKit called directly."""

from functools import cache

import numpy as np
import pytest
from rdkit import Chem
from rdkit.Chem import Crippen, Fragments, rdFingerprintGenerator, rdMolDescriptors

from models.features.molecules.descriptors import LIMIT, describe, element_counts
from models.features.molecules.descriptors import NAMES as DESCRIPTORS
from models.features.molecules.fingerprints import FragmentCounter
from models.features.molecules.reading import parent, read_smiles
from models.features.molecules.standardise import standardise
from models.features.molecules.structural_keys import KEYS, RING, needs_of, structural_keys

# Everyday drugs and dyes, cages with triangles and squares, every kind of hydrogen on oxygen,
# elements without Gasteiger parameters, and single atoms.
MOLECULES = [
    "CC(=O)Oc1ccccc1C(=O)O",
    "CN1C=NC2=C1C(=O)N(C)C(=O)N2C",
    "CC(C)Cc1ccc(cc1)C(C)C(=O)O",
    "CC12CCC3C(CCC4=CC(=O)CCC34C)C1CCC2O",
    "Oc1ccc(cc1)C(C)(C)c1ccc(O)cc1",
    "Clc1cc2Oc3cc(Cl)c(Cl)cc3Oc2cc1Cl",
    "CCOP(=S)(OCC)Oc1ccc(cc1)[N+](=O)[O-]",
    "O=C(O)C(F)(F)C(F)(F)C(F)(F)C(F)(F)C(F)(F)C(F)(F)C(F)(F)F",
    "NS(=O)(=O)c1cc2c(cc1Cl)N=CNS2(=O)=O",
    "CN(C)CCCN1c2ccccc2Sc2ccc(Cl)cc12",
    "OCC1OC(O)C(O)C(O)C1O",
    "CC(O)=CC(C)=O",
    "OC=N",
    "CC(C)=NO",
    "CN(C)O",
    "COO",
    "OC#CC",
    "CS(=O)(=O)O",
    "CP(=O)(O)O",
    "OB(O)c1ccccc1",
    "OCl",
    "C[Si](C)(C)O",
    "On1nnc2ccccc21",
    "C1CC1",
    "C1CC1C1CC1",
    "C12C3C1C23",
    "C1C2CC12",
    "CC1(C)CC1C(Cl)Br",
    "C1CCC1",
    "C12C3C4C1C5C2C3C45",
    "FS(F)(F)(F)(F)F",
    "BrC(Br)Br",
    "IC(I)I",
    "C[As](C)(=O)O",
    "[Au+3]",
    "O",
    "C",
    "N",
    "[Na+]",
    "C=CC#N",
    "N#Cc1ccccc1N=Nc1ccccc1",
    "C[N+](C)(C)CCO",
    "C1CN2CCN1CC2",
    "c1ccc2c(c1)ccc1ccccc12",
    "c1ccsc1",
    "CCSC(=S)N(C)C",
    "CNC(=O)Oc1cccc2ccccc12",
    "O=C1NC(=O)C(CC)(CC)C(=O)N1",
    "CC1=C(C(C(=C(N1)C)C(=O)OC)c1ccccc1[N+](=O)[O-])C(=O)OC",
    "CN1C(=O)CN=C(c2ccccc2)c2cc(Cl)ccc12",
]


def molecules():
    """Each molecule anew: RDKit keeps some descriptors on the object that it computed them for."""
    return [Chem.Mol(parent) for parent in _parents()]


@cache
def _parents():
    """The standardised molecules as RDKit's binary form, before any descriptor is computed."""
    return [standardise(read_smiles(smiles)).parent.ToBinary() for smiles in MOLECULES]


@pytest.fixture(scope="module")
def described():
    """Descriptor rows, one per molecule, by name."""
    rows = np.array([describe(molecule) for molecule in molecules()])
    return dict(zip(DESCRIPTORS, rows.T, strict=True))


def rdkit_values(name):
    """What RDKit's own function of that name says of each molecule."""
    if name in rdMolDescriptors.Properties.GetAvailableProperties():
        properties = rdMolDescriptors.Properties([name])
        return [properties.ComputeProperties(molecule)[0] for molecule in molecules()]
    family, _, number = name.partition("VSA")
    function = getattr(rdMolDescriptors, f"{family}VSA_")
    return [function(molecule)[int(number) - 1] for molecule in molecules()]


@pytest.mark.parametrize(
    "name",
    [
        name
        for name in DESCRIPTORS
        if name in rdMolDescriptors.Properties.GetAvailableProperties()
        or name.startswith(("SlogP_VSA", "SMR_VSA"))
        if name != "NumRotatableBonds"  # counted by the rule that RDKit calls StrictLinkages
    ],
)
def test_a_descriptor_is_rdkits(described, name):
    """Closed forms and short cuts give what RDKit's long way gives."""
    np.testing.assert_allclose(described[name], rdkit_values(name), rtol=1e-5, atol=1e-5)


def test_logp_and_refractivity_are_those_with_explicit_hydrogens(described):
    """The rule for hydrogens agrees with typing them one by one."""
    np.testing.assert_allclose(
        described["CrippenClogP"], [Crippen.MolLogP(m) for m in molecules()], rtol=1e-5, atol=1e-5
    )
    np.testing.assert_allclose(
        described["CrippenMR"], [Crippen.MolMR(m) for m in molecules()], rtol=1e-5
    )


def test_an_undefined_descriptor_is_nan_and_nothing_is_infinite(described):
    """Arsenic has no Gasteiger charge: its charge surfaces are missing, not wrong."""
    arsenic = MOLECULES.index("C[As](C)(=O)O")
    table = np.array(list(described.values()))
    assert np.isnan(described["PEOE_VSA1"][arsenic])
    assert np.isnan(described["PEOE_VSA1"]).sum() == 3  # and gold, and sodium
    assert not np.isinf(table).any()
    assert np.nanmax(np.abs(table)) <= LIMIT


def test_elements_are_counted():
    """Hydrogens, two-letter symbols and elements out of the list are all told apart."""
    assert element_counts(parent("ClCCBr")) == {"C": 2, "H": 4, "Br": 1, "Cl": 1}
    values = dict(zip(DESCRIPTORS, describe(parent("C[Se]C")), strict=True))
    assert (values["NumC"], values["NumH"], values["NumS"], values["NumOtherElements"]) == (2, 6, 0, 1)


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.name)
def test_a_key_is_found_where_rdkit_finds_it(key):
    """Screens save time and never an answer."""
    column = KEYS.index(key)
    for molecule in molecules():
        row = structural_keys(molecule)
        if key.name.startswith("MACCS_"):
            number = int(key.name.removeprefix("MACCS_"))
            expected = rdMolDescriptors.GetMACCSKeysFingerprint(molecule).GetBit(number)
        else:
            expected = dict(Fragments.fns)[key.name](molecule) > 0
        assert row[column] == expected, Chem.MolToSmiles(molecule)


def test_needs_are_read_only_where_they_are_plain():
    """An either-or or a negation asks for nothing."""
    key = KEYS[0]
    for smarts, needs in (
        ("[#7]-[O;H1]", {"N", "O"}),
        ("[N,O]C", {"C"}),
        ("[!#6]", set()),
        ("c1ccccc1", {"C", RING}),
        ("*@*", {RING}),
        ("*!@*", set()),
        ("[$(NC)]", set()),
    ):
        assert needs_of(key._replace(name="x", pattern=Chem.MolFromSmarts(smarts))) == needs


def test_fragments_are_counted_as_rdkit_counts_them():
    """Chosen ids get their raw count, others are left out."""
    generator = rdFingerprintGenerator.GetMorganGenerator(radius=2)
    molecule = parent("CC(=O)Oc1ccccc1C(=O)O")
    expected = generator.GetSparseCountFingerprint(molecule).GetNonzeroElements()
    chosen = [*sorted(expected)[::2], 12345]
    counter = FragmentCounter(2, chosen)
    np.testing.assert_array_equal(
        counter.count(molecule), [expected.get(fragment, 0) for fragment in chosen]
    )
    assert counter.names[-1] == "ecfp4_12345"
