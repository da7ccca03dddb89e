"""The atoms and bonds of a block of molecules as arrays, and what each atom has around it as a key.

Reading an atom's properties through RDKit's Python interface takes a microsecond. So they are read once
for each *class* of atoms, which is told from a canonical SMILES and the matrix of bond orders: an atom's
token in the SMILES, its bonds and its rings determine all that patterns ask of a single atom.
"""

import re
from collections.abc import Sequence
from itertools import chain
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem

from models.features.molecules.environments.stars import MOST_NEIGHBOURS, StarMatcher
from models.features.molecules.environments.tables import KeyedRows

#: The order is that of the atoms of a molecule that was read from the SMILES.
_TOKEN = re.compile(r"\[[^\]]*\]|Br|Cl|[BCNOPSFIbcnops]")
# Atoms and bonds that are not told by a token and a bond order: hydrogens as atoms, wildcards, dative
# bonds, and those of patterns.
_SPECIAL = re.compile(r"\[\d*H[\d+-]*\]|[*~$:<>]")
_MOST_ATOMS, _MOST_TOKENS, _MOST_RINGS = 200, 1 << 10, 31
# Bits of a class of atoms, of a bond's class, and of a kind of neighbours: 64 with four neighbours.
_CLASS_BITS, _BOND_BITS, KIND_BITS = 12, 3, 10
_PAIR_BITS = _BOND_BITS + KIND_BITS
# Makes charges positive numbers of four bits; those beyond are of no class.
_ANY_CHARGE = 8
#: The bit of ``plain_kinds`` that aromatic atoms have.
AROMATIC_BIT = 1 << 4

# By twice a bond's order and whether it is in a ring: a molecule whose first bond is of that class.
_BONDS = {
    (2, False): "CC", (2, True): "C1CC1", (4, False): "C=C", (4, True): "C1=CC1",
    (6, False): "C#C", (6, True): "C1#CCCCCCC1", (3, True): "c1ccccc1",
}  # fmt: skip
#: A bond of each class, from class 1 on.
_OF_EXAMPLES = [Chem.MolFromSmiles(smiles) for smiles in _BONDS.values()]
EXAMPLE_BONDS = [molecule.GetBondWithIdx(0) for molecule in _OF_EXAMPLES]
_BOND_CLASSES = np.zeros((8, 2), np.uint64)
for _number, (_order, _in_ring) in enumerate(_BONDS, 1):
    _BOND_CLASSES[_order, int(_in_ring)] = _number
#: By a bond's class: twice its order, and whether it is in a ring.
BOND_ORDERS = np.array([0, *(order for order, _ in _BONDS)])
IN_RING = np.array([False, *(in_ring for _, in_ring in _BONDS)])


class AtomClasses:
    """All classes of atoms that were met, with the conditions of a matcher's stars that each meets."""

    def __init__(self, matcher: StarMatcher) -> None:
        self._matcher = matcher
        self._lock = Lock()
        self._tokens: dict[str, int] = {}
        # By a class's number: atomic number, hydrogens, charge, kind, plain kind, place of its mask.
        self._classes = KeyedRows(6, np.int64, 1 << _CLASS_BITS)
        self._kinds: dict[tuple[int | bytes, ...], int] = {}
        #: The conditions that atoms of a class meet, neighbours of a kind, and bonds of a class.
        self.masks: list[NDArray[np.bool_]] = []
        self.kind_masks: list[NDArray[np.bool_]] = []
        self.bond_masks = np.array([matcher.bonds.none(), *map(matcher.bonds.met_by, EXAMPLE_BONDS)])

    def tokens(self, smiles: str) -> list[int] | None:
        """The numbers of a SMILES' tokens; None if it has atoms or bonds that these do not tell."""
        if _SPECIAL.search(smiles):
            return None
        found = _TOKEN.findall(smiles)
        try:
            return [self._tokens[token] for token in found]
        except KeyError:
            with self._lock:
                for token in found:
                    if token not in self._tokens and len(self._tokens) < _MOST_TOKENS:
                        self._tokens[token] = len(self._tokens)
            numbers = [self._tokens.get(token) for token in found]
            return None if None in numbers else [n for n in numbers if n is not None]

    def of(self, keys: NDArray[np.uint64], atom_at: Any) -> tuple[NDArray[np.intp], NDArray[np.int64]]:
        """The number of each atom's class and the class's properties; a number of -1 is unknown."""
        places = self._classes.places(
            keys, lambda positions: [self._properties(atom_at(at)) for at in positions.tolist()]
        )
        return places, self._classes.rows[places]

    def _properties(self, atom: Chem.Atom) -> tuple[int, ...]:
        number, charge, aromatic = atom.GetAtomicNum(), atom.GetFormalCharge(), atom.GetIsAromatic()
        meets = self._matcher.atoms.met_by(atom)
        as_neighbour = meets & self._matcher.of_neighbours
        kind = (number, charge, int(aromatic), as_neighbour.tobytes())
        with self._lock:
            if abs(charge) >= _ANY_CHARGE:
                return number, 0, 0, 1 << KIND_BITS, 0, 0
            if kind not in self._kinds:
                self.kind_masks.append(as_neighbour)
                self._kinds[kind] = len(self._kinds)
            self.masks.append(meets)
            plain = (number << 5) + AROMATIC_BIT * int(aromatic) + charge + _ANY_CHARGE
            place = len(self.masks) - 1
            return number, atom.GetTotalNumHs(), charge, self._kinds[kind], plain, place


class AtomBlock:
    """The atoms and bonds of m molecules, one molecule after the other.

    ``starts``, of shape ``(m,)``: the first atom of each molecule. Of shape ``(atoms,)``: ``owners``,
    ``classes``, ``elements``, ``hydrogens``, ``charges``, ``kinds``, in how many ``rings`` each is, and
    ``plain_kinds``, which tell its element, charge and whether it is aromatic. Of shape ``(bonds,)``,
    each bond in both directions: ``sources`` and ``targets`` are its atoms, ``bonds`` its class,
    ``bond_rings`` in how many rings it is. Of shape ``(rings,)``: ``ring_sizes``, ``ring_owners``;
    ``ring_atoms``, of the sum of their sizes, has their atoms.
    """

    def __init__(self, molecules: Sequence[Chem.Mol], smiles: Sequence[str], known: AtomClasses) -> None:
        """Take the molecules whose atoms and bonds can be told; ``taken`` are their positions.

        ``smiles`` are those that the molecules were read from.
        """
        self.known = known
        self.taken: list[int] = []
        tokens: list[list[int]] = []
        for position, (molecule, text) in enumerate(zip(molecules, smiles, strict=True)):
            its = known.tokens(text)
            if its is not None and len(its) == molecule.GetNumAtoms() <= _MOST_ATOMS:
                self.taken.append(position)
                tokens.append(its)
        # A molecule with other bonds or neighbours than have a class is left out; then once more.
        while self.taken:
            self.molecules = [molecules[position] for position in self.taken]
            odd = self._read(tokens)
            if not odd:
                break
            kept = [at for at in range(len(self.taken)) if at not in odd]
            self.taken, tokens = [self.taken[at] for at in kept], [tokens[at] for at in kept]

    def around(self, kinds: NDArray[np.integer]) -> NDArray[np.uint64]:
        """A key for each atom: its class, and each neighbour's bond with the kind of the neighbour.

        ``kinds``, of shape ``(atoms,)``, are below ``2 ** KIND_BITS``. Atoms have the same key only if
        all of these are the same.
        """
        pairs = (self.bonds << np.uint64(KIND_BITS)) + kinds[self.targets].astype(np.uint64)
        ordered = np.sort((self.sources.astype(np.uint64) << np.uint64(_PAIR_BITS)) + pairs)
        pairs = ordered & np.uint64((1 << _PAIR_BITS) - 1)
        shifted = pairs << (_CLASS_BITS + _PAIR_BITS * self._ranks).astype(np.uint64)
        sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum(shifted)])  # modulo 2⁶⁴
        own = sums[self._ends] - sums[self._ends - self.degrees]
        keys: NDArray[np.uint64] = self.classes.astype(np.uint64) + own
        return keys

    def neighbours(self, positions: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """The classes of the bonds of n atoms and the kinds of their neighbours.

        Both of shape ``(n, MOST_NEIGHBOURS)``, and 0 where an atom has fewer neighbours.
        """
        order = np.arange(MOST_NEIGHBOURS)
        is_one = order < self.degrees[positions, np.newaxis]
        at = np.where(is_one, (self._ends - self.degrees)[positions, np.newaxis] + order, 0)
        if not len(self.bonds):
            return at, at
        bonds = np.where(is_one, self.bonds[at], 0).astype(np.intp)
        return bonds, np.where(is_one, self.kinds[self.targets[at]], 0)

    def _read(self, tokens: Sequence[list[int]]) -> set[int]:
        """Lay out the arrays; return the molecules that cannot be told, if there are any."""
        sizes = np.array([len(its) for its in tokens])
        total = int(sizes.sum())
        self.starts = np.cumsum(sizes) - sizes
        self.owners = np.repeat(np.arange(len(sizes)), sizes)
        orders = self._read_bonds(sizes)
        self.bond_rings, rings = self._read_rings(total)
        self.rings = rings
        self.bonds = _BOND_CLASSES[np.minimum(orders, 7), np.minimum(self.bond_rings, 1)]
        self.degrees = np.bincount(self.sources, minlength=total)
        odd = {*self.owners[self.sources[self.bonds == 0]].tolist()}
        odd.update(self.owners[(self.degrees > MOST_NEIGHBOURS) | (rings > _MOST_RINGS)].tolist())
        if odd:
            return odd
        aromatic = np.bincount(self.sources[orders == 3], minlength=total)
        key = np.fromiter(chain.from_iterable(tokens), np.int64, total)
        for values, bits in (
            (self.degrees, 3),
            (np.bincount(self.sources, orders, total).astype(np.int64), 5),
            (aromatic, 3),
            (rings, 5),
        ):
            key = (key << bits) + values
        self.classes, properties = self.known.of(key.astype(np.uint64), self._atom)
        self.elements, self.hydrogens, self.charges = properties.T[:3]
        self.kinds, self.plain_kinds, self.masks = properties.T[3:]
        self._ends = np.cumsum(self.degrees)
        self._ranks = np.arange(len(self.sources)) - (self._ends - self.degrees)[self.sources]
        unknown = (self.classes < 0) | (self.kinds >= 1 << KIND_BITS)
        return {*self.owners[unknown].tolist()}

    def _read_bonds(self, sizes: NDArray[np.integer]) -> NDArray[np.intp]:
        """Twice the order of each bond."""
        places, values = [], []
        for molecule in self.molecules:
            # RDKit keeps a matrix by its prefix, whether or not it has orders.
            matrix: Any = Chem.GetAdjacencyMatrix(molecule, True, 0, False, "orders")
            flat = matrix.ravel()
            bonded = flat.nonzero()[0]
            places.append(bonded)
            values.append(flat[bonded])
        owners = np.repeat(np.arange(len(sizes)), [len(bonded) for bonded in places])
        rows, columns = np.divmod(np.concatenate(places), sizes[owners])
        self.sources, self.targets = self.starts[owners] + rows, self.starts[owners] + columns
        return (2 * np.concatenate(values)).astype(np.intp)

    def _read_rings(self, total: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """In how many rings each bond and each atom is."""
        rings = [molecule.GetRingInfo().AtomRings() for molecule in self.molecules]
        numbers = [len(its) for its in rings]
        self.ring_owners = np.repeat(np.arange(len(numbers)), numbers)
        flat = [*chain.from_iterable(rings)]
        self.ring_sizes = np.array([len(ring) for ring in flat], np.intp)
        atoms = np.fromiter(chain.from_iterable(flat), np.intp, self.ring_sizes.sum())
        atoms += np.repeat(self.starts[self.ring_owners], self.ring_sizes)
        self.ring_atoms = atoms
        ends = np.cumsum(self.ring_sizes)
        onward = np.arange(1, len(atoms) + 1)
        onward[ends - 1] = ends - self.ring_sizes
        ring_bonds = np.concatenate([atoms * total + atoms[onward], atoms[onward] * total + atoms])
        places = np.searchsorted(self.sources * total + self.targets, ring_bonds)
        return np.bincount(places, minlength=len(self.sources)), np.bincount(atoms, minlength=total)

    def _atom(self, position: int) -> Chem.Atom:
        owner = int(self.owners[position])
        return self.molecules[owner].GetAtomWithIdx(position - int(self.starts[owner]))
