"""The parent by the rules of ``molecules-1`` and ``molecules-2``, for the bundles that have them.

By the rules of RDKit's MolStandardize: clean up (disconnect metals, normalise groups, reionise), keep
the largest organic fragment, neutralise it, and remove stereo, isotopes and atom maps. A molecule
without metals, charges (except nitro groups), S or P of degree three, or a second fragment does not
change, so it skips these steps. ``parents`` has the rules of later featurizers.
"""

from dataclasses import dataclass

from rdkit import Chem
from rdkit.Chem import rdMolDescriptors
from rdkit.Chem.MolStandardize import rdMolStandardize

from models.features.molecules.rdkit_log import captured_rdkit_log
from models.features.molecules.reading import (
    HYDROGENS,
    Unreadable,
    check_size,
    keep_smallest_rings,
    parent,
    sanitised,
    sentence,
)

# Atoms that standardisation can change or that a parent does not have: isotopes, charges outside
# nitro groups, three-coordinate S and P (sulfoxides may be written charge-separated), and all elements
# but the common non-metals (that is metals, which are disconnected, and wildcards).
_CAN_CHANGE = Chem.MolFromSmarts(
    "[!0*,!+0&!$([N+](=O)[O-])&!$([O-][N+]=O)"
    ",!#1&!#5&!#6&!#7&!#8&!#9&!#14&!#15&!#16&!#17&!#34&!#35&!#53,#16X3,#15X3]"
)
_CARBON = Chem.MolFromSmarts("[#6]")

# The steps of rdMolStandardize.Cleanup, which builds these objects anew for every molecule.
_disconnector = rdMolStandardize.MetalDisconnector()
_normalizer = rdMolStandardize.Normalizer()
_reionizer = rdMolStandardize.Reionizer()
_uncharger = rdMolStandardize.Uncharger()


@dataclass(frozen=True, slots=True)
class Standardised:
    """A parent and how it differs from the record.

    ``parent`` is sanitised, with its atoms in the order of ``smiles``, its canonical SMILES.
    ``removed``: the canonical SMILES of the other fragments, in alphabetical order.
    ``repaired``: what was repaired in the record; empty if nothing was.
    """

    parent: Chem.Mol
    smiles: str
    removed: tuple[str, ...]
    repaired: str


def standardise(molecule: Chem.Mol, written: str = "") -> Standardised:
    """The parent of a molecule that is not sanitised yet; changes ``molecule``.

    ``written`` is the SMILES that was read, if any: one that is already canonical is not parsed again.
    Raises ``Unreadable`` if the molecule exceeds ``MAX_HEAVY_ATOMS``, ``MAX_RINGS`` or
    ``MAX_RING_PATHS``, has no heavy atom, has a wildcard atom, or has impossible valences that
    ``repair`` cannot repair.
    """
    check_size(molecule)
    Chem.RemoveStereochemistry(molecule)
    with captured_rdkit_log():
        molecule, repaired = sanitised(molecule, written)
        can_change = molecule.HasSubstructMatch(_CAN_CHANGE)
        if can_change:
            for atom in molecule.GetAtoms():
                atom.SetIsotope(0)
        if molecule.GetNumAtoms() != molecule.GetNumHeavyAtoms():
            molecule = Chem.RemoveHs(molecule, HYDROGENS)
        if can_change:
            return _fully_standardised(molecule, repaired)
        molecule, smiles, removed = _largest(molecule)
        if smiles == written:
            keep_smallest_rings(molecule)
        else:
            try:
                molecule = parent(smiles)
            except Chem.MolSanitizeException as error:  # huge ring systems, in another order
                raise Unreadable(f"not a valid SMILES: {sentence(error)}") from error
        return Standardised(molecule, smiles, removed, repaired)


def _fully_standardised(molecule: Chem.Mol, repaired: str) -> Standardised:
    """Clean up, keep the largest organic fragment, neutralise.

    In rare cases neutralising (the rings of a metallocene) or cleaning up (sydnone imines) leaves an
    aromatic ring that does not sanitise. The parent is then the form before that step.
    """
    if any(atom.GetAtomicNum() == 0 for atom in molecule.GetAtoms()):
        raise Unreadable("the SMILES holds a wildcard atom; give a complete molecule")
    cleaned = Chem.Mol(molecule)
    _disconnector.DisconnectInPlace(cleaned)
    _normalizer.normalizeInPlace(cleaned)
    _reionizer.reionizeInPlace(cleaned)
    for form, neutralise in ((cleaned, True), (cleaned, False), (molecule, False)):
        fragment, smiles, removed = _largest(form)
        if neutralise:
            smiles = Chem.MolToSmiles(_uncharger.uncharge(fragment))
        try:
            return Standardised(parent(smiles), smiles, removed, repaired)
        except Chem.MolSanitizeException:
            continue
    raise Unreadable("the molecule cannot be standardised; give its neutral parent")


def _largest(molecule: Chem.Mol) -> tuple[Chem.Mol, str, tuple[str, ...]]:
    """The largest organic fragment, its canonical SMILES, and the SMILES of the others.

    The order is that of rdMolStandardize.LargestFragmentChooser: organic before inorganic, then by
    number of atoms, by mass, and by SMILES.
    """
    if len(Chem.GetMolFrags(molecule)) == 1:
        return molecule, Chem.MolToSmiles(molecule), ()
    fragments = Chem.GetMolFrags(molecule, asMols=True)
    ranked = sorted(
        (
            not fragment.HasSubstructMatch(_CARBON),
            -rdMolDescriptors.CalcNumAtoms(fragment),
            -rdMolDescriptors.CalcExactMolWt(fragment),
            Chem.MolToSmiles(fragment),
            index,
        )
        for index, fragment in enumerate(fragments)
    )
    others = tuple(sorted(smiles for *_, smiles, _ in ranked[1:]))
    *_, smiles, index = ranked[0]
    return fragments[index], smiles, others
