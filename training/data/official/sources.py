"""The official data files: found in SNN_DATA_DIR, or fetched from their publishers by pooch.

Every file is pinned by sha256. A file with another hash is an error and is not overwritten: it may be
a newer release, or the user's own work.
"""

import hashlib
import io
import os
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pooch

from training.errors import DataError

_TRIPOD = "https://tripod.nih.gov/tox21/challenge/download?id={}&sec="


@dataclass(frozen=True)
class Source:
    """One published file: its name here, where it is served, and the sha256 that it must have.

    With ``member`` the hash is of that member of the zip, for publishers who repack the zip.
    """

    name: str
    sha256: str
    addresses: tuple[str, ...]
    member: str | None = None

    @property
    def pinned(self) -> str:
        """The name of the file or member that has the hash."""
        return self.member or self.name


HTRU2 = Source(
    name="HTRU2.zip",
    member="HTRU_2.csv",
    sha256="b13b4d8929e96ecd196e464c1c8a454c3ac2ffa631015f6388957531a9923f59",
    addresses=(
        "https://archive.ics.uci.edu/ml/machine-learning-databases/00372/HTRU2.zip",
        "https://archive.ics.uci.edu/static/public/372/htru2.zip",
    ),
)
TOX21_TRAINING = Source(
    name="tox21_10k_data_all.zip",
    sha256="024a3ae2690bcd4a593e6e0b10b455470b9bcb1d8f299dd36f220a250181517b",
    addresses=(_TRIPOD.format("tox21_10k_data_allsdf"),),
)
TOX21_LEADERBOARD = Source(
    name="tox21_10k_challenge_test.zip",
    sha256="7ab05627b78db60f5a8426dc18d3bd50904ddab0e4ba1b2f33ad883f5087afd9",
    addresses=(_TRIPOD.format("tox21_10k_challenge_testsdf"),),
)
TOX21_FINAL = Source(
    name="tox21_10k_challenge_score.smiles",
    sha256="57e4fef6d42f7867486967fe6c1a9e98c42aaed43023745c460ff0d102ce5786",
    addresses=(_TRIPOD.format("tox21_10k_challenge_scoresmiles"),),
)
TOX21_FINAL_LABELS = Source(
    name="tox21_labels_test.csv.gz",
    sha256="14eb2c3f5183e40e89903fd89d7f3da35b9200b6d640a65bd61f2a9c19e4aa8d",
    addresses=("http://bioinf.jku.at/research/DeepTox/tox21_labels_test.csv.gz",),
)


def read(source: Source) -> bytes:
    """The verified bytes of the pinned file, or of the pinned member of its zip.

    Looks in ``SNN_DATA_DIR`` and the user's cache, and downloads into the first of these that
    can be written. Raises ``DataError`` if the hash is wrong (naming both hashes and the path) or
    the file is missing and cannot be downloaded.
    """
    path = locate(source)
    return _download(source) if path is None else _verified(source, path)


def locate(source: Source) -> Path | None:
    """The path of the file, verified or not; None if it would be downloaded."""
    paths = [folder / source.name for folder in _folders()]
    return next((path for path in paths if path.is_file()), None)


def _folders() -> list[Path]:
    """The folders that are searched: the user's own first, then the cache."""
    own = os.environ.get("SNN_DATA_DIR")
    cache = Path(pooch.os_cache("snn"))
    return [Path(own), cache] if own else [cache]


def _verified(source: Source, path: Path) -> bytes:
    content = path.read_bytes()
    if source.member:
        try:
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                content = archive.read(source.member)
        except (zipfile.BadZipFile, KeyError) as error:
            raise DataError(f"{path} holds no readable {source.member}: {error}") from error
    check_sha256(path, source.pinned, content, source.sha256)
    return content


def check_sha256(path: Path, name: str, content: bytes, expected: str) -> None:
    """Raise ``DataError`` if the file or archive member ``name`` of ``path`` has another hash."""
    digest = hashlib.sha256(content).hexdigest()
    if digest != expected:
        raise DataError(
            f"{path}: {name} has sha256 {digest}, expected {expected}; move the file away and"
            " take the official one"
        )


def _download(source: Source) -> bytes:
    """Fetch into a temporary folder, verify, then move: no partial file is ever visible."""
    folder = _writable(_folders())
    pooch.get_logger().setLevel("WARNING")  # it advises to pin files, which is done here
    faults = []
    for address in source.addresses:
        with tempfile.TemporaryDirectory(prefix=".download-", dir=folder) as staging:
            try:
                pinned = None if source.member else f"sha256:{source.sha256}"
                fetched = Path(pooch.retrieve(address, pinned, source.name, staging))
                content = _verified(source, fetched)
            # pooch passes on its transport's errors, and raises ValueError for a wrong hash
            except (OSError, ValueError, DataError) as error:
                faults.append(f"{address}: {error}")
                continue
            fetched.replace(folder / source.name)
            return content
    raise DataError(
        f"{source.name} could not be downloaded ({'; '.join(faults)}); fetch it by hand from "
        f"{source.addresses[0]}, put it into a folder, and set SNN_DATA_DIR to that folder"
    )


def _writable(folders: list[Path]) -> Path:
    for folder in folders:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError:
            continue
        if os.access(folder, os.W_OK):
            return folder
    raise DataError(
        f"no folder to download into: {', '.join(map(str, folders))} cannot be written; "
        "set SNN_DATA_DIR to one that can"
    )
