"""Structural keys: which of a set of substructures a molecule has.

Two public sets, in RDKit's definition: the MACCS keys and the functional groups of
``rdkit.Chem.Fragments`` (as yes or no; counts earned nothing on the folds). Each pattern costs
one to twenty microseconds, so it is only tried on molecules that have the elements it names, the
ring if it has one, and the wider pattern that it is a case of. Patterns of equal needs are
matched in one call.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem
from rdkit.Chem import FilterCatalog, Fragments, MACCSkeys

from models.features.molecules.descriptors import element_counts

# Left out: undefined in RDKit (1, 2, 125, 166); rings of a size, found by listing walks at twenty
# times the price of the ring counts among the descriptors (8, 11, 16, 19, 22, 83, 96, 98, 101,
# 145, 163); chains of methylene groups, as dear (90, 91, 116, 118, 128, 129, 147); and single
# elements, which are counted among the descriptors (the rest).
_MACCS_LEFT_OUT = frozenset(
    (
        *(1, 2, 125, 166),
        *(8, 11, 16, 19, 22, 83, 96, 98, 101, 145, 163),
        *(90, 91, 116, 118, 128, 129, 147),
        *(3, 4, 5, 6, 7, 9, 10, 12, 18, 20, 27, 29, 35, 42, 44, 46, 88, 103, 134),
        *(140, 142, 146, 159, 161, 164),
    )
)
RING = "ring"


# What patterns inside recursive SMARTS ask for, which ``needs_of`` does not read.
_MORE_NEEDS: dict[str, tuple[str, ...]] = {
    "fr_ArN": ("N", RING),
    "fr_HOCCN": ("C", "N", "O"),
    "fr_Ndealkylation1": ("C", "N"),
    "fr_Ndealkylation2": ("C", "N", RING),
    "fr_aryl_methyl": ("C", RING),
    "fr_azide": ("N",),
    "fr_dihydropyridine": ("C", "N", RING),
    "fr_nitro": ("N", "O"),
    "fr_phos_acid": ("O", "P"),
    "fr_phos_ester": ("C", "O", "P"),
    "fr_quatN": ("N",),
}
# Each is a case of the other, so it is tried only where the other was found.
_CASE_OF: dict[str, str] = {
    "MACCS_21": "MACCS_99",
    "MACCS_26": "MACCS_99",
    "MACCS_45": "MACCS_99",
    "MACCS_50": "MACCS_99",
    "MACCS_76": "MACCS_99",
    "fr_Al_COO": "fr_COO",
    "fr_Al_OH": "MACCS_139",
    "fr_Al_OH_noTert": "MACCS_139",
    "fr_Ar_COO": "fr_COO",
    "fr_COO": "MACCS_154",
    "fr_COO2": "MACCS_154",
    "fr_C_O": "MACCS_154",
    "fr_C_O_noCOO": "MACCS_154",
    "fr_aldehyde": "MACCS_154",
    "fr_alkyl_carbamate": "MACCS_154",
    "fr_allylic_oxid": "MACCS_99",
    "fr_amide": "MACCS_154",
    "fr_azide": "MACCS_52",
    "fr_barbitur": "fr_urea",
    "fr_benzodiazepine": "fr_benzene",
    "fr_diazo": "MACCS_52",
    "fr_ester": "MACCS_154",
    "fr_hdrzine": "MACCS_52",
    "fr_hdrzone": "MACCS_52",
    "fr_imide": "fr_amide",
    "fr_ketone": "MACCS_154",
    "fr_ketone_Topliss": "fr_ketone",
    "fr_lactam": "fr_amide",
    "fr_lactone": "MACCS_154",
    "fr_nitro_arom": "fr_nitro",
    "fr_nitro_arom_nonortho": "fr_nitro_arom",
    "fr_para_hydroxylation": "fr_benzene",
    "fr_phenol": "fr_Ar_OH",
    "fr_phenol_noOrthoHbond": "fr_phenol",
    "fr_priamide": "fr_amide",
    "fr_term_acetylene": "MACCS_17",
    "fr_urea": "fr_amide",
}


class Key(NamedTuple):
    """A pattern that counts as present from ``least`` matches on."""

    name: str
    pattern: Chem.Mol
    least: int


def _maccs() -> Iterator[Key]:
    for number, (smarts, most_without) in MACCSkeys.smartsPatts.items():
        if number not in _MACCS_LEFT_OUT:
            yield Key(f"MACCS_{number}", Chem.MolFromSmarts(smarts), most_without + 1)


def _functional_groups() -> Iterator[Key]:
    for name, count in Fragments.fns:
        yield Key(name, count.__defaults__[1], 1)


KEYS = (*_maccs(), *_functional_groups())
NAMES = tuple(key.name for key in KEYS)
_COLUMNS = {name: column for column, name in enumerate(NAMES)}


def mark_keys(molecule: Chem.Mol, row: NDArray[np.float32]) -> None:
    """Set ``row``, one entry per key and zero before, to 1 where the key is present."""
    present = set(element_counts(molecule))
    if molecule.GetRingInfo().NumRings():
        present.add(RING)
    for needs, catalog in _CATALOGS:
        if needs <= present:
            found = catalog.GetMatches(molecule)
            for place in range(len(found)):  # RDKit's lists are slow to iterate, quick to index
                name = found[place].GetDescription()
                row[_COLUMNS[name]] = 1.0
                present.add(name)


def needs_of(key: Key) -> frozenset[str]:
    """What a molecule must have for this key: elements by symbol, ``RING``, a wider key by name.

    Of the pattern itself only plain demands are read: an atom that asks for one element, alone
    or and-ed with other conditions, and bonds in rings. What is not understood is not asked for.
    """
    pattern = key.pattern
    needs = {symbol for atom in pattern.GetAtoms() if (symbol := _element_of(atom))}
    bonds: Iterable[Any] = pattern.GetBonds()  # RDKit's type stub gets GetSmarts wrong
    in_ring = any(bond.GetSmarts() in ("@", ":") for bond in bonds)
    if in_ring or pattern.GetNumBonds() >= pattern.GetNumAtoms():
        needs.add(RING)
    needs.update(_MORE_NEEDS.get(key.name, ()))
    if key.name in _CASE_OF:
        needs.add(_CASE_OF[key.name])
    return frozenset(needs)


_ONE_ELEMENT = re.compile(r"^ *(?:AtomAtomicNum (\d+) = val|AtomType (\d+) = val)$")
# RDKit folds "aromatic" into an atom type by adding this to the atomic number.
_AROMATIC = 1000


def _element_of(atom: Chem.Atom) -> str | None:
    """The one element that a query atom can be, where its description says so plainly."""
    lines = atom.DescribeQuery().splitlines()
    plain = lines if len(lines) == 1 else lines[1:] if lines[0].strip() == "AtomAnd" else []
    depth = 2 if len(lines) > 1 else 0
    for line in plain:
        found = _ONE_ELEMENT.match(line)
        if found and len(line) - len(line.lstrip()) == depth:
            number = int(found.group(1) or found.group(2)) % _AROMATIC
            symbol: str = Chem.GetPeriodicTable().GetElementSymbol(number)
            return symbol
    return None


def _depth(name: str) -> int:
    """How many wider keys stand before this one."""
    return 1 + _depth(_CASE_OF[name]) if name in _CASE_OF else 0


def _grouped() -> list[tuple[frozenset[str], FilterCatalog.FilterCatalog]]:
    """One catalog of patterns per set of needs, wider ones first."""
    catalogs: dict[frozenset[str], FilterCatalog.FilterCatalog] = defaultdict(
        FilterCatalog.FilterCatalog
    )
    for key in sorted(KEYS, key=lambda key: _depth(key.name)):
        matcher = FilterCatalog.SmartsMatcher(key.name, key.pattern, key.least)
        entry = FilterCatalog.FilterCatalogEntry(key.name, matcher)
        catalogs[needs_of(key)].AddEntry(entry)
    return list(catalogs.items())


_CATALOGS = _grouped()
