"""The parent compound of a record: the neutral molecule that the features describe.

A Tox21 record is a sample: a salt, a hydrate, one stereoisomer, drawn in one of several ways. Its parent
has no counter-ions, solvents, charges that protons compensate, stereo, isotopes or atom maps, and each
group and each mobile hydrogen is drawn in one way. Some samples have no parent that the model can judge:
those without carbon, and those with a metal that it has not learned from.

The limits on size, and what is read as a molecule, are those of ``reading``.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from rdkit import Chem

from models.features.molecules.parents.components import MINERAL, Role, role_of
from models.features.molecules.parents.fragments import Fragment, fragment_of, order_of, part_of
from models.features.molecules.parents.groups import one_drawing, without_dative_bonds
from models.features.molecules.parents.metals import (
    Metals,
    Warnings,
    is_metal,
    not_learned,
    separate,
    warnings_of_metals,
)
from models.features.molecules.parents.protons import has_acid, may_be_dye, with_protons_of_acids
from models.features.molecules.parents.radicals import warnings_of_radicals, with_ligands_drawn
from models.features.molecules.parents.tautomers import placed
from models.features.molecules.rdkit_log import captured_rdkit_log
from models.features.molecules.reading import (
    HYDROGENS,
    Unreadable,
    check_size,
    keep_smallest_rings,
    parent,
    read_smiles,
    sanitised,
)

#: A removed compound of so many heavy atoms makes the record a mixture.
MIXTURE_HEAVY_ATOMS = 7
# What a record must have for more than the quick way: isotopes, charges outside nitro groups, and all
# elements but the common non-metals (that is metals and wildcards).
_CAN_CHANGE = Chem.MolFromSmarts(
    "[!0*,!+0&!$([N+](=O)[O-])&!$([O-][N+]=O)"
    ",!#1&!#5&!#6&!#7&!#8&!#9&!#14&!#15&!#16&!#17&!#33&!#34&!#35&!#53]"
)
# What the text of such a record has: an atom in brackets that is more than an element with hydrogens and
# stereo, or a dative bond.
_CAN_CHANGE_TEXT = re.compile(r"\[(?!(?:nH|[BCNOPS]@{0,2}H?\d?)\])|[*<>]")
# Signs of bonds that patterns have: any, aromatic (atom maps have it too), and quadruple, as of rhenium.
_SPECIAL_BOND = re.compile("[~:$]")
_BONDS = frozenset(
    (Chem.BondType.SINGLE, Chem.BondType.DOUBLE, Chem.BondType.TRIPLE, Chem.BondType.DATIVE)
)
# What canonical SMILES show of carbon beside the non-metals, and of groups whose hydrogens can move.
_CARBON_TEXT = re.compile(r"c|C(?!l)")
_MAY_MOVE = re.compile(
    r"n|=N|N[%\d]*=|P|=S|S=|Se|\[N\+\]=|\[N\+\]\(\[O-\]\)|=C\((?:O\)|N)|[NO]C\((?:O|N|=C)"
)
# An atom that may have an unpaired electron is in brackets, and no pyrrole's nitrogen.
_MAY_BE_OPEN = re.compile(r"\[(?!nH\])")
_IMINE = re.compile(r"N[%\d]*=|=N")
_WILDCARD = Chem.MolFromSmarts("[#0]")
_ISOTOPE = Chem.MolFromSmarts("[!0*]")
_CARBON = Chem.MolFromSmarts("[#6]")

_WATER = "O"
NO_CARBON = "the record holds no carbon; the model has learned from organic compounds"
NO_ORGANIC_CARBON = "the record holds no organic carbon; the model has learned from organic compounds"


@dataclass(frozen=True, slots=True)
class Parent:
    """A parent and how it differs from the record.

    ``molecule`` is sanitised, with its atoms in the order of ``smiles``, its canonical SMILES.
    ``removed``: the canonical SMILES of all that is no copy of the parent, in alphabetical order.
    ``repaired``: what was repaired in the record. ``reason``: why the model cannot judge the record,
    empty if it can. ``warnings``: codes and messages.
    """

    molecule: Chem.Mol
    smiles: str
    removed: tuple[str, ...] = ()
    repaired: str = ""
    reason: str = ""
    warnings: Warnings = ()


def parent_compound(molecule: Chem.Mol, written: str = "") -> Parent:
    """The parent of a molecule that is not sanitised yet; changes ``molecule``.

    ``written`` is the SMILES that was read, if any: one that is already canonical is not parsed again.
    Raises ``Unreadable`` for what ``standardise`` refuses, and for an atom that lacks a hydrogen.
    """
    check_size(molecule)
    with captured_rdkit_log():
        if "." in written:
            found = _beside_partners(written)
            if found is not None:
                return found
        Chem.RemoveStereochemistry(molecule)
        if not written or "->" in written or "<-" in written:
            molecule = without_dative_bonds(molecule)
        molecule, repaired = sanitised(molecule, written)
        if _SPECIAL_BOND.search(written):
            _check_bonds(molecule)
        plain = written and not repaired and not _CAN_CHANGE_TEXT.search(written)
        can_change = not plain and molecule.HasSubstructMatch(_CAN_CHANGE)
        if can_change:
            for (index,) in molecule.GetSubstructMatches(_ISOTOPE):
                molecule.GetAtomWithIdx(index).SetIsotope(0)
        if molecule.GetNumAtoms() != molecule.GetNumHeavyAtoms():
            molecule = Chem.RemoveHs(molecule, HYDROGENS)
        smiles = "" if can_change or len(Chem.GetMolFrags(molecule)) > 1 else Chem.MolToSmiles(molecule)
        if not smiles:
            return _of_parts(molecule, repaired)
        return _of_one_part(molecule, smiles, written, repaired)


def _of_one_part(molecule: Chem.Mol, smiles: str, written: str, repaired: str) -> Parent:
    """The parent of one connected molecule without charges, metals and isotopes, as most records are."""
    warnings = _of_repair(repaired)
    organic = _CARBON_TEXT.search(smiles)
    if organic and _MAY_BE_OPEN.search(smiles):
        warnings += warnings_of_radicals(molecule)
    form = placed(molecule) if _MAY_MOVE.search(smiles) else molecule
    if form is not molecule:
        smiles = Chem.MolToSmiles(form)
    if (
        form is molecule and smiles == written
    ):  # a placed form may have its hydrogen on another, equal atom
        keep_smallest_rings(form)
    else:
        form = _parsed(smiles)
    if not organic or smiles in MINERAL:
        reason = NO_ORGANIC_CARBON if organic else NO_CARBON
        return Parent(form, smiles, (), repaired, reason, (*warnings, ("inorganic", reason)))
    return Parent(form, smiles, (), repaired, "", warnings)


def _beside_partners(written: str) -> Parent | None:
    """The parent of a record of parts without charges: one compound, and what salts and solvates have.

    It is the compound's parent alone. None where the record is to be looked at as a whole: it may be a
    mixture, have an error, or its compound may be an imine, which acids make a cation.
    """
    if _CAN_CHANGE_TEXT.search(written):
        return None
    *others, main = sorted(written.split("."), key=len)
    partners = [part_of(text) for text in others]
    if None in partners:
        return None
    try:
        found = parent_compound(read_smiles(main), main)
    except Unreadable:
        return None
    role = role_of(found.smiles)
    if found.reason or found.repaired or _IMINE.search(found.smiles):
        return None
    known = [partner for partner in partners if partner is not None]
    if role <= max(partner.role for partner in known):
        return None
    return replace(found, removed=tuple(sorted(partner.drawn for partner in known)))


def _of_parts(molecule: Chem.Mol, repaired: str) -> Parent:
    """The parent of a record with several parts, charges, metals, or groups drawn in another way."""
    if molecule.HasSubstructMatch(_WILDCARD):
        raise Unreadable("the SMILES holds a wildcard atom; give a complete molecule")
    organic = molecule.HasSubstructMatch(_CARBON)
    separated, metals = separate(molecule)
    has_ligands = False
    if metals.foreign:
        separated, has_ligands = with_ligands_drawn(separated)
    acidic = False
    try:
        drawn = with_protons_of_acids(one_drawing(separated, sanitised=separated is molecule))
        acidic = may_be_dye(drawn) and has_acid(drawn)
    except Chem.MolSanitizeException:
        drawn = separated  # as it is drawn; a part that does not sanitise is refused if it is the parent
        drawn.UpdatePropertyCache(strict=False)
    parts = Chem.GetMolFrags(drawn, asMols=True, sanitizeFrags=False)
    fragments = sorted((fragment_of(part, acidic) for part in parts), key=order_of)
    warnings = _of_repair(repaired)
    if organic and not has_ligands:
        warnings += warnings_of_radicals(molecule)
    warnings += warnings_of_metals(metals)
    first, *_ = fragments
    if first.role is Role.INORGANIC or _is_solvate_of_a_salt(fragments, metals):
        reason = (not_learned(metals) or NO_ORGANIC_CARBON) if organic else NO_CARBON
        return _inorganic(fragments, repaired, reason, warnings)
    removed = [fragment for fragment in fragments if fragment.smiles != first.smiles]
    # Beside a solvent another solvent is a compound too, as in xylenes.
    least = Role.SOLVENT if first.role is Role.SOLVENT else Role.COMPOUND
    others = {f.smiles for f in removed if f.role >= least and f.heavy >= MIXTURE_HEAVY_ATOMS}
    if others:
        text = f"the record is a mixture of {len(others) + 1} compounds, of which one is judged"
        warnings += (("mixture", text),)
    left = tuple(sorted(fragment.drawn for fragment in removed))
    reason = not_learned(metals)
    return Parent(_parsed(first.smiles), first.smiles, left, repaired, reason, warnings)


def _check_bonds(molecule: Chem.Mol) -> None:
    """Raise ``Unreadable`` for a bond of a pattern between non-metals, as in ``C~C``."""
    for bond in molecule.GetBonds():
        ends = bond.GetBeginAtom(), bond.GetEndAtom()
        is_real = bond.GetBondType() in _BONDS or (
            bond.GetBondType() == Chem.BondType.AROMATIC and all(end.GetIsAromatic() for end in ends)
        )
        if not is_real and not any(map(is_metal, ends)):
            raise Unreadable(
                f"the bond between atoms {ends[0].GetIdx() + 1} and {ends[1].GetIdx() + 1} is one of a"
                " pattern (~, $, or : outside a ring); give a molecule with single, double, triple or"
                " aromatic bonds"
            )


def _parsed(smiles: str) -> Chem.Mol:
    try:
        return parent(smiles)
    except Chem.MolSanitizeException as error:  # huge ring systems, in another order
        raise Unreadable("the molecule cannot be standardised; give its neutral parent") from error


def _is_solvate_of_a_salt(fragments: Sequence[Fragment], metals: Metals) -> bool:
    """Whether all that is organic is solvent, around the salt of a metal with an inorganic acid."""
    return (
        metals.present
        and all(f.role <= Role.SOLVENT and (f.role is Role.INORGANIC or not f.charge) for f in fragments)
        and any(f.charge < 0 for f in fragments)
    )


def _inorganic(fragments: Sequence[Fragment], repaired: str, reason: str, warnings: Warnings) -> Parent:
    """A record without an organic compound: what is left of it without water and solvents."""
    kept = [f for f in fragments if f.role is Role.INORGANIC and f.drawn != _WATER] or fragments
    molecule = _parsed(".".join(sorted(f.drawn for f in kept)))
    smiles = Chem.MolToSmiles(molecule)
    left = tuple(sorted(f.drawn for f in fragments if f not in kept))
    return Parent(molecule, smiles, left, repaired, reason, (*warnings, ("inorganic", reason)))


def _of_repair(repaired: str) -> Warnings:
    return (("repaired", repaired),) if repaired else ()
