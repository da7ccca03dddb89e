"""A record's text: SMILES or InChI, perhaps with a name after it; or something else, which is named.

Characters that cannot be seen, and the dashes that word processors make of a hyphen, are mended, since
they have one meaning. What is no notation of a molecule (an identifier, a reaction, a name) is told from
a SMILES with a slip, so that its sender knows what to give.
"""

import re
import unicodedata
from dataclasses import dataclass
from typing import Any

from rdkit import Chem

from models.features.molecules.rdkit_log import captured_rdkit_log
from models.features.molecules.reading import MAX_CHARACTERS, Unreadable, read_smiles
from models.features.molecules.text.identifiers import certain_meaning, likely_meaning

# Zero-width space, joiners and marks, word joiner, soft hyphen, byte order mark.
_INVISIBLE = frozenset("\u200b\u200c\u200d\u200e\u200f\u2060\u00ad\ufeff")
# Hyphens, dashes and the minus sign.
_DASHES = frozenset("\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe63\uff0d")
_SPACES = frozenset("\u00a0\u2007\u2009\u202f\u3000")
_QUOTES = "\"'\u2018\u2019\u201c\u201d\u00ab\u00bb`"

# What parts two SMILES that are meant as a mixture.
_JOINS = frozenset(("+", "&", "and", "x", "*", "/"))
_BLANKS = re.compile(r"[ \t]+")
_ALONE: Any = Chem.SmilesParserParams()
_ALONE.sanitize = False
_ALONE.parseName = False

_EXTENDED: Any = Chem.SmilesParserParams()
_EXTENDED.sanitize = False
_EXTENDED.removeHs = False
_EXTENDED.parseName = False
_EXTENDED.strictCXSMILES = False

_from_inchi: Any = Chem.MolFromInchi  # without types

_INCHI, _NO_SMILES = "InChI=", "not a valid SMILES"
_GREEK_NAME = re.compile(r"[\u03b1-\u03c9]+-?\w")
# The groups of CXSMILES that stand for a polymer: repeat units, monomers, and how units are joined.
_POLYMER = re.compile(r"Sg:(?:n|mon|mer|co|alt|blk|ran|grf|xl|any):")
_RADICAL = re.compile(r"\^[1-7]:\d")
_QUERY = re.compile(r"\[[^\]]*[#,;!&$][^\]]*\]|~|\[[^\]]*\([^\]]*\]")

#: Why a record with groups of a polymer is not judged.
POLYMER = "the record is a polymer, drawn as its repeat unit or monomer; the model judges molecules"


@dataclass(frozen=True, slots=True)
class Written:
    """A molecular graph that is not sanitised, its text without a name, and what was mended in it.

    ``reason`` is why the text stands for more than its molecule, empty if it does not.
    """

    molecule: Chem.Mol
    text: str
    mended: str
    reason: str = ""


def read_text(record: object) -> Written:
    """Parse a record; raises ``Unreadable`` if it is not the text of one molecule."""
    if not isinstance(record, str):
        raise Unreadable("a molecule is a SMILES string; give text")
    text, mended = (record.strip(), "") if record.isascii() else _mended(record)
    if text.startswith('="'):  # how a spreadsheet is told that a cell is text
        text = text[1:]
    if len(text) > 1 and text[0] in _QUOTES and text[-1] in _QUOTES:
        text = text[1:-1].strip()
    other = certain_meaning(text)
    if other:
        raise Unreadable(other)
    whole = text[:MAX_CHARACTERS]
    text, extensions = _without_name(text)
    if len(text) > MAX_CHARACTERS:
        raise Unreadable(f"the SMILES has {len(text)} characters; at most {MAX_CHARACTERS} are read")
    if _GREEK_NAME.match(text):
        raise Unreadable("this seems to be a name, not a SMILES; give the compound's SMILES")
    _check_characters(text)
    if text.startswith(_INCHI):
        return Written(_read_inchi(text), "", mended)
    try:
        molecule = read_smiles(text)
        if _RADICAL.search(extensions):
            text = _with_radicals(text, extensions)
            molecule = read_smiles(text)
        return Written(molecule, text, mended, POLYMER if _POLYMER.search(extensions) else "")
    except Unreadable as fault:
        told = _other_meaning(text, whole)
        if told:
            raise Unreadable(told) from fault
        raise


def explained(fault: Unreadable, text: str, record: str) -> Unreadable:
    """The fault of a text that RDKit parses, as ``Sn``, by what the text seems to be."""
    told = likely_meaning(text, record.strip()) if text and str(fault).startswith(_NO_SMILES) else ""
    return Unreadable(told) if told else fault


def _mended(record: str) -> tuple[str, str]:
    """A text without characters that cannot be seen and with plain hyphens; and what was done."""
    kept: list[str] = []
    mended = ""
    for place, character in enumerate(record, 1):
        if character in _INVISIBLE:
            mended = mended or f"{_named(character)} at character {place} was left out"
        elif character in _DASHES:
            mended = mended or f"{_named(character)} at character {place} was read as a hyphen"
            kept.append("-")
        else:
            kept.append(" " if character in _SPACES else character)
    return "".join(kept).strip(), mended


def _without_name(text: str) -> tuple[str, str]:
    """The part before the first space or tab, and the extensions of CXSMILES, if these follow it.

    A name may follow, too.

    Raises ``Unreadable`` where another SMILES follows.
    """
    notation, *rest = _BLANKS.split(text, maxsplit=1)
    if not rest or rest[0].startswith("|"):
        return notation, rest[0].partition("|")[2].partition("|")[0] if rest else ""
    name, *others = _BLANKS.split(rest[0], maxsplit=1)
    if name in _JOINS and others:
        name = _BLANKS.split(others[0], maxsplit=1)[0]
    with captured_rdkit_log():
        if len(name) <= MAX_CHARACTERS and all(
            Chem.MolFromSmiles(one, _ALONE) is not None for one in (name, notation)
        ):
            raise Unreadable("two SMILES are parted by a space; give one, or join its parts by a dot")
    return notation, ""


def _with_radicals(text: str, extensions: str) -> str:
    """The SMILES with the radicals of its extensions as atoms without their hydrogens."""
    with captured_rdkit_log():
        molecule: Chem.Mol | None = Chem.MolFromSmiles(f"{text} |{extensions}|", _EXTENDED)
        if molecule is None:
            raise Unreadable("the radicals of the CXSMILES cannot be read; write [O] or [CH2] for them")
        molecule.UpdatePropertyCache(strict=False)
        return Chem.MolToSmiles(molecule)


def _check_characters(text: str) -> None:
    """Raise ``Unreadable`` with the first character that no notation has, and its place."""
    if text.isascii() and text.isprintable():
        return
    for place, character in enumerate(text, 1):
        if not character.isascii() or not character.isprintable():
            raise Unreadable(
                f"not a valid SMILES: {_named(character)} at character {place} is no part of any SMILES"
            )


def _named(character: str) -> str:
    """A character as a phrase with its code point, such as ``ZERO WIDTH SPACE (U+200B)``."""
    return f"{unicodedata.name(character, 'the character')} (U+{ord(character):04X})"


def _read_inchi(text: str) -> Chem.Mol:
    with captured_rdkit_log():
        molecule: Chem.Mol | None = _from_inchi(text, sanitize=False, removeHs=False)
    if molecule is None:
        raise Unreadable("not a valid InChI; check that it is whole, or give a SMILES")
    return molecule


def _other_meaning(text: str, whole: str) -> str:
    """What a text that is no SMILES seems to be; empty if a SMILES with a slip."""
    if _QUERY.search(text):
        with captured_rdkit_log():
            if Chem.MolFromSmarts(text) is not None:
                return "this is a SMARTS pattern, which is no molecule; give a SMILES"
    return likely_meaning(text, whole)
