"""SD files in: each structure becomes a SMILES; its title and properties become columns.

Source: the SDfile of "CTfile Formats" (BIOVIA).
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, BinaryIO

from service.errors import InvalidRequest
from service.tables.base import MAX_RECORD_BYTES, ParsedRows, Raw
from service.tables.schema import RecordSchema, unique
from service.tables.splitting import RecordSplitter, sdf_records

_END = re.compile(r"^M  END[ \t]*$", re.M)
#: A data header, with the name in angle brackets or a field number such as ``DT12``.
_HEADER = re.compile(r">(?:[^<]*<([^>]*)>|[ \t]*(DT\d+)[ \t]*$|[ \t]*(?:\(?\d+\)?)?[ \t]*$)")
#: Lines of a molfile above its table of atoms, which may be blank.
_HEAD_LINES = 4
_TITLE, _SMILES = "title", "smiles"


@dataclass(frozen=True, slots=True)
class SdfParser:
    """Parses records of an SD file."""

    def parse(self, raw: Raw) -> ParsedRows:
        """Parse structures, in order."""
        piece = ParsedRows()
        for record in raw:
            if len(record) > MAX_RECORD_BYTES:
                piece.refuse({}, f"the record is longer than {MAX_RECORD_BYTES} bytes")
                continue
            text = _normal(record)
            block, data = _parted(text)
            title, found = text.split("\n", 1)[0].strip(), _smiles(block)
            if found is None:
                piece.refuse({_TITLE: title, **_properties(data)}, _fault(title))
            else:
                smiles, polymer = found
                piece.add({_TITLE: title, _SMILES: smiles, **_properties(data)}, smiles + polymer)
        return piece


def open_sdf(file: BinaryIO, schema: RecordSchema) -> tuple[RecordSplitter, SdfParser]:
    """Return the source of the records and their parser.

    Raises ``InvalidRequest`` for a model that does not take molecules.
    """
    if not schema.is_smiles:
        raise InvalidRequest("an SD file holds molecules, which this model does not take")
    return RecordSplitter(file, 0, sdf_records, (_TITLE, _SMILES), _names), SdfParser()


def _fault(title: str) -> str:
    """Say what a record is that is no structure."""
    if title.startswith(("$RXN", "$RDFILE")):
        return "this is a file of reactions; give their molecules as an SD file"
    return "the structure is not a molfile that RDKit can read"


def _names(record: bytes) -> Iterable[str]:
    """Return the names of a record's properties."""
    return _properties(_parted(_normal(record))[1])


def _normal(record: bytes) -> str:
    return _text(record).replace("\r\n", "\n").replace("\r", "\n")


def _text(content: bytes) -> str:
    """Decode as UTF-8, or else as Latin-1, which decodes every byte: SD files declare no encoding."""
    try:
        return content.decode()
    except UnicodeDecodeError:
        return content.decode("latin-1")


def _parted(text: str) -> tuple[str, str]:
    """Return a record's molfile, without blank lines among its tables, and its data."""
    end = _END.search(text)
    lines = text[: end.end()].split("\n") if end else text.split("\n")
    head, tables = lines[:_HEAD_LINES], lines[_HEAD_LINES:]
    block = "\n".join([*head, *(line for line in tables if line.strip())])
    return block, text[end.end() :] if end else text


def _properties(data: str) -> dict[str, str]:
    """Return the properties by names that are all different, and differ from those of the structure.

    A value may have several paragraphs: it ends at the next header.
    """
    names: list[str] = []
    values: list[list[str]] = []
    for line in data.split("\n"):
        header = _HEADER.match(line)
        if header:
            names.append((header[1] or header[2] or "").strip() or "property")
            values.append([])
        elif values:
            values[-1].append(line)
    different = unique([_TITLE, _SMILES, *names])[2:]
    return {name: "\n".join(lines).strip("\n") for name, lines in zip(different, values, strict=True)}


def _smiles(text: str) -> tuple[str, str] | None:
    """Return the structure as SMILES and the extensions of a polymer, or None.

    It is not sanitised, which is the featurizer's work. The extensions are empty for a molecule; they
    are those of CXSMILES, which a list of SMILES has too.
    """
    from rdkit import Chem, rdBase  # not needed for the other kinds

    with rdBase.BlockLogs():
        try:
            molecule: Any = Chem.MolFromMolBlock(text, sanitize=False, removeHs=False)
            if molecule is None:
                return None
            _mark_aromatic(molecule)
            molecule.UpdatePropertyCache(strict=False)
            smiles: str = Chem.MolToSmiles(molecule)
            polymer = ""
            if Chem.GetMolSubstanceGroups(molecule):
                fields: Any = Chem.CXSmilesFields.CX_POLYMER
                written: str = Chem.MolToCXSmiles(molecule, Chem.SmilesWriteParams(), fields)
                polymer = written[len(smiles) :]
        except (RuntimeError, ValueError):  # how RDKit's C++ exceptions come out
            return None
    return smiles, polymer


def _mark_aromatic(molecule: Any) -> None:
    """Mark the atoms of aromatic bonds, so that a nitrogen that lacks its hydrogen can be given it."""
    for bond in molecule.GetBonds():
        if bond.GetIsAromatic():
            bond.GetBeginAtom().SetIsAromatic(True)
            bond.GetEndAtom().SetIsAromatic(True)
