"""Metals: which are counter-ions, which belong to the compound, and how their bonds are drawn.

A salt may be drawn with ions, with covalent bonds, or with dative ones. Bonds to a metal are therefore
cut into ions. Those of organotin, organomercury and the like are covalent and stay, and ions of such
compounds are joined to one covalent form. The training set has 23 records with tin bound to carbon and
18 with mercury, of other metals bound to carbon no more than two: the model judges tin and mercury.
"""

from dataclasses import dataclass

from rdkit import Chem

from models.features.molecules.reading import Unreadable

#: Codes and messages.
Warnings = tuple[tuple[str, str], ...]

NON_METALS = frozenset(
    (0, 1, 2, 5, 6, 7, 8, 9, 10, 14, 15, 16, 17, 18, 33, 34, 35, 36, 53, 54, 85, 86)  # noble gases too
)
_METAL = Chem.MolFromSmarts(f"[{''.join(f'!#{number}' for number in sorted(NON_METALS))}]")
#: Metals whose ions are the common counter-ions: Li, Na, Mg, K, Ca.
PLAIN = frozenset((3, 11, 12, 19, 20))
#: Metals and metalloids whose bonds to carbon are covalent: Ge, Sn, Sb, Te, Hg, Tl, Pb, Bi.
COVALENT = frozenset((32, 50, 51, 52, 80, 81, 82, 83))
#: Those of them that the model has learned from, and their valence there.
_LEARNED = {50: 4, 80: 2}
_CARBON, _NITROGEN = 6, 7
#: A plain metal in a ring with so many nitrogen atoms is chelated, as magnesium in a chlorophyll.
_CHELATING_NITROGENS = 2

#: A porphyrin or phthalocyanine without two protons: it chelates a magnesium ion that is beside it.
_PORPHYRIN = Chem.MolFromSmarts(
    "[#7;-;r5]~1~[#6]~[#6,#7]~[#6]~[#7;r5]~[#6]~[#6,#7]~[#6]~[#7;-;r5]~[#6]~[#6,#7]~[#6]"
    "~[#7;r5]~[#6]~[#6,#7]~[#6]~1"
)
_MAGNESIUM = 12

_BOND_ORDERS = {
    Chem.BondType.SINGLE: 1,
    Chem.BondType.DOUBLE: 2,
    Chem.BondType.TRIPLE: 3,
    Chem.BondType.AROMATIC: 1,
}
#: The atom of a simple anion that a tin or mercury cation binds, and the elements it prefers, by number.
_ANION = Chem.MolFromSmarts("[F,Cl,Br,I,O,S,Se,N;-1,-2;!$(*~[+])]")
_PREFERRED = (16, 34, 53, 35, 17, 9, 8, 7)
_TABLE = Chem.GetPeriodicTable()


@dataclass(frozen=True, slots=True)
class Metals:
    """The metals of a record, by symbol and in alphabetical order.

    ``kept`` belong to the compound. ``foreign`` are those that the model has not learned from, alone or
    bound as they are. ``open``: those judged with the compound that have fewer bonds than their valence.
    ``present``: whether there is any metal.
    """

    kept: tuple[str, ...] = ()
    foreign: tuple[str, ...] = ()
    open: tuple[str, ...] = ()
    present: bool = False


def is_metal(atom: Chem.Atom) -> bool:
    """Whether an atom's element is a metal, or a metalloid beyond B, Si, As, Se."""
    return atom.GetAtomicNum() not in NON_METALS


def has_metal(molecule: Chem.Mol) -> bool:
    """Whether a molecule holds a metal."""
    return bool(molecule.HasSubstructMatch(_METAL))


def is_kept(atom: Chem.Atom) -> bool:
    """Whether an atom is a metal with a covalent bond to carbon, such as tin; a cyanide is a salt."""
    return atom.GetAtomicNum() in COVALENT and any(
        bond.GetBondType() == Chem.BondType.SINGLE
        and bond.GetOtherAtom(atom).GetAtomicNum() == _CARBON
        and not _is_cyanide(bond.GetOtherAtom(atom))
        for bond in atom.GetBonds()
    )


def _is_cyanide(carbon: Chem.Atom) -> bool:
    return any(
        bond.GetBondType() == Chem.BondType.TRIPLE
        and bond.GetOtherAtom(carbon).GetAtomicNum() == _NITROGEN
        for bond in carbon.GetBonds()
    )


def separate(molecule: Chem.Mol) -> tuple[Chem.Mol, Metals]:
    """Cut the bonds of metals into ions; return the molecule, not sanitised, and its metals.

    A metal that is kept has no dative bonds left, and bonds with the simple anions beside it.
    """
    found = molecule.GetSubstructMatches(_METAL)
    if not found:
        return molecule, Metals()
    metals = [molecule.GetAtomWithIdx(index) for (index,) in found]
    if all(map(_is_plain_ion, metals)):
        return molecule, Metals(present=True)
    kept = {atom.GetIdx() for atom in metals if is_kept(atom)}
    foreign = {atom.GetSymbol() for atom in metals if _is_foreign(atom, atom.GetIdx() in kept)}
    if any(atom.GetAtomicNum() == _MAGNESIUM for atom in metals) and molecule.HasSubstructMatch(
        _PORPHYRIN
    ):
        foreign.add("Mg")
    editable = Chem.RWMol(molecule)
    for atom in metals:
        for bond in atom.GetBonds():
            other = bond.GetOtherAtom(atom)
            if atom.GetIdx() in kept and (other.GetIdx() in kept or _stays(bond, other)):
                continue
            _cut(editable, atom.GetIdx(), other.GetIdx(), bond)
    for index in kept:
        _join(editable, index)
    for atom in editable.GetAtoms():
        if atom.GetIdx() not in kept and is_metal(atom):
            atom.SetNumRadicalElectrons(0)
            atom.SetNoImplicit(True)  # an ion has no hydrogen beyond those that are drawn
    symbols = {molecule.GetAtomWithIdx(index).GetSymbol() for index in kept}
    unfilled = {atom.GetSymbol() for atom in map(editable.GetAtomWithIdx, kept) if _is_open(atom)}
    told = Metals(tuple(sorted(symbols)), tuple(sorted(foreign)), tuple(sorted(unfilled)), True)
    return editable.GetMol(), told


def _is_plain_ion(metal: Chem.Atom) -> bool:
    """Whether an atom is an ion of a plain metal that nothing is bound to."""
    return (
        metal.GetAtomicNum() in PLAIN - {_MAGNESIUM}
        and not metal.GetDegree()
        and metal.GetNoImplicit()
        and not metal.GetNumRadicalElectrons()
    )


def _is_open(metal: Chem.Atom) -> bool:
    """Whether a kept metal that is learned has fewer bonds and charges than its valence."""
    orders = sum(_BOND_ORDERS.get(bond.GetBondType(), 0) for bond in metal.GetBonds())
    filled: int = orders + metal.GetNumExplicitHs() + metal.GetFormalCharge()
    return filled < _LEARNED.get(metal.GetAtomicNum(), 0)


def name_of(symbol: str) -> str:
    """The English name of an element, in lower case."""
    name: str = _TABLE.GetElementName(_TABLE.GetAtomicNumber(symbol))
    return name.lower()


def with_article(name: str) -> str:
    """An English name with ``a`` or ``an``: an oxygen, a europium."""
    vowel = name[0] in "aeiou" and not name.startswith("eu") and not name.startswith("ura")
    return f"{'an' if vowel else 'a'} {name}"


def _is_foreign(atom: Chem.Atom, is_kept: bool) -> bool:
    if is_kept:
        return atom.GetAtomicNum() not in _LEARNED
    if atom.GetAtomicNum() not in PLAIN:
        return True
    neighbours = atom.GetNeighbors()
    pyrroles = sum(
        other.GetAtomicNum() == _NITROGEN and any(bond.GetIsConjugated() for bond in other.GetBonds())
        for other in neighbours
    )  # and not the amines of calcium edetate
    chelated = atom.IsInRing() and pyrroles >= _CHELATING_NITROGENS
    return any(other.GetAtomicNum() == _CARBON for other in neighbours) or chelated


def _stays(bond: Chem.Bond, other: Chem.Atom) -> bool:
    """Whether the bond of a kept metal is covalent: any that is not dative from a neutral donor."""
    return bond.GetBondType() in _BOND_ORDERS and not is_metal(other)


def _cut(editable: Chem.RWMol, metal: int, ligand: int, bond: Chem.Bond) -> None:
    """Cut a bond; its electrons stay with the ligand, and a dative bond moves no charge.

    An amine that is drawn with a covalent bond to a transition metal is taken as a neutral ligand.
    """
    if editable.GetBondBetweenAtoms(metal, ligand) is None:  # both ends are metals
        return
    order = _BOND_ORDERS.get(bond.GetBondType(), 0)
    editable.RemoveBond(metal, ligand)
    first, second = editable.GetAtomWithIdx(metal), editable.GetAtomWithIdx(ligand)
    second.SetNumRadicalElectrons(0)
    if is_metal(second):
        return
    if order and _is_ammine(first, second):
        second.SetNumExplicitHs(second.GetNumExplicitHs() + second.GetNoImplicit())
        return
    first.SetFormalCharge(first.GetFormalCharge() + order)
    second.SetFormalCharge(second.GetFormalCharge() - order)


def _is_ammine(metal: Chem.Atom, ligand: Chem.Atom) -> bool:
    return (
        metal.GetAtomicNum() not in PLAIN | COVALENT
        and ligand.GetAtomicNum() == _NITROGEN
        and not ligand.GetFormalCharge()
        and ligand.GetTotalNumHs() > 0
        and not ligand.GetIsAromatic()
    )


def _join(editable: Chem.RWMol, index: int) -> None:
    """Bind a kept metal cation to simple anions of the record, as many as it has charges."""
    metal = editable.GetAtomWithIdx(index)
    if metal.GetFormalCharge() <= 0:
        return
    for atom in metal.GetNeighbors():  # an oxide that a drawing binds and leaves charged
        if atom.GetFormalCharge() < 0 < metal.GetFormalCharge():
            atom.SetFormalCharge(atom.GetFormalCharge() + 1)
            metal.SetFormalCharge(metal.GetFormalCharge() - 1)
    editable.UpdatePropertyCache(strict=False)
    ranks = list(Chem.CanonicalRankAtoms(editable, breakTies=True))

    def preference(anion: int) -> tuple[int, int]:
        return _PREFERRED.index(editable.GetAtomWithIdx(anion).GetAtomicNum()), ranks[anion]

    anions = sorted((match[0] for match in editable.GetSubstructMatches(_ANION)), key=preference)
    for anion in anions:
        if metal.GetFormalCharge() <= 0:
            break
        atom = editable.GetAtomWithIdx(anion)
        if editable.GetBondBetweenAtoms(index, anion) is not None or atom.GetFormalCharge() >= 0:
            continue
        editable.AddBond(index, anion, Chem.BondType.SINGLE)
        atom.SetFormalCharge(atom.GetFormalCharge() + 1)
        metal.SetFormalCharge(metal.GetFormalCharge() - 1)
    metal.SetNumRadicalElectrons(0)


def not_learned(metals: Metals) -> str:
    """Why the model cannot judge a record with these metals; empty if it can."""
    if not metals.foreign:
        return ""
    names = " and ".join(map(name_of, metals.foreign))
    return f"the record holds {names}; the model has not learned from such compounds"


def warnings_of_metals(metals: Metals) -> Warnings:
    """The warnings of a record with these metals; raises ``Unreadable`` for an open valence."""
    if metals.open:
        raise Unreadable(
            f"the {name_of(metals.open[0])} atom has an open valence: is an atom or an anion missing"
            " that is bound to it?"
        )
    if metals.foreign:
        return (("metal", not_learned(metals)),)
    if not metals.kept:
        return ()
    names = " and ".join(map(name_of, metals.kept))
    text = f"the compound is judged with its {names}; the model has learned from few such compounds"
    return (("metal", text),)
