"""Archives of champions: the same bytes again, and nothing but a bundle's plain files."""

import hashlib
import io
import tarfile
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from models.errors import BundleRefused
from models.registry.archive import INDEX, Archive, main, pack, read_index, unpack
from models.registry.store import Repository
from tests.support import bundles


@pytest.fixture(scope="module")
def repository(tmp_path_factory) -> Repository:
    """A repository of one small model."""
    root = tmp_path_factory.mktemp("repository")
    bundles.publish(root)
    return Repository(root)


def test_what_was_packed_is_unpacked(repository: Repository, tmp_path: Path) -> None:
    """All files come back, and the version is the champion."""
    (archive,) = pack(repository, tmp_path / "out").bundles
    unpacked = unpack(archive, tmp_path / "out" / archive.file, tmp_path / "in")
    assert unpacked.serving("htru2").champion == 1
    names = [path.name for path in repository.bundle("htru2", 1).iterdir()]
    assert sorted(names) == sorted(path.name for path in unpacked.bundle("htru2", 1).iterdir())
    for name in names:
        one, other = repository.bundle("htru2", 1) / name, unpacked.bundle("htru2", 1) / name
        assert one.read_bytes() == other.read_bytes()


def test_the_same_files_make_the_same_archive(repository: Repository, tmp_path: Path) -> None:
    """Who packs a release again gets its hashes; the command does what the function does."""
    index = pack(repository, tmp_path / "one")
    assert main([str(repository.root), str(tmp_path / "two")]) == 0
    assert read_index((tmp_path / "two" / INDEX).read_bytes()) == index
    assert main([]) == 2


@dataclass
class Entry:
    """One entry of a hostile archive."""

    name: str
    content: bytes = b"x"
    link: str = ""


@pytest.mark.parametrize(
    "entry",
    [
        Entry("htru2/1/../../../out"),
        Entry("/etc/passwd"),
        Entry("other/1/model.onnx"),
        Entry("htru2/1/.hidden"),
        Entry("htru2/1/model.onnx", link="/etc/passwd"),
        Entry("htru2/1/deep/model.onnx"),
    ],
    ids=lambda entry: entry.name,
)
def test_a_hostile_archive_is_refused(entry: Entry, tmp_path: Path) -> None:
    """No entry leaves the version's folder, and no link is made."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as packed:
        info = tarfile.TarInfo(entry.name)
        info.size = 0 if entry.link else len(entry.content)
        if entry.link:
            info.type, info.linkname = tarfile.SYMTYPE, entry.link
        packed.addfile(info, io.BytesIO(entry.content))
    content = stream.getvalue()
    path = tmp_path / "a.tar.gz"
    path.write_bytes(content)
    archive = Archive("htru2", 1, "a.tar.gz", len(content), hashlib.sha256(content).hexdigest())
    with pytest.raises(BundleRefused, match="has no place in a bundle"):
        unpack(archive, path, tmp_path / "in")
    assert [each.name for each in (tmp_path / "in").rglob("*")] == ["htru2", "1"]


def test_an_altered_archive_is_refused(repository: Repository, tmp_path: Path) -> None:
    """One bit is enough, and nothing is unpacked."""
    (archive,) = pack(repository, tmp_path / "out").bundles
    path = tmp_path / "out" / archive.file
    content = bytearray(path.read_bytes())
    content[100] ^= 1
    path.write_bytes(content)
    with pytest.raises(BundleRefused, match="its size or hash differs"):
        unpack(archive, path, tmp_path / "in")
    assert not (tmp_path / "in").exists()


@pytest.mark.parametrize("name", ["../x", ".x", "a\\b"])
def test_an_index_names_plain_files(name: str) -> None:
    """A name that leads elsewhere, or an index that is none, is refused."""
    document = {"bundles": [{"model": "m", "version": 1, "file": name, "bytes": 1, "sha256": "0"}]}
    with pytest.raises(BundleRefused):
        read_index(msgspec.json.encode(document))
    with pytest.raises(BundleRefused):
        read_index(b"<html>")


def test_a_folder_that_exists_is_packed_into(repository: Repository, tmp_path: Path) -> None:
    """A second release goes beside what is there."""
    (tmp_path / "note.txt").write_text("kept")
    pack(repository, tmp_path)
    pack(repository, tmp_path)
    assert (tmp_path / "note.txt").read_text() == "kept"
