"""Functional groups that are drawn in several ways, brought to one.

Of the drawings of one group the neutral one is taken where there is one: S=O, P=O and P=C, not S⁺–O⁻,
P⁺–O⁻ or P⁺–C⁻. Nitro groups, N-oxides, azides and diazo groups have charges in every drawing; those of
RDKit's Normalizer are taken. An acid and a quaternary ammonium in one molecule are an inner salt, and a
mesoionic ring (a sydnone, triflumezopyrim) is one that no neutral drawing has: ``resonance`` draws it.
"""

from rdkit import Chem
from rdkit.Chem import rdMolDescriptors
from rdkit.Chem.MolStandardize import rdMolStandardize

from models.features.molecules.parents.metals import is_metal
from models.features.molecules.parents.oxides import without_protons
from models.features.molecules.parents.protons import (
    is_permanent,
    protonated_imines,
    without_spare_protons,
)
from models.features.molecules.parents.resonance import settled
from models.features.molecules.parents.shifts import with_acidic_hydrogens

#: Atoms beyond the second period can have more bonds than an octet, by number: Si, P, S, As, Se, Te, I.
_EXPANDS = frozenset((14, 15, 16, 33, 34, 52, 53))
_DONATES = frozenset((6, 7, 8, 16, 34))
_WIDER = {Chem.BondType.SINGLE: Chem.BondType.DOUBLE, Chem.BondType.DOUBLE: Chem.BondType.TRIPLE}

_CHARGED = Chem.MolFromSmarts("[!+0]")
_CHARGED_BESIDE_NITRO = Chem.MolFromSmarts("[!+0;!$([N+](=O)[O-]);!$([O-][N+]=O)]")
_POSITIVE = Chem.MolFromSmarts("[!+0;!-;!-2;!-3;!-4]")
#: A charge that is none of an anion of oxygen or sulfur, of a nitro group, or of an ion alone; and
#: neutral groups that RDKit's Normalizer draws with charges. Without these it changes nothing.
_UNUSUAL_CHARGE = Chem.MolFromSmarts("[!+0;!D0;!$([O,S;X1;-1]);!$([N+](=O)[O-])]")
_DRAWN_CHARGED = Chem.MolFromSmarts(
    "[$([#16;X3;+0]=O),$([#7,#15,#33,#51;X3;+0](=*)=*),$(n=O),$([#7]~N#N)]"
)
_DATIVE = Chem.MolFromSmarts("*->*")
#: Hydroxyl groups of acids, the strongest acid first; and what an anion of them looks like.
_ACIDS = tuple(
    Chem.MolFromSmarts(smarts)
    for smarts in ("[OX2H1]S(=O)=O", "[OX2H1]P=O", "[OX2H1][CX3]=O", "[OX2H1]-B")
)
_ACID_ANION = Chem.MolFromSmarts("[$([OX1-]S(=O)=O),$([OX1-]P=O),$([OX1-][CX3]=O)]")
#: The anion of an amide, whose hydrogen an acid beside it has.
_IMIDATE = Chem.MolFromSmarts("[OX1-]-[CX3]=[NX2;+0]")
#: An azide or a diazo group whose charges are drawn the other way round.
_DIAZONIO = Chem.MolFromSmarts("[#7X2,#6;-1]-[NX2+]#[NX1]")
#: A cation that is not balanced by an anion beside it.
_CATION = Chem.MolFromSmarts("[#7,o,s;+;H0;!$(*~[-]),$([#7+](=O)[O-])]")
#: The enolate of an ylide that a carbonyl group stabilises: its neutral drawing is O=C-C=P.
_YLIDE = Chem.MolFromSmarts("[OX1-]-[CX3]=[CX3]-[$([PX4+]),$([AsX4+]),$([SX3+])]")
#: Two N-oxides of a ring, one drawn without its charge and one without its anion.
_OXIDES = Chem.MolFromSmarts("[OX1]=[n+]"), Chem.MolFromSmarts("[OX1-]-[n+0]")
_normalizer = rdMolStandardize.Normalizer()
# Protons alone: a carbocation, as a dye's, is not given a hydride.
_uncharger = rdMolStandardize.Uncharger(protonationOnly=True)


def without_dative_bonds(molecule: Chem.Mol) -> Chem.Mol:
    """Draw dative bonds between non-metals as single bonds from a cation to an anion; not sanitised."""
    dative = molecule.GetSubstructMatches(_DATIVE)
    if not dative:
        return molecule
    editable = Chem.RWMol(molecule)
    for ends in dative:
        bond = editable.GetBondBetweenAtoms(*ends)
        donor, acceptor = bond.GetBeginAtom(), bond.GetEndAtom()
        if is_metal(donor) or is_metal(acceptor):
            continue
        bond.SetBondType(Chem.BondType.SINGLE)
        donor.SetFormalCharge(donor.GetFormalCharge() + 1)
        acceptor.SetFormalCharge(acceptor.GetFormalCharge() - 1)
        acceptor.SetNumRadicalElectrons(0)
        acceptor.SetNoImplicit(acceptor.GetAtomicNum() == 8)  # an oxygen drawn without brackets
        acceptor.SetNumExplicitHs(0 if acceptor.GetAtomicNum() == 8 else acceptor.GetNumExplicitHs())
    return editable.GetMol()


def one_drawing(molecule: Chem.Mol, *, sanitised: bool) -> Chem.Mol:
    """The molecule, sanitised, with each functional group drawn in its one way.

    ``sanitised`` says that the molecule is already. Raises RDKit's ``MolSanitizeException`` if it does
    not sanitise so.
    """
    drawn = molecule
    if not sanitised:
        drawn = Chem.Mol(molecule)
        Chem.SanitizeMol(drawn)
    if drawn.HasSubstructMatch(_CHARGED):
        form = _diazo(_ylides(_dioxides(_without_charge_pairs(_normalised(drawn)))))
        if form is not drawn:
            Chem.SanitizeMol(form)
            drawn = form
    return drawn


def _normalised(molecule: Chem.Mol) -> Chem.Mol:
    """The molecule by RDKit's rules for groups; as it is drawn where they would add hydrogens.

    To cancel the charges of a mesoionic ring ends its aromaticity, and RDKit fills the atoms that were
    aromatic with hydrogens.
    """
    if not molecule.HasSubstructMatch(_UNUSUAL_CHARGE) and not molecule.HasSubstructMatch(
        _DRAWN_CHARGED
    ):
        return molecule
    normalised: Chem.Mol = _normalizer.normalize(molecule)
    return normalised if _protons_apart(normalised) == _protons_apart(molecule) else molecule


def _protons_apart(molecule: Chem.Mol) -> int:
    """Atoms less charge: what stays the same when charges cancel, and when protons come or go."""
    atoms: int = rdMolDescriptors.CalcNumAtoms(molecule)
    return atoms - Chem.GetFormalCharge(molecule)


def neutral(fragment: Chem.Mol) -> Chem.Mol:
    """A fragment, sanitised, without those charges that protons compensate; an inner salt has its own.

    Raises RDKit's ``MolSanitizeException`` if it does not sanitise so, as the rings of a metallocene.
    """
    if not fragment.HasSubstructMatch(_CHARGED_BESIDE_NITRO):
        return fragment
    if fragment.HasSubstructMatch(_UNUSUAL_CHARGE):
        fragment = without_protons(with_acidic_hydrogens(without_spare_protons(fragment)))
    form = _uncharged(fragment)
    if not form.HasSubstructMatch(_CHARGED_BESIDE_NITRO):
        return form
    form = _inner_salt(form)
    if Chem.GetFormalCharge(form) > 0:  # a carbocation's charge may be on a nitrogen with a proton now
        form = _uncharged(without_spare_protons(form))
    return form


def dye_of(fragment: Chem.Mol) -> Chem.Mol | None:
    """The permanent cation, or its inner salt, that an acid makes of an imine; None if it makes none."""
    form = neutral(protonated_imines(fragment))
    return form if is_permanent(form) else None


def _uncharged(fragment: Chem.Mol) -> Chem.Mol:
    uncharged: Chem.Mol = _uncharger.uncharge(fragment)
    Chem.SanitizeMol(uncharged)
    return uncharged


def _without_charge_pairs(molecule: Chem.Mol) -> Chem.Mol:
    """Turn bonds from P⁺, S⁺ and the like to an anion into bonds of the next order, without charges."""
    pairs = [
        (cation, bond.GetOtherAtom(cation), bond)
        for (index,) in molecule.GetSubstructMatches(_POSITIVE)
        for cation in (molecule.GetAtomWithIdx(index),)
        if cation.GetFormalCharge() > 0
        and (cation.GetAtomicNum() in _EXPANDS or cation.GetFormalCharge() > 1)
        for bond in cation.GetBonds()
        if bond.GetOtherAtom(cation).GetFormalCharge() < 0
    ]
    if not pairs:
        return molecule
    editable = Chem.RWMol(molecule)
    for first, second, drawn in pairs:
        cation, anion = (editable.GetAtomWithIdx(atom.GetIdx()) for atom in (first, second))
        bond = editable.GetBondWithIdx(drawn.GetIdx())
        needed = 1 if cation.GetAtomicNum() in _EXPANDS else 2  # [N+2]([O-])[O-] keeps one charge
        charged = cation.GetFormalCharge() >= needed and anion.GetFormalCharge() < 0
        if charged and anion.GetAtomicNum() in _DONATES and bond.GetBondType() in _WIDER:
            bond.SetBondType(_WIDER[bond.GetBondType()])
            cation.SetFormalCharge(cation.GetFormalCharge() - 1)
            anion.SetFormalCharge(anion.GetFormalCharge() + 1)
    return editable.GetMol()


def _ylides(molecule: Chem.Mol) -> Chem.Mol:
    """Draw O⁻-C=C-P⁺ as O=C-C=P, and so of sulfur and arsenic."""
    matches = molecule.GetSubstructMatches(_YLIDE)
    if not matches:
        return molecule
    editable = Chem.RWMol(molecule)
    for oxygen, carbon, middle, cation in matches:
        if not editable.GetAtomWithIdx(cation).GetFormalCharge():
            continue
        editable.GetBondBetweenAtoms(oxygen, carbon).SetBondType(Chem.BondType.DOUBLE)
        editable.GetBondBetweenAtoms(carbon, middle).SetBondType(Chem.BondType.SINGLE)
        editable.GetBondBetweenAtoms(middle, cation).SetBondType(Chem.BondType.DOUBLE)
        editable.GetAtomWithIdx(oxygen).SetFormalCharge(0)
        editable.GetAtomWithIdx(cation).SetFormalCharge(0)
    return editable.GetMol()


def _dioxides(molecule: Chem.Mol) -> Chem.Mol:
    """Draw a pair of N-oxides O=N⁺ and O⁻-N, as InChI exports a quinoxaline dioxide, as O⁻-N⁺ both."""
    without_anion, without_charge = map(molecule.GetSubstructMatches, _OXIDES)
    if not without_anion or len(without_anion) != len(without_charge):
        return molecule
    editable = Chem.RWMol(molecule)
    for oxygen, nitrogen in without_anion:
        editable.GetBondBetweenAtoms(oxygen, nitrogen).SetBondType(Chem.BondType.SINGLE)
        editable.GetAtomWithIdx(oxygen).SetFormalCharge(-1)
    for _, nitrogen in without_charge:
        editable.GetAtomWithIdx(nitrogen).SetFormalCharge(1)
    return editable.GetMol()


def _diazo(molecule: Chem.Mol) -> Chem.Mol:
    """Draw R⁻–N⁺≡N as R=N⁺=N⁻."""
    matches = molecule.GetSubstructMatches(_DIAZONIO)
    if not matches:
        return molecule
    editable = Chem.RWMol(molecule)
    for first, middle, last in matches:
        editable.GetAtomWithIdx(first).SetFormalCharge(0)
        editable.GetAtomWithIdx(last).SetFormalCharge(-1)
        editable.GetBondBetweenAtoms(first, middle).SetBondType(Chem.BondType.DOUBLE)
        editable.GetBondBetweenAtoms(middle, last).SetBondType(Chem.BondType.DOUBLE)
    return editable.GetMol()


def _inner_salt(fragment: Chem.Mol) -> Chem.Mol:
    """A fragment with a permanent cation and acids: as many acids are ionised as there are cations.

    The strongest acids are, so that betaine and its hydrochloride have one parent.
    """
    fragment = settled(fragment)
    if not fragment.HasSubstructMatch(_CATION):
        return fragment
    editable = Chem.RWMol(fragment)
    anions = editable.GetSubstructMatches(_ACID_ANION)
    if any(map(editable.HasSubstructMatch, _ACIDS)):
        anions += editable.GetSubstructMatches(_IMIDATE)
    for index, *_ in anions:
        oxygen = editable.GetAtomWithIdx(index)
        oxygen.SetFormalCharge(0)
        oxygen.SetNumExplicitHs(1)
        oxygen.SetNoImplicit(True)
    Chem.SanitizeMol(editable)
    ranks = list(Chem.CanonicalRankAtoms(editable, breakTies=True))
    for acid in _ACIDS:
        matches = {match[0] for match in editable.GetSubstructMatches(acid)}
        for index in sorted(matches, key=ranks.__getitem__):
            if Chem.GetFormalCharge(editable) <= 0:
                break
            oxygen = editable.GetAtomWithIdx(index)
            oxygen.SetFormalCharge(-1)
            oxygen.SetNumExplicitHs(0)
            oxygen.SetNoImplicit(True)
    Chem.SanitizeMol(editable)
    return editable.GetMol()
