"""What a record's text may be, and what is said of a text that is no molecule.

The CAS numbers, InChIs and InChIKeys are those of the compounds in PubChem.
"""

import pytest

from models.features import Accepted, NotApplicable
from models.features.molecules.parents.compound import parent_compound
from models.features.molecules.reading import MAX_CHARACTERS, Unreadable
from models.features.molecules.text.notation import read_text
from tests.support import bundles


def parent_of(text):
    """The parent's SMILES, and what was mended in the text."""
    written = read_text(text)
    return parent_compound(written.molecule, written.text).smiles, written.mended


@pytest.mark.parametrize(
    "text",
    [
        "CCO ethanol",
        "CCO\tethanol",
        "CCO\tethanol, 96 %\t7",
        "CCO   EtOH",
        "CCO 64-17-5",
        "CCO CHEMBL545",
        "CCO |c:0|",
        "CCO |$;;R$| ethanol",
        "  CCO\r",
        '"CCO"',
        '="CCO"',
        "CCO x HCl",
        "'CCO'",
        "“CCO”",
        "InChI=1S/C2H6O/c1-2-3/h3H,2H2,1H3",
        "InChI=1S/C2H6O/c1-2-3/h3H,2H2,1H3 ethanol",
    ],
)
def test_names_extensions_quotes_and_inchi_are_read(text):
    """They change nothing about the molecule."""
    assert parent_of(text) == ("CCO", "")


@pytest.mark.parametrize(
    ("inchi", "smiles"),
    [
        ("InChI=1S/C8H9NO2/c1-6(10)9-7-2-4-8(11)5-3-7/h2-5,11H,1H3,(H,9,10)", "CC(=O)Nc1ccc(O)cc1"),
        (
            "InChI=1S/C9H8O4/c1-6(10)13-8-5-3-2-4-7(8)9(11)12/h2-5H,1H3,(H,11,12)",
            "CC(=O)Oc1ccccc1C(=O)O",
        ),
        ("InChI=1S/C2H4O2.Na/c1-2(3)4;/h1H3,(H,3,4);/q;+1/p-1", "CC(=O)O"),
        ("InChI=1S/C5H5NO/c7-5-3-1-2-4-6-5/h1-4H,(H,6,7)", "O=c1cccc[nH]1"),
        ("InChI=1S/CH4N2O/c2-1(3)4/h(H4,2,3,4)", "NC(N)=O"),
    ],
)
def test_an_inchi_is_the_molecule_of_its_smiles(inchi, smiles):
    """Its mobile hydrogens are placed as those of a SMILES."""
    assert parent_of(inchi) == parent_of(smiles)


@pytest.mark.parametrize(
    ("text", "parent", "words"),
    [
        ("CC\u200bO", "CCO", "ZERO WIDTH SPACE (U+200B) at character 3 was left out"),
        ("\ufeffCCO", "CCO", "(U+FEFF) at character 1 was left out"),
        ("CC\u00adO", "CCO", "SOFT HYPHEN (U+00AD) at character 3 was left out"),
        ("C\u2060CO", "CCO", "WORD JOINER (U+2060) at character 2 was left out"),
        ("CC[N+](C)(C)C.[Cl\u2212]", "CC[N+](C)(C)C", "MINUS SIGN (U+2212) at character 18 was read"),
        ("CC(=O)[O\u2013].[Na+]", "CC(=O)O", "EN DASH (U+2013) at character 9 was read as a hyphen"),
    ],
)
def test_what_has_one_meaning_is_mended_and_told(text, parent, words):
    """Which character it was, and where."""
    found, mended = parent_of(text)
    assert found == parent
    assert words in mended


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("50-78-2", "CAS number"),
        ("64-17-5", "CAS number"),
        ("1332-21-4", "CAS number"),
        ("CAS 50-78-2", "CAS number"),
        ("CAS: 50-78-2", "CAS number"),
        ("BSYNRYMUTXBXSQ-UHFFFAOYSA-N", "InChIKey"),
        ("InChIKey=LFQSCWFLJHTTHZ-UHFFFAOYSA-N", "InChIKey"),
        ("InChI=1S/C2H6O", "not a valid InChI"),
        ("InChI=1S/nonsense", "not a valid InChI"),
        ("CCO>>CC=O", "reaction"),
        ("CCO.CC(=O)O>[H+]>CCOC(C)=O", "reaction"),
        ("[CH3:1][OH:2]>>[CH2:1]=[O:2]", "reaction"),
        ("[C,N]C", "SMARTS"),
        ("[#6;R]~[#7]", "SMARTS"),
        ("[!#1]C", "SMARTS"),
        ("[$(C=O)]N", "SMARTS"),
        ("aspirin", "name"),
        ("caffeine", "name"),
        ("Bisphenol A", "name"),
        ("sodium chloride", "name"),
        ("benzo[a]pyrene", "name"),
        ("2-butanol", "name"),
        ("4-nitrophenol", "name"),
        ("NSC 123127", "an NSC number"),
        ("PCB 126", "a code"),
        ("CP\t55940", "a code"),
        ("CHEMBL113", "a ChEMBL identifier"),
        ("DTXSID0020232", "a DSSTox identifier"),
        ("CID2519", "a PubChem number"),
        ("CHEBI:27732", "a ChEBI number"),
        ("2519", "perhaps a database's"),
        ("nan", "missing value"),
        ("NaN", "missing value"),
        ("NULL", "missing value"),
        ("NA", "missing value"),
        ("Na", "'Na' is the symbol of an element"),
        ("K", "'K' is the symbol of an element"),
        ("HCl", "a formula, 'HCl'; give a SMILES, as Cl"),
        ("TiO2", "a formula"),
        ("CCN.HCl", "'HCl' is a formula; in SMILES it is Cl"),
        ("CC(=O)O.2H2O", "'H2O' is a formula; in SMILES it is O"),
        ("CC(=O)O.Na", "'Na' is a formula; in SMILES it is [Na+]"),
        ("EtOH", "abbreviation of a group, 'Et'"),
        ("PhCH3", "abbreviation of a group, 'Ph'"),
        ("H-Ala-Phe-OH", "a peptide by the names of its residues"),
        ("PEPTIDE1{A.G.F}$$$$", "HELM"),
        (">sp|P01308|INS_HUMAN", "FASTA"),
        ("MKTAYIAKQR", "a name or a sequence in capital letters"),
        ("ASPIRIN", "a name or a sequence in capital letters"),
        ("2,3,7,8-TCDD", "name"),
        ("p,p'-DDT", "name"),
        ("β-carotene", "name"),
        ("Vitamin C", "name"),
        ("C.I. 42555", "a Colour Index number"),
        ("BRD-K11433652", "a code"),
        ("#NAME?", "missing value"),
        ("n.a.", "missing value"),
        ("?", "missing value"),
        ("1-Jan", "a date or a number"),
        ("1E+05", "a date or a number"),
        ("=CCO", "begins with '='"),
        ("'CCO", 'begins with "\'"'),
        ("<b>CCO</b>", "HTML"),
        ("CC(=O)&amp;O", "HTML"),
        ("CCO;CCN", "several SMILES are parted by ';'"),
        ("CCO,CCN", "several SMILES are parted by ','"),
        ("CCO + CCN", "two SMILES"),
        ("CCO and CCN", "two SMILES"),
        ("N/A", "missing value"),
        ("C2H6O", "molecular formula"),
        ("C9H8O4", "molecular formula"),
        ("H2SO4", "molecular formula"),
        ("CCO CCN", "two SMILES"),
        ("CC\u00a0O", "two SMILES"),
        ("Cé", "LATIN SMALL LETTER E WITH ACUTE (U+00E9) at character 2"),
        ("C\nC", "(U+000A) at character 2"),
        ("C\x00C", "(U+0000) at character 2"),
        ("CC[Na", "syntax error around position 5"),
        ("C1CC", "unclosed ring"),
        ("", "empty"),
        ("\u200b", "empty"),
        (5, "give text"),
        (None, "give text"),
        ("C" * (MAX_CHARACTERS + 1), "2001 characters"),
    ],
)
def test_what_is_no_molecule_is_named(text, words):
    """The message says what it is, or where the slip is."""
    with pytest.raises(Unreadable, match=r"(?s).") as refused:
        read_text(text)
    assert words in str(refused.value)


@pytest.mark.parametrize(
    "text", ["CCO |Sg:n:0,1,2::ht|", "C=C |Sg:mon:0,1::::| ethene", "CCO |c:0,Sg:n:0,1::ht|"]
)
def test_a_polymer_drawn_by_its_repeat_unit_is_not_applicable(text):
    """CXSMILES of other kinds say nothing of this."""
    featurizer = bundles.JUDGED_MOLECULES.featurizer()
    (outcome, other) = featurizer.featurize([text, "CCO |c:0|"]).outcomes
    assert isinstance(outcome, NotApplicable)
    assert [warning["code"] for warning in outcome.details["warnings"]] == ["polymer"]
    assert isinstance(other, Accepted)


def test_a_radical_of_cxsmiles_is_that_of_its_brackets():
    """A stable one is kept as a radical, another is refused."""
    stable = parent_of("CC1(C)CCCC(C)(C)N1O |^1:10|")
    assert stable == parent_of("CC1(C)CCCC(C)(C)N1[O]")
    assert stable != parent_of("CC1(C)CCCC(C)(C)N1O")
    with pytest.raises(Unreadable, match="open valence"):
        parent_of("CCO |^1:2|")


@pytest.mark.parametrize(
    "text", ["CN(C)(C)->O", "C[N+](C)(C)C", "c1ccc2[nH]ccc2c1", "[13CH4]", "CSSC", "CON"]
)
def test_a_smiles_is_not_taken_for_something_else(text):
    """Arrows of dative bonds, brackets, and letters that make a word."""
    assert parent_of(text)[0]


@pytest.mark.parametrize("record", ["", "  ", "''", "\u200b"])
def test_an_empty_record_is_named_as_that(record):
    """A text of which nothing is left is refused as empty, and breaks no other record."""
    with pytest.raises(Unreadable, match="empty"):
        read_text(record)
