"""Structural keys: which of a set of substructures a molecule has.

Two public sets, as RDKit defines them: the MACCS keys (J. L. Durant et al., J. Chem. Inf. Comput.
Sci. 42 (2002) 1273) and the functional groups of ``rdkit.Chem.Fragments`` (present or not; counts did
not improve the accuracy on the folds). Matching a pattern takes one to twenty microseconds. So it is
tried only on molecules that have the elements it names, a ring if it has one, and the wider pattern
of which it is a special case. Patterns with equal needs are matched in one call.
"""

import re
from collections import defaultdict
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem
from rdkit.Chem import FilterCatalog, Fragments, MACCSkeys

from models.features.molecules.descriptors import element_counts

# Left out, in this order: keys that RDKit does not define; rings of a given size, which take twenty
# times as long as the ring counts among the descriptors; chains of methylene groups, which take as
# long; and single elements, which are counted among the descriptors (last two groups).
_MACCS_LEFT_OUT = {
    *(1, 2, 125, 166),
    *(8, 11, 16, 19, 22, 83, 96, 98, 101, 145, 163),
    *(90, 91, 116, 118, 128, 129, 147),
    *(3, 4, 5, 6, 7, 9, 10, 12, 18, 20, 27, 29, 35, 42, 44, 46, 88, 103, 134),
    *(140, 142, 146, 159, 161, 164),
}
RING = "ring"

# Needs of patterns inside recursive SMARTS, which ``needs_of`` does not read.
_MORE_NEEDS: dict[str, tuple[str, ...]] = {
    "fr_ArN": ("N", RING), "fr_HOCCN": ("C", "N", "O"), "fr_Ndealkylation1": ("C", "N"),
    "fr_Ndealkylation2": ("C", "N", RING), "fr_aryl_methyl": ("C", RING), "fr_azide": ("N",),
    "fr_dihydropyridine": ("C", "N", RING), "fr_nitro": ("N", "O"), "fr_phos_acid": ("O", "P"),
    "fr_phos_ester": ("C", "O", "P"), "fr_quatN": ("N",),
}  # fmt: skip
# A wider pattern and its special cases, which are tried only on molecules that match the wider one.
_CASES = {
    "MACCS_139": ("fr_Al_OH", "fr_Al_OH_noTert"),
    "MACCS_154": (
        "fr_COO", "fr_COO2", "fr_C_O", "fr_C_O_noCOO", "fr_aldehyde", "fr_alkyl_carbamate",
        "fr_amide", "fr_ester", "fr_ketone", "fr_lactone",
    ),
    "MACCS_17": ("fr_term_acetylene",),
    "MACCS_52": ("fr_azide", "fr_diazo", "fr_hdrzine", "fr_hdrzone"),
    "MACCS_99": ("MACCS_21", "MACCS_26", "MACCS_45", "MACCS_50", "MACCS_76", "fr_allylic_oxid"),
    "fr_Ar_OH": ("fr_phenol",),
    "fr_COO": ("fr_Al_COO", "fr_Ar_COO"),
    "fr_amide": ("fr_imide", "fr_lactam", "fr_priamide", "fr_urea"),
    "fr_benzene": ("fr_benzodiazepine", "fr_para_hydroxylation"),
    "fr_ketone": ("fr_ketone_Topliss",),
    "fr_nitro": ("fr_nitro_arom",),
    "fr_nitro_arom": ("fr_nitro_arom_nonortho",),
    "fr_phenol": ("fr_phenol_noOrthoHbond",),
    "fr_urea": ("fr_barbitur",),
}  # fmt: skip
CASE_OF = {case: wider for wider, cases in _CASES.items() for case in cases}


class Key(NamedTuple):
    """A pattern; the key is present if a molecule has at least ``least`` matches."""

    name: str
    pattern: Chem.Mol
    least: int


KEYS = (
    *(
        Key(f"MACCS_{number}", Chem.MolFromSmarts(smarts), most_without + 1)
        for number, (smarts, most_without) in MACCSkeys.smartsPatts.items()
        if number not in _MACCS_LEFT_OUT
    ),
    *(Key(name, count.__defaults__[1], 1) for name, count in Fragments.fns),
)
NAMES = tuple(key.name for key in KEYS)
_COLUMNS = {name: column for column, name in enumerate(NAMES)}


def structural_keys(molecule: Chem.Mol) -> NDArray[np.float32]:
    """1 for each key that a sanitised molecule has and 0 for the others, in the order of ``NAMES``."""
    row = np.zeros(len(NAMES), np.float32)
    present = set(element_counts(molecule))
    if molecule.GetRingInfo().NumRings():
        present.add(RING)
    for needs, catalog in _CATALOGS:
        if needs <= present:
            matches = catalog.GetMatches(molecule)
            for index in range(len(matches)):  # RDKit's lists are slow to iterate, quick to index
                name = matches[index].GetDescription()
                row[_COLUMNS[name]] = 1.0
                present.add(name)
    return row


def needs_of(key: Key) -> frozenset[str]:
    """What a molecule must have to match: elements by symbol, ``RING``, a wider key by its name.

    Only simple conditions of the pattern are read: an atom of one element, alone or and-ed with other
    conditions, and bonds in rings. A condition that is not understood adds no need.
    """
    pattern = key.pattern
    needs = {symbol for atom in pattern.GetAtoms() if (symbol := _element_of(atom))}
    bonds: Iterable[Any] = pattern.GetBonds()  # RDKit's type stub gets GetSmarts wrong
    in_ring = any(bond.GetSmarts() in ("@", ":") for bond in bonds)
    if in_ring or pattern.GetNumBonds() >= pattern.GetNumAtoms():
        needs.add(RING)
    needs.update(_MORE_NEEDS.get(key.name, ()))
    if key.name in CASE_OF:
        needs.add(CASE_OF[key.name])
    return frozenset(needs)


_ONE_ELEMENT = re.compile(r"^ *(?:AtomAtomicNum (\d+) = val|AtomType (\d+) = val)$")
# RDKit folds "aromatic" into an atom type by adding this to the atomic number.
_AROMATIC = 1000


def _element_of(atom: Chem.Atom) -> str | None:
    """The symbol of the only element that matches a query atom, or None if that is not clear."""
    lines = atom.DescribeQuery().splitlines()
    conditions = lines if len(lines) == 1 else lines[1:] if lines[0].strip() == "AtomAnd" else []
    depth = 2 if len(lines) > 1 else 0
    for line in conditions:
        match = _ONE_ELEMENT.match(line)
        if match and len(line) - len(line.lstrip()) == depth:
            number = int(match.group(1) or match.group(2)) % _AROMATIC
            symbol: str = Chem.GetPeriodicTable().GetElementSymbol(number)
            return symbol
    return None


def depth(name: str) -> int:
    """How many wider keys must be matched before this one."""
    return 1 + depth(CASE_OF[name]) if name in CASE_OF else 0


def _grouped() -> list[tuple[frozenset[str], FilterCatalog.FilterCatalog]]:
    """One catalog of patterns per set of needs, in the order in which they can be matched."""
    catalogs: dict[frozenset[str], FilterCatalog.FilterCatalog] = defaultdict(
        FilterCatalog.FilterCatalog
    )
    for key in sorted(KEYS, key=lambda key: depth(key.name)):
        matcher = FilterCatalog.SmartsMatcher(key.name, key.pattern, key.least)
        entry = FilterCatalog.FilterCatalogEntry(key.name, matcher)
        catalogs[needs_of(key)].AddEntry(entry)
    return list(catalogs.items())


_CATALOGS = _grouped()
