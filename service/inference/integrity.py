"""Whether one served version is still what was published: in its session, in memory, and on disk.

Three comparisons, none of them statistics. The golden rows are run from raw records on and compared
with what was published, and more closely with what this very session said when it was made. The arrays
that are kept beside the session, which no golden row passes through, are hashed again. So are the
bundle's files; they are told apart from the rest, since a model in memory is none the worse for them.

A session's own weights cannot be hashed: onnxruntime packs and keeps them where nobody can read.
"""

import dataclasses
import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from models.bundle.golden import SAME_SESSION, Golden, Tolerance
from models.bundle.loading import Bundle, Run, verify_files
from models.errors import BundleRefused, NotReproduced


class Fault(msgspec.Struct, frozen=True):
    """The first part of a model that differed; members count from 0, layers from 1."""

    message: str
    at: datetime
    part: str | None = None
    member: int | None = None
    layer: int | None = None


def fault_of(error: Exception) -> Fault:
    """Say where an error is, where it knows."""
    text, now = str(error) or type(error).__name__, datetime.now(UTC)
    if isinstance(error, NotReproduced):
        place = error.place
        return Fault(text, now, place.part, place.member, place.layer)
    return Fault(text, now)


class Integrity:
    """What a version was when it was loaded, for comparing it later."""

    def __init__(
        self, bundle: Bundle, folder: Path, run: Run, tolerance: Tolerance, *, exact: bool
    ) -> None:
        """Compare for the first time; ``run`` is the session. Raises ``BundleRefused``.

        ``exact`` says that the session repeats itself to the last bits.
        """
        self._bundle = bundle
        self._folder = folder
        self._tolerance = tolerance
        self._exact = exact
        said = bundle.check_golden(run, tolerance)
        known = bundle.golden.arrays().keys() & said.keys()
        own: dict[str, Any] = {name: said[name] for name in known}
        self._own: Golden = dataclasses.replace(bundle.golden, **own)
        self._digest = self._in_memory()

    def check(self, run: Run) -> None:
        """Compare the session and the memory beside it; raises ``BundleRefused``.

        On a GPU runs may differ in their last bits, so that there only the published values count.
        """
        if self._in_memory() != self._digest:
            raise BundleRefused(
                "the manifest, the reference or the golden rows have changed in this process's memory"
            )
        said = self._bundle.check_golden(run, self._tolerance)
        if self._exact:
            self._own.check_outputs(said, self._bundle.featurizer.names, SAME_SESSION)

    def check_files(self) -> None:
        """Hash the bundle's files again; raises ``BundleRefused`` naming the one that differs."""
        manifest = self._bundle.manifest
        verify_files(self._folder, manifest.name, manifest.version)

    def _in_memory(self) -> str:
        """A hash over everything of the bundle that is kept in memory beside the session."""
        digest = hashlib.sha256(self._bundle.manifest.model_dump_json().encode())
        reference = self._bundle.reference  # None of a model without taps
        kept = list(self._bundle.golden.arrays().values())
        if reference is not None:
            kept += _arrays(reference)
        for array in kept:
            digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()


def _arrays(holder: object) -> Iterator[np.ndarray]:
    """The arrays among an object's own attributes, slots or not."""
    names = getattr(holder, "__slots__", None) or vars(holder)
    for name in sorted(names):
        value = getattr(holder, name, None)
        if isinstance(value, np.ndarray):
            yield value
