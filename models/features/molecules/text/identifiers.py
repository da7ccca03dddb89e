"""Texts that name a compound and hold no structure: identifiers of databases, codes, formulas, names.

The forms are those that the databases' own pages give: PubChem, ChEMBL, SureChEMBL, DSSTox, ChEBI,
DrugBank, ZINC, the NCI's NSC, KEGG, HMDB, LIPID MAPS, BindingDB, GtoPdb, MDL, the Tox21 library and its
NCGC numbers, the EC inventory, enzymes' EC numbers, FDA's UNII, RTECS, UN numbers, WHO's ATC, Wikidata.
"""

import re

#: What may part a database's name from its number.
_GAP = r"[\s:#=_./-]*"
#: By what the identifier is: forms that no SMILES has, whether or not a blank follows the name.
_NAMED = {
    "a CAS number": r"(?:CAS(?:RN)?(?:\s*(?:RN|No\.?|number))?\W*)?\d{2,7}-\d{2}-\d",
    "a PubChem number": rf"PUBCHEM{_GAP}(?:[CS]ID)?{_GAP}\d+|[CS]ID{_GAP}\d+",
    "a ChEMBL identifier": rf"CHEMBL(?:{_GAP}ID)?{_GAP}\d+",
    "a SureChEMBL identifier": rf"(?:SURE|S)CHEMBL{_GAP}\d+",
    "a DSSTox identifier": rf"DTX[SCR]ID{_GAP}\d+",
    "a ChEBI number": rf"(?:CHEBI{_GAP})+\d+",
    "a DrugBank number": rf"(?:DRUGBANK{_GAP})?DB{_GAP}\d{{4,}}",
    "a ZINC number": rf"ZINC{_GAP}\d+",
    "an NSC number": rf"NSC{_GAP}\d+",
    "a KEGG number": rf"KEGG{_GAP}[CDG]{_GAP}\d{{5}}|[CD]\d{{5}}",
    "an HMDB number": rf"HMDB{_GAP}\d+",
    "a LIPID MAPS identifier": r"LM(?:FA|GL|GP|SP|ST|PR|SL|PK)\w{6,10}",
    "an MDL number": rf"MFCD{_GAP}\d{{8}}",
    "a BindingDB number": rf"BDBM{_GAP}\d+",
    "a GtoPdb number": rf"GTPL{_GAP}\d+",
    "a number of the Tox21 library": rf"TOX21{_GAP}\d{{6}}(?:{_GAP}\d+)?|NCGC{_GAP}\d{{8}}(?:-\d+)?",
    "an EC number": r"(?:(?:EC|EINECS|ELINCS|NLP)(?:\s*No\.?)?\W*)?\d{3}-\d{3}-\d",
    "an enzyme's EC number": r"EC\W*\d+(?:\.(?:\d+|-)){1,3}",
    "a UNII": rf"UNII{_GAP}[A-Z0-9]{{10}}",
    "an RTECS number": rf"RTECS{_GAP}[A-Z]{{2}}\d{{7}}",
    "a UN number": r"UN\s+\d{4}",
    "an ATC code": rf"ATC{_GAP}[A-Z]\d{{2}}[A-Z]{{2}}\d{{2}}",
    "a Wikidata number": rf"WIKIDATA{_GAP}Q\d+|Q\d{{2,}}",
    "a supplier's number": r"MOLPORT-[\d-]+|AKOS\d{6,}|STK\d{6}|STOCK\d\w-\d+",
}
_IDENTIFIER = re.compile(
    "|".join(f"(?P<g{at}>{form})" for at, form in enumerate(_NAMED.values())), re.IGNORECASE
)
_WHAT = {f"g{at}": what for at, what in enumerate(_NAMED)}

_INCHI_KEY = re.compile(r"(?:InChI\s*Key\s*[=:]?\s*)?[A-Z]{14}-[A-Z]{8}[SN][A-Z]-[A-Z]", re.IGNORECASE)
_INCHI_LIKE = re.compile(r"(?:InChI\s*[=:]?\s*)?1S?/[A-Z]\S*", re.IGNORECASE)
_LABELLED = re.compile(r"(?:canonical|isomeric)?\s*smiles\s*[:=]\s*\S.*", re.IGNORECASE)
_REACTION = re.compile(r"(?<!-)>[^>]*>")
# A SMILES of element symbols alone, and a number alone after it: PCB 126, CP 55940.
_CODE = re.compile(r"[A-Z]{1,4}[ \t]+\d+")

# Of a text that is no SMILES.
_UNII = re.compile(r"(?=.*[ADEGJLMQRTUVWXYZ])(?=(?:.*\d){2})[A-Z0-9]{10}")
_KEY_BLOCK = re.compile(r"[A-Z]{14}")
_ATC = re.compile(r"[A-DGHJL-NPR-SV]\d{2}[A-Z]{2}\d{2}")
_LAB_CODE = re.compile(r"[A-Z]{1,5}-\d{2,}(?:-\d+)?[A-Z]?|[A-Z]{1,5}\d{3,}[A-Z]?")
# In Hill's order: carbon, hydrogen, then the others.
_FORMULA = re.compile(r"(?=.*\d)(?:C\d*H\d*|H\d+)(?:[A-Z][a-z]?\d*)*")
_ABBREVIATION = re.compile(r"(?=.*[ADEGJLMQRTUVWXYZ])[A-Z]{3,6}")
# As drawn in a scaffold: [R], [R1], [X], or R1 at an end.
_GROUP = re.compile(r"\[(?:R\d*'?|X|A|Q)\]|^R\d*'?(?=[-=CNOScn])|[-=\dCNOScn)(]R\d*'?\)?$")
_WORD = re.compile(r"[A-Za-z]*[a-z]{3,}")
_AROMATIC = frozenset("bcnops")
_NO_VALUE = frozenset({"nan", "null", "none", "n/a", "<na>", "#n/a", "nil"})


def certain_meaning(text: str) -> str:
    """Say what a text certainly is, if it is no SMILES with a name after it; empty otherwise."""
    if _INCHI_KEY.fullmatch(text):
        return "this is an InChIKey, from which no structure can be read; give the SMILES or the InChI"
    found = _IDENTIFIER.fullmatch(text)
    if found is not None:
        return _no_structure(_WHAT[str(found.lastgroup)], text)
    if _INCHI_LIKE.fullmatch(text) and not text.startswith("InChI="):
        return "this seems to be an InChI without its beginning; write InChI=1S/…"
    if _LABELLED.fullmatch(text):
        return "the text begins with the word SMILES; leave it out"
    if _CODE.fullmatch(text):
        return (
            "this seems to be a code, letters with a number, not a SMILES; give the compound's SMILES"
            " without a number after it"
        )
    if _REACTION.search(text):
        return "this is a reaction; give its molecules one by one"
    return ""


def likely_meaning(text: str) -> str:
    """Say what a text seems to be that cannot be read as SMILES; empty if a SMILES with a slip."""
    if text.lower() in _NO_VALUE or text == "NA":  # and not Na, sodium without its brackets
        return f"{text!r} stands for a missing value; give a SMILES"
    if text.isdigit():
        return _no_structure("a number alone, perhaps a database's", text)
    for form, what in (
        (_UNII, "a UNII"),
        (_KEY_BLOCK, "the first block of an InChIKey"),
        (_ATC, "an ATC code"),
        (_LAB_CODE, "a code"),
    ):
        if form.fullmatch(text):
            return _no_structure(what, text)
    if _FORMULA.fullmatch(text):
        return "this seems to be a molecular formula, which many compounds share; give a SMILES"
    if _ABBREVIATION.fullmatch(text):
        return _no_structure("an abbreviation", text)
    if _GROUP.search(text):
        return "this has a group that stands for others, such as R; give a complete molecule"
    for word in _WORD.findall(text):
        if not set(word.lower()) <= _AROMATIC:
            return "this seems to be a name, not a SMILES; give the compound's SMILES"
    return ""


def _no_structure(what: str, text: str) -> str:
    return (
        f"this seems to be {what}, {text[:40]!r}, which holds no structure; give the compound's SMILES"
    )
