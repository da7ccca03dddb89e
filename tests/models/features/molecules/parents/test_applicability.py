"""What the model cannot judge: no carbon, metals; and what it judges with its metal.

Structures are PubChem's, drawn with ions, with covalent bonds and with dative ones.
"""

import pytest

from models.features.molecules.parents.compound import NO_CARBON, NO_ORGANIC_CARBON, parent_compound
from models.features.molecules.reading import read_smiles


def found(smiles):
    """The parent compound of a SMILES."""
    return parent_compound(read_smiles(smiles), smiles)


def codes(answer):
    """The codes of an answer's warnings."""
    return [code for code, _ in answer.warnings]


INORGANIC = [
    "[Na+].[Cl-]", "[K+].[Cl-]", "[Na+].[F-]", "[K+].[Br-]", "[Li+].[Cl-]", "[Mg+2].[O-2]",
    "[Ca+2].[OH-].[OH-]", "[Na+].[OH-]", "[Na+].[N-]=[N+]=[N-]", "[K+].[O-][N+](=O)[O-]",
    "[NH4+].[Cl-]", "N.Cl", "N", "O", "[2H]O[2H]", "OO", "NN", "NO", "Cl", "Br", "ClCl", "BrBr", "II",
    "O=O", "[O-][O+]=O", "N#N", "[N-]=[N+]=O", "[N]=O", "OS(=O)(=O)O", "OP(=O)(O)O", "O[N+](=O)[O-]",
    "OB(O)O", "OCl(=O)(=O)=O", "[Na+].OCl", "O=[Si]=O", "[Si]", "S1SSSSSSS1", "FS(F)(F)(F)(F)F",
    "O=S=O", "[NH4+].[NH4+].[O-]S(=O)(=O)[O-]", "[Na+].[Na+].[O-]S(=O)(=O)[O-]", "[Na+].[BH4-]",
    "F[B-](F)(F)F.[Na+]", "NS(N)(=O)=O", "NS(=O)(=O)O", "O=[As]O[As]=O", "O=[Se]=O", "[He]", "[Xe]",
    "[Na+].[Na+].[Na+].[O-]P(=O)([O-])[O-].O.O", "[Na+].[Cl-].CCO", "[Li+].[Br-].C1CCOC1",
    "[Mg+2].[Cl-].[Cl-].O.O.O.O.O.O", "Cl.O", "P", "N=[N+]=[N-]",
]  # fmt: skip


WITH_SOLVENT = ("[Na+].[Cl-].CCO", "[Li+].[Br-].C1CCOC1")


@pytest.mark.parametrize("record", INORGANIC)
def test_what_holds_no_carbon_is_not_applicable(record):
    """With the reason, and with a parent that has features for who wants numbers all the same."""
    answer = found(record)
    assert answer.reason == (NO_ORGANIC_CARBON if record in WITH_SOLVENT else NO_CARBON)
    assert "inorganic" in codes(answer)
    assert answer.smiles


@pytest.mark.parametrize(
    "record",
    [
        "O=C=O",
        "[C-]#[O+]",
        "OC(=O)O",
        "[Li+].[Li+].[O-]C([O-])=O",
        "[Na+].OC(=O)[O-]",
        "[Ca+2].[O-]C([O-])=O",
    ],
)
def test_carbonates_and_oxides_of_carbon_are_not_applicable(record):
    """The training set has none; beside an organic base they are its counter-ion."""
    assert found(record).reason == NO_ORGANIC_CARBON
    assert found(f"{record}.CC(N)=N").smiles == found("CC(N)=N").smiles


@pytest.mark.parametrize(
    "record", ["[Ca+2].[C-]#[C-]", "[C-4].[C-4].[C-4].[Al+3].[Al+3].[Al+3].[Al+3]", "[Si-]#[C+]"]
)
def test_carbides_are_inorganic(record):
    """And not the acetylene or methane that water makes of them, which are judged."""
    assert codes(found(record))[-1] == "inorganic"
    assert found("C#C").reason == ""


def test_a_ligand_that_is_a_solvent_is_no_lack_of_carbon():
    """Picoplatin holds picoline; the reason is its metal."""
    assert "platinum" in found("Cc1cccc[n]1->[Pt](N)(Cl)Cl").reason


@pytest.mark.parametrize(
    ("dry", "hydrate"),
    [
        ("[Co+2].[Cl-].[Cl-]", "[Co+2].[Cl-].[Cl-].O.O.O.O.O.O"),
        ("[Cu+2].[O-]S(=O)(=O)[O-]", "[Cu+2].[O-]S(=O)(=O)[O-].O.O.O.O.O"),
        ("[Mg+2].[Cl-].[Cl-]", "O.O.[Cl-].[Mg+2].[Cl-].O.O.O.O"),
        ("[Na+].[Cl-]", "[Na+].[Cl-].CO"),
        ("[Na+].[Na+].[Na+].[O-]P(=O)([O-])[O-]", "[Na+].[Na+].[Na+].[O-]P(=O)([O-])[O-].O.O"),
    ],
)
def test_one_salt_has_one_answer_with_and_without_its_water(dry, hydrate):
    """Water is what is removed, never what is judged."""
    assert found(hydrate).smiles == found(dry).smiles
    assert found(hydrate).reason
    assert found(dry).reason


FOREIGN = {
    "cisplatin": ("N[Pt](N)(Cl)Cl", "platinum"),
    "carboplatin": ("O=C1O[Pt](N)(N)OC(=O)C11CCC1", "platinum"),
    "oxaliplatin": ("O=C1O[Pt]2(NC3CCCCC3N2)OC1=O", "platinum"),
    "mercury acetate": ("CC(=O)[O-].CC(=O)[O-].[Hg+2]", "mercury"),
    "zinc acetate": ("CC(=O)O[Zn]OC(C)=O", "zinc"),
    "zinc pyrithione": ("[O-]n1ccccc1=S.[O-]n1ccccc1=S.[Zn+2]", "zinc"),
    "zineb": ("S=C([S-])NCCNC(=S)[S-].[Zn+2]", "zinc"),
    "maneb": ("S=C([S-])NCCNC(=S)[S-].[Mn+2]", "manganese"),
    "ziram": ("CN(C)C(=S)S[Zn]SC(=S)N(C)C", "zinc"),
    "ferbam": ("CN(C)C(=S)[S-].CN(C)C(=S)[S-].CN(C)C(=S)[S-].[Fe+3]", "iron"),
    "copper oxinate": ("[Cu+2].[O-]c1cccc2cccnc12.[O-]c1cccc2cccnc12", "copper"),
    "silver sulfadiazine": ("[Ag+].Nc1ccc(S(=O)(=O)[N-]c2ncccn2)cc1", "silver"),
    "auranofin": ("CC(=O)OCC1OC(S[Au]=P(CC)(CC)CC)C(OC(C)=O)C(OC(C)=O)C1OC(C)=O", "gold"),
    "aurothiomalate": ("[Na+].[Na+].O=C([O-])CC(S[Au])C(=O)[O-]", "gold"),
    "bismuth subsalicylate": ("O=C1O[Bi](O)Oc2ccccc12", "bismuth"),
    "antimony potassium tartrate": (
        "[K+].[K+].[Sb+3].[Sb+3].[O-]C(=O)C([O-])C([O-])C(=O)[O-].[O-]C(=O)C([O-])C([O-])C(=O)[O-]",
        "antimony",
    ),
    "aluminium isopropoxide": ("CC(C)O[Al](OC(C)C)OC(C)C", "aluminium"),
    "lead acetate": ("CC(=O)[O-].CC(=O)[O-].[Pb+2]", "lead"),
    "thallium acetate": ("CC(=O)[O-].[Tl+]", "thallium"),
    "cadmium acetate": ("CC(=O)[O-].CC(=O)[O-].[Cd+2]", "cadmium"),
    "barium acetate": ("CC(=O)[O-].CC(=O)[O-].[Ba+2]", "barium"),
    "nickel acetate": ("CC(=O)[O-].CC(=O)[O-].[Ni+2]", "nickel"),
    "chromium picolinate": (
        "[Cr+3].[O-]C(=O)c1ccccn1.[O-]C(=O)c1ccccn1.[O-]C(=O)c1ccccn1",
        "chromium",
    ),
    "gadopentetate": (
        "[Gd+3].OC(=O)CN(CCN(CC(=O)[O-])CC(=O)[O-])CCN(CC(=O)[O-])CC(=O)O",
        "gadolinium",
    ),
    "ferrocene": ("[Fe+2].c1cc[cH-]c1.c1cc[cH-]c1", "iron"),
    "titanocene dichloride": ("Cl[Ti]Cl.c1cc[cH-]c1.c1cc[cH-]c1", "titanium"),
    "ferrocyanide": ("[K+].[K+].[K+].[K+].N#C[Fe-4](C#N)(C#N)(C#N)(C#N)C#N", "iron"),
    "iron pentacarbonyl": ("[C-]#[O+].[C-]#[O+].[C-]#[O+].[C-]#[O+].[C-]#[O+].[Fe]", "iron"),
    "tetraethyllead": ("CC[Pb](CC)(CC)CC", "lead"),
    "triphenylantimony": ("c1ccc(cc1)[Sb](c1ccccc1)c1ccccc1", "antimony"),
    "trimethylbismuth": ("C[Bi](C)C", "bismuth"),
    "tetramethylgermane": ("C[Ge](C)(C)C", "germanium"),
    "dimethyl telluride": ("C[Te]C", "tellurium"),
    "diethylzinc": ("CC[Zn]CC", "zinc"),
    "butyllithium": ("CCCC[Li]", "lithium"),
    "a Grignard reagent": ("C[Mg]Br", "magnesium"),
    "tin octoate": ("CCCCC(CC)C(=O)[O-].CCCCC(CC)C(=O)[O-].[Sn+2]", "tin"),
}


@pytest.mark.parametrize(("record", "metal"), FOREIGN.values(), ids=list(FOREIGN))
def test_a_metal_that_is_no_plain_counter_ion_is_not_stripped_in_silence(record, metal):
    """The record is not applicable, and the reason names the metal."""
    answer = found(record)
    assert answer.reason
    assert "metal" in codes(answer)
    assert any(metal in text for code, text in answer.warnings if code == "metal")


def test_a_plain_metal_in_a_ring_of_nitrogens_is_a_coordination_compound():
    """As the magnesium of a chlorophyll."""
    answer = found("C1=CC2=CC3=CC=C4C=C5C=CC6=[N]5[Mg]5(N34)N3C(=CC1=[N]25)C=CC3=C6")
    assert "magnesium" in answer.reason


PLAIN = [
    ("[Na+].CC(=O)[O-]", "CC(=O)O"),
    ("CC(=O)O[Na]", "CC(=O)O"),
    ("CC(=O)[O-]->[Na+]", "CC(=O)O"),
    ("[K+].[O-]C(=O)c1ccccc1", "O=C(O)c1ccccc1"),
    ("[K]OC(=O)c1ccccc1", "O=C(O)c1ccccc1"),
    ("[Li+].[O-]C(=O)c1ccccc1", "O=C(O)c1ccccc1"),
    ("[Li]OC(=O)c1ccccc1", "O=C(O)c1ccccc1"),
    ("[Ca+2].CC(C)Cc1ccc(cc1)C(C)C(=O)[O-].CC(C)Cc1ccc(cc1)C(C)C(=O)[O-]", "CC(C)Cc1ccc(C(C)C(=O)O)cc1"),
    ("CCCCCCCCCCCCCCCCCC(=O)O[Mg]OC(=O)CCCCCCCCCCCCCCCCC", "CCCCCCCCCCCCCCCCCC(=O)O"),
    ("CCCCCCCCCCCCCCCCCC(=O)[O-].CCCCCCCCCCCCCCCCCC(=O)[O-].[Mg+2]", "CCCCCCCCCCCCCCCCCC(=O)O"),
    ("[Na+].[S-]c1ccccc1", "Sc1ccccc1"),
    ("[Na]Sc1ccccc1", "Sc1ccccc1"),
    ("CCC1(c2ccccc2)C(=O)N([Na])C(=O)NC1=O", "CCC1(c2ccccc2)C(=O)NC(=O)NC1=O"),
    ("[Na+].CCC1(c2ccccc2)C(=O)[N-]C(=O)NC1=O", "CCC1(c2ccccc2)C(=O)NC(=O)NC1=O"),
    ("[Na+].CCC1(c2ccccc2)C([O-])=NC(=O)NC1=O", "CCC1(c2ccccc2)C(=O)NC(=O)NC1=O"),
    ("[Na].CC(=O)O", "CC(=O)O"),
    (
        "O=C1N([Ca]N2C(=O)c3ccccc3S2(=O)=O)S(=O)(=O)c2ccccc12",  # calcium saccharin
        "O=C1NS(=O)(=O)c2ccccc21",
    ),
    ("O=C1O[Mg]Oc2ccccc12", "O=C(O)c1ccccc1O"),  # magnesium salicylate
]


@pytest.mark.parametrize(("record", "compound"), PLAIN)
def test_a_plain_metal_is_a_counter_ion_however_it_is_drawn(record, compound):
    """Na, K, Li, Mg and Ca, with ions, covalent bonds or dative ones."""
    answer = found(record)
    assert (answer.smiles, answer.reason, answer.warnings) == (compound, "", ())


COVALENT = {
    "tributyltin chloride": (
        "CCCC[Sn](Cl)(CCCC)CCCC",
        "CCCC[Sn+](CCCC)CCCC.[Cl-]",
        "[Cl-]->[Sn+](CCCC)(CCCC)CCCC",
    ),
    "tributyltin benzoate": (
        "CCCC[Sn](CCCC)(CCCC)OC(=O)c1ccccc1",
        "CCCC[Sn+](CCCC)CCCC.[O-]C(=O)c1ccccc1",
    ),
    "tributyltin oxide": (
        "CCCC[Sn](CCCC)(CCCC)O[Sn](CCCC)(CCCC)CCCC",
        "CCCC[Sn+](CCCC)CCCC.CCCC[Sn+](CCCC)CCCC.[O-2]",
    ),
    "triphenyltin hydroxide": (
        "O[Sn](c1ccccc1)(c1ccccc1)c1ccccc1",
        "[OH-].[Sn+](c1ccccc1)(c1ccccc1)c1ccccc1",
    ),
    "dibutyltin dilaurate": (
        "CCCCCCCCCCCC(=O)O[Sn](CCCC)(CCCC)OC(=O)CCCCCCCCCCC",
        "CCCC[Sn+2]CCCC.[O-]C(=O)CCCCCCCCCCC.[O-]C(=O)CCCCCCCCCCC",
    ),
    "dimethyltin dichloride": ("C[Sn](C)(Cl)Cl", "C[Sn+2]C.[Cl-].[Cl-]"),
    "butyltin trichloride": ("CCCC[Sn](Cl)(Cl)Cl", "CCCC[Sn+3].[Cl-].[Cl-].[Cl-]"),
    "tetramethyltin": ("C[Sn](C)(C)C",),
    "phenylmercury acetate": ("CC(=O)O[Hg]c1ccccc1", "CC(=O)[O-].[Hg+]c1ccccc1"),
    "methylmercury chloride": ("C[Hg]Cl", "C[Hg+].[Cl-]"),
    "thimerosal": (
        "CC[Hg]Sc1ccccc1C(=O)[O-].[Na+]",
        "CC[Hg+].[S-]c1ccccc1C(=O)[O-].[Na+]",
        "CC[Hg]Sc1ccccc1C(=O)O[Na]",
    ),
    "diphenylmercury": ("c1ccc(cc1)[Hg]c1ccccc1",),
    "mercuribenzoate": ("OC(=O)c1ccc([Hg]Cl)cc1", "OC(=O)c1ccc([Hg+])cc1.[Cl-]"),
}


@pytest.mark.parametrize("drawings", COVALENT.values(), ids=list(COVALENT))
def test_organotin_and_organomercury_are_judged_whole(drawings):
    """Of each drawing the parent is one, with its metal, and a warning says so."""
    answers = [found(drawing) for drawing in drawings]
    assert {answer.smiles for answer in answers} == {answers[0].smiles}
    for answer in answers:
        assert "[Sn]" in answer.smiles or "[Hg]" in answer.smiles
        assert answer.reason == ""
        assert "metal" in codes(answer)
        assert not set(answer.removed) - {"[Na+]"}


def test_a_parent_that_is_not_applicable_is_told_whole():
    """It is what is judged where applicability is ignored."""
    assert found("Cl[Ca]Cl").smiles == "[Ca+2].[Cl-].[Cl-]"
    assert found("CC(=O)[O-].CC(=O)[O-].[Hg+2]").smiles == "CC(=O)O"
    assert found("CC[Pb](CC)(CC)CC").smiles == "C[CH2][Pb]([CH2]C)([CH2]C)[CH2]C"


@pytest.mark.parametrize(
    "drawings",
    [
        ("N#C[Hg]C#N", "[Hg+2].[C-]#N.[C-]#N"),
        (
            "C1=CC2=CC3=CC=C4N3[Mg]N5C(=CC1=N2)C=CC5=CC6=NC(=C4)C=C6",
            "[Mg+2].[n-]1c2ccc1cc1ccc(cc3ccc(cc4ccc(c2)n4)[n-]3)n1",
        ),
    ],
    ids=["mercury cyanide", "magnesium porphyrin"],
)
def test_a_metal_is_foreign_whether_drawn_with_bonds_or_with_ions(drawings):
    """The anion holds the metal in both."""
    for drawing in drawings:
        answer = found(drawing)
        assert "has not learned from such compounds" in answer.reason
        assert codes(answer) == ["metal"]
