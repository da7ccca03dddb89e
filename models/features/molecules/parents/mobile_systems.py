"""Mobile systems: the atoms of a molecule that share hydrogens and double bonds.

Two kinds of groups make them: aromatic ring systems with nitrogen, with the N, O, S and Se that are
bound to their rings with nitrogen; and a carbon between two of these atoms, of which one is a nitrogen,
as in amides and amidines. Groups with an atom in common are one system.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from rdkit import Chem

CARBON, NITROGEN, OXYGEN = 6, 7, 8
_MOBILE = frozenset((NITROGEN, OXYGEN, 16, 34))
_PYRROLE = 5


@dataclass(slots=True)
class MobileSystem:
    """Atoms that share mobile hydrogens and double bonds, by index.

    ``bound`` atoms have a double bond in every form; ``mobile`` ones have it or a hydrogen. ``edges``:
    the neighbours to which an atom's bond can be double.
    """

    bound: set[int] = field(default_factory=set)
    mobile: set[int] = field(default_factory=set)
    edges: dict[int, set[int]] = field(default_factory=lambda: defaultdict(set))

    def link(self, first: int, second: int) -> None:
        """Let the bond between two atoms be double."""
        self.edges[first].add(second)
        self.edges[second].add(first)

    def drop(self, index: int) -> None:
        """Leave out an atom, whose double bond is with an atom outside the system."""
        for other in self.edges.pop(index, ()):
            self.edges[other].discard(index)
        self.bound.discard(index)
        self.mobile.discard(index)

    def parts(self) -> Iterator["MobileSystem"]:
        """Yield the connected parts."""
        left = self.bound | self.mobile
        while left:
            reached, front = set(), [left.pop()]
            while front:
                index = front.pop()
                reached.add(index)
                front += self.edges[index] - reached
            left -= reached
            edges = {index: self.edges[index] for index in reached}
            yield MobileSystem(self.bound & reached, self.mobile & reached, edges)


def mobile_systems(molecule: Chem.Mol, form: Chem.Mol) -> MobileSystem:
    """All mobile systems of a molecule as one; ``form`` is its Kekulé structure."""
    system = MobileSystem()
    with_nitrogen = _aromatic_rings(molecule, system)
    for bond in form.GetBonds():
        ends = (bond.GetBeginAtom(), bond.GetEndAtom())
        for carbon, other in (ends, ends[::-1]):
            if carbon.GetAtomicNum() != CARBON or not _may_be_mobile(other):
                continue
            index = carbon.GetIdx()
            if index in with_nitrogen and not molecule.GetAtomWithIdx(other.GetIdx()).GetIsAromatic():
                system.mobile.add(other.GetIdx())
                system.link(index, other.GetIdx())
            elif bond.GetBondType() == Chem.BondType.DOUBLE and not carbon.GetIsAromatic():
                _add_centre(system, molecule.GetAtomWithIdx(index), form)
    for index in list(system.bound | system.mobile):
        partner = double_partner(form, index)
        atom = form.GetAtomWithIdx(index)
        lacks = partner is None and (index in system.bound or not atom.GetTotalNumHs())
        if lacks or (partner is not None and partner not in system.edges[index]):
            system.drop(index)
    return system


def _aromatic_rings(molecule: Chem.Mol, system: MobileSystem) -> set[int]:
    """Add the aromatic ring systems with nitrogen; return the atoms of their rings with nitrogen."""
    all_rings = [set(ring) for ring in molecule.GetRingInfo().AtomRings()]
    rings = [
        ring
        for ring in all_rings
        if all(molecule.GetAtomWithIdx(index).GetIsAromatic() for index in ring)
    ]

    def holds_nitrogen(ring: set[int]) -> bool:
        return any(molecule.GetAtomWithIdx(index).GetAtomicNum() == NITROGEN for index in ring)

    with_nitrogen = set[int]().union(*filter(holds_nitrogen, rings))
    reached = with_fused(with_nitrogen, rings)
    for ring in all_rings:
        if len(ring) == _PYRROLE and _completes_macrocycle(molecule, ring, reached):
            rings.append(ring)
            reached |= ring
    for index in reached:
        atom = molecule.GetAtomWithIdx(index)
        if atom.GetAtomicNum() == NITROGEN and not atom.GetFormalCharge() and atom.GetDegree() == 2:
            system.mobile.add(index)
        else:
            system.bound.add(index)
    for ring in rings:
        if ring <= reached:
            for index in ring:
                for neighbour in molecule.GetAtomWithIdx(index).GetNeighbors():
                    if neighbour.GetIdx() in ring:
                        system.link(index, neighbour.GetIdx())
    return with_nitrogen


def _completes_macrocycle(molecule: Chem.Mol, ring: set[int], reached: set[int]) -> bool:
    """Whether a ring has an aromatic C-N-C and a double bond beside it, as two in a porphyrin have.

    RDKit leaves that bond out of the aromatic macrocycle; which rings have it depends on the drawing.
    """
    beside = [molecule.GetAtomWithIdx(index) for index in ring - reached]
    if len(beside) != 2:
        return False
    bond = molecule.GetBondBetweenAtoms(beside[0].GetIdx(), beside[1].GetIdx())
    return bond is not None and bool(bond.GetBondType() == Chem.BondType.DOUBLE)


def with_fused(atoms: set[int], rings: Sequence[set[int]]) -> set[int]:
    """The atoms, and those of all rings that share a bond with what is reached from them."""
    reached, fused = set(atoms), True
    while fused:
        more = [ring for ring in rings if not ring <= reached and len(ring & reached) > 1]
        reached.update(*more)
        fused = bool(more)
    return reached


def _may_be_mobile(atom: Chem.Atom) -> bool:
    """Whether an atom outside aromatic rings may have a mobile hydrogen or take one."""
    if atom.GetAtomicNum() not in _MOBILE or atom.GetFormalCharge() or atom.GetNumRadicalElectrons():
        return False
    return bool(atom.GetDegree() <= (2 if atom.GetAtomicNum() == NITROGEN else 1))


def _add_centre(system: MobileSystem, carbon: Chem.Atom, form: Chem.Mol) -> None:
    """Add a carbon between two mobile atoms, of which one is a nitrogen, and these atoms."""
    if carbon.GetIsAromatic() or carbon.GetFormalCharge():
        return
    around = [
        form.GetAtomWithIdx(neighbour.GetIdx())
        for neighbour in carbon.GetNeighbors()
        if not neighbour.GetIsAromatic()
    ]
    mobile = [
        atom
        for atom in around
        if _may_be_mobile(atom)
        and (atom.GetTotalNumHs() or double_partner(form, atom.GetIdx()) is not None)
    ]
    if len(mobile) > 1 and any(atom.GetAtomicNum() == NITROGEN for atom in mobile):
        system.bound.add(carbon.GetIdx())
        for atom in mobile:
            system.mobile.add(atom.GetIdx())
            system.link(carbon.GetIdx(), atom.GetIdx())


def double_partner(form: Chem.Mol, index: int) -> int | None:
    """The atom at the other end of an atom's double bond; None if it has none, or not one."""
    partners = [
        bond.GetOtherAtomIdx(index)
        for bond in form.GetAtomWithIdx(index).GetBonds()
        if bond.GetBondType() != Chem.BondType.SINGLE
    ]
    return partners[0] if len(partners) == 1 else None
