"""From a SMILES to the parent: the one neutral organic molecule that the features describe.

A Tox21 record is a sample: a salt, a hydrate, one stereoisomer. What is compared is its parent,
by the rules of RDKit's MolStandardize: clean up (disconnect metals, normalise groups, reionise),
keep the largest organic fragment, neutralise it, and leave out stereo, isotopes and atom maps.
A molecule without metals, charges (nitro groups aside), S or P of degree three, or a second
fragment comes out of that as it went in, so it takes a short cut.

Two things keep hostile input cheap: limits on text, atoms and rings are checked on the bare
graph, before any perception; and RDKit's complaints are heard rather than printed.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from rdkit import Chem
from rdkit.Chem import rdMolDescriptors
from rdkit.Chem.MolStandardize import rdMolStandardize

from models.features.molecules.rdkit_log import captured_rdkit_log
from models.features.molecules.repair import repair
from models.features.molecules.ring_check import FEW_RINGS, joins_atoms_in_more_ways, ring_count

MAX_CHARACTERS = 2_000
MAX_HEAVY_ATOMS = 200
MAX_RINGS = 60
MAX_RING_PATHS = 32  # γ-cyclodextrin has as many

_LONGEST_REASON = 120

_PARSING: Any = Chem.SmilesParserParams()
_PARSING.sanitize = False
_PARSING.removeHs = False
_PARSING.allowCXSMILES = False
_PARSING.parseName = False

_HYDROGENS: Any = Chem.RemoveHsParameters()
_HYDROGENS.showWarnings = False

# Atoms that standardising might change, or that have no place in a parent: isotopes, charges
# outside nitro groups, three-coordinate S and P (sulfoxides are written charge-separated), and
# all elements but the common non-metals (so metals, which are disconnected, and wildcards).
_NEEDS_CARE = Chem.MolFromSmarts(
    "[!0*,!+0&!$([N+](=O)[O-])&!$([O-][N+]=O)"
    ",!#1&!#5&!#6&!#7&!#8&!#9&!#14&!#15&!#16&!#17&!#34&!#35&!#53,#16X3,#15X3]"
)
_CARBON = Chem.MolFromSmarts("[#6]")
_ATOM_MAP = re.compile(r":\d+\]")
_REASON = re.compile(r"SMILES Parse Error: (.*?)(?: while parsing: .*| for input: .*)?$", re.M)
_POSITION = re.compile(r"around position (\d+)")

# What rdMolStandardize.Cleanup does, without building these for every molecule.
_disconnector = rdMolStandardize.MetalDisconnector()
_normalizer = rdMolStandardize.Normalizer()
_reionizer = rdMolStandardize.Reionizer()
_uncharger = rdMolStandardize.Uncharger()


class Unreadable(Exception):
    """A record that is not a molecule to judge; the text is the sentence for the client."""


@dataclass(frozen=True, slots=True)
class Standardised:
    """A parent and how it was reached.

    ``parent`` is sanitised, with atoms in the order of ``smiles``, its canonical SMILES;
    ``removed`` are the canonical SMILES of the fragments left out, in alphabetical order;
    ``repaired`` says what was mended in the record, and is empty where nothing was.
    """

    parent: Chem.Mol
    smiles: str
    removed: tuple[str, ...]
    repaired: str


def read_smiles(record: object) -> Chem.Mol:
    """The bare graph of a SMILES, not sanitised; ``Unreadable`` for anything else.

    Checked here: that it is a string, not blank, of at most ``MAX_CHARACTERS`` characters, and
    that its grammar is sound.
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
    with captured_rdkit_log() as heard:
        molecule = Chem.MolFromSmiles(text, _PARSING)
    if molecule is None:
        raise Unreadable(f"not a valid SMILES: {_reason(heard)}")
    if _ATOM_MAP.search(text):
        for atom in molecule.GetAtoms():
            atom.SetAtomMapNum(0)
    return molecule


def standardise(molecule: Chem.Mol, written: str = "") -> Standardised:
    """The parent of a molecule that is not sanitised yet; ``molecule`` is used up.

    ``written`` is the SMILES it was read from, if any: one that is canonical already is not read
    again. Raises ``Unreadable`` beyond the limits above, for wildcard atoms, where valences are
    impossible and not mended by ``repair``, and where no heavy atom is left.
    """
    _check_size(molecule)
    Chem.RemoveStereochemistry(molecule)
    with captured_rdkit_log():
        molecule, repaired = _sanitised(molecule)
        care = molecule.HasSubstructMatch(_NEEDS_CARE)
        if care:
            for atom in molecule.GetAtoms():
                atom.SetIsotope(0)
        if molecule.GetNumAtoms() != molecule.GetNumHeavyAtoms():
            molecule = Chem.RemoveHs(molecule, _HYDROGENS)
        if care:
            return _standardised_with_care(molecule, repaired)
        molecule, smiles, removed = _largest(molecule)
        if smiles == written:
            _leave_out_equal_rings(molecule)
        else:
            try:
                molecule = parent(smiles)
            except Chem.MolSanitizeException as error:  # huge ring systems, in another order
                raise Unreadable(f"not a valid SMILES: {_sentence(error)}") from error
        return Standardised(molecule, smiles, removed, repaired)


def parent(smiles: str) -> Chem.Mol:
    """The sanitised molecule of a canonical SMILES that ``standardise`` gave.

    Features are taken from this rather than from the record's own graph, so that they cannot
    depend on the order in which its atoms were written.
    """
    molecule = Chem.MolFromSmiles(smiles, _PARSING)
    Chem.SanitizeMol(molecule)
    _leave_out_equal_rings(molecule)
    return molecule


def _leave_out_equal_rings(molecule: Chem.Mol) -> None:
    """Keep a smallest set of rings where RDKit added very many equal alternatives.

    γ-cyclodextrin gets 2⁸ rings that way, and some descriptors compare all pairs of rings.
    """
    if molecule.GetRingInfo().NumRings() > MAX_RINGS:
        Chem.GetSSSR(molecule)


def _standardised_with_care(molecule: Chem.Mol, repaired: str) -> Standardised:
    """The whole way: clean up, largest organic fragment, neutralise.

    Here and there neutralising (the rings of a metallocene) or cleaning up (sydnone imines)
    leaves an aromatic ring that is none; the last sound form before that step is the parent.
    """
    if any(atom.GetAtomicNum() == 0 for atom in molecule.GetAtoms()):
        raise Unreadable("the SMILES holds a wildcard atom; give a complete molecule")
    cleaned = Chem.Mol(molecule)
    _disconnector.DisconnectInPlace(cleaned)
    _normalizer.normalizeInPlace(cleaned)
    _reionizer.reionizeInPlace(cleaned)
    for start, neutralise in ((cleaned, True), (cleaned, False), (molecule, False)):
        chosen, smiles, removed = _largest(start)
        if neutralise:
            chosen = _uncharger.uncharge(chosen)
            smiles = Chem.MolToSmiles(chosen)
        try:
            return Standardised(parent(smiles), smiles, removed, repaired)
        except Chem.MolSanitizeException:
            continue
    raise Unreadable("the molecule cannot be standardised; give its neutral parent")


def _reason(heard: Iterable[str]) -> str:
    """RDKit's first complaint as half a sentence, without the SMILES that it quotes."""
    log = "\n".join(heard)
    found = _REASON.search(log)
    reason = found.group(1) if found else "RDKit cannot parse it"
    position = _POSITION.search(log)
    return f"{reason} around position {position.group(1)}" if position else reason


def _sentence(error: Exception) -> str:
    """RDKit's own words, cut where they list hundreds of atoms."""
    words = " ".join(str(error).split())
    return words if len(words) <= _LONGEST_REASON else words[:_LONGEST_REASON] + "…"


def _check_size(molecule: Chem.Mol) -> None:
    heavy = molecule.GetNumHeavyAtoms()
    if not heavy:
        raise Unreadable("the molecule has no heavy atom; give one that has")
    if heavy > MAX_HEAVY_ATOMS:
        raise Unreadable(f"the molecule has {heavy} heavy atoms; at most {MAX_HEAVY_ATOMS} are judged")
    rings = ring_count(molecule)
    if rings > MAX_RINGS:
        raise Unreadable(f"the molecule has {rings} rings; at most {MAX_RINGS} are judged")
    if rings >= FEW_RINGS and joins_atoms_in_more_ways(molecule, MAX_RING_PATHS):
        raise Unreadable("the molecule's rings close in too many equal ways to be judged")


def _sanitised(molecule: Chem.Mol) -> tuple[Chem.Mol, str]:
    """The molecule with valences, rings and aromaticity perceived, and what was mended for it."""
    as_read = Chem.Mol(molecule)
    try:
        Chem.SanitizeMol(molecule)
    except Chem.MolSanitizeException as error:
        mended = repair(as_read)
        if mended is None:
            raise Unreadable(f"not a valid SMILES: {_sentence(error)}") from error
        return mended
    return molecule, ""


def _largest(molecule: Chem.Mol) -> tuple[Chem.Mol, str, tuple[str, ...]]:
    """The largest organic fragment, its canonical SMILES, and those of the others.

    The order of rdMolStandardize.LargestFragmentChooser: organic before inorganic, then more
    atoms, then more mass, then the SMILES that comes first in the alphabet.
    """
    if len(Chem.GetMolFrags(molecule)) == 1:
        return molecule, Chem.MolToSmiles(molecule), ()
    fragments = Chem.GetMolFrags(molecule, asMols=True)
    ranked = sorted(
        (
            not fragment.HasSubstructMatch(_CARBON),
            -rdMolDescriptors.CalcNumAtoms(fragment),
            -rdMolDescriptors.CalcExactMolWt(fragment),
            Chem.MolToSmiles(fragment),
            place,
        )
        for place, fragment in enumerate(fragments)
    )
    others = tuple(sorted(smiles for *_, smiles, _ in ranked[1:]))
    *_, smiles, place = ranked[0]
    return fragments[place], smiles, others
