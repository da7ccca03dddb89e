"""SD files in: each structure becomes a SMILES; its title and properties become columns.

Source: the SDfile of "CTfile Formats" (BIOVIA).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

from service.errors import InvalidRequest
from service.tables.base import MAX_RECORD_BYTES, Carried, ParsedRows, Raw
from service.tables.schema import RecordSchema
from service.tables.splitting import RecordSplitter, sdf_records

_END = re.compile(r"^M  END[ \t]*\r?\n?", re.M)
_PROPERTY = re.compile(r"^>[^\n<]*<([^\n>]+)>[^\n]*\n?((?:[^\n]*\S[^\n]*\n?)*)", re.M)
_NAME = re.compile(rb"^>[^\n<]*<([^\n>]+)>", re.M)


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
            text = _text(record).replace("\r\n", "\n").replace("\r", "\n")
            carried, smiles = _carried(text), _smiles(text)
            if smiles is None:
                piece.refuse(carried, "the structure is not a molfile that RDKit can read")
            else:
                piece.add({"title": carried.pop("title"), "smiles": smiles} | carried, smiles)
        return piece


def open_sdf(file: BinaryIO, schema: RecordSchema) -> tuple[RecordSplitter, SdfParser]:
    """Return the source of the records and their parser.

    Raises ``InvalidRequest`` for a model that does not take molecules.
    """
    if not schema.is_smiles:
        raise InvalidRequest("an SD file holds molecules, which this model does not take")
    return RecordSplitter(file, 0, sdf_records, ("title", "smiles"), _names), SdfParser()


def _names(record: bytes) -> Iterator[str]:
    """Return the names of a record's properties."""
    return map(_text, _NAME.findall(record.replace(b"\r", b"\n")))


def _text(content: bytes) -> str:
    """Decode as UTF-8, or else as Latin-1, which decodes every byte: SD files declare no encoding."""
    try:
        return content.decode()
    except UnicodeDecodeError:
        return content.decode("latin-1")


def _carried(text: str) -> Carried:
    start = _END.search(text)
    carried: Carried = {"title": text.split("\n", 1)[0].strip()}
    for name, value in _PROPERTY.findall(text[start.end() :] if start else text):
        carried.setdefault(name, value.strip("\n"))
    return carried


def _smiles(text: str) -> str | None:
    """Return the structure as SMILES, or None; not sanitised, which is the featurizer's work."""
    from rdkit import Chem, rdBase  # not needed for the other kinds

    with rdBase.BlockLogs():
        try:
            molecule: Any = Chem.MolFromMolBlock(text, sanitize=False, removeHs=False)
            if molecule is None:
                return None
            molecule.UpdatePropertyCache(strict=False)
            smiles: str = Chem.MolToSmiles(molecule)
        except (RuntimeError, ValueError):  # how RDKit's C++ exceptions come out
            return None
    return smiles
