"""Where data files come from, and what happens when one is missing or altered."""

import hashlib
import io
import threading
import zipfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pooch
import pytest

from training.data.official import sources
from training.data.official.sources import Source, locate, read
from training.errors import DataError, TrainingError

CONTENT = b"1.0,2.0\r3.0,4.0"
DIGEST = hashlib.sha256(CONTENT).hexdigest()


def zipped(content, member="table.csv"):
    """A zip of one member."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(member, content)
    return buffer.getvalue()


class Quiet(SimpleHTTPRequestHandler):
    """A file server that says nothing."""

    def log_message(self, format, *args):
        """Leave the test's output alone."""


@pytest.fixture
def publisher(tmp_path, monkeypatch):
    """A folder served on this machine, and its address."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    folder = tmp_path / "published"
    folder.mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder)) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield folder, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def own(tmp_path, monkeypatch):
    """The user's data folder, with an empty cache beside it."""
    folder = tmp_path / "own"
    folder.mkdir()
    monkeypatch.setenv("SNN_DATA_DIR", str(folder))
    monkeypatch.setattr(pooch, "os_cache", lambda _: tmp_path / "cache")
    return folder


def unreachable(**changes):
    """A source that must not be asked for."""
    return Source(
        **{"name": "table.csv", "sha256": DIGEST, "addresses": ("http://127.0.0.1:1/x",), **changes}
    )


def test_a_file_that_is_there_is_used_as_it_is(own):
    """The right hash in SNN_DATA_DIR needs no network."""
    (own / "table.csv").write_bytes(CONTENT)
    assert read(unreachable()) == CONTENT


def test_a_zip_is_judged_by_the_member_that_is_pinned(own):
    """A publisher may pack anew: the member's bytes are what counts."""
    for packing in (zipped(CONTENT), zipped(CONTENT) + b""):
        (own / "table.zip").write_bytes(packing)
        assert read(unreachable(name="table.zip", member="table.csv")) == CONTENT


def test_a_wrong_hash_names_both_hashes_and_the_path(own):
    """What lies there is neither used nor overwritten."""
    (own / "table.csv").write_bytes(b"altered")
    with pytest.raises(DataError) as refusal:
        read(unreachable())
    for part in (hashlib.sha256(b"altered").hexdigest(), DIGEST, str(own / "table.csv")):
        assert part in str(refusal.value)
    assert (own / "table.csv").read_bytes() == b"altered"


@pytest.mark.parametrize("content", [b"no zip", zipped(CONTENT, "other.csv")])
def test_a_zip_without_its_member_is_refused(own, content):
    """The message names the file and the member."""
    (own / "table.zip").write_bytes(content)
    with pytest.raises(DataError, match=r"table\.zip holds no readable table\.csv"):
        read(unreachable(name="table.zip", member="table.csv"))


def test_a_missing_file_is_downloaded_once(own, publisher):
    """It lands in SNN_DATA_DIR, whole, and is used from there the next time."""
    folder, address = publisher
    (folder / "file").write_bytes(CONTENT)
    source = unreachable(addresses=(f"{address}/file",))
    assert locate(source) is None
    assert read(source) == CONTENT
    (folder / "file").unlink()
    assert read(source) == CONTENT
    assert [path.name for path in own.iterdir()] == ["table.csv"]


def test_the_second_address_is_tried_where_the_first_fails(own, publisher):
    """A missing page and an altered file are both passed over."""
    folder, address = publisher
    (folder / "altered").write_bytes(zipped(b"altered"))
    (folder / "right").write_bytes(zipped(CONTENT))
    addresses = tuple(f"{address}/{name}" for name in ("missing", "altered", "right"))
    source = unreachable(name="table.zip", member="table.csv", addresses=addresses)
    assert read(source) == CONTENT


def test_a_failed_download_says_what_to_do(own, publisher):
    """The error names the addresses, the faults and the way round; nothing half is left."""
    folder, address = publisher
    (folder / "altered").write_bytes(b"altered")
    source = unreachable(addresses=(f"{address}/missing", f"{address}/altered"))
    with pytest.raises(DataError, match="fetch it by hand") as failure:
        read(source)
    assert "404" in str(failure.value)
    assert "SNN_DATA_DIR" in str(failure.value)
    assert list(own.iterdir()) == []


def test_without_a_folder_of_ones_own_the_cache_is_used(tmp_path, publisher, own, monkeypatch):
    """SNN_DATA_DIR is optional."""
    monkeypatch.delenv("SNN_DATA_DIR")
    folder, address = publisher
    (folder / "file").write_bytes(CONTENT)
    assert read(unreachable(addresses=(f"{address}/file",))) == CONTENT
    assert (tmp_path / "cache" / "table.csv").is_file()


def test_no_folder_to_write_to_is_an_error_of_its_own(tmp_path, own, monkeypatch):
    """A file where the folders should be stops the download before it starts."""
    (tmp_path / "plain").write_text("")
    monkeypatch.setenv("SNN_DATA_DIR", str(tmp_path / "plain"))
    monkeypatch.setattr(pooch, "os_cache", lambda _: tmp_path / "plain")
    with pytest.raises(DataError, match="no folder to download into"):
        read(unreachable())


def test_every_official_source_is_pinned_and_addressed():
    """Hashes are whole and addresses are absolute."""
    official = [source for source in vars(sources).values() if isinstance(source, Source)]
    assert len(official) == 5
    for source in official:
        assert len(bytes.fromhex(source.sha256)) == 32
        assert source.addresses
        assert all(address.startswith(("http://", "https://")) for address in source.addresses)


def test_data_errors_are_training_errors():
    """The command line catches one root."""
    assert issubclass(DataError, TrainingError)
