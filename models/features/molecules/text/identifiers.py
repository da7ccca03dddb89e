"""Texts that name a compound and hold no structure: identifiers of databases, codes, formulas, names.

The forms are those that the databases' own pages give: PubChem, ChEMBL, SureChEMBL, DSSTox, ChEBI,
DrugBank, ZINC, the NCI's NSC, KEGG, HMDB, LIPID MAPS, BindingDB, GtoPdb, MDL, the Tox21 library and its
NCGC numbers, the EC inventory, enzymes' EC numbers, FDA's UNII, RTECS, UN numbers, WHO's ATC, Wikidata.
"""

import re

from rdkit import Chem

from models.features.molecules.rdkit_log import captured_rdkit_log

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
    "a Colour Index number": rf"C\.?I\.?{_GAP}(?:No\.?)?{_GAP}\d{{5}}",
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
_LAB_CODE = re.compile(r"[A-Z]{1,5}-[A-Z]?\d{2,}(?:-\d+)?[A-Z]?|[A-Z]{1,5}\d{3,}[A-Z]?")
# In Hill's order: carbon, hydrogen, then the others.
_FORMULA = re.compile(r"(?=.*\d)(?:C\d*H\d*|H\d+)(?:[A-Z][a-z]?\d*)*")
_ABBREVIATION = re.compile(r"(?=.*[ADEGJLMQRTUVWXYZ])[A-Z]{3,6}")
_CAPITALS = re.compile(r"(?=.*[ADEGJLMQRTUVWXYZ])[A-Z]{7,}")
# As drawn in a scaffold: [R], [R1], [X], or R1 at an end.
_GROUP = re.compile(r"\[(?:R\d*'?|X|A|Q)\]|^R\d*'?(?=[-=CNOScn])|[-=\dCNOScn)(]R\d*'?\)?$")
_WORD = re.compile(r"[A-Za-z]*[a-z]{3,}")
_TWO_WORDS = re.compile(r"[A-Za-z]{2,}\s+(?:.*\s)?[A-Za-z]*[a-z]{3,}.*")
#: Places of substituents before a name: 2,4-D, p,p'-DDT.
_LOCANTS = re.compile(r"(?:\d+|[opmN])'?(?:,(?:\d+|[opmN])'?)*-[A-Za-z].*")
_AROMATIC = frozenset("bcnops")
_NO_VALUE = frozenset(
    (
        "nan", "null", "none", "nil", "n/a", "n.a.", "n.d.", "na.", "<na>", "-", "--", "?", ".",
        "#n/a", "#name?", "#ref!", "#value!", "#div/0!", "#num!", "#null!",
    )
)  # fmt: skip
# What spreadsheets make of a text.
_DATE = re.compile(
    r"\d{1,2}-[A-Za-z]{3}(?:-\d{2,4})?|[A-Z][a-z]{2}-\d{2,4}|\d+(?:\.\d+)?E[+-]?\d+|\d+[.,]\d+|\d{1,4}([-/.])\d{1,2}\1\d{1,4}"
)
_MARKUP = re.compile(r"</?[A-Za-z][^<>]*>|&(?:#\d+|#x[0-9a-f]+|[a-z]+);", re.IGNORECASE)
# Sequences: HELM, FASTA, residues by three letters.
_HELM = re.compile(r"(?:PEPTIDE|RNA|CHEM|BLOB)\d+\{")
_RESIDUE = "(?:Ala|Arg|Asn|Asp|Cys|Gln|Glu|Gly|His|Ile|Leu|Lys|Met|Phe|Pro|Ser|Thr|Trp|Tyr|Val|pGlu|Orn)"
_PEPTIDE = re.compile(
    rf"(?:(?:H|Ac|Boc|Z|Fmoc)-)?(?:[DL]-)?{_RESIDUE}(?:-(?:[DL]-)?{_RESIDUE})*(?:-(?:OH|NH2|OMe|pNA|AMC))?"
)
# Groups as chemists abbreviate them.
_GROUP_NAME = re.compile(
    r"(?:i-?Pr|[nt]-?Bu|Et|Me|Ph|Ac|Bn|Bz|Ts|Tf|Boc|Cbz|Fmoc|TM?S|Bu|Pr)\d?(?=[A-Z(\-\[]|$)"
)
_MORE = re.compile(r"[;,|+&]")
# Formulas of acids, bases, water and metals, as salts are written after a dot, and their SMILES.
_SALT_PARTS = {
    "HCl": "Cl", "HBr": "Br", "HI": "I", "HF": "F", "H2O": "O", "NH3": "N", "NH4": "[NH4+]",
    "H2SO4": "OS(=O)(=O)O", "H3PO4": "OP(=O)(O)O", "HNO3": "O[N+](=O)[O-]", "HClO4": "OCl(=O)(=O)=O",
    "NaCl": "[Na+].[Cl-]", "KCl": "[K+].[Cl-]", "TFA": "OC(=O)C(F)(F)F", "NaOH": "[Na+].[OH-]",
    "Na": "[Na+]", "K": "[K+]", "Li": "[Li+]", "Ca": "[Ca+2]", "Mg": "[Mg+2]", "Zn": "[Zn+2]",
}  # fmt: skip
_SALT_PART = re.compile(rf"(?:[.·*]|^)\d*(?:\.5)?({'|'.join(_SALT_PARTS)})(?=[.·*]|$)")
_SYMBOL = re.compile(r"[A-Z][a-z]?")
_SYMBOLS = re.compile(r"(?:[A-Z][a-z]?\d*)+")
_TABLE = Chem.GetPeriodicTable()
_WITHOUT_BRACKETS = frozenset(("B", "C", "N", "O", "P", "S", "F", "Cl", "Br", "I"))


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
    if _MARKUP.search(text):
        return "this has marks of HTML or XML; give the SMILES as plain text"
    if text.startswith(">"):
        return "this seems to be a sequence in FASTA; give the compound's SMILES"
    if _REACTION.search(text):
        return "this is a reaction; give its molecules one by one"
    return ""


def likely_meaning(text: str, whole: str) -> str:
    """Say what a text seems to be that cannot be read as SMILES; empty if a SMILES with a slip.

    ``whole`` is the text with what follows its first blank.
    """
    if not text:
        return ""
    if text.lower() in _NO_VALUE or text == "NA":  # and not Na, sodium without its brackets
        return f"{text!r} stands for a missing value; give a SMILES"
    if text.isdigit():
        return _no_structure("a number alone, perhaps a database's", text)
    if _DATE.fullmatch(text):
        return _no_structure("a date or a number, perhaps of a spreadsheet", text)
    if text.startswith(("=", "+", "'")):
        return f"the text begins with {text[0]!r}, perhaps of a spreadsheet; leave it out"
    for form, what in (
        (_UNII, "a UNII"),
        (_KEY_BLOCK, "the first block of an InChIKey"),
        (_ATC, "an ATC code"),
        (_LAB_CODE, "a code"),
        (_HELM, "a sequence in HELM"),
        (_PEPTIDE, "a peptide by the names of its residues"),
    ):
        if form.match(text) if form is _HELM else form.fullmatch(text):
            return _no_structure(what, text)
    return _formula(text) or _several(text) or _named(text, whole)


def _formula(text: str) -> str:
    """Say that a text is the symbol of an element, a formula, or has one as a part."""
    part = _SALT_PART.search(text)
    if part and part[0] != text:
        return f"{part[1]!r} is a formula; in SMILES it is {_SALT_PARTS[part[1]]}"
    if _FORMULA.fullmatch(text):
        return "this seems to be a molecular formula, which many compounds share; give a SMILES"
    if not _SYMBOLS.fullmatch(text):
        return ""
    symbols = _SYMBOL.findall(text)
    if not all(_is_element(symbol) for symbol in symbols):
        return ""
    if len(symbols) == 1 and symbols[0] == text:
        return f"{text!r} is the symbol of an element; in SMILES it is in brackets, as [{text}] or [Na+]"
    if _WITHOUT_BRACKETS.issuperset(symbols):
        return ""
    known = _SALT_PARTS.get(text)
    return f"this seems to be a formula, {text!r}; give a SMILES" + (f", as {known}" if known else "")


def _is_element(symbol: str) -> bool:
    with captured_rdkit_log():
        try:
            return bool(_TABLE.GetAtomicNumber(symbol) > 0)
        except RuntimeError:
            return False


def _several(text: str) -> str:
    """Say that a text is several SMILES, parted by a sign that no SMILES has."""
    parts = [part.strip() for part in _MORE.split(text)]
    if len(parts) < 2 or not all(parts) or "[" in text:
        return ""
    with captured_rdkit_log():
        if any(Chem.MolFromSmiles(part, sanitize=False) is None for part in parts):
            return ""
    sign = _MORE.findall(text)[0]
    return f"several SMILES are parted by {sign!r}; give one, or join the parts of a salt by dots"


def _named(text: str, whole: str) -> str:
    """Say that a text is a name or an abbreviation, or has the abbreviation of a group."""
    if _ABBREVIATION.fullmatch(text):
        return _no_structure("an abbreviation", text)
    if _CAPITALS.fullmatch(text):
        return _no_structure("a name or a sequence in capital letters", text)
    if _GROUP.search(text):
        return "this has a group that stands for others, such as R; give a complete molecule"
    found = _GROUP_NAME.search(text)
    if found:
        return f"this has the abbreviation of a group, {found[0]!r}; write its atoms"
    words = [word for word in _WORD.findall(text) if not set(word.lower()) <= _AROMATIC]
    if words or _TWO_WORDS.fullmatch(whole) or _LOCANTS.fullmatch(text):
        return "this seems to be a name, not a SMILES; give the compound's SMILES"
    return ""


def _no_structure(what: str, text: str) -> str:
    return (
        f"this seems to be {what}, {text[:40]!r}, which holds no structure; give the compound's SMILES"
    )
