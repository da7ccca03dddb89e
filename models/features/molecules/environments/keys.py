"""Structural keys of a block of molecules: stars and paths by what is around atoms, all others by RDKit.

A key that is neither is tried only on molecules that have the star around each of its atoms, as often as
the key has it, and the wider key of which it is a special case.
"""

from collections import Counter

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem

from models.features.molecules.environments.atoms import AtomBlock
from models.features.molecules.environments.paths import SMALL_RING, PathMatcher, as_path
from models.features.molecules.environments.stars import Star, as_star, has_recursion, star_at
from models.features.molecules.structural_keys import CASE_OF, KEYS, Key, depth

# Stars that each match of a key with ``$(…)`` has, beside those of its wider key.
_PARTS: dict[str, tuple[str, ...]] = {
    "fr_Al_OH": ("C-[OH1]",),
    "fr_Al_OH_noTert": ("C-[OX2H1]",),
    "fr_ArN": ("[NH2]",),
    "fr_C_O_noCOO": ("C=O",),
    "fr_HOCCN": ("[CX4]([OH1])[CX4H2]", "[CX4H2]([CX4])[NX3]"),
    "fr_N_O": ("N(-O)-C",),
    "fr_Ndealkylation1": ("N(-[C;H2,H3])-C", "C(-N)-C"),
    "fr_Ndealkylation2": ("[NR1](-C)(C)C",),
    "fr_allylic_oxid": ("C(=C)-C",),
    "fr_aniline": ("c-[NX3]",),
    "fr_aryl_methyl": ("a-[C;H2,H3]",),
    "fr_azide": ("[N+](~N)~N",),
    "fr_dihydropyridine": ("[NR](~C)~C", "[CR]=[CR]"),
    "fr_ketone_Topliss": ("[CX3](=[OX1])(C)[c,C]",),
    "fr_nitro": ("[NX3](~O)(~O)~[!#8]",),
    "fr_nitro_arom": ("[NX3](~O)(~O)~c",),
    "fr_nitro_arom_nonortho": ("[NX3](~O)(~O)~c",),
    "fr_nitroso": ("N=O",),
    "fr_para_hydroxylation": ("[cH1]([cH1])[cH1]", "c(c)(c)~[#7,#8]"),
    "fr_phenol_noOrthoHbond": ("c(-[OX2H1])(c)c",),
    "fr_phos_acid": ("P(~O)(~O)(~O)~O",),
    "fr_phos_ester": ("P(~O)(~O)(~O)~O", "[OX2](P)[#6]"),
    "fr_quatN": ("[NX4]",),
}
# Keys that are the same as a star: an atom of a ring has two neighbours in the ring. So a ring's bond
# beside a bond between rings is always there, and with one match there are two.
_SAME: dict[str, str] = {"MACCS_62": "[R]!@[R]", "MACCS_127": "*@*!@[#8]"}


class KeyMatcher:
    """The keys of molecules, from how often each of the ``stars`` matches in them."""

    def __init__(self) -> None:
        """Find the stars of all keys."""
        needed: dict[Star, int] = {}
        by_star = [
            (column, key, star)
            for column, key in enumerate(map(_simplest, KEYS))
            if (star := as_star(key.pattern))
        ]
        self._own = [needed.setdefault(star, len(needed)) for _, _, star in by_star]
        self._columns = [column for column, _, _ in by_star]
        sizes = np.array([1 + len(star.leaves) for _, _, star in by_star])
        #: So many roots are enough: an n-atom star has at most n roots in the same atoms.
        self._enough = 1 + sizes * (np.array([key.least for _, key, _ in by_star]) - 1)
        self._has_leaves = sizes > 1
        matched = {*self._columns}
        others = sorted(
            (at for at in range(len(KEYS)) if at not in matched), key=lambda at: depth(KEYS[at].name)
        )
        screens = [_screen(KEYS[at]) for at in others]
        self._screened = [needed.setdefault(star, len(needed)) for screen in screens for star in screen]
        self._least = np.array([number for screen in screens for number in screen.values()])
        self._screen_starts = np.cumsum([0, *(len(screen) for screen in screens)])[:-1]
        paths = {
            at: path for at in others if KEYS[at].least == 1 and (path := as_path(KEYS[at].pattern))
        }
        self.paths = PathMatcher([*paths.values()])
        self._path_columns = [*paths]
        self._path_places = [others.index(at) for at in paths]
        self._others = others
        self._wider = [_COLUMNS.get(CASE_OF.get(KEYS[at].name, ""), -1) for at in others]
        self.stars = tuple(needed)

    def rows(
        self, block: AtomBlock, counts: NDArray[np.integer], in_paths: NDArray[np.bool_]
    ) -> NDArray[np.float32]:
        """The keys of m molecules, shape ``(m, len(KEYS))``.

        ``counts``, of shape ``(m, len(stars))``: at how many atoms each star matches. ``in_paths``, of
        shape ``(atoms, len(paths.stars))``: which stars of ``paths`` match at each atom.
        """
        molecules = block.molecules
        rows = np.zeros((len(molecules), len(KEYS)), np.float32)
        own = counts[:, self._own]
        rows[:, self._columns] = own >= self._enough
        unclear = (own > 0) & (own < self._enough) & self._has_leaves
        for at, place in np.argwhere(unclear).tolist():
            column = self._columns[place]
            rows[at, column] = _has(molecules[at], KEYS[column])
        screened = counts[:, self._screened] >= self._least
        possible = np.logical_and.reduceat(screened, self._screen_starts, axis=1)
        roomy = np.ones(len(molecules), np.bool_)
        roomy[block.ring_owners[block.ring_sizes <= SMALL_RING]] = False
        rows[:, self._path_columns] = self.paths.rows(block, in_paths) & roomy[:, np.newaxis]
        possible[:, self._path_places] &= ~roomy[:, np.newaxis]
        for at, place in np.argwhere(possible).tolist():  # wider keys come first
            wider, column = self._wider[place], self._others[place]
            if wider < 0 or rows[at, wider]:
                rows[at, column] = _has(molecules[at], KEYS[column])
        return rows


_COLUMNS = {key.name: column for column, key in enumerate(KEYS)}


def _simplest(key: Key) -> Key:
    same = _SAME.get(key.name)
    return key if same is None else Key(key.name, Chem.MolFromSmarts(same), 1)


def _has(molecule: Chem.Mol, key: Key) -> bool:
    if key.least == 1:
        return bool(molecule.HasSubstructMatch(key.pattern))
    return len(molecule.GetSubstructMatches(key.pattern)) >= key.least


def _screen(key: Key) -> Counter[Star]:
    """The stars that a molecule must have to match a key, and at how many atoms."""
    if not has_recursion(key.pattern):
        return Counter(star_at(key.pattern, atom.GetIdx()) for atom in key.pattern.GetAtoms())
    parts = map(Chem.MolFromSmarts, _PARTS[key.name])
    return Counter(star for part in parts if (star := as_star(part)))
