"""The domain of a model of molecules: the compounds that it learned from, with what was measured.

A molecule is in the domain if it is similar enough to a compound of the domain, and does not repeat its
fragments more often than the compounds do: a chain of 58 carbons or a peptide of six glycines has only
fragments that are well known, but more of them than any but a few compounds have. A measured compound is
always in the domain.
"""

import hashlib
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.domain.fragment_index import FragmentIndex, Known
from models.npz import check_unpacked

#: The code of the warning for a molecule outside the domain.
OUTSIDE = "outside_domain"

#: A count of a fragment is usual if this share of the compounds reaches it.
USUAL_SHARE = 0.0025

_MOST_BYTES = 256 << 20
_UNMEASURED = -1
_PLACES = 4


@dataclass(frozen=True, slots=True)
class Cutoffs:
    """The least similarity, and the largest share of repeats, of a molecule in the domain."""

    similarity: float
    repeats: float


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What a molecule is compared by: its circular fragments, each with how often it occurs.

    ``smiles`` is the canonical SMILES of its parent.
    """

    smiles: str
    counts: Mapping[int, int]
    heavy_atoms: int


class MeasuredCompounds:
    """The compounds, their labels and fragments, and the cut-offs.

    ``smiles`` are n canonical parents. ``labels``, of shape ``(n, T)``, are 0, 1 or -1 for not measured,
    of the ``targets`` in their order. ``usual``, of shape ``(V,)``, is how often a fragment of the index
    may occur without being a repeat. ``radius`` is that of the fragments, in bonds.
    """

    def __init__(
        self,
        smiles: Sequence[str],
        labels: NDArray[np.int8],
        targets: Sequence[str],
        index: FragmentIndex,
        usual: NDArray[np.uint16],
        radius: int,
        cutoffs: Cutoffs,
        content: bytes = b"",
    ) -> None:
        """``content`` is the file that the parts were read from, if any.

        Raises ``ValueError`` if the parts do not fit each other.
        """
        if (
            labels.shape != (len(smiles), len(targets))
            or not np.isin(labels, (_UNMEASURED, 0, 1)).all()
            or index.compounds != len(smiles)
            or usual.shape != index.ids.shape
            or usual.dtype != np.uint16
            or not (0 <= cutoffs.similarity <= 1 and 0 <= cutoffs.repeats <= 1)
        ):
            raise ValueError("the parts of the domain do not fit each other")
        self.smiles, self.labels, self.targets = tuple(smiles), labels, tuple(targets)
        self.index, self.usual, self.radius, self.cutoffs = index, usual, radius, cutoffs
        self._at = {text: place for place, text in enumerate(self.smiles)}
        #: The domain as a file.
        self.content = content or self._to_bytes()
        #: Equal for two domains that give the same answers.
        self.identity = hashlib.sha256(self.content).hexdigest()

    @classmethod
    def from_bytes(cls, content: bytes) -> "MeasuredCompounds":
        """Read what ``content`` wrote; raises ``ValueError`` or ``zipfile.BadZipFile``."""
        check_unpacked(content, _MOST_BYTES)
        try:
            with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
                texts = {name: arrays[name].tobytes().decode() for name in ("smiles", "targets")}
                smiles, targets = (texts[name].split("\n") for name in ("smiles", "targets"))
                index = FragmentIndex(
                    len(smiles), *(arrays[name] for name in ("ids", "starts", "places", "counts"))
                )
                least, most = arrays["cutoffs"].tolist()
                return cls(
                    smiles,
                    arrays["labels"],
                    targets,
                    index,
                    arrays["usual"],
                    int(arrays["radius"]),
                    Cutoffs(least, most),
                    content,
                )
        except (KeyError, TypeError, IndexError, UnicodeDecodeError) as error:
            raise ValueError(f"an array is missing or malformed: {error}") from error

    def judge(self, molecules: Sequence[Fingerprint]) -> list[dict[str, Any]]:
        """What each result tells: ``domain``, and ``measured`` and ``warnings`` where they apply."""
        places = [self._at.get(molecule.smiles) for molecule in molecules]
        new = [molecule for molecule, at in zip(molecules, places, strict=True) if at is None]
        told = iter(self._judge(new)) if new else iter(())
        return [
            next(told)
            if at is None
            else {"domain": {"similarity": 1.0, "in_domain": True}, "measured": self._measured(at)}
            for at in places
        ]

    def _judge(self, molecules: Sequence[Fingerprint]) -> Iterator[dict[str, Any]]:
        known = self.index.known([molecule.counts for molecule in molecules])
        heavy_atoms = np.array([molecule.heavy_atoms for molecule in molecules])
        shares = repeats(known, self.usual, heavy_atoms).tolist()
        for highest, share in zip(self.index.highest(known), shares, strict=True):
            similarity = round(highest, _PLACES)
            reasons = []
            if similarity < self.cutoffs.similarity:
                reasons.append(
                    f"its similarity to the nearest measured compound, {similarity:.3f}, is below the"
                    f" cut-off of {self.cutoffs.similarity:.2f}"
                )
            if share > self.cutoffs.repeats:
                reasons.append(
                    f"{share:.0%} of its fragments are repeats that hardly any measured compound has"
                )
            told: dict[str, Any] = {"domain": {"similarity": similarity, "in_domain": not reasons}}
            if reasons:
                text = f"unlike what the model learned from: {'; '.join(reasons)}"
                told["warnings"] = [{"code": OUTSIDE, "message": text}]
            yield told

    def nearest(self, molecule: Fingerprint, number: int) -> list[dict[str, object]]:
        """The ``number`` most similar compounds, the nearest first, with what was measured of them.

        Fewer where no others share a fragment with the molecule.
        """
        (similarity,) = self.index.similarities(self.index.known([molecule.counts]))
        first = np.argsort(-similarity, kind="stable")[:number]
        return [
            {
                "smiles": self.smiles[at],
                "similarity": round(float(similarity[at]), _PLACES),
                "measured": self._measured(at),
            }
            for at in first.tolist()
            if similarity[at] > 0
        ]

    def _measured(self, at: int) -> dict[str, bool]:
        values = zip(self.targets, self.labels[at].tolist(), strict=True)
        return {target: value == 1 for target, value in values if value != _UNMEASURED}

    def _to_bytes(self) -> bytes:
        stream = io.BytesIO()
        texts = {"smiles": self.smiles, "targets": self.targets}
        arrays: dict[str, Any] = {
            name: np.frombuffer("\n".join(text).encode(), np.uint8) for name, text in texts.items()
        }
        np.savez_compressed(
            stream,
            ids=self.index.ids,
            starts=self.index.starts,
            places=self.index.places,
            counts=self.index.counts,
            usual=self.usual,
            labels=self.labels,
            radius=np.int32(self.radius),
            cutoffs=np.array([self.cutoffs.similarity, self.cutoffs.repeats]),
            **arrays,
        )
        return stream.getvalue()


def repeats(
    known: Known, usual: NDArray[np.uint16], heavy_atoms: NDArray[np.integer]
) -> NDArray[np.float64]:
    """The share of each molecule's fragments of radius 0 and 1 that are repeats beyond the ``usual``.

    ``usual`` is that of the index, ``heavy_atoms`` of shape ``(m,)``: there are two such fragments to an
    atom.
    """
    beyond = np.maximum(known.counts - usual[known.slots], 0)
    share: NDArray[np.float64] = np.bincount(known.owners, beyond, len(heavy_atoms)) / (
        2 * np.maximum(heavy_atoms, 1)
    )
    return share


def usual_counts(
    index: FragmentIndex, small: NDArray[np.bool_], without: NDArray[np.bool_] | None = None
) -> NDArray[np.uint16]:
    """How often each fragment may occur without being a repeat, shape ``(V,)``.

    It is the count that a share of ``USUAL_SHARE`` of the compounds reaches, and at least 1. ``small``
    says which fragments, shape ``(V,)``, are of radius 0 or 1: others repeat with these and have no
    limit. ``without`` are the compounds, shape ``(n,)``, that are left out.
    """
    kept = np.ones(index.compounds, np.bool_) if without is None else ~without
    enough = max(1, int(np.ceil(USUAL_SHARE * kept.sum())))
    usual = np.full(len(index.ids), np.iinfo(np.uint16).max, np.uint16)
    for at in np.flatnonzero(small):
        part = slice(index.starts[at], index.starts[at + 1])
        counts = index.counts[part][kept[index.places[part]]]
        # The count that exactly ``enough`` compounds reach.
        reached = np.partition(counts, -enough)[-enough] if len(counts) >= enough else 1
        usual[at] = max(1, int(reached))
    return usual
