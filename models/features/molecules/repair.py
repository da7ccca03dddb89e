"""Repair of errors in SMILES that are common in public records and have one obvious meaning.

* A pyrrole-like nitrogen without its hydrogen, ``c1cnc2ccccc2n1`` for a benzimidazole: an aromatic
  ring that cannot be kekulised gets the hydrogen on one nitrogen, or on two if there are two such
  rings.
* A halide ion with a bond to its metal, ``[Cl-][Pt]``, or a halogen as the fifth bond of a nitrogen,
  ``CN(C)(C)(C)Cl``: the bond is taken as ionic.

The caller rejects what still does not sanitise, with RDKit's reason.
"""

from collections.abc import Sequence
from itertools import combinations

from rdkit import Chem

# With more bare aromatic nitrogens the meaning is not obvious, and there are too many pairs to try.
MAX_NITROGENS = 12

_BARE_NITROGEN = Chem.MolFromSmarts("[#7;a;D2;+0]")
_BONDED_HALIDE = Chem.MolFromSmarts("[F,Cl,Br,I;-1]~[!#1!#6!#7!#8!#9!#15!#16!#17!#35!#53]")
_AMMONIUM_HALIDE = Chem.MolFromSmarts("[F,Cl,Br,I;D1;+0]-[#7;X5;+0]")


def repair(molecule: Chem.Mol) -> tuple[Chem.Mol, str] | None:
    """The sanitised molecule and a phrase that tells what was repaired, or None.

    ``molecule`` is one that failed to sanitise, in its state before that. If several nitrogens could
    have the hydrogen, the one that gives the alphabetically first canonical SMILES gets it, so that
    the result does not depend on how the record was written.
    """
    molecule.UpdatePropertyCache(strict=False)
    halides = molecule.GetSubstructMatches(_BONDED_HALIDE)
    if halides:
        editable = Chem.RWMol(molecule)
        for halide, metal in halides:
            editable.RemoveBond(halide, metal)
        ionic = editable.GetMol()
        if _sanitises(ionic):
            return ionic, "bonds between halide ions and their metal were taken as ionic"
    bonds = molecule.GetSubstructMatches(_AMMONIUM_HALIDE)
    if bonds:
        editable = Chem.RWMol(molecule)
        for halide, nitrogen in bonds:
            editable.RemoveBond(halide, nitrogen)
            editable.GetAtomWithIdx(halide).SetFormalCharge(-1)
            editable.GetAtomWithIdx(nitrogen).SetFormalCharge(1)
        ionic = editable.GetMol()
        if _sanitises(ionic):
            return ionic, "bonds between halogens and an ammonium nitrogen were taken as ionic"
    candidates = {Chem.MolToSmiles(candidate): candidate for candidate in _protonated(molecule)}
    if candidates:
        first = candidates[min(candidates)]
        return first, "a pyrrole-like nitrogen was given the hydrogen that its SMILES lacks"
    return None


def _protonated(molecule: Chem.Mol) -> list[Chem.Mol]:
    """All sanitised molecules with a hydrogen on one bare aromatic nitrogen, or else on two."""
    nitrogens = [
        index
        for (index,) in molecule.GetSubstructMatches(_BARE_NITROGEN)
        if not molecule.GetAtomWithIdx(index).GetNumExplicitHs()
    ]
    for number in (1, 2) if len(nitrogens) <= MAX_NITROGENS else ():
        candidates = [_with_hydrogens(molecule, chosen) for chosen in combinations(nitrogens, number)]
        if sanitised := [candidate for candidate in candidates if _sanitises(candidate)]:
            return sanitised
    return []


def _with_hydrogens(molecule: Chem.Mol, atoms: Sequence[int]) -> Chem.Mol:
    copy = Chem.Mol(molecule)
    for index in atoms:
        atom = copy.GetAtomWithIdx(index)
        atom.SetNumExplicitHs(1)
        atom.SetNoImplicit(True)
    return copy


def _sanitises(molecule: Chem.Mol) -> bool:
    flags: int = Chem.SanitizeMol(molecule, catchErrors=True)
    return flags == Chem.SANITIZE_NONE
