"""From a SMILES to the parent: the one neutral organic molecule that the features describe.

A Tox21 record is a sample: a salt, a hydrate, one stereoisomer. Features describe its parent, by the
rules of RDKit's MolStandardize: clean up (disconnect metals, normalise groups, reionise), keep the
largest organic fragment, neutralise it, and remove stereo, isotopes and atom maps. A molecule without
metals, charges (except nitro groups), S or P of degree three, or a second fragment does not change,
so it skips these steps.

To keep hostile input cheap, limits on text, atoms and rings are checked on the molecular graph before
any perception, and RDKit's log messages are captured instead of printed.
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

_HYDROGENS: Any = Chem.RemoveHsParameters()
_HYDROGENS.showWarnings = False

# Atoms that standardisation can change or that a parent does not have: isotopes, charges outside
# nitro groups, three-coordinate S and P (sulfoxides may be written charge-separated), and all elements
# but the common non-metals (that is metals, which are disconnected, and wildcards).
_CAN_CHANGE = Chem.MolFromSmarts(
    "[!0*,!+0&!$([N+](=O)[O-])&!$([O-][N+]=O)"
    ",!#1&!#5&!#6&!#7&!#8&!#9&!#14&!#15&!#16&!#17&!#34&!#35&!#53,#16X3,#15X3]"
)
_CARBON = Chem.MolFromSmarts("[#6]")
_ATOM_MAP = re.compile(r":\d+\]")
_REASON = re.compile(r"SMILES Parse Error: (.*?)(?: while parsing: .*| for input: .*)?$", re.M)
_POSITION = re.compile(r"around position (\d+)")

# The steps of rdMolStandardize.Cleanup, which builds these objects anew for every molecule.
_disconnector = rdMolStandardize.MetalDisconnector()
_normalizer = rdMolStandardize.Normalizer()
_reionizer = rdMolStandardize.Reionizer()
_uncharger = rdMolStandardize.Uncharger()


class Unreadable(Exception):
    """A record that is no molecule, or none that can be predicted; the text is for the client."""


@dataclass(frozen=True, slots=True)
class Standardised:
    """A parent and how it differs from the record.

    ``parent`` is sanitised, with its atoms in the order of ``smiles``, its canonical SMILES.
    ``removed``: the canonical SMILES of the other fragments, in alphabetical order.
    ``repaired``: what was repaired in the record; empty if nothing was.
    """

    parent: Chem.Mol
    smiles: str
    removed: tuple[str, ...]
    repaired: str


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


def standardise(molecule: Chem.Mol, written: str = "") -> Standardised:
    """The parent of a molecule that is not sanitised yet; changes ``molecule``.

    ``written`` is the SMILES that was read, if any: one that is already canonical is not parsed again.
    Raises ``Unreadable`` if the molecule exceeds ``MAX_HEAVY_ATOMS``, ``MAX_RINGS`` or
    ``MAX_RING_PATHS``, has no heavy atom, has a wildcard atom, or has impossible valences that
    ``repair`` cannot repair.
    """
    _check_size(molecule)
    Chem.RemoveStereochemistry(molecule)
    with captured_rdkit_log():
        molecule, repaired = _sanitised(molecule)
        can_change = molecule.HasSubstructMatch(_CAN_CHANGE)
        if can_change:
            for atom in molecule.GetAtoms():
                atom.SetIsotope(0)
        if molecule.GetNumAtoms() != molecule.GetNumHeavyAtoms():
            molecule = Chem.RemoveHs(molecule, _HYDROGENS)
        if can_change:
            return _fully_standardised(molecule, repaired)
        molecule, smiles, removed = _largest(molecule)
        if smiles == written:
            _keep_smallest_rings(molecule)
        else:
            try:
                molecule = parent(smiles)
            except Chem.MolSanitizeException as error:  # huge ring systems, in another order
                raise Unreadable(f"not a valid SMILES: {_sentence(error)}") from error
        return Standardised(molecule, smiles, removed, repaired)


def parent(smiles: str) -> Chem.Mol:
    """The sanitised molecule of a canonical SMILES that ``standardise`` returned.

    Features are computed from this molecule and not from the record's own graph, so that they do not
    depend on the order in which the record gives its atoms. Raises RDKit's ``MolSanitizeException`` if
    the molecule does not sanitise.
    """
    molecule = Chem.MolFromSmiles(smiles, _PARSING)
    Chem.SanitizeMol(molecule)
    _keep_smallest_rings(molecule)
    return molecule


def _keep_smallest_rings(molecule: Chem.Mol) -> None:
    """Reduce the rings to one smallest set where RDKit lists very many equivalent ones.

    γ-cyclodextrin has 2⁸ of them, and some descriptors compare all pairs of rings.
    """
    if molecule.GetRingInfo().NumRings() > MAX_RINGS:
        Chem.GetSSSR(molecule)


def _fully_standardised(molecule: Chem.Mol, repaired: str) -> Standardised:
    """Clean up, keep the largest organic fragment, neutralise.

    In rare cases neutralising (the rings of a metallocene) or cleaning up (sydnone imines) leaves an
    aromatic ring that does not sanitise. The parent is then the form before that step.
    """
    if any(atom.GetAtomicNum() == 0 for atom in molecule.GetAtoms()):
        raise Unreadable("the SMILES holds a wildcard atom; give a complete molecule")
    cleaned = Chem.Mol(molecule)
    _disconnector.DisconnectInPlace(cleaned)
    _normalizer.normalizeInPlace(cleaned)
    _reionizer.reionizeInPlace(cleaned)
    for form, neutralise in ((cleaned, True), (cleaned, False), (molecule, False)):
        fragment, smiles, removed = _largest(form)
        if neutralise:
            smiles = Chem.MolToSmiles(_uncharger.uncharge(fragment))
        try:
            return Standardised(parent(smiles), smiles, removed, repaired)
        except Chem.MolSanitizeException:
            continue
    raise Unreadable("the molecule cannot be standardised; give its neutral parent")


def _reason(messages: Iterable[str]) -> str:
    """RDKit's first parse error as a phrase, without the SMILES that it quotes."""
    log = "\n".join(messages)
    match = _REASON.search(log)
    reason = match.group(1) if match else "RDKit cannot parse it"
    position = _POSITION.search(log)
    return f"{reason} around position {position.group(1)}" if position else reason


def _sentence(error: Exception) -> str:
    """RDKit's message on one line, cut to ``_LONGEST_REASON`` characters: it may list many atoms."""
    message = " ".join(str(error).split())
    return message if len(message) <= _LONGEST_REASON else message[:_LONGEST_REASON] + "…"


def _check_size(molecule: Chem.Mol) -> None:
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


def _sanitised(molecule: Chem.Mol) -> tuple[Chem.Mol, str]:
    """The sanitised molecule, and what was repaired in it; raises ``Unreadable``."""
    as_read = Chem.Mol(molecule)
    try:
        Chem.SanitizeMol(molecule)
    except Chem.MolSanitizeException as error:
        repaired = repair(as_read)
        if repaired is None:
            raise Unreadable(f"not a valid SMILES: {_sentence(error)}") from error
        return repaired
    return molecule, ""


def _largest(molecule: Chem.Mol) -> tuple[Chem.Mol, str, tuple[str, ...]]:
    """The largest organic fragment, its canonical SMILES, and the SMILES of the others.

    The order is that of rdMolStandardize.LargestFragmentChooser: organic before inorganic, then by
    number of atoms, by mass, and by SMILES.
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
            index,
        )
        for index, fragment in enumerate(fragments)
    )
    others = tuple(sorted(smiles for *_, smiles, _ in ranked[1:]))
    *_, smiles, index = ranked[0]
    return fragments[index], smiles, others
