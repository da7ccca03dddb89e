"""One form for hydrogens that move between N, O and S: in amides, amidines, and rings with nitrogen.

Every export by InChI moves such hydrogens: an amide becomes an imidic acid, a lactam a lactim, an amino
group on a ring an imine. Here the hydrogens of each *mobile system* are placed by rule:

1. on nitrogens outside aromatic rings (an amide, not an imidic acid; an amino group, not an imine);
2. on nitrogens in aromatic rings, first beside C=O (a lactam, not a lactim), then in rings of five;
3. on sulfur, and last on oxygen, that beside a nitrogen of its ring last of all;

and among atoms of one kind by their canonical rank in the molecule without these hydrogens and bonds.
So the form does not depend on how the record is drawn. The sets of atoms that can have the hydrogens,
so that the rest has a Kekulé structure, are the bases of a matroid (J. Edmonds, D. R. Fulkerson, J. Res.
NBS 69B (1965) 147): the first set in this order is the best.

Hydrogens on carbon do not move: ketones and enols, azo compounds and hydrazones, and phenols stay as
they are drawn. RDKit's ``TautomerEnumerator`` moves those too, but takes 15 ms for a molecule on average
and up to seconds, where featurizing takes one.
"""

from collections.abc import Iterable
from functools import partial
from itertools import combinations
from math import comb

from rdkit import Chem

from models.features.molecules.parents.mobile_systems import (
    CARBON,
    NITROGEN,
    OXYGEN,
    MobileSystem,
    double_partner,
    mobile_systems,
)
from models.features.molecules.parents.oxides import one_tautomer
from models.features.molecules.parents.shifts import shifted

#: Larger systems stay as they are drawn: so many sets of atoms are tried at most.
_MOST_SETS = 3_000
_MOST_PASSES = 3
#: The nitrogens of a porphyrin or a chlorin share so many carbons, or more; the size of their rings.
_MACROCYCLE, _PYRROLE = 16, 5

# Without a match of both, no hydrogen moves to a nitrogen: one that can take it, and an atom that would
# give it. An amino group on a ring would not, as it comes first.
_TAKES = Chem.MolFromSmarts("[$([n;X2;+0]),$([N;X2;+0]=c),$([N;X2;+0]=[#6]~[#7,#8,#16,#34;!H0;+0])]")
_GIVES = Chem.MolFromSmarts(
    "[$([n;H1;+0]),$([#8,#16,#34;!H0;+0]-[$(c:n),$(c:c:c:n)]),$([#7,#8,#16,#34;!H0;+0]-[#6]=[#7])]"
)
# Nor does one between two oxygens: 4-hydroxy-2-quinolone, 2-hydroxy-4-quinolone.
_OXO = Chem.MolFromSmarts("[O,S;X1;+0]=c")
_HYDROXY = Chem.MolFromSmarts("[O,S;X2;H1;+0]-c")


def placed(molecule: Chem.Mol) -> Chem.Mol:
    """The molecule, sanitised, with its mobile hydrogens in their places; the same object if they are.

    A system that is too large, or whose placed form does not sanitise, stays as it is drawn.
    """
    molecule = one_tautomer(shifted(molecule))
    for _ in range(_MOST_PASSES):  # a placed form may have an aromatic ring that the drawn one lacks
        if not _may_move(molecule):
            break
        form = _placed_once(molecule)
        if form is None:
            break
        molecule = form
    return molecule


def _may_move(molecule: Chem.Mol) -> bool:
    return any(
        molecule.HasSubstructMatch(takes) and molecule.HasSubstructMatch(gives)
        for takes, gives in ((_TAKES, _GIVES), (_OXO, _HYDROXY))
    )


def _placed_once(molecule: Chem.Mol) -> Chem.Mol | None:
    form = Chem.RWMol(molecule)
    Chem.Kekulize(form, clearAromaticFlags=True)
    whole = mobile_systems(molecule, form)
    ranks: list[int] | None = None
    changed = False
    for system in whole.parts():
        giving = {index for index in system.mobile if double_partner(form, index) is None}
        takes = {form.GetAtomWithIdx(index).GetAtomicNum() for index in system.mobile - giving}
        gives = {form.GetAtomWithIdx(index).GetAtomicNum() for index in giving}
        if (
            not (NITROGEN in takes or (takes and gives - {NITROGEN}))
            or not giving
            or comb(len(system.mobile), len(giving)) > _MOST_SETS
        ):
            continue
        if ranks is None:
            ranks = _ranks(form, whole)
        order = sorted(
            system.mobile, key=lambda index: (_preference(molecule, whole, index), ranks[index])
        )
        sets: Iterable[tuple[int, ...]] = combinations(order, len(giving))
        if len(giving) == 2 and len(system.mobile) == 4 and len(system.bound) >= _MACROCYCLE:
            sets = sorted(sets, key=partial(_awkwardness, form, system))
        for chosen in sets:
            if giving.issuperset(chosen):
                break  # as it is drawn
            pairs = _double_bonds(system, set(chosen))
            if pairs is not None:
                _draw(form, system, giving, set(chosen), pairs)
                changed = True
                break
    if not changed:
        return None
    try:
        Chem.SanitizeMol(form)
    except Chem.MolSanitizeException:
        return None
    drawn: Chem.Mol = form.GetMol()
    return drawn


def _awkwardness(form: Chem.Mol, system: MobileSystem, pair: tuple[int, ...]) -> tuple[float, int]:
    """How odd hydrogens on two nitrogens of a porphyrin are: side by side, or on a ring with CH2."""
    distance = float(Chem.GetDistanceMatrix(form)[pair])
    rings = [ring for ring in form.GetRingInfo().AtomRings() if len(ring) == _PYRROLE]
    reduced = sum(not system.bound.issuperset({*ring} - {*pair}) for ring in rings if {*ring} & {*pair})
    return -distance, reduced


def _preference(molecule: Chem.Mol, system: MobileSystem, index: int) -> int:
    """How late an atom is given a hydrogen, as this module says."""
    atom = molecule.GetAtomWithIdx(index)
    if atom.GetAtomicNum() != NITROGEN:
        if atom.GetAtomicNum() != OXYGEN:
            return 8
        (carbon,) = atom.GetNeighbors()  # 4-hydroxy-2-quinolone, not 2-hydroxy-4-quinolone
        beside = any(other.GetAtomicNum() == NITROGEN for other in carbon.GetNeighbors())
        return 10 if carbon.GetIsAromatic() and beside else 9
    neighbours = atom.GetNeighbors()
    is_acyl = any(
        molecule.GetAtomWithIdx(other).GetAtomicNum() != NITROGEN
        for neighbour in neighbours
        for other in system.edges.get(neighbour.GetIdx(), set()) & system.mobile
    )
    if not atom.GetIsAromatic():  # an amidine's nitrogen with an acceptor has the double bond
        return int(is_acyl or any(neighbour.GetAtomicNum() != CARBON for neighbour in neighbours))
    if is_acyl:
        return 2
    if not atom.IsInRingSize(5):
        return 7
    rings = molecule.GetRingInfo()
    if any(rings.NumAtomRings(neighbour.GetIdx()) > 1 for neighbour in neighbours):
        return 3  # 1H-indazole, not 2H-indazole
    nitrogens = sum(neighbour.GetAtomicNum() == NITROGEN for neighbour in neighbours)
    return (5, 4, 6)[nitrogens]  # 1H-1,2,4-triazole, not 4H; 1H-tetrazole, not 2H


def _ranks(form: Chem.Mol, system: MobileSystem) -> list[int]:
    """The canonical ranks of atoms in the molecule without mobile hydrogens and double bonds."""
    flat = Chem.RWMol(form)
    for index, others in system.edges.items():
        for other in others:
            flat.GetBondBetweenAtoms(index, other).SetBondType(Chem.BondType.SINGLE)
    for index in system.bound | system.mobile:
        atom = flat.GetAtomWithIdx(index)
        hydrogens = 0 if index in system.mobile else atom.GetTotalNumHs()
        atom.SetNoImplicit(True)
        atom.SetNumExplicitHs(hydrogens)
    flat.UpdatePropertyCache(strict=False)
    return list(Chem.CanonicalRankAtoms(flat, breakTies=True))


def _double_bonds(system: MobileSystem, giving: set[int]) -> list[tuple[int, int]] | None:
    """A set of double bonds that has every atom but those ``giving`` once; None if there is none."""
    pairs: list[tuple[int, int]] = []
    left = (system.bound | system.mobile) - giving

    def match() -> bool:
        if not left:
            return True
        index = min(left, key=lambda atom: len(system.edges[atom] & left))
        left.discard(index)
        for other in system.edges[index] & left:
            left.discard(other)
            pairs.append((index, other))
            if match():
                return True
            pairs.pop()
            left.add(other)
        left.add(index)
        return False

    return pairs if match() else None


def _draw(
    form: Chem.RWMol,
    system: MobileSystem,
    before: set[int],
    giving: set[int],
    pairs: list[tuple[int, int]],
) -> None:
    """Give the hydrogens to ``giving`` instead of to those ``before``, and draw the double bonds."""
    hydrogens = {index: form.GetAtomWithIdx(index).GetTotalNumHs() for index in system.mobile}
    for index, others in system.edges.items():
        for other in others:
            form.GetBondBetweenAtoms(index, other).SetBondType(Chem.BondType.SINGLE)
    for first, second in pairs:
        form.GetBondBetweenAtoms(first, second).SetBondType(Chem.BondType.DOUBLE)
    for index, number in hydrogens.items():
        atom = form.GetAtomWithIdx(index)
        atom.SetNoImplicit(True)
        atom.SetNumExplicitHs(number - (index in before) + (index in giving))
