"""Checks that a served version is still what was published: in its session, in memory, and on disk.

There are three comparisons, and none is statistical. The golden rows are computed from their raw
records. Their outputs are compared with the published ones and, to a closer tolerance, with those that
this session gave at first. The arrays in memory beside the session, which golden rows do not use, are
hashed again. The bundle's files are hashed again too, and reported apart: a model in memory does not
need them any more.

The weights inside a session cannot be hashed: onnxruntime packs them into memory of its own.
"""

import dataclasses
import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.bundle.cutoffs import curves_to_bytes
from models.bundle.golden import SAME_SESSION, Golden, Tolerance
from models.bundle.loading import Bundle, Run, verify_files
from models.errors import BundleRefused, NotReproduced


class IntegrityFault(msgspec.Struct, frozen=True):
    """The first part of a model that differed; members are numbered from 0, layers from 1."""

    message: str
    at: datetime
    part: str | None = None
    member: int | None = None
    layer: int | None = None


def fault_of(error: Exception) -> IntegrityFault:
    """Return the fault that an error of a check describes, with its location if it has one."""
    text, now = str(error) or type(error).__name__, datetime.now(UTC)
    if isinstance(error, NotReproduced):
        place = error.place
        return IntegrityFault(text, now, place.part, place.member, place.layer)
    return IntegrityFault(text, now)


class Integrity:
    """The state of a version when it was loaded, and later comparisons with it."""

    def __init__(
        self, bundle: Bundle, folder: Path, *runs: Run, tolerance: Tolerance, exact: bool
    ) -> None:
        """Run the golden rows for the first time by ``runs``, each a method of one of its sessions.

        ``tolerance`` is the device's. ``exact`` says that equal inputs give equal outputs to the last
        bits. Raises ``BundleRefused`` if the golden rows are not reproduced.
        """
        self._bundle = bundle
        self._folder = folder
        self._tolerance = tolerance
        self._exact = exact
        self._own = [self._first(run) for run in runs]
        self._digest = self._in_memory()

    def _first(self, run: Run) -> Golden:
        outputs = self._bundle.check_golden(run, self._tolerance)
        names = self._bundle.golden.arrays().keys() & outputs.keys()
        own: dict[str, Any] = {name: outputs[name] for name in names}
        return dataclasses.replace(self._bundle.golden, **own)

    def check(self, *runs: Run) -> None:
        """Compare the sessions and the memory beside them; raises ``BundleRefused`` if any differs.

        ``runs`` are as they were at first.
        On a GPU equal inputs may differ in their last bits, so there the outputs are compared with the
        published ones only.
        """
        if self._in_memory() != self._digest:
            raise BundleRefused(
                "the manifest, the reference or the golden rows have changed in this process's memory"
            )
        for run, own in zip(runs, self._own, strict=True):
            outputs = self._bundle.check_golden(run, self._tolerance)
            if self._exact:
                own.check_outputs(outputs, self._bundle.featurizer.names, SAME_SESSION)

    def check_files(self) -> None:
        """Hash the bundle's files again; raises ``BundleRefused`` with the name of one that differs."""
        manifest = self._bundle.manifest
        verify_files(self._folder, manifest.name, manifest.version)

    def _in_memory(self) -> str:
        """Return a hash of all that is in memory of the bundle beside the session."""
        digest = hashlib.sha256(self._bundle.manifest.model_dump_json().encode())
        digest.update(curves_to_bytes(self._bundle.curves or {}))
        reference = self._bundle.reference  # None of a model without taps
        arrays: list[NDArray[Any]] = list(self._bundle.golden.arrays().values())
        if reference is not None:
            arrays += _arrays(reference)
        domain = self._bundle.featurizer.domain  # None of other data than molecules
        if domain is not None:
            arrays += [domain.labels, domain.usual, *_arrays(domain.index)]
        for array in arrays:
            digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()


def _arrays(holder: object) -> Iterator[np.ndarray]:
    """Yield the arrays among an object's attributes and those of its parts, with slots or without."""
    names = getattr(holder, "__slots__", None) or vars(holder)
    for name in sorted(names):
        value = getattr(holder, name, None)
        if isinstance(value, np.ndarray):
            yield value
        elif dataclasses.is_dataclass(value):
            yield from _arrays(value)
