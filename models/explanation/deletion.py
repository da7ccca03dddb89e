"""Molecules with some of their atoms deleted, and the sets of atoms that are worth deleting.

Where a bond was cut, the atom that stays gets hydrogens. A deletion is itself a molecule, of which a
model can be asked: the difference is what the atoms did for the output. Groups are deleted beside single
atoms, because a ring without one of its atoms is still most of a ring to the features.
"""

from collections.abc import Iterator

from rdkit import Chem

#: Rings up to this size are deleted as one.
_LARGEST_RING = 8

Atoms = frozenset[int]


def kekulized(molecule: Chem.Mol) -> Chem.Mol:
    """A copy with single and double bonds instead of aromatic ones, of which atoms can be deleted."""
    copy = Chem.Mol(molecule)
    Chem.Kekulize(copy, clearAromaticFlags=True)
    return copy


def without(molecule: Chem.Mol, atoms: Atoms) -> Chem.Mol | None:
    """A ``kekulized`` molecule without these atoms, sanitised; None if that leaves no molecule."""
    if len(atoms) >= molecule.GetNumAtoms():
        return None
    left = Chem.RWMol(molecule)
    for index in atoms:
        for neighbor in left.GetAtomWithIdx(index).GetNeighbors():
            neighbor.SetNoImplicit(False)
    left.BeginBatchEdit()
    for index in atoms:
        left.RemoveAtom(index)
    left.CommitBatchEdit()
    made: Chem.Mol = left.GetMol()
    for atom in made.GetAtoms():
        atom.SetNumRadicalElectrons(0)
    try:
        Chem.SanitizeMol(made)
    except (Chem.MolSanitizeException, RuntimeError, ValueError):
        return None
    return made


def deletions(molecule: Chem.Mol, most: int) -> list[Atoms]:
    """At most ``most`` different sets of atoms to delete, none of them the whole molecule.

    Functional groups, rings and substituents come first, then single atoms, then each with its
    neighbours.
    """
    whole = molecule.GetNumAtoms()
    found = (atoms for atoms in _candidates(molecule) if 0 < len(atoms) < whole)
    return list(dict.fromkeys(found))[:most]


def _candidates(molecule: Chem.Mol) -> Iterator[Atoms]:
    yield from functional_groups(molecule)
    yield from (ring for ring in map(frozenset, _rings(molecule)) if len(ring) <= _LARGEST_RING)
    yield from _substituents(molecule)
    atoms = list(molecule.GetAtoms())
    yield from (frozenset((atom.GetIdx(),)) for atom in atoms)
    yield from (
        frozenset((atom.GetIdx(), *(other.GetIdx() for other in atom.GetNeighbors()))) for atom in atoms
    )


def functional_groups(molecule: Chem.Mol) -> list[Atoms]:
    """Heteroatoms and the carbons that are bound to them by several bonds or to each other so.

    P. Ertl, *An algorithm to identify functional groups in organic molecules*, J. Cheminform. 9 (2017)
    36: marked atoms that touch each other are one group. Aromatic atoms are not marked, acetal carbons
    are left out.
    """
    marked = set()
    for bond in molecule.GetBonds():
        if bond.GetBondType() in (Chem.BondType.DOUBLE, Chem.BondType.TRIPLE):
            marked |= {bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()}
    for atom in molecule.GetAtoms():
        if atom.GetAtomicNum() not in (1, 6):
            marked.add(atom.GetIdx())
    marked = {index for index in marked if not molecule.GetAtomWithIdx(index).GetIsAromatic()}
    return _connected(molecule, marked)


def _rings(molecule: Chem.Mol) -> Iterator[tuple[int, ...]]:
    yield from molecule.GetRingInfo().AtomRings()


def _substituents(molecule: Chem.Mol) -> Iterator[Atoms]:
    """What hangs on either side of each single bond outside rings, up to half of the molecule."""
    half = molecule.GetNumAtoms() // 2
    for bond in molecule.GetBonds():
        if bond.IsInRing() or bond.GetBondType() != Chem.BondType.SINGLE:
            continue
        begin, end = bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()
        for side, other in ((begin, end), (end, begin)):
            atoms = _side(molecule, side, other)
            if 1 < len(atoms) <= half:
                yield atoms


def _side(molecule: Chem.Mol, start: int, cut: int) -> Atoms:
    seen, waiting = {start}, [start]
    while waiting:
        for other in molecule.GetAtomWithIdx(waiting.pop()).GetNeighbors():
            index = other.GetIdx()
            if index not in seen and index != cut:
                seen.add(index)
                waiting.append(index)
    return frozenset(seen)


def _connected(molecule: Chem.Mol, atoms: set[int]) -> list[Atoms]:
    """The parts of some atoms that hang together."""
    parts, left = [], set(atoms)
    while left:
        part, waiting = set(), [min(left)]
        while waiting:
            index = waiting.pop()
            if index in left:
                left.discard(index)
                part.add(index)
                waiting += [other.GetIdx() for other in molecule.GetAtomWithIdx(index).GetNeighbors()]
        parts.append(frozenset(part))
    return parts
