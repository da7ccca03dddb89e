"""Data sets of the UCI collection of Fernandez-Delgado et al. 2014 (JMLR 15, 3133).

A set is a tab-separated member ``<set>/<set>_R.dat`` of the collection's archive, or two that end in
``_train_R.dat`` and ``_test_R.dat``: row number, standardised inputs ``f1`` to ``fn``, and the class
``clase`` from 0. Members are pinned by sha256 in ``uci.sha256``, the archive is not: it is distributed
in several forms.
"""

import os
import tarfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from training.data.official.sources import check_sha256
from training.errors import DataError

ADDRESS = "http://persoal.citius.usc.es/manuel.fernandez.delgado/papers/jmlr/data.tar.gz"
_ARCHIVES = ("uci121.tar.gz", "data.tar.gz")


@cache
def members() -> dict[str, dict[str, str]]:
    """By set: the sha256 of each of its members, by their paths in the archive."""
    pinned: dict[str, dict[str, str]] = {}
    for line in Path(__file__).with_suffix(".sha256").read_text(encoding="ascii").splitlines():
        digest, path = line.split()
        pinned.setdefault(path.split("/")[0], {})[path] = digest
    return pinned


def read_set(name: str) -> tuple[list[str], list[list[str]]]:
    """A set's columns, without the row number, and its rows as text; raises ``DataError``."""
    return read_sets((name,))[name]


def read_sets(names: Sequence[str]) -> dict[str, tuple[list[str], list[list[str]]]]:
    """The columns and rows of several sets, for which the archive is read once; raises ``DataError``."""
    folder = Path(os.environ.get("SNN_DATA_DIR", "."))
    path = next((folder / archive for archive in _ARCHIVES if (folder / archive).is_file()), None)
    if path is None:
        raise DataError(
            f"{_ARCHIVES[1]} is not in {folder}; fetch it from {ADDRESS} and set SNN_DATA_DIR to its"
            " folder"
        )
    wanted = {member: digest for name in names for member, digest in members()[name].items()}
    content: dict[str, bytes] = {}
    try:
        with tarfile.open(path) as archive:
            for entry in archive:
                member = "/".join(entry.name.split("/")[-2:])
                file = archive.extractfile(entry) if member in wanted else None
                if file is not None:
                    content[member] = file.read()
    except tarfile.TarError as error:
        raise DataError(f"{path} is no archive that can be read: {error}") from error
    for member, digest in wanted.items():
        check_sha256(path, member, content.get(member, b""), digest)
    return {name: _table([content[member] for member in sorted(members()[name])]) for name in names}


def _table(parts: Sequence[bytes]) -> tuple[list[str], list[list[str]]]:
    columns: list[str] = []
    rows: list[list[str]] = []
    for part in parts:
        header, *lines = [line.split("\t") for line in part.decode("ascii").splitlines()]
        columns = header[-len(lines[0]) + 1 :]
        rows += [line[1:] for line in lines]
    return columns, rows
