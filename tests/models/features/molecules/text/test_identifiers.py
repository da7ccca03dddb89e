"""Identifiers, codes and abbreviations are named; the forms are those of the databases' own pages."""

import pytest

from models.features.molecules.reading import Unreadable
from models.features.molecules.text.notation import read_text


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        (("CID 2244", "CID:2244", "cid2244", "SID 103", "PubChem CID 2244", "PubChem:2244"), "PubChem"),
        (("CHEMBL 25", "CHEMBL25", "CHEMBL_25", "chembl:25", "CHEMBL ID 25"), "a ChEMBL identifier"),
        (("SCHEMBL1353", "SureChEMBL 1353"), "a SureChEMBL identifier"),
        (("DTXSID7020182", "DTXSID 7020182", "DTXCID00182", "DTXRID00182"), "a DSSTox identifier"),
        (("CHEBI:15365", "CHEBI 15365", "CHEBI:CHEBI:15365", "ChEBI_15365"), "a ChEBI number"),
        (("DB00945", "DB 00945", "DrugBank DB00945"), "a DrugBank number"),
        (("ZINC000000000053", "ZINC 53", "ZINC53"), "a ZINC number"),
        (("NSC 27223", "NSC-27223", "NSC27223", "NSC#27223"), "an NSC number"),
        (("C01405", "D00109", "KEGG C01405", "KEGG:D00109"), "a KEGG number"),
        (("HMDB0001879", "HMDB 01879"), "an HMDB number"),
        (("LMFA01010001", "LMST01010001"), "a LIPID MAPS identifier"),
        (("MFCD00002430",), "an MDL number"),
        (("BDBM22360",), "a BindingDB number"),
        (("GTPL4139",), "a GtoPdb number"),
        (("Tox21_400015", "TOX21_111234", "NCGC00015067-11"), "of the Tox21 library"),
        (("EC 200-064-1", "200-064-1", "EINECS 200-064-1", "EC No. 200-064-1"), "an EC number"),
        (("EC 1.1.1.1", "EC:3.4.-"), "an enzyme's EC number"),
        (("UNII R16CO5Y76E", "UNII: R16CO5Y76E", "R16CO5Y76E"), "a UNII"),
        (("CASRN 50-78-2", "CAS# 50-78-2", "CAS No. 50-78-2", "CAS RN: 50-78-2"), "a CAS number"),
        (("RTECS VO0700000",), "an RTECS number"),
        (("UN 1993",), "a UN number"),
        (("ATC N02BA01", "N02BA01"), "an ATC code"),
        (("Q18216", "Wikidata Q18216"), "a Wikidata number"),
        (("MolPort-001-783-177", "AKOS000118884"), "a supplier's number"),
        (("InChIKey: BSYNRYMUTXBXSQ-UHFFFAOYSA-N", "bsynrymutxbxsq-uhfffaoysa-n"), "an InChIKey"),
        (("BSYNRYMUTXBXSQ",), "first block of an InChIKey"),
        (("inchi=1S/CH4/h1H4", "InChI: 1S/CH4/h1H4", "1S/CH4/h1H4"), "without its beginning"),
        (("SMILES: CCO", "smiles=CCO", "Canonical SMILES: CCO"), "the word SMILES"),
        (("AS-605240", "PCB-126", "CP-55940", "MK801", "RU486", "SB203580"), "a code"),
        (("DDT", "TCDD", "PFOA", "BPA"), "an abbreviation"),
        (("[R]c1ccccc1", "[R1]CC", "R1CC", "R-OH", "c1ccccc1-R2", "[X]CC"), "stands for others"),
        (("(R)-ibuprofen", "ether"), "a name"),
    ],
)
def test_what_names_a_compound_is_told_as_what_it_is(texts: tuple[str, ...], words: str) -> None:
    """In each way that people write it, with a blank, a hyphen or a colon, too."""
    for text in texts:
        with pytest.raises(Unreadable) as refused:
            read_text(text)
        assert words in str(refused.value), text


@pytest.mark.parametrize(
    "text",
    ["CN1C=NC=C1 7", "N1CC1", "CSC", "C12CC1C2", "CSCC 50-78-2", "OCC CHEMBL545", "NSC", "CNC UNII"],
)
def test_what_can_be_a_molecule_is_read(text: str) -> None:
    """A SMILES before a name that is an identifier; and letters that a SMILES may have."""
    assert read_text(text).molecule.GetNumAtoms()
