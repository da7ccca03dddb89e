"""Data sets of the UCI collection of Fernandez-Delgado et al. 2014 (JMLR 15, 3133).

A set is a tab-separated member ``<set>/<set>_R.dat`` of the collection's archive: row number,
standardised inputs ``f1`` to ``fn``, and the class ``clase`` from 0. Members are pinned by sha256, the
archive is not: it is distributed in several forms.
"""

import os
import tarfile
from pathlib import Path

from training.data.official.sources import check_sha256
from training.errors import DataError

ADDRESS = "http://persoal.citius.usc.es/manuel.fernandez.delgado/papers/jmlr/data.tar.gz"
_ARCHIVES = ("uci121.tar.gz", "data.tar.gz")

#: The sha256 of each set's member.
SETS = {
    "bank": "ce45c7b4970836d8ec868d843589b5739e48f1dc827c0e68ffd91f235c31de6f",
    "chess-krvkp": "b63367b9010925bb1c12170fbd88d659a2ee1163a0b65004eed739a527dddbe9",
    "waveform": "6d4cdad109993c7740a8a8ab8c74e35be77d60beb78c332ac7e86f92f50cd94c",
}


def read_set(name: str) -> tuple[list[str], list[list[str]]]:
    """A set's columns, without the row number, and its rows as text; raises ``DataError``."""
    folder = Path(os.environ.get("SNN_DATA_DIR", "."))
    path = next((folder / archive for archive in _ARCHIVES if (folder / archive).is_file()), None)
    if path is None:
        raise DataError(
            f"{_ARCHIVES[1]} is not in {folder}; fetch it from {ADDRESS} and set SNN_DATA_DIR to its"
            " folder"
        )
    member = f"{name}/{name}_R.dat"
    try:
        with tarfile.open(path) as archive:
            entry = next((entry for entry in archive if entry.name.endswith(f"/{member}")), None)
            file = archive.extractfile(entry) if entry is not None else None
            content = file.read() if file is not None else b""
    except tarfile.TarError as error:
        raise DataError(f"{path} is no archive that can be read: {error}") from error
    check_sha256(path, member, content, SETS[name])
    header, *rows = [line.split("\t") for line in content.decode("ascii").splitlines()]
    return header[-len(rows[0]) + 1 :], [row[1:] for row in rows]
