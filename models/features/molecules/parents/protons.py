"""Protons of cations and inner salts: one drawing of a base, of its salt, and of the dye that it makes.

A charge that no proton compensates is *permanent*. An amine beside one may be drawn as the imine that is
left without its proton, as registers draw dyes and InChI exports them with an acid beside. Here

* an N-alkyl aminopyridinium, an acridinium, phenazinium, phenothiazinium, and a triarylmethane dye with
  a dialkylamino group are permanent cations, also where an acid stands beside their imine;
* an amidinium, a 2-aminothiazolium, an aminopyrimidinium, a xanthylium with N-H (rhodamine 6G), an
  acridinium with N-H and a ketiminium (auramine) are bases with a proton too many, which goes.

An inner salt has the proton of an acid beside it that is stronger than its own anion's: InChI moves the
proton of an amide or a phenol to the halide of its quaternary ammonium.

Sources: A. Albert, E. P. Serjeant, *The Determination of Ionization Constants* (1984), for the bases;
the Colour Index and PubChem for how dyes are registered.
"""

from rdkit import Chem

from models.features.molecules.parents.mobile_systems import double_partner
from models.features.molecules.parents.oxides import sanitised_or_none, set_hydrogens
from models.features.molecules.parents.resonance import settled

_NITROGEN = 7
_PROTONATED_IMINE = Chem.MolFromSmarts("[NX3+;!H0]=[#6;R]")
#: What a dye's one drawing has not: a charge elsewhere, a proton at the charge or at a base beside it.
_NO_DYES = (
    Chem.MolFromSmarts("[$([#6,#8,#9,#16,#17,#35,#53;+;!a]),$([NX3+;H0]=c)]"),
    _PROTONATED_IMINE,
    Chem.MolFromSmarts("[$([n+;H0]~*~[nH]),$([n+;H0]~*~*~[nH]),$([n+;H0]~*~*~*~[nH])]"),
)
#: A protonated imine of a pyridine with a substituent on its nitrogen, as of dequalinium.
_AMINOPYRIDINIUMS = tuple(
    Chem.MolFromSmarts(smarts)
    for smarts in ("[NX3+;!H0]=c1:c:c:c:c:[nX3;H0;+0]:1", "[NX3+;!H0]=c1:c:c:[nX3;H0;+0]:c:c:1")
)
#: The amine of a base that has a proton too many, first, and the cation that is neutral then, last.
_BASES = tuple(
    Chem.MolFromSmarts(smarts)
    for smarts in (
        "[NX3;!H0;+0]-[CX3]=[NX3+;H0]",
        "[NX3;!H0;+0]-[c;r5;$(*:[n,o,s;+0;r5])]:[n+;H0;r5]",
        "[NX3;!H0;+0]-[$(c1:n:c:[n+;H0]:c:c:1)]:n:c:[n+;H0]",
        "[NX3;!H0;+0]-[$(c1:c:c:n:c:[n+;H0]:1)]:[n+;H0]",
        "[NX3;!H0;+0]-[CX3;!R]=[#6;R]1[#6]=[#6]C([#6]=[#6]1)=[NX3+;H0]",
    )
)
#: What all of them have: a cation with a double bond, and no nitro group's.
_CONJUGATED = Chem.MolFromSmarts("[#7,o;+;!$(*~[-]);$(*=,:*)]")
#: The same of dyes, whose two atoms are further apart.
_DYES = tuple(
    (Chem.MolFromSmarts(amine), Chem.MolFromSmarts(cation))
    for amine, cation in (("[NX3;!H0;+0]-c", "[o+]"), ("[#7X3;H1;r6;+0]", "[NX3+]=[#6;r6]"))
)
#: An imine on a ring that an acid beside it may make a dye.
_IMINE = Chem.MolFromSmarts("[NX2;+0;!R;!$(*-[!#6])]=[#6;r6]")
_PERMANENT = Chem.MolFromSmarts("[#7,#15,#16,#33;+;H0;!$(*~[-])]")
#: Cations that are no inner salts with carboxylic acids where there is another acid.
_ONIUM = Chem.MolFromSmarts("[#15,#16,#33;+;H0;!$(*~[-])]")
#: Acids, the stronger ones first.
_STRONG, _WEAK = (
    Chem.MolFromSmarts(smarts)
    for smarts in (
        "[$([F,Cl,Br,I;H1;D0;+0]),$([OX2H]S(=O)=O),$([OX2H][N+](=O)[O-]),$([OX2H]Cl(=O)(=O)=O)]",
        "[$([OX2H][CX3]=O),$([OX2H]P=O)]",
    )
)
#: Anions of amides, thioamides, phenols, thiophenols, oximes, indoles; and those of carboxylic acids.
_AMIDE = Chem.MolFromSmarts(
    "[$([O,S;X1;-]-[CX3]=[NX2;+0]),$([NX2-]-[CX3]=[O,S]),$([O,S;X1;-]-c),$([OX1-]-[NX2]=[CX3])"
    ",$([nX2-;r5;!$(*~[n+]);!$(*~*~[n+])])]"
)
_CARBOXYLATE = Chem.MolFromSmarts("[OX1-][CX3]=O")


def may_be_dye(fragment: Chem.Mol) -> bool:
    """Whether an acid beside a neutral fragment may make it a permanent cation."""
    return bool(fragment.HasSubstructMatch(_IMINE))


def is_permanent(fragment: Chem.Mol) -> bool:
    """Whether a fragment has a charge that no proton compensates."""
    return bool(fragment.HasSubstructMatch(_PERMANENT))


def has_acid(molecule: Chem.Mol) -> bool:
    """Whether a record holds an acid."""
    return bool(molecule.HasSubstructMatch(_STRONG) or molecule.HasSubstructMatch(_WEAK))


def protonated_imines(fragment: Chem.Mol) -> Chem.Mol:
    """The fragment with a proton on each imine that may be a dye's; sanitised."""
    form = Chem.RWMol(fragment)
    for index, _ in fragment.GetSubstructMatches(_IMINE):
        _add_proton(form.GetAtomWithIdx(index), 1)
    return _sanitised(form)


def with_protons_of_acids(molecule: Chem.Mol) -> Chem.Mol:
    """The record, sanitised, with the protons of acids on the weaker anions of permanent cations."""
    if not molecule.HasSubstructMatch(_PERMANENT):
        return molecule
    anions = [index for (index,) in molecule.GetSubstructMatches(_AMIDE)]
    others = []
    if molecule.HasSubstructMatch(_ONIUM):
        others = [match[0] for match in molecule.GetSubstructMatches(_CARBOXYLATE)]
    strong = [index for (index,) in molecule.GetSubstructMatches(_STRONG)]
    weak = [index for (index,) in molecule.GetSubstructMatches(_WEAK)]
    moves = [*zip(strong + weak, anions, strict=False)]
    moves += zip(strong[len(anions) :], others, strict=False)
    if not moves:
        return molecule
    form = Chem.RWMol(molecule)
    for acid, anion in moves:
        _add_proton(form.GetAtomWithIdx(acid), -1)
        _add_proton(form.GetAtomWithIdx(anion), 1)
    return _sanitised(form)


def without_spare_protons(fragment: Chem.Mol) -> Chem.Mol:
    """The charged fragment, sanitised, with a permanent charge where a dye has one, or as a base."""
    if not fragment.HasSubstructMatch(_CONJUGATED):
        return fragment
    fragment = _dye(_aminopyridinium(fragment))
    for pattern in _BASES:
        while (match := fragment.GetSubstructMatch(pattern)) != ():
            form = _base(fragment, match[0], match[-1])
            if form is None:
                break
            fragment = form
    for amine, cation in _DYES:
        ends = fragment.GetSubstructMatches(cation)
        amines = fragment.GetSubstructMatches(amine) if ends else ()
        forms = [_base(fragment, first[0], last[0]) for first in amines for last in ends]
        drawings = {Chem.MolToSmiles(form): form for form in forms if form is not None}
        if drawings:
            fragment = drawings[min(drawings)]
    return fragment


def _dye(fragment: Chem.Mol) -> Chem.Mol:
    """A fragment with the charge of a protonated imine where no proton compensates it, if it can be.

    So thionine is a cation as methylene blue is, and a charge in an acridine is on its own nitrogen.
    """
    if not fragment.HasSubstructMatch(_PROTONATED_IMINE):
        return fragment
    form = settled(fragment)
    return fragment if any(map(form.HasSubstructMatch, _NO_DYES)) else form


def _aminopyridinium(fragment: Chem.Mol) -> Chem.Mol:
    """A fragment with the charge of each protonated imine of a pyridine on the ring's nitrogen."""
    matches = {
        (match[0], match[1]): match
        for each in _AMINOPYRIDINIUMS
        for match in fragment.GetSubstructMatches(each)
    }
    if not matches:
        return fragment
    form = Chem.RWMol(fragment)
    for (imine, carbon), match in matches.items():
        ring = next(i for i in match[2:] if fragment.GetAtomWithIdx(i).GetAtomicNum() == _NITROGEN)
        form.GetBondBetweenAtoms(imine, carbon).SetBondType(Chem.BondType.SINGLE)
        form.GetAtomWithIdx(imine).SetFormalCharge(0)
        form.GetAtomWithIdx(ring).SetFormalCharge(1)
    return _sanitised(form)


def _base(fragment: Chem.Mol, amine: int, cation: int) -> Chem.Mol | None:
    """The fragment without the amine's proton and the cation's charge; None if no bonds can move."""
    form = Chem.RWMol(fragment)
    Chem.Kekulize(form, clearAromaticFlags=True)
    path = _path(form, cation, amine)
    if path is None:
        return None
    for place, first in enumerate(path[:-1]):
        order = Chem.BondType.DOUBLE if place % 2 else Chem.BondType.SINGLE
        form.GetBondBetweenAtoms(first, path[place + 1]).SetBondType(order)
    form.GetAtomWithIdx(cation).SetFormalCharge(0)
    nitrogen = form.GetAtomWithIdx(amine)
    set_hydrogens(nitrogen, nitrogen.GetTotalNumHs() - 1)
    return sanitised_or_none(form)


def _path(form: Chem.Mol, start: int, end: int) -> list[int] | None:
    """The shortest path of double and single bonds in turn between two atoms of a Kekulé structure."""
    paths, reached = [[start]], {start}
    while paths:
        longer = []
        for path in paths:
            middle = double_partner(form, path[-1])
            if middle is None or middle in path:
                continue
            for neighbour in form.GetAtomWithIdx(middle).GetNeighbors():
                index = neighbour.GetIdx()
                if index == end:
                    return [*path, middle, index]
                if index not in reached and index not in path:
                    reached.add(index)
                    longer.append([*path, middle, index])
        paths = longer
    return None


def _add_proton(atom: Chem.Atom, number: int) -> None:
    hydrogens = atom.GetTotalNumHs() + number
    atom.SetFormalCharge(atom.GetFormalCharge() + number)
    set_hydrogens(atom, hydrogens)


def _sanitised(form: Chem.RWMol) -> Chem.Mol:
    Chem.SanitizeMol(form)
    drawn: Chem.Mol = form.GetMol()
    return drawn
