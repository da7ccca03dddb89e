"""The parts of a record: as they are drawn, in their neutral form, and what they usually are."""

from dataclasses import dataclass
from functools import lru_cache

from rdkit import Chem
from rdkit.Chem import rdMolDescriptors

from models.features.molecules.parents.components import CARBIDES, Role, role_of
from models.features.molecules.parents.groups import dye_of, neutral
from models.features.molecules.parents.metals import has_metal
from models.features.molecules.parents.protons import may_be_dye
from models.features.molecules.parents.radicals import unpaired
from models.features.molecules.parents.tautomers import placed
from models.features.molecules.reading import HYDROGENS, Unreadable, read_smiles, sanitised

#: Parts of up to so many atoms, or characters, are remembered by their SMILES, up to so many of them.
_SMALL_PART, _SHORT_TEXT, _MOST_SMALL_PARTS = 8, 48, 1024

_CARBON = Chem.MolFromSmarts("[#6]")


@dataclass(frozen=True, slots=True)
class Fragment:
    """A connected part of a record: as it is drawn, and its neutral form by canonical SMILES."""

    drawn: str
    smiles: str
    role: Role
    heavy: int
    weight: float
    charge: int


_small_parts: dict[str, Fragment] = {}


def fragment_of(drawn: Chem.Mol, beside_acid: bool = False) -> Fragment:
    """What one connected part is; small ones, as most counter-ions are, are remembered.

    ``beside_acid`` says that the record also holds an acid, which a dye's imine is protonated by.
    """
    if drawn.GetNumAtoms() > _SMALL_PART or beside_acid:
        return _described(drawn, beside_acid)
    smiles = Chem.MolToSmiles(drawn)
    known = _small_parts.get(smiles)
    if known is None:
        known = _described(drawn, False)
        if len(_small_parts) < _MOST_SMALL_PARTS:
            _small_parts[smiles] = known
    return known


@lru_cache(_MOST_SMALL_PARTS)
def part_of(smiles: str) -> Fragment | None:
    """What a part without charges and metals is, by its text; None if it is long, or unusual."""
    if len(smiles) > _SHORT_TEXT:
        return None
    try:
        read = read_smiles(smiles)
        Chem.RemoveStereochemistry(read)
        molecule, repaired = sanitised(read, smiles)
        molecule = Chem.RemoveHs(molecule, HYDROGENS)
    except (Unreadable, Chem.MolSanitizeException):
        return None
    if repaired or len(Chem.GetMolFrags(molecule)) > 1 or any(unpaired(molecule)):
        return None
    return fragment_of(molecule)


def _described(drawn: Chem.Mol, beside_acid: bool) -> Fragment:
    """What one connected part is; where its neutral form does not sanitise, as it is drawn."""
    try:
        Chem.GetSSSR(drawn)  # a part that is cut out of a record does not know its rings
        form = placed(neutral(drawn))
        if beside_acid and may_be_dye(form):
            form = dye_of(form) or form
    except Chem.MolSanitizeException:
        form = drawn
    smiles = Chem.MolToSmiles(form)
    written = smiles if form is drawn else Chem.MolToSmiles(drawn)
    if written in CARBIDES:
        smiles, role = written, Role.INORGANIC
    elif has_metal(form):
        role = Role.ORGANOMETALLIC if form.HasSubstructMatch(_CARBON) else Role.INORGANIC
    else:
        role = role_of(smiles) if form.HasSubstructMatch(_CARBON) else Role.INORGANIC
    return Fragment(
        written,
        smiles,
        role,
        form.GetNumHeavyAtoms(),
        rdMolDescriptors.CalcExactMolWt(form),
        Chem.GetFormalCharge(drawn),
    )


def order_of(fragment: Fragment) -> tuple[int, int, float, str]:
    """The parent comes first: by role, then by heavy atoms, mass, and SMILES."""
    return -fragment.role, -fragment.heavy, -fragment.weight, fragment.smiles
