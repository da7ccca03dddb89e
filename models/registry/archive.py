"""``python -m models.registry.archive REPOSITORY FOLDER``: champions as archives for a release.

An archive holds one version, ``MODEL/VERSION/…``, and is the same bytes whenever it is made of the same
files. ``bundles.json`` beside the archives lists them with their sizes and hashes.
"""

import gzip
import hashlib
import io
import sys
import tarfile
from pathlib import Path

import msgspec

from models.bundle.loading import open_bundle
from models.errors import BundleRefused, ModelError
from models.registry.store import Repository

INDEX = "bundles.json"
#: The largest archive that is unpacked, and the most files that one has.
MAX_BYTES, _MAX_FILES = 2 << 30, 32


class Archive(msgspec.Struct, frozen=True):
    """One archive: whose it is, its file's name, its size in bytes and its sha256 (hexadecimal)."""

    model: str
    version: int
    file: str
    bytes: int
    sha256: str


class Index(msgspec.Struct, frozen=True):
    """All archives of a release."""

    bundles: tuple[Archive, ...]


def pack(repository: Repository, folder: Path) -> Index:
    """Write an archive of every model's champion, and the index, into a folder.

    Raises ``ModelError`` for a bundle that is not whole, and ``OSError``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    archives = []
    for model in repository.models():
        version = repository.serving(model).champion
        bundle = repository.bundle(model, version)
        open_bundle(bundle)
        content = _archive(bundle, f"{model}/{version}")
        name = f"{model}-{version}.tar.gz"
        (folder / name).write_bytes(content)
        archives.append(Archive(model, version, name, len(content), hashlib.sha256(content).hexdigest()))
    index = Index(tuple(archives))
    (folder / INDEX).write_bytes(msgspec.json.format(msgspec.json.encode(index)) + b"\n")
    return index


def _archive(bundle: Path, place: str) -> bytes:
    stream = io.BytesIO()
    # No times, no owners: the same files make the same archive.
    with (
        gzip.GzipFile(fileobj=stream, mode="wb", mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as archive,
    ):
        for path in sorted(bundle.iterdir()):
            content = path.read_bytes()
            entry = tarfile.TarInfo(f"{place}/{path.name}")
            entry.size, entry.mode = len(content), 0o644
            archive.addfile(entry, io.BytesIO(content))
    return stream.getvalue()


def unpack(archive: Archive, path: Path, folder: Path) -> Repository:
    """Unpack an archive's file into an empty folder; return it as a repository with that champion.

    Raises ``BundleRefused`` for another size or hash than the archive's, for anything but plain files of
    its version, and for a bundle that is not whole.
    """
    if path.stat().st_size != archive.bytes or _sha256(path) != archive.sha256:
        raise BundleRefused(f"{archive.file} is not what the release lists: its size or hash differs")
    target = folder / archive.model / str(archive.version)
    target.mkdir(parents=True)
    try:
        with tarfile.open(path, "r:gz") as content:
            entries, size = 0, 0
            for entry in content:
                entries, size = entries + 1, size + entry.size
                parent, _, name = entry.name.rpartition("/")
                plain = entry.isreg() and name and "\\" not in name and not name.startswith(".")
                if not plain or parent != f"{archive.model}/{archive.version}":
                    raise BundleRefused(f"{archive.file}: {entry.name[:80]!r} has no place in a bundle")
                if entries > _MAX_FILES or size > MAX_BYTES:
                    raise BundleRefused(f"{archive.file} holds more than a bundle may")
                source = content.extractfile(entry)
                (target / name).write_bytes(b"" if source is None else source.read())
    except (tarfile.TarError, EOFError, gzip.BadGzipFile) as error:
        raise BundleRefused(f"{archive.file} cannot be unpacked: {error}") from error
    open_bundle(target)
    repository = Repository(folder)
    repository.promote(archive.model, archive.version)
    return repository


def read_index(content: bytes) -> Index:
    """Read ``bundles.json``; raises ``BundleRefused`` for anything else, or names that are no file's."""
    try:
        index = msgspec.json.decode(content, type=Index)
    except msgspec.DecodeError as error:
        raise BundleRefused(f"{INDEX} is no list of bundles: {error}") from error
    for each in index.bundles:
        if "/" in each.file or "\\" in each.file or each.file.startswith(".") or each.bytes > MAX_BYTES:
            raise BundleRefused(f"{INDEX}: {each.file[:80]!r} cannot be a bundle's archive")
    return index


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def main(arguments: list[str]) -> int:
    """Pack REPOSITORY into FOLDER; return 0, 1 for a bundle that is not whole, 2 for wrong arguments."""
    if len(arguments) != 2:
        sys.stderr.write("usage: python -m models.registry.archive REPOSITORY FOLDER\n")
        return 2
    try:
        index = pack(Repository(Path(arguments[0])), Path(arguments[1]))
    except (ModelError, OSError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    for each in index.bundles:
        sys.stdout.write(f"{each.file}  {each.bytes}  {each.sha256}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
