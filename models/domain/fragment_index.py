"""Find the compounds of a set that share the most circular fragments with a molecule.

The similarity is the Tanimoto coefficient of counts: the fragments that both have, each as often as both
have it, divided by the fragments that either has. So a chain of 58 carbons is not that of 16, whose
fragments are the same but fewer. P. Willett, J. M. Barnard, G. M. Downs, *Chemical Similarity
Searching*, J. Chem. Inf. Comput. Sci. 38 (1998) 983.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

#: A count that so many compounds reach is looked up in a row with one byte for each compound, which is
#: faster than a list of them.
_COMMON = 100
#: Rows whose sum fits into a byte.
_BYTE = 255

_ID, _COUNT, _PLACE = np.uint32, np.uint16, np.int32


class FragmentIndex:
    """An inverted index: for each fragment the compounds that have it, and how often.

    ``ids``, of shape ``(V,)``, are the fragments in ascending order. Those that have fragment ``v`` are
    ``places[starts[v]:starts[v + 1]]``, of n compounds, ``counts`` times each. ``counts`` are 1 or more.
    """

    def __init__(
        self,
        compounds: int,
        ids: NDArray[np.uint32],
        starts: NDArray[np.int32],
        places: NDArray[np.int32],
        counts: NDArray[np.uint16],
    ) -> None:
        """Raises ``ValueError`` if the arrays do not fit each other."""
        if (
            compounds < 1
            or [ids.dtype, starts.dtype, places.dtype, counts.dtype] != [_ID, _PLACE, _PLACE, _COUNT]
            or any(array.ndim != 1 for array in (ids, starts, places, counts))
            or len(starts) != len(ids) + 1
            or len(places) != len(counts)
            or (starts[0], starts[-1]) != (0, len(places))
            or (np.diff(starts) < 1).any()
            or (np.diff(ids.astype(np.int64)) < 1).any()
            or (len(places) > 0 and (places.min() < 0 or places.max() >= compounds))
            or (len(counts) > 0 and counts.min() < 1)
        ):
            raise ValueError("the index of fragments is malformed")
        self.compounds, self.ids = compounds, ids
        self.starts, self.places, self.counts = starts, places, counts
        #: All fragments of each compound, counted as often as it has them.
        self.totals = np.bincount(places, counts, compounds)
        self._make_rows()

    @classmethod
    def of(cls, fingerprints: Sequence[Mapping[int, int]]) -> "FragmentIndex":
        """Index compounds by their fragments, each a map of fragments to how often they occur."""
        sizes = [len(fingerprint) for fingerprint in fingerprints]
        total = sum(sizes)
        ids = np.fromiter((i for one in fingerprints for i in one), np.int64, total)
        counts = np.fromiter((c for one in fingerprints for c in one.values()), np.int64, total)
        places = np.repeat(np.arange(len(sizes)), sizes)
        order = np.lexsort((places, ids))
        distinct, first = np.unique(ids[order], return_index=True)
        return cls(
            len(sizes),
            distinct.astype(_ID),
            np.append(first, total).astype(_PLACE),
            places[order].astype(_PLACE),
            np.minimum(counts[order], np.iinfo(_COUNT).max).astype(_COUNT),
        )

    def known(self, fingerprints: Sequence[Mapping[int, int]]) -> "Known":
        """Look up the fragments of m molecules, each a map of fragments to how often they occur."""
        sizes = np.array([len(one) for one in fingerprints], np.intp)
        ids = np.fromiter(chain.from_iterable(fingerprints), np.int64, sizes.sum())
        values = chain.from_iterable(one.values() for one in fingerprints)
        counts = np.fromiter(values, np.int64, len(ids))
        owners = np.repeat(np.arange(len(sizes)), sizes)
        totals = np.bincount(owners, counts, len(sizes)).astype(np.int64)
        slots = np.minimum(np.searchsorted(self.ids, ids), max(len(self.ids) - 1, 0))
        known = self.ids[slots] == ids if len(self.ids) else np.zeros(len(ids), np.bool_)
        return Known(slots[known], counts[known], owners[known], totals)

    def similarities(self, known: "Known") -> Iterator[NDArray[np.float64]]:
        """For each molecule the similarity of every compound, shape ``(n,)``."""
        for shared, total in zip(self._shared(known), known.totals.tolist(), strict=True):
            own = shared.astype(np.int64)
            yield own / np.maximum(self.totals + total - own, 1)

    def highest(self, known: "Known") -> list[float]:
        """The similarity of the compound nearest to each molecule, as of ``similarities`` but sooner."""
        found = []
        for shared, total in zip(self._shared(known), known.totals.tolist(), strict=True):
            at = shared.argmax()
            most = int(shared[at])
            bound = most / max(int(self.totals[at]) + total - most, 1)
            # A compound of a higher similarity than that shares more than this part of the molecule.
            candidates = (shared > int(bound * total)).nonzero()[0]
            own = shared[candidates].astype(np.int64)
            similarity = own / (self.totals[candidates] + total - own)
            found.append(float(similarity.max(initial=bound)))
        return found

    def _shared(self, known: "Known") -> Iterator[NDArray[np.integer]]:
        """For each molecule how many fragments each compound shares with it, shape ``(n,)``.

        A fragment counts as often as both have it.
        """
        slots, counts, owners = known.slots, known.counts, known.owners
        molecules = np.arange(1, len(known.totals) + 1)
        levels = self._levels[slots]
        own_rows = np.minimum(counts, levels)
        rows = _ranges(self._first_row[slots], own_rows)
        row_ends = _ends(own_rows, owners, molecules)
        # What is left are fragments, and counts beyond those of a row, that few compounds have.
        sizes = np.where(counts > levels, self._rare_sizes[slots], 0)
        entries = _ranges(self._rare_starts[slots], sizes)
        places = self._rare_places[entries]
        beyond = np.minimum(self._rare_counts[entries], np.repeat(counts - levels, sizes))
        entry_ends = _ends(sizes, owners, molecules)
        row, entry = 0, 0
        for next_row, next_entry, total in zip(
            row_ends.tolist(), entry_ends.tolist(), known.totals.tolist(), strict=True
        ):
            kind = np.uint8 if total <= _BYTE else np.uint32
            shared: NDArray[np.integer] = np.add.reduce(self._rows[rows[row:next_row]], 0, kind)
            np.add.at(shared, places[entry:next_entry], beyond[entry:next_entry].astype(kind))
            yield shared
            row, entry = next_row, next_entry

    def _make_rows(self) -> None:
        """Lay out what is looked up: rows for the counts that many reach, lists for the others.

        Fragment ``v`` has ``_levels[v]`` rows from ``_first_row[v]`` on, for being there once, twice, …;
        its list is of the compounds that have it even more often, with how much more.
        """
        self._levels = np.zeros(len(self.ids), np.int64)
        rows: list[NDArray[np.uint8]] = []
        beyond = np.ones(len(self.places), np.bool_)
        for at in np.flatnonzero(np.diff(self.starts) >= _COMMON):
            part = slice(self.starts[at], self.starts[at + 1])
            places, counts = self.places[part], self.counts[part]
            while (reached := counts > self._levels[at]).sum() >= _COMMON:
                row = np.zeros(self.compounds, np.uint8)
                row[places[reached]] = 1
                rows.append(row)
                self._levels[at] += 1
            beyond[part] = reached
        self._rows = np.array(rows, np.uint8).reshape(len(rows), self.compounds)
        self._first_row = np.cumsum(self._levels) - self._levels
        starts = np.append(0, np.cumsum(beyond))[self.starts]
        self._rare_starts, self._rare_sizes = starts[:-1], np.diff(starts)
        self._rare_places = self.places[beyond]
        self._rare_counts = (self.counts - np.repeat(self._levels, np.diff(self.starts)))[beyond]


@dataclass(frozen=True, slots=True)
class Known:
    """The fragments of m molecules that an index knows, molecule by molecule.

    ``slots`` are their places in the index's ``ids``, ``counts`` how often each occurs, ``owners`` whose
    they are; all of shape ``(k,)``. ``totals``, of shape ``(m,)``, count all fragments of each molecule,
    as often as they occur, unknown ones too.
    """

    slots: NDArray[np.intp]
    counts: NDArray[np.int64]
    owners: NDArray[np.intp]
    totals: NDArray[np.int64]


def _ranges(starts: NDArray[np.int64], sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    """The numbers ``start … start + size - 1`` of every pair, one after the other."""
    ends = np.cumsum(sizes)
    total = int(ends[-1]) if len(ends) else 0
    first: NDArray[np.int64] = np.repeat(starts - (ends - sizes), sizes)
    return np.arange(total) + first


def _ends(
    sizes: NDArray[np.int64], owners: NDArray[np.intp], molecules: NDArray[np.intp]
) -> NDArray[np.int64]:
    """Where the entries of each molecule end, if those of each fragment have these ``sizes``."""
    ends: NDArray[np.int64] = np.append(0, np.cumsum(sizes))
    return ends[np.searchsorted(owners, molecules)]
