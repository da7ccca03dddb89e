"""Reading a molecule: from a SMILES to a sanitised molecular graph, within limits.

To keep hostile input cheap, limits on text, atoms and rings are checked on the molecular graph before
any perception, and RDKit's log messages are captured instead of printed.
"""

import re
from collections.abc import Iterable
from typing import Any

from rdkit import Chem

from models.features.molecules.rdkit_log import captured_rdkit_log
from models.features.molecules.repair import repair
from models.features.molecules.ring_check import FEW_RINGS, has_more_shortest_paths, ring_count

MAX_CHARACTERS = 2_000
MAX_HEAVY_ATOMS = 200
MAX_RINGS = 60
MAX_RING_PATHS = 32  # as many as γ-cyclodextrin has

_LONGEST_REASON = 120

_PARSING: Any = Chem.SmilesParserParams()
_PARSING.sanitize = False
_PARSING.removeHs = False
_PARSING.allowCXSMILES = False
_PARSING.parseName = False

HYDROGENS: Any = Chem.RemoveHsParameters()
HYDROGENS.showWarnings = False

_ATOM_MAP = re.compile(r":\d+\]")
_REASON = re.compile(r"SMILES Parse Error: (.*?)(?: while parsing: .*| for input: .*)?$", re.M)
_VALENCE = re.compile(r"Explicit valence for atom # (\d+) (\w+), (\d+), is greater than permitted")
_POSITION = re.compile(r"around position (\d+)")


class Unreadable(Exception):
    """A record that is no molecule, or none that can be predicted; the text is for the client."""


def read_smiles(record: object) -> Chem.Mol:
    """Parse a SMILES into a molecular graph that is not sanitised.

    Raises ``Unreadable`` if ``record`` is not a string, is blank, has more than ``MAX_CHARACTERS``
    characters, or is not grammatical.
    """
    if not isinstance(record, str):
        raise Unreadable("a molecule is a SMILES string; give text")
    text = record.strip()
    if not text:
        raise Unreadable("the SMILES is empty; give a molecule")
    if len(text) > MAX_CHARACTERS:
        raise Unreadable(f"the SMILES has {len(text)} characters; at most {MAX_CHARACTERS} are read")
    if not text.isascii() or not text.isprintable():
        raise Unreadable("not a valid SMILES: it holds characters that no SMILES has")
    with captured_rdkit_log() as messages:
        molecule = Chem.MolFromSmiles(text, _PARSING)
    if molecule is None:
        raise Unreadable(f"not a valid SMILES: {_reason(messages)}")
    if _ATOM_MAP.search(text):
        for atom in molecule.GetAtoms():
            atom.SetAtomMapNum(0)
    return molecule


def parent(smiles: str) -> Chem.Mol:
    """The sanitised molecule of a canonical SMILES that ``standardise`` returned.

    Features are computed from this molecule and not from the record's own graph, so that they do not
    depend on the order in which the record gives its atoms. Raises RDKit's ``MolSanitizeException`` if
    the molecule does not sanitise.
    """
    molecule = Chem.MolFromSmiles(smiles, _PARSING)
    Chem.SanitizeMol(molecule)
    keep_smallest_rings(molecule)
    return molecule


def keep_smallest_rings(molecule: Chem.Mol) -> None:
    """Reduce the rings to one smallest set where RDKit lists very many equivalent ones.

    γ-cyclodextrin has 2⁸ of them, and some descriptors compare all pairs of rings.
    """
    if molecule.GetRingInfo().NumRings() > MAX_RINGS:
        Chem.GetSSSR(molecule)


def check_size(molecule: Chem.Mol) -> None:
    """Raise ``Unreadable`` for a molecule without a heavy atom, or beyond the limits of this module."""
    heavy = molecule.GetNumHeavyAtoms()
    if not heavy:
        raise Unreadable("the molecule has no heavy atom; give one that has")
    if heavy > MAX_HEAVY_ATOMS:
        raise Unreadable(f"the molecule has {heavy} heavy atoms; at most {MAX_HEAVY_ATOMS} are judged")
    rings = ring_count(molecule)
    if rings > MAX_RINGS:
        raise Unreadable(f"the molecule has {rings} rings; at most {MAX_RINGS} are judged")
    if rings >= FEW_RINGS and has_more_shortest_paths(molecule, MAX_RING_PATHS):
        raise Unreadable("the molecule's rings close in too many equal ways to be judged")


def sanitised(molecule: Chem.Mol, written: str = "") -> tuple[Chem.Mol, str]:
    """The sanitised molecule, and what was repaired in it; raises ``Unreadable``.

    ``written`` is the SMILES that ``molecule`` was read from, if any: then no copy is made of it, for
    the SMILES is read again in the rare case that it has to be repaired.
    """
    as_read = None if written else Chem.Mol(molecule)
    try:
        Chem.SanitizeMol(molecule)
    except Chem.MolSanitizeException as error:
        if as_read is None:
            as_read = read_smiles(written)
            Chem.RemoveStereochemistry(as_read)
        repaired = repair(as_read)
        if repaired is None:
            raise Unreadable(f"not a valid SMILES: {_fault(error)}") from error
        return repaired
    return molecule, ""


def _reason(messages: Iterable[str]) -> str:
    """RDKit's first parse error as a phrase, without the SMILES that it quotes."""
    log = "\n".join(messages)
    match = _REASON.search(log)
    reason = match.group(1) if match else "RDKit cannot parse it"
    position = _POSITION.search(log)
    return f"{reason} around position {position.group(1)}" if position else reason


def _fault(error: Exception) -> str:
    """What is wrong with a valence, by the atom's place; RDKit's own message for anything else."""
    found = _VALENCE.search(str(error))
    if found is None:
        return sentence(error)
    place, symbol, bonds = int(found[1]) + 1, found[2], found[3]
    asks = "; is its charge missing, as in [N+]?" if symbol == "N" else ""
    return f"atom {place}, {symbol}, has {bonds} bonds, more than it can have{asks}"


def sentence(error: Exception) -> str:
    """RDKit's message on one line, cut to ``_LONGEST_REASON`` characters: it may list many atoms."""
    message = " ".join(str(error).split())
    return message if len(message) <= _LONGEST_REASON else message[:_LONGEST_REASON] + "…"
