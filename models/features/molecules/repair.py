"""Mending two faults of writing that public records have, where the intention is plain.

* A pyrrole-like nitrogen without its hydrogen, ``c1cnc2ccccc2n1`` for a benzimidazole: an
  aromatic ring that cannot be kekulised gets the hydrogen on one nitrogen (or on two, one for
  each such ring).
* A halide ion drawn with a bond to its metal, ``[Cl-][Pt]``: the bond is taken as ionic.

Whatever still fails is left to the caller to reject with RDKit's reason.
"""

from collections.abc import Iterator
from itertools import combinations

from rdkit import Chem

# More bare aromatic nitrogens than this make no plain intention, and too many pairs to try.
MAX_NITROGENS = 12

_BARE_NITROGEN = Chem.MolFromSmarts("[#7;a;D2;+0]")
_BONDED_HALIDE = Chem.MolFromSmarts("[F,Cl,Br,I;-1]~[!#1!#6!#7!#8!#9!#15!#16!#17!#35!#53]")


def repair(molecule: Chem.Mol) -> tuple[Chem.Mol, str] | None:
    """The sanitised molecule and a phrase that tells what was mended, or None.

    ``molecule`` failed to sanitise and is given as it was read. Where several nitrogens could
    carry the hydrogen, the one with the alphabetically first canonical SMILES does, so that the
    answer does not depend on how the record was written.
    """
    molecule.UpdatePropertyCache(strict=False)
    halides = molecule.GetSubstructMatches(_BONDED_HALIDE)
    if halides:
        editable = Chem.RWMol(molecule)
        for halide, metal in halides:
            editable.RemoveBond(halide, metal)
        freed = editable.GetMol()
        if _sanitises(freed):
            return freed, "bonds between halide ions and their metal were taken as ionic"
    found = {Chem.MolToSmiles(candidate): candidate for candidate in _protonated(molecule)}
    if found:
        first = found[min(found)]
        return first, "a pyrrole-like nitrogen was given the hydrogen that its SMILES lacks"
    return None


def _protonated(molecule: Chem.Mol) -> Iterator[Chem.Mol]:
    """Every sanitised molecule with a hydrogen on as few bare aromatic nitrogens as will do."""
    nitrogens = [
        index
        for (index,) in molecule.GetSubstructMatches(_BARE_NITROGEN)
        if not molecule.GetAtomWithIdx(index).GetNumExplicitHs()
    ]
    if len(nitrogens) > MAX_NITROGENS:
        return
    for number in (1, 2):
        mended = False
        for chosen in combinations(nitrogens, number):
            candidate = Chem.Mol(molecule)
            for index in chosen:
                atom = candidate.GetAtomWithIdx(index)
                atom.SetNumExplicitHs(1)
                atom.SetNoImplicit(True)
            if _sanitises(candidate):
                mended = True
                yield candidate
        if mended:
            return


def _sanitises(molecule: Chem.Mol) -> bool:
    try:
        Chem.SanitizeMol(molecule)
    except Chem.MolSanitizeException:
        return False
    return True
