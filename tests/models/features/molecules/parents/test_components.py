"""Salts, solvates and mixtures: which part of a record is the compound.

Sources of the substances, by kind: the salts of marketed drugs in PubChem and the WHO's lists of INNs;
the salt and solvent lists of RDKit's ``SaltRemover`` and of ChEMBL's structure pipeline; ionic liquids
of the NIST's ILThermo. The neutral drug alone is the right answer for each.
"""

import pytest

from models.features.molecules.parents.compound import parent_compound
from models.features.molecules.reading import read_smiles

ASPIRIN = "CC(=O)Oc1ccccc1C(=O)O"
IBUPROFEN = "CC(C)Cc1ccc(C(C)C(=O)O)cc1"
TAFAMIDIS = "O=C(O)c1ccc2nc(-c3cc(Cl)cc(Cl)c3)oc2c1"
METFORMIN = "CN(C)C(=N)N=C(N)N"
PARACETAMOL = "CC(=O)Nc1ccc(O)cc1"
PHENOBARBITAL = "CCC1(c2ccccc2)C(=O)NC(=O)NC1=O"
EMIM = "CC[n+]1ccn(C)c1"


def found(smiles):
    """The parent compound of a SMILES."""
    return parent_compound(read_smiles(smiles), smiles)


def same(smiles):
    """A drug's own parent, by its neutral form alone."""
    return found(smiles).smiles


# Acids as salts of memantine, an amine of 13 heavy atoms, smaller than many of them.
MEMANTINE = "CC12CC3CC(C)(C1)CC(N)(C3)C2"
ACIDS = {
    "hydrochloride": "Cl",
    "sulfate": "OS(=O)(=O)O",
    "phosphate": "OP(=O)(O)O",
    "nitrate": "O[N+](=O)[O-]",
    "mesylate": "CS(=O)(=O)O",
    "esylate": "CCS(=O)(=O)O",
    "edisylate": "OS(=O)(=O)CCS(=O)(=O)O",
    "isetionate": "OCCS(=O)(=O)O",
    "tosylate": "Cc1ccc(cc1)S(=O)(=O)O",
    "besylate": "OS(=O)(=O)c1ccccc1",
    "napsylate": "OS(=O)(=O)c1ccc2ccccc2c1",
    "camsylate": "CC1(C)C2CCC1(CS(O)(=O)=O)C(=O)C2",
    "triflate": "OS(=O)(=O)C(F)(F)F",
    "acetate": "CC(=O)O",
    "trifluoroacetate": "OC(=O)C(F)(F)F",
    "oxalate": "OC(=O)C(=O)O",
    "malonate": "OC(=O)CC(=O)O",
    "succinate": "OC(=O)CCC(=O)O",
    "maleate": "OC(=O)/C=C\\C(=O)O",
    "fumarate": "OC(=O)/C=C/C(=O)O",
    "malate": "O[C@@H](CC(=O)O)C(=O)O",
    "tartrate": "O[C@H]([C@@H](O)C(=O)O)C(=O)O",
    "citrate": "OC(=O)CC(O)(CC(=O)O)C(=O)O",
    "lactate": "C[C@H](O)C(=O)O",
    "gluconate": "OC[C@@H](O)[C@@H](O)[C@H](O)[C@@H](O)C(=O)O",
    "lactobionate": "OCC1OC(OC(C(O)CO)C(O)C(O)C(=O)O)C(O)C(O)C1O",
    "glutamate": "N[C@@H](CCC(=O)O)C(=O)O",
    "benzoate": "OC(=O)c1ccccc1",
    "salicylate": "OC(=O)c1ccccc1O",
    "mandelate": "OC(C(=O)O)c1ccccc1",
    "hippurate": "OC(=O)CNC(=O)c1ccccc1",
    "xinafoate": "OC(=O)c1ccc2ccccc2c1O",
    "pamoate": "OC(=O)c1cc2ccccc2c(Cc2c(O)c(C(=O)O)cc3ccccc23)c1O",
    "dibenzoyltartrate": "OC(=O)C(OC(=O)c1ccccc1)C(OC(=O)c1ccccc1)C(=O)O",
    "orotate": "OC(=O)c1cc(=O)[nH]c(=O)[nH]1",
    "saccharinate": "O=C1NS(=O)(=O)c2ccccc12",
    "stearate": "CCCCCCCCCCCCCCCCCC(=O)O",
    "laurilsulfate": "CCCCCCCCCCCCOS(=O)(=O)O",
    "docusate": "CCCCC(CC)COC(=O)CC(C(=O)OCC(CC)CCCC)S(=O)(=O)O",
    "picrate": "Oc1c([N+](=O)[O-])cc([N+](=O)[O-])cc1[N+](=O)[O-]",
    "butanedisulfonate": "OS(=O)(=O)CCCCS(=O)(=O)O",
    "amsonate": "Nc1ccc(C=Cc2ccc(N)cc2S(=O)(=O)O)c(S(=O)(=O)O)c1",
    "fendizoate": "O=C(O)c1ccccc1C(=O)c1ccc(O)c(-c2ccccc2)c1",
    "gallate": "O=C(O)c1cc(O)c(O)c(O)c1",
    "hydrocinnamate": "O=C(O)CCc1ccccc1",
    "4-vinylbenzenesulfonate": "C=Cc1ccc(S(=O)(=O)O)cc1",
    "diethyl phosphate": "CCOP(=O)(O)OCC",
    "bistriflimide": "O=S(=O)(NS(=O)(=O)C(F)(F)F)C(F)(F)F",
}


@pytest.mark.parametrize("acid", ACIDS.values(), ids=list(ACIDS))
def test_the_acid_of_a_salt_is_not_the_compound(acid):
    """However large it is, and whether the salt is drawn with ions or without."""
    charged = MEMANTINE.replace("(N)", "([NH3+])")
    anion = found(acid).smiles
    for record in (f"{MEMANTINE}.{acid}", f"{acid}.{MEMANTINE}", f"{charged}.{anion}"):
        answer = found(record)
        assert answer.smiles == same(MEMANTINE)
        assert answer.warnings == ()
        assert answer.removed


# Bases as salts of ibuprofen (15 heavy atoms) and of tafamidis.
BASES = {
    "meglumine": "CNC[C@H](O)[C@@H](O)[C@H](O)[C@H](O)CO",
    "eglumine": "CCNCC(O)C(O)C(O)C(O)CO",
    "tromethamine": "NC(CO)(CO)CO",
    "lysine": "NCCCC[C@H](N)C(=O)O",
    "arginine": "NC(=N)NCCC[C@H](N)C(=O)O",
    "histidine": "N[C@@H](Cc1c[nH]cn1)C(=O)O",
    "choline": "C[N+](C)(C)CCO",
    "olamine": "NCCO",
    "diolamine": "OCCNCCO",
    "trolamine": "OCCN(CCO)CCO",
    "deanol": "CN(C)CCO",
    "epolamine": "OCCN1CCCC1",
    "erbumine": "CC(C)(C)N",
    "diglycolamine": "NCCOCCO",
    "bis(aminopropyl)methylamine": "CN(CCCN)CCCN",
    "diisopropanolamine": "CC(O)CNCC(C)O",
    "triisopropanolamine": "CC(O)CN(CC(C)O)CC(C)O",
    "diethylamine": "CCNCC",
    "triethylamine": "CCN(CC)CC",
    "ethylenediamine": "NCCN",
    "piperazine": "C1CNCCN1",
    "morpholine": "C1COCCN1",
    "cyclohexylamine": "NC1CCCCC1",
    "dicyclohexylamine": "C1CCC(CC1)NC1CCCCC1",
    "benzathine": "C(CNCc1ccccc1)NCc1ccccc1",
    "benethamine": "C(Cc1ccccc1)NCc1ccccc1",
    "hydrabamine": "CC(C)c1ccc2c(c1)CCC1C(C)(CNCCNCC3(C)CCCC4(C)c5ccc(C(C)C)cc5CCC34)CCCC21C",
    "tetrabutylammonium": "CCCC[N+](CCCC)(CCCC)CCCC",
    "ammonium": "[NH4+]",
    "sodium": "[Na+]",
    "potassium": "[K+]",
    "lithium": "[Li+]",
    "magnesium": "[Mg+2]",
    "calcium": "[Ca+2]",
    "urea": "NC(N)=O",
}


@pytest.mark.parametrize("base", BASES.values(), ids=list(BASES))
@pytest.mark.parametrize("acid", [IBUPROFEN, TAFAMIDIS])
def test_the_base_of_a_salt_is_not_the_compound(acid, base):
    """However large it is, and whether the salt is drawn with ions or without."""
    for record in (f"{base}.{acid}", f"{acid.replace('C(=O)O', 'C(=O)[O-]', 1)}.{base}"):
        answer = found(record)
        assert (answer.smiles, answer.warnings) == (same(acid), ())


SOLVENTS = {
    "hydrate": "O",
    "trihydrate": "O.O.O",
    "heavy water": "[2H]O[2H]",
    "ethanolate": "CCO",
    "methanolate": "CO",
    "isopropanolate": "CC(C)O",
    "propylene glycolate": "CC(O)CO",
    "acetonate": "CC(C)=O",
    "dimethyl sulfoxide": "CS(C)=O",
    "dimethyl sulfoxide, charged": "C[S+](C)[O-]",
    "dimethylformamide": "CN(C)C=O",
    "dimethylacetamide": "CC(=O)N(C)C",
    "N-methylpyrrolidone": "CN1CCCC1=O",
    "acetonitrile": "CC#N",
    "ethyl acetate": "CCOC(C)=O",
    "tetrahydrofuran": "C1CCOC1",
    "dioxane": "C1COCCO1",
    "diethyl ether": "CCOCC",
    "methyl tert-butyl ether": "COC(C)(C)C",
    "dichloromethane": "ClCCl",
    "chloroform": "ClC(Cl)Cl",
    "deuterochloroform": "[2H]C(Cl)(Cl)Cl",
    "benzene": "c1ccccc1",
    "toluene": "Cc1ccccc1",
    "xylene": "Cc1ccc(C)cc1",
    "hexane": "CCCCCC",
    "heptane": "CCCCCCC",
    "cyclohexane": "C1CCCCC1",
    "anisole": "COc1ccccc1",
    "pyridine": "c1ccncc1",
    "sulfolane": "O=S1(=O)CCCC1",
    "hexamethylphosphoramide": "CN(C)P(=O)(N(C)C)N(C)C",
}


@pytest.mark.parametrize("solvent", SOLVENTS.values(), ids=list(SOLVENTS))
@pytest.mark.parametrize("drug", ["NC(N)=S", "CC(O)=O", PARACETAMOL])
def test_a_solvent_is_not_the_compound_beside_anything_else(drug, solvent):
    """Even beside a smaller compound."""
    answer = found(f"{solvent}.{drug}")
    assert (answer.smiles, answer.warnings, answer.reason) == (same(drug), (), "")


@pytest.mark.parametrize(
    ("record", "compound"),
    [
        ("C[N+](C)(C)CCO.[O-]C(=O)C(O)C(O)C(=O)O", "C[N+](C)(C)CCO"),  # choline bitartrate
        ("C[N+](C)(C)CCO.[Cl-]", "C[N+](C)(C)CCO"),
        ("NCCCCC(N)C(=O)O.CC(=O)O", "NCCCCC(N)C(=O)O"),  # lysine acetate
        ("C1CNCCN1.OC(=O)CC(O)(CC(=O)O)C(=O)O", "C1CNCCN1"),  # piperazine citrate
        ("CCNCC.OC(=O)c1ccccc1O", "OC(=O)c1ccccc1O"),  # diethylamine salicylate
        ("NC(CO)(CO)CO.Cl", "NC(CO)(CO)CO"),
        ("CNCC(O)C(O)C(O)C(O)CO.Cl", "CNCC(O)C(O)C(O)C(O)CO"),
        ("[Na+].[O-]C(=O)c1ccccc1", "OC(=O)c1ccccc1"),
        ("[Na+].[Na+].OC(=O)CC(O)(CC(=O)[O-])C(=O)[O-]", "OC(=O)CC(O)(CC(=O)O)C(=O)O"),
        ("[NH4+].CC(=O)[O-]", "CC(=O)O"),
        ("[Na+].[O-]S(=O)(=O)OCCCCCCCCCCCC", "CCCCCCCCCCCCOS(=O)(=O)O"),
        ("[Li+].FC(F)(F)S(=O)(=O)[N-]S(=O)(=O)C(F)(F)F", "FC(F)(F)S(=O)(=O)NS(=O)(=O)C(F)(F)F"),
        ("CCCC[N+](CCCC)(CCCC)CCCC.[Br-]", "CCCC[N+](CCCC)(CCCC)CCCC"),
        ("CCO.Cl", "CCO"),
        ("C[O-].[Na+]", "CO"),
        ("CCO.O", "CCO"),
        ("CS(C)=O.O", "CS(C)=O"),
        ("NC(N)=O.OO", "NC(N)=O"),
        ("[H+].[Cl-].CCN", "CCN"),
        ("Oc1cccc2cccnc12.OC(=O)CC(O)(CC(=O)O)C(=O)O", "Oc1cccc2cccnc12"),
    ],
)
def test_a_partner_is_the_compound_where_there_is_no_other(record, compound):
    """Of two partners it is the one that is also given by itself."""
    assert found(record).smiles == same(compound)


ONIUMS = {
    "tetramethylammonium": "C[N+](C)(C)C",
    "tetraethylammonium": "CC[N+](CC)(CC)CC",
    "tetrapropylammonium": "CCC[N+](CCC)(CCC)CCC",
    "tetrabutylammonium": "CCCC[N+](CCCC)(CCCC)CCCC",
    "benzyltrimethylammonium": "C[N+](C)(C)Cc1ccccc1",
    "benzyltriethylammonium": "CC[N+](CC)(CC)Cc1ccccc1",
    "phenyltrimethylammonium": "C[N+](C)(C)c1ccccc1",
    "tetramethylphosphonium": "C[P+](C)(C)C",
    "tetrabutylphosphonium": "CCCC[P+](CCCC)(CCCC)CCCC",
    "tetraphenylphosphonium": "c1ccc([P+](c2ccccc2)(c2ccccc2)c2ccccc2)cc1",
}
ANIONS_OF_ONIUMS = {
    "chloride": "[Cl-]",
    "hydroxide": "[OH-]",
    "acetate": "CC(=O)[O-]",
    "tosylate": "Cc1ccc(cc1)S(=O)(=O)[O-]",
    "tartrate": "OC(C(O)C(=O)O)C(=O)[O-]",
    "fumarate": "OC(=O)/C=C/C(=O)[O-]",
    "benzoate": "[O-]C(=O)c1ccccc1",
    "salicylate": "[O-]C(=O)c1ccccc1O",
    "saccharinate": "O=C1[N-]S(=O)(=O)c2ccccc12",
    "stearate": "CCCCCCCCCCCCCCCCCC(=O)[O-]",
    "laurilsulfate": "CCCCCCCCCCCCOS(=O)(=O)[O-]",
    "tetraphenylborate": "c1ccc([B-](c2ccccc2)(c2ccccc2)c2ccccc2)cc1",
}


@pytest.mark.parametrize("anion", ANIONS_OF_ONIUMS.values(), ids=list(ANIONS_OF_ONIUMS))
@pytest.mark.parametrize("onium", ONIUMS.values(), ids=list(ONIUMS))
def test_a_permanent_cation_is_the_compound_beside_the_anion_of_a_usual_acid(onium, anion):
    """However large the anion is; the salt and its acid by itself are two substances."""
    answer = found(f"{onium}.{anion}")
    assert (answer.smiles, answer.warnings, answer.reason) == (same(onium), (), "")


ANIONS = {
    "tetrafluoroborate": "F[B-](F)(F)F",
    "hexafluorophosphate": "F[P-](F)(F)(F)(F)F",
    "bistriflimide": "O=S(=O)([N-]S(=O)(=O)C(F)(F)F)C(F)(F)F",
    "triflate": "[O-]S(=O)(=O)C(F)(F)F",
    "dicyanamide": "N#C[N-]C#N",
    "tricyanomethanide": "N#C[C-](C#N)C#N",
    "thiocyanate": "[S-]C#N",
    "ethyl sulfate": "CCOS(=O)(=O)[O-]",
    "octyl sulfate": "CCCCCCCCOS(=O)(=O)[O-]",
    "tosylate": "Cc1ccc(S(=O)(=O)[O-])cc1",
    "acetate": "CC(=O)[O-]",
    "tetraphenylborate": "c1ccc([B-](c2ccccc2)(c2ccccc2)c2ccccc2)cc1",
    "perchlorate": "[O-]Cl(=O)(=O)=O",
    "iodide": "[I-]",
}


@pytest.mark.parametrize("anion", ANIONS.values(), ids=list(ANIONS))
def test_of_an_ionic_liquid_the_cation_is_the_compound(anion):
    """The usual anions are known, whatever their size."""
    answer = found(f"{EMIM}.{anion}")
    assert (answer.smiles, answer.warnings) == (EMIM, ())


MIXTURES = {
    "aspirin and caffeine": f"{ASPIRIN}.Cn1cnc2c1c(=O)n(C)c(=O)n2C",
    "paracetamol and ibuprofen": f"{PARACETAMOL}.{IBUPROFEN}",
    "co-trimoxazole": "Cc1cc(NS(=O)(=O)c2ccc(N)cc2)no1.COc1cc(Cc2cnc(N)nc2N)cc(OC)c1OC",
    "dimenhydrinate": "CN(C)CCOC(c1ccccc1)c1ccccc1.Cn1c(=O)c2[nH]c(Cl)nc2n(C)c1=O",
    "metformin and glipizide": f"{METFORMIN}.Cc1cnc(C(=O)NCCc2ccc(S(=O)(=O)NC(=O)NC3CCCCC3)cc2)cn1",
    "sacubitril and valsartan": "CCOC(=O)C(C)CC(Cc1ccc(-c2ccccc2)cc1)NC(=O)CCC(=O)O"
    ".CCCCC(=O)N(Cc1ccc(-c2ccccc2-c2nn[nH]n2)cc1)C(C(C)C)C(=O)O",
    "procaine penicillin": "CC1(C)SC2C(NC(=O)Cc3ccccc3)C(=O)N2C1C(=O)O.CCN(CC)CCOC(=O)c1ccc(N)cc1",
    "phenobarbital and phenytoin": f"{PHENOBARBITAL}.O=C1NC(=O)C(c2ccccc2)(c2ccccc2)N1",
    "nicotine and cotinine": "CN1CCCC1c1cccnc1.CN1C(=O)CCC1c1cccnc1",
    "two cresols, three parts": "Cc1ccccc1O.Cc1cccc(O)c1.O",
}


@pytest.mark.parametrize("record", MIXTURES.values(), ids=list(MIXTURES))
def test_two_compounds_are_a_mixture_and_told(record):
    """One of them is judged, the others are listed, and a warning says that it is no salt."""
    answer = found(record)
    assert [code for code, _ in answer.warnings] == ["mixture"]
    assert answer.removed
    assert answer.reason == ""


@pytest.mark.parametrize("record", [f"{ASPIRIN}.{ASPIRIN}", f"{ASPIRIN}.OC(=O)c1ccccc1OC(C)=O.O"])
def test_copies_of_one_compound_are_no_mixture(record):
    """They are not listed as removed either."""
    answer = found(record)
    assert (answer.smiles, answer.warnings) == (same(ASPIRIN), ())
    assert set(answer.removed) <= {"O"}
