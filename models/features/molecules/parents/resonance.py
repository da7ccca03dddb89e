"""One drawing of a charge that a molecule spreads over several atoms.

Methylene blue is drawn with its charge on sulfur or on either nitrogen, crystal violet as a carbocation
too, a sydnone with its negative charge on oxygen, nitrogen or carbon. Of the drawings that have the same
hydrogens and whole octets one is taken: the fewest charges, cations without hydrogens, the most aromatic
bonds, negative charges on oxygen or sulfur rather than on nitrogen, and on that rather than on carbon,
then the first canonical SMILES. RDKit's ``ResonanceMolSupplier`` finds the drawings, but for those with
the charge on a ring's oxygen or sulfur.
"""

from collections.abc import Iterator

from rdkit import Chem

from models.features.molecules.parents.mobile_systems import with_fused

#: A charge that may be elsewhere: none of a nitro group, an N-oxide, an onium or an acid's anion.
_SPREADS = Chem.MolFromSmarts(
    "[!+0;#6,#7,#8,#16,#34;!$([N+](=O)[O-]);!$([O-][#7+]);!$([#7+][O-]);!$([#7X4+]);!$([#16X3+](-C)(-C)-C)"
    ";!$([O-][CX3]=O);!$([O-][#16,#15]);!$([N+]#N);!$([N-]=[N+]);!$([N+]=[N-]);!$([#6-]#[#7])]~[!#1]"
)
#: Charges that spread and atoms of conjugated bonds beyond which a molecule stays as it is drawn: the
#: number of drawings grows with a power of both. Drawings that are looked at.
_MOST_CHARGES, _MOST_CONJUGATED, _MOST_DRAWINGS = 2, 36, 32
_CARBON, _NITROGEN = 6, 7
#: An iminium on a ring, and the atom of a ring that may have its charge: xanthylium, phenothiazinium.
_IMINIUM = Chem.MolFromSmarts("[NX3+]=[#6;R]")
_CHALCOGEN = Chem.MolFromSmarts("[#8,#16,#34;X2;R;+0]")

_Order = tuple[int, int, int, int, str]


def settled(fragment: Chem.Mol) -> Chem.Mol:
    """The fragment, sanitised, with its charges where the one drawing has them."""
    charges = fragment.GetSubstructMatches(_SPREADS)
    if not 0 < len({match[0] for match in charges}) <= _MOST_CHARGES:
        return fragment
    if sum(map(_is_conjugated, fragment.GetAtoms())) > _MOST_CONJUGATED:
        return fragment
    best, first = fragment, _order(fragment)
    for form in _drawings(fragment):
        order = _order(form)
        if order < first and not _gains_hydrogens(form, fragment):
            best, first = form, order
    return best


def _is_conjugated(atom: Chem.Atom) -> bool:
    return any(bond.GetIsConjugated() for bond in atom.GetBonds())


def _drawings(fragment: Chem.Mol) -> Iterator[Chem.Mol]:
    for drawing in Chem.ResonanceMolSupplier(fragment, 0, _MOST_DRAWINGS):
        form = None if drawing is None else Chem.Mol(drawing)
        if form is not None and _sanitises(form):
            yield form
            yield from filter(_sanitises, _with_ring_cations(form))


def _sanitises(form: Chem.Mol) -> bool:
    flags: int = Chem.SanitizeMol(form, catchErrors=True)
    return flags == Chem.SANITIZE_NONE


def _with_ring_cations(drawing: Chem.Mol) -> Iterator[Chem.Mol]:
    """Yield drawings with the charge of an iminium on an oxygen or sulfur of the rings beside it."""
    matches = drawing.GetSubstructMatches(_IMINIUM)
    chalcogens = drawing.GetSubstructMatches(_CHALCOGEN) if matches else ()
    for nitrogen, carbon in matches:
        system = _ring_system(drawing, carbon) if chalcogens else set()
        for (chalcogen,) in chalcogens:
            if chalcogen not in system:
                continue
            form = Chem.RWMol(drawing)
            form.GetAtomWithIdx(nitrogen).SetFormalCharge(0)
            form.GetBondBetweenAtoms(nitrogen, carbon).SetBondType(Chem.BondType.SINGLE)
            form.GetAtomWithIdx(chalcogen).SetFormalCharge(1)
            for bond in form.GetBonds():
                ends = bond.GetBeginAtom(), bond.GetEndAtom()
                if bond.IsInRing() and all(end.GetIdx() in system for end in ends):
                    bond.SetBondType(Chem.BondType.AROMATIC)
                    bond.SetIsAromatic(True)
                    for end in ends:
                        end.SetIsAromatic(True)
            yield form.GetMol()


def _ring_system(molecule: Chem.Mol, index: int) -> set[int]:
    """The atoms of the fused rings that an atom is in."""
    rings = [set(ring) for ring in molecule.GetRingInfo().AtomRings()]
    own = (ring for ring in rings if index in ring)
    return with_fused({index}.union(*own), rings)


def _gains_hydrogens(form: Chem.Mol, fragment: Chem.Mol) -> bool:
    """Whether atoms have other hydrogens than those of the fragment, or unpaired electrons."""
    return any(
        drawn.GetTotalNumHs() != atom.GetTotalNumHs() or drawn.GetNumRadicalElectrons()
        for drawn, atom in zip(form.GetAtoms(), fragment.GetAtoms(), strict=True)
    )


def _order(molecule: Chem.Mol) -> _Order:
    charged = [atom for atom in molecule.GetAtoms() if atom.GetFormalCharge()]
    aromatic = sum(bond.GetIsAromatic() for bond in molecule.GetBonds())
    sextets = sum(atom.GetFormalCharge() > 0 and atom.GetAtomicNum() == _CARBON for atom in charged)
    anions = [atom.GetAtomicNum() for atom in charged if atom.GetFormalCharge() < 0]
    awkward = 2 * anions.count(_CARBON) + anions.count(_NITROGEN)
    acids = sum(atom.GetFormalCharge() > 0 and atom.GetTotalNumHs() > 0 for atom in charged)
    return len(charged) + 2 * sextets, acids, -aromatic, awkward, Chem.MolToSmiles(molecule)
