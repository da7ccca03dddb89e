"""Hydrogens that move between N, O and S have one place.

The forms that are right are those of PubChem's compounds; the others are what InChI's mobile-H layer, or
a drawing of a textbook, makes of them.
"""

import pytest
from rdkit import Chem

from models.features.molecules.parents.compound import parent_compound
from models.features.molecules.parents.tautomers import placed
from models.features.molecules.rdkit_log import captured_rdkit_log
from models.features.molecules.reading import read_smiles


def parent_of(smiles):
    """The parent's SMILES."""
    return parent_compound(read_smiles(smiles), smiles).smiles


FORMS = {
    "paracetamol": ("CC(=O)Nc1ccc(O)cc1", "CC(O)=Nc1ccc(O)cc1"),
    "acetamide": ("CC(N)=O", "CC(O)=N"),
    "benzamide": ("NC(=O)c1ccccc1", "N=C(O)c1ccccc1"),
    "nicotinamide": ("NC(=O)c1cccnc1", "N=C(O)c1cccnc1"),
    "lidocaine": ("CCN(CC)CC(=O)Nc1c(C)cccc1C", "CCN(CC)CC(O)=Nc1c(C)cccc1C"),
    "a dipeptide": ("NCC(=O)NCC(=O)O", "NCC(O)=NCC(=O)O"),
    "urea": ("NC(N)=O", "N=C(N)O"),
    "biuret": ("NC(=O)NC(N)=O", "N=C(O)NC(=N)O"),
    "urethane": ("CCOC(N)=O", "CCOC(O)=N"),
    "carbaryl": ("CNC(=O)Oc1cccc2ccccc12", "CN=C(O)Oc1cccc2ccccc12"),
    "diuron": ("CN(C)C(=O)Nc1ccc(Cl)c(Cl)c1", "CN(C)C(O)=Nc1ccc(Cl)c(Cl)c1"),
    "acetohydroxamic acid": ("CC(=O)NO", "CC(O)=NO"),
    "isoniazid": ("NNC(=O)c1ccncc1", "NN=C(O)c1ccncc1"),
    "diformylhydrazine": ("O=CNNC=O", "OC=NN=CO"),
    "thioacetamide": ("CC(N)=S", "CC(S)=N"),
    "thiourea": ("NC(N)=S", "N=C(N)S"),
    "succinimide": ("O=C1CCC(=O)N1", "OC1=NC(=O)CC1"),
    "phenobarbital": ("CCC1(c2ccccc2)C(=O)NC(=O)NC1=O", "CCC1(c2ccccc2)C(=O)N=C(O)NC1=O"),
    "phenytoin": ("O=C1NC(=O)C(c2ccccc2)(c2ccccc2)N1", "OC1=NC(c2ccccc2)(c2ccccc2)C(O)=N1"),
    "oxindole": ("O=C1Cc2ccccc2N1", "OC1=Nc2ccccc2C1"),
    "diazepam's lactam": ("O=C1CN=C(c2ccccc2)c2ccccc2N1", "OC1=Nc2ccccc2C(c2ccccc2)=NC1"),
    "2-pyridone": ("O=c1cccc[nH]1", "Oc1ccccn1", "OC1=NC=CC=C1"),
    "4-pyridone": ("O=c1cc[nH]cc1", "Oc1ccncc1"),
    "2-quinolone": ("O=c1ccc2ccccc2[nH]1", "Oc1ccc2ccccc2n1"),
    "4-quinolone": ("O=c1cc[nH]c2ccccc12", "Oc1ccnc2ccccc12"),
    "4-quinazolinone": ("O=c1[nH]cnc2ccccc12", "Oc1ncnc2ccccc12", "O=c1nc[nH]c2ccccc12"),
    "uracil": ("O=c1cc[nH]c(=O)[nH]1", "Oc1ccnc(O)n1", "O=c1ccnc(O)[nH]1"),
    "thymine": ("Cc1c[nH]c(=O)[nH]c1=O", "Cc1cnc(O)nc1O"),
    "fluorouracil": ("O=c1[nH]cc(F)c(=O)[nH]1", "Oc1ncc(F)c(O)n1"),
    "bromacil": ("CCC(C)n1c(=O)[nH]c(C)c(Br)c1=O", "CCC(C)n1c(O)nc(C)c(Br)c1=O"),
    "cyanuric acid": ("O=c1[nH]c(=O)[nH]c(=O)[nH]1", "Oc1nc(O)nc(O)n1", "O=c1nc(O)nc(O)[nH]1"),
    "troclosene": ("O=c1[nH]c(=O)n(Cl)c(=O)n1Cl", "O=c1nc(O)n(Cl)c(=O)n1Cl"),
    "maleic hydrazide": ("O=c1ccc(=O)[nH][nH]1", "Oc1ccc(O)nn1", "O=c1ccc(O)n[nH]1"),
    "guanine": (
        "Nc1nc2[nH]cnc2c(=O)[nH]1",
        "Nc1nc(O)c2nc[nH]c2n1",
        "Nc1nc2nc[nH]c2c(=O)[nH]1",
        "N=c1nc(O)c2[nH]cnc2[nH]1",
    ),
    "hypoxanthine": ("O=c1[nH]cnc2[nH]cnc12", "Oc1ncnc2nc[nH]c12"),
    "aciclovir": ("Nc1nc2c(ncn2COCCO)c(=O)[nH]1", "Nc1nc(O)c2ncn(COCCO)c2n1"),
    "uric acid": ("O=c1[nH]c(=O)c2[nH]c(=O)[nH]c2[nH]1", "Oc1nc(O)c2[nH]c(O)nc2n1"),
    "allopurinol": ("O=c1[nH]cnc2[nH]ncc12", "Oc1ncnc2[nH]ncc12"),
    "cytosine": ("N=c1cc[nH]c(=O)[nH]1", "Nc1ccnc(O)n1", "Nc1cc[nH]c(=O)n1"),
    "trimethoprim": (
        "COc1cc(Cc2cnc(N)nc2N)cc(OC)c1OC",
        "COc1cc(Cc2c[nH]c(=N)nc2N)cc(OC)c1OC",
    ),
    "2-aminopyridine": ("Nc1ccccn1", "N=c1cccc[nH]1"),
    "4-aminopyridine": ("Nc1ccncc1", "N=c1cc[nH]cc1"),
    "2-aminothiazole": ("Nc1nccs1", "N=c1[nH]ccs1"),
    "sulfadiazine": ("Nc1ccc(S(=O)(=O)Nc2ncccn2)cc1", "Nc1ccc(S(=O)(=O)N=c2nccc[nH]2)cc1"),
    "mercaptopurine": ("S=c1[nH]cnc2[nH]cnc12", "Sc1ncnc2nc[nH]c12"),
    "2-mercaptobenzothiazole": ("S=c1[nH]c2ccccc2s1", "Sc1nc2ccccc2s1"),
    "thiabendazole's ring": ("c1ccc2[nH]cnc2c1", "c1ccc2nc[nH]c2c1"),
    "5-methylbenzimidazole": ("Cc1ccc2[nH]cnc2c1", "Cc1ccc2nc[nH]c2c1"),
    "4-methylimidazole": ("Cc1c[nH]cn1", "Cc1cnc[nH]1"),
    "3-methylpyrazole": ("Cc1cc[nH]n1", "Cc1ccn[nH]1"),
    "indazole": ("c1ccc2[nH]ncc2c1", "c1ccc2n[nH]cc2c1"),
    "benzotriazole": ("c1ccc2[nH]nnc2c1", "c1ccc2n[nH]nc2c1"),
    "1,2,4-triazole": ("c1nc[nH]n1", "c1nnc[nH]1"),
    "tetrazole": ("c1nnn[nH]1", "c1nn[nH]n1"),
    "theophylline": ("Cn1c(=O)c2[nH]cnc2n(C)c1=O", "Cn1c(=O)c2nc[nH]c2n(C)c1=O"),
    "benzamidoxime": ("NC(=NO)c1ccccc1", "N=C(NO)c1ccccc1"),
    "sulfaguanidine": ("NC(N)=NS(=O)(=O)c1ccc(N)cc1", "N=C(N)NS(=O)(=O)c1ccc(N)cc1"),
    "acetylguanidine": ("CC(=O)N=C(N)N", "CC(=O)NC(=N)N", "CC(O)=NC(=N)N"),
    "clonidine": ("Clc1cccc(Cl)c1NC1=NCCN1", "Clc1cccc(Cl)c1N=C1NCCN1"),
    "4-hydroxy-2-pyridone": ("O=c1cc(O)cc[nH]1", "O=c1cc[nH]c(O)c1", "Oc1ccnc(O)c1"),
    "gimeracil": ("O=c1cc(O)c(Cl)c[nH]1", "O=c1cc(O)[nH]cc1Cl", "Oc1cc(O)c(Cl)cn1"),
    "4-hydroxy-2-quinolone": ("O=c1cc(O)c2ccccc2[nH]1", "O=c1cc(O)[nH]c2ccccc12", "Oc1cc(O)c2ccccc2n1"),
    "laquinimod": (
        "CCN(C(=O)c1c(O)c2c(Cl)cccc2n(C)c1=O)c1ccccc1",
        "CCN(C(=O)c1c(O)n(C)c2cccc(Cl)c2c1=O)c1ccccc1",
    ),
    "muscimol": ("NCc1cc(=O)[nH]o1", "NCc1cc(O)no1"),
    "benzoxazolone": ("O=c1[nH]c2ccccc2o1", "Oc1nc2ccccc2o1"),
    "diphenylguanidine": ("N=C(Nc1ccccc1)Nc1ccccc1", "NC(=Nc1ccccc1)Nc1ccccc1"),
}


@pytest.mark.parametrize("forms", FORMS.values(), ids=list(FORMS))
def test_tautomers_have_one_parent(forms):
    """Amides and imidic acids, lactams and lactims, amines and imines, azoles."""
    assert len({parent_of(form) for form in forms}) == 1


# Where one form is the usual one it is also the parent; amidines have no usual one.
USUAL = [
    name
    for name in FORMS
    if name
    not in ("cytosine", "diphenylguanidine", "clonidine", "4-methylimidazole", "3-methylpyrazole")
]


@pytest.mark.parametrize("name", USUAL)
def test_the_parent_is_the_usual_form(name):
    """An amide, a lactam, an aromatic amine, a thione, a 1H-azole."""
    usual, *others = FORMS[name]
    expected = Chem.CanonSmiles(usual)
    assert [parent_of(form) for form in (usual, *others)] == [expected] * len(FORMS[name])


@pytest.mark.parametrize(
    "smiles",
    [
        "Oc1cccnc1",  # 3-hydroxypyridine
        "Oc1cccc2cccnc12",  # 8-hydroxyquinoline
        "Oc1ccc2ncccc2c1",
        "Oc1ccccc1",
        "Oc1ccc(N=Nc2ccccc2)cc1",  # an azo dye
        "CC(=O)CC(C)=O",
        "CC(=O)C=C(C)O",
        "Oc1ccccc1C=NCCN=Cc1ccccc1O",  # salen
        "CC(=O)O",
        "CC(=NO)C",
        "c1ccc2[nH]ccc2c1",
        "O=C1NC(=O)c2ccccc21",
        "CNC(=O)c1ccccc1",
        "N#CNC(N)=S",
        "Cn1ccnc1",
        "C[n+]1ccccc1N",
    ],
)
def test_what_does_not_move_stays(smiles):
    """Phenols, enols, ketones, azo compounds, and what has one form."""
    assert parent_of(smiles) == Chem.CanonSmiles(smiles)


@pytest.mark.parametrize("forms", FORMS.values(), ids=list(FORMS))
def test_the_parent_survives_an_export_by_inchi_and_any_order_of_atoms(forms):
    """SMILES → InChI → SMILES, and random SMILES, give the same parent."""
    expected = parent_of(forms[0])
    with captured_rdkit_log():
        exported = Chem.MolFromInchi(Chem.MolToInchi(Chem.MolFromSmiles(forms[0])))
    assert parent_of(Chem.MolToSmiles(exported)) == expected
    for form in forms:
        for text in Chem.MolToRandomSmilesVect(Chem.MolFromSmiles(form), 5, 1):
            assert parent_of(text) == expected


def test_a_huge_system_stays_as_it_is_drawn():
    """Its forms are too many to try; the record is judged all the same."""
    small, huge = (Chem.MolFromSmiles("N=C(N)" + "NC(=N)" * units + "NC") for units in (1, 12))
    assert placed(small) is not small
    assert placed(huge) is huge
