"""N-oxides and N-hydroxy compounds, which are tautomers: one drawing of each.

* 2- and 4-hydroxypyridine N-oxides are N-hydroxypyridones, and mercapto ones N-hydroxythiones, as
  ciclopirox and pyrithione are registered.
* The N-oxide of an azole with a hydrogen on its ring is an N-hydroxyazole, as HOBt.
* An N-hydroxy imine is the N-oxide of an amine, as minoxidil and chlordiazepoxide are registered.
* A cation with a hydroxyl group on nitrogen is the salt of an N-oxide.
"""

from itertools import pairwise

from rdkit import Chem

from models.features.molecules.parents.mobile_systems import double_partner

#: What any of these has; a nitro group is none.
_ANY = Chem.MolFromSmarts("[$([OX2H]-[#7X3]),$([OX1-]-[nX3+])]")
#: The oxygen, its nitrogen, and an atom of the same ring that gives a hydrogen.
_LACTIMS = tuple(
    Chem.MolFromSmarts(smarts)
    for smarts in (
        "[OX1-]-[n+]:c-[O,S;X2H]",
        "[OX1-]-[n+]1:[c,n]:[c,n]:c(-[O,S;X2H]):[c,n]:[c,n]:1",
        "[OX1-]-[n+]1:[c,n]:[c,n]:[nH]:[c,n]:1",
        "[OX1-]-[n+]1:[c,n]:[nH]:[c,n]:[c,n]:1",
        "[OX1-]-[n+]1:[nH]:[c,n]:[c,n]:[c,n]:1",
    )
)
_HYDROXYAMINE = Chem.MolFromSmarts("[OX2H]-[#7X3;R;H0;+0]")
_SALT = Chem.MolFromSmarts("[OX2H]-[#7+;H0;!$(*-[O-])]")
_NITROGEN = 7
#: The longest path, in bonds, by which a hydrogen moves from the hydroxyl group's nitrogen to an imine.
_LONGEST_PATH = 6


def one_tautomer(molecule: Chem.Mol) -> Chem.Mol:
    """The molecule, sanitised, with its N-oxides and N-hydroxy groups as above; the same if they are."""
    if not molecule.HasSubstructMatch(_ANY):
        return molecule
    for oxygen, nitrogen in molecule.GetSubstructMatches(_HYDROXYAMINE):
        molecule = _as_oxide(molecule, oxygen, nitrogen) or molecule
    for pattern in _LACTIMS:
        while (match := molecule.GetSubstructMatch(pattern)) != ():
            form = _as_hydroxy(molecule, match[0], match[1], _giving(molecule, match))
            if form is None:
                break
            molecule = form
    return molecule


def without_protons(fragment: Chem.Mol) -> Chem.Mol:
    """The fragment without the protons of its N-oxides."""
    salts = fragment.GetSubstructMatches(_SALT)
    if not salts:
        return fragment
    form = Chem.RWMol(fragment)
    for oxygen, _ in salts:
        form.GetAtomWithIdx(oxygen).SetFormalCharge(-1)
        set_hydrogens(form.GetAtomWithIdx(oxygen), 0)
    Chem.SanitizeMol(form)
    drawn: Chem.Mol = form.GetMol()
    return drawn


def _giving(molecule: Chem.Mol, match: tuple[int, ...]) -> int:
    """The atom of a match, beside its oxide, that has a hydrogen to give."""
    return next(
        index
        for index in match[2:]
        if molecule.GetAtomWithIdx(index).GetAtomicNum() != 6
        and molecule.GetAtomWithIdx(index).GetTotalNumHs()
    )


def _as_hydroxy(molecule: Chem.Mol, oxygen: int, nitrogen: int, giving: int) -> Chem.Mol | None:
    """The N-hydroxy form of an N-oxide; None if it does not sanitise."""
    form = Chem.RWMol(molecule)
    form.GetAtomWithIdx(oxygen).SetFormalCharge(0)
    form.GetAtomWithIdx(nitrogen).SetFormalCharge(0)
    set_hydrogens(form.GetAtomWithIdx(oxygen), 1)
    atom = form.GetAtomWithIdx(giving)
    set_hydrogens(atom, 0)
    if not atom.GetIsAromatic():
        (bond,) = atom.GetBonds()
        form.GetBondWithIdx(bond.GetIdx()).SetBondType(Chem.BondType.DOUBLE)
    return sanitised_or_none(form)


def _as_oxide(molecule: Chem.Mol, oxygen: int, nitrogen: int) -> Chem.Mol | None:
    """The N-oxide of an N-hydroxy imine; None if there is no imine."""
    form = Chem.RWMol(molecule)
    Chem.Kekulize(form, clearAromaticFlags=True)
    path = _path_to_imine(molecule, form, nitrogen)
    if path is None:
        return None
    for place, (first, second) in enumerate(pairwise(path)):
        order = Chem.BondType.SINGLE if place % 2 else Chem.BondType.DOUBLE
        form.GetBondBetweenAtoms(first, second).SetBondType(order)
    form.GetAtomWithIdx(oxygen).SetFormalCharge(-1)
    form.GetAtomWithIdx(nitrogen).SetFormalCharge(1)
    set_hydrogens(form.GetAtomWithIdx(oxygen), 0)
    taking = form.GetAtomWithIdx(path[-1])
    set_hydrogens(taking, taking.GetTotalNumHs() + 1)
    return sanitised_or_none(form)


def _path_to_imine(molecule: Chem.Mol, form: Chem.Mol, start: int) -> list[int] | None:
    """The shortest path of double and single bonds in turn to a nitrogen outside aromatic rings."""
    paths = [[start]]
    while paths and len(paths[0]) <= _LONGEST_PATH:
        longer = []
        for path in paths:
            for neighbour in form.GetAtomWithIdx(path[-1]).GetNeighbors():
                first = neighbour.GetIdx()
                second = double_partner(form, first)
                if first in path or second is None or second in path:
                    continue
                end = molecule.GetAtomWithIdx(second)
                if end.GetAtomicNum() == _NITROGEN and not end.GetIsAromatic():
                    return [*path, first, second]
                longer.append([*path, first, second])
        paths = longer
    return None


def set_hydrogens(atom: Chem.Atom, number: int) -> None:
    """Give an atom so many hydrogens, and no others."""
    atom.SetNoImplicit(True)
    atom.SetNumExplicitHs(number)


def sanitised_or_none(form: Chem.RWMol) -> Chem.Mol | None:
    """The molecule of an edited form; None if it does not sanitise."""
    flags: int = Chem.SanitizeMol(form, catchErrors=True)
    if flags != Chem.SANITIZE_NONE:
        return None
    drawn: Chem.Mol = form.GetMol()
    return drawn
