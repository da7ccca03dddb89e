"""Hydrogens of groups that have one place for them, wherever they are drawn.

A nitroso compound with a hydrogen beside it is an oxime, an aci-nitro compound a nitro compound, and a
phosphite with a hydroxyl group a phosphonate with P-H, a sulfonimidic acid a sulfonamide, and
the enol of an amide beside a ketone, as exports by InChI draw piroxicam, the ketone's enol: these
equilibria lie on one side. A thio acid, P(=S)OH, C(=S)OH or S(=S)OH, is drawn as P(=O)SH and so on, as
most registers have it. Quinone oximes and nitrosophenols stay as they are drawn: that equilibrium lies
between.

Sources: the rules "oxim/nitroso f", "aci-nitro" and "phosphonic acid" of RDKit's tautomers, after
M. Sitzmann et al., J. Comput. Aided Mol. Des. 24 (2010) 521.
"""

from itertools import pairwise

from rdkit import Chem

#: The atom that gives the hydrogen, those of alternating bonds between, and the atom that takes it.
_SHIFTS = tuple(
    Chem.MolFromSmarts(smarts)
    for smarts in (
        "[CX4;!H0;+0]-[NX2;+0]=[OX1]",
        "[OX2H]-[CX3,P,S]=[SX1,$([Se]);D1]",
        "[OX2H]-[N+;$(*-[O-])]=[CX3;!$(C@-[#6]=[#6])]",
        "[OX2H]-[PX3;v3;+0]",
        "[OX2H]-[SX4;$(*=O)]=[NX2;+0]",
        "[OX2H]-[CX3;$(*-[#7])]=[CX3]-[CX3;$(*(-[#6])-[#6])]=[OX1]",
    )
)
_ANY = Chem.MolFromSmarts(
    "[$([CX4;!H0;+0]-[NX2;+0]=[OX1]),$([OX2H]-[CX3,P,S]=[#16,#34;D1]),$([OX2H]-[N+](-[O-])=C)"
    ",$([OX2H]-[PX3;v3;+0]),$([OX2H]-[SX4](=O)=[NX2;+0])"
    ",$([OX2H]-[CX3](-[#7])=[CX3]-[CX3]=[OX1])]"
)
#: Anions of nitro compounds, drawn with both charges on oxygen, or with one on carbon.
_NITRONATE = Chem.MolFromSmarts("[OX1-]-[N+](-[OX1-])=[CX3;!$(C@-[#6]=[#6])]")
_CARBANION = Chem.MolFromSmarts("[#6-]-[N+](=O)[O-]")
#: More shifts than a molecule of any size that is read has.
_MOST_SHIFTS = 32


def shifted(molecule: Chem.Mol) -> Chem.Mol:
    """The molecule, sanitised, with such hydrogens in their one place; the same object if they are."""
    if not molecule.HasSubstructMatch(_ANY):
        return molecule
    form = Chem.RWMol(molecule)
    for _ in range(_MOST_SHIFTS):
        match = next(filter(None, map(form.GetSubstructMatch, _SHIFTS)), None)
        if match is None:
            break
        _move(form, match)
    drawn: Chem.Mol = form.GetMol()
    return drawn


def with_acidic_hydrogens(fragment: Chem.Mol) -> Chem.Mol:
    """The fragment with the hydrogens of the anions of its nitro compounds, on their carbons."""
    anions = fragment.GetSubstructMatches(_NITRONATE)
    carbons = fragment.GetSubstructMatches(_CARBANION)
    if not anions and not carbons:
        return fragment
    form = Chem.RWMol(fragment)
    for oxygen, nitrogen, _, carbon in anions:
        form.GetBondBetweenAtoms(oxygen, nitrogen).SetBondType(Chem.BondType.DOUBLE)
        form.GetBondBetweenAtoms(nitrogen, carbon).SetBondType(Chem.BondType.SINGLE)
        form.GetAtomWithIdx(oxygen).SetFormalCharge(0)
        _add_hydrogens(form.GetAtomWithIdx(carbon), 1)
    for carbon in {match[0] for match in carbons}:
        form.GetAtomWithIdx(carbon).SetFormalCharge(0)
        _add_hydrogens(form.GetAtomWithIdx(carbon), 1)
    Chem.SanitizeMol(form)
    drawn: Chem.Mol = form.GetMol()
    return drawn


def _move(form: Chem.RWMol, match: tuple[int, ...]) -> None:
    """Move a hydrogen from the first atom to the last, and the double bonds the other way."""
    giving, taking = form.GetAtomWithIdx(match[0]), form.GetAtomWithIdx(match[-1])
    for place, ends in enumerate(pairwise(match)):
        order = Chem.BondType.SINGLE if place % 2 else Chem.BondType.DOUBLE
        form.GetBondBetweenAtoms(*ends).SetBondType(order)
    _add_hydrogens(giving, -1)
    _add_hydrogens(taking, 1)
    Chem.SanitizeMol(form)


def _add_hydrogens(atom: Chem.Atom, number: int) -> None:
    hydrogens = atom.GetTotalNumHs() + number
    atom.SetNoImplicit(True)
    atom.SetNumExplicitHs(hydrogens)
