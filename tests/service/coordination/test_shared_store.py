"""The files through which workers exchange their statuses, also where they cannot be written."""

import fcntl
import os
import shutil
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from service.coordination.shared_folder import make_folder
from service.coordination.shared_store import SharedStore
from service.coordination.statuses import CutoverDecision, Roster, WorkerSlot
from service.errors import ServiceError


def test_what_is_written_is_read_as_a_whole_or_not_at_all(tmp_path: Path) -> None:
    """A half-written file is another file; a foreign one is an error that names it."""
    one, other = SharedStore(tmp_path), SharedStore(tmp_path)
    assert other.roster() == Roster()
    roster = Roster({1: WorkerSlot(7, first=True)}, 2, 3)
    one.write_roster(roster)
    (tmp_path / ".roster.99").write_bytes(b"\x84")
    assert other.roster() == roster
    one.write_roster(Roster({}, 2))
    assert other.roster() == Roster({}, 2)
    (tmp_path / "roster").write_bytes(b"\x84")
    with pytest.raises(ServiceError, match=str(tmp_path / "roster")):
        other.roster()


def test_decisions_are_made_by_one_at_a_time(tmp_path: Path) -> None:
    """While another holds the lock nothing changes and nobody waits."""
    shared_store = SharedStore(tmp_path)
    assert shared_store.change_decisions(lambda held: held.update(a=CutoverDecision(1, 0.0)))
    with (tmp_path / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert not shared_store.change_decisions(lambda held: held.update(a=CutoverDecision(2, 0.0)))
    assert shared_store.change_decisions(lambda held: held.update(b=CutoverDecision(3, 0.0)))
    assert SharedStore(tmp_path).decisions() == {
        "a": CutoverDecision(1, 0.0),
        "b": CutoverDecision(3, 0.0),
    }


def test_the_folder_is_private() -> None:
    """Nobody else may look into what workers tell each other."""
    folder = make_folder()
    assert folder.stat().st_mode & 0o777 == 0o700
    folder.rmdir()


def events(logged: list) -> list[str]:
    """The events of log lines."""
    return [line["event"] for line in logged]


def block(folder: Path, *names: str) -> list[Path]:
    """Make the files that this process would write first impossible to write."""
    paths = [folder / f".{name}.{os.getpid()}" for name in names]
    for path in paths:
        path.mkdir()
    return paths


def test_what_cannot_be_written_is_answered_from_memory_and_written_later(tmp_path: Path) -> None:
    """Nothing is raised, the log has one line at either end, and other changes are not lost."""
    one, other = SharedStore(tmp_path), SharedStore(tmp_path)
    one.write_roster(Roster({}, 2))
    assert one.change_decisions(lambda held: held.update(a=CutoverDecision(1, 0.0)))
    blocked = block(tmp_path, "roster", "decisions")
    with capture_logs() as logged:
        for n in range(5):
            one.write_roster(Roster({}, 2, restarts=n))
            assert one.change_decisions(lambda held, n=n: held.update(a=CutoverDecision(n, 1.0)))
            one.restore()
        assert events(logged) == ["shared store cannot be written; going on from memory"]
        assert one.decisions() == {"a": CutoverDecision(4, 1.0)}
        assert other.decisions() == {"a": CutoverDecision(1, 0.0)}
        assert other.roster() == Roster({}, 2)
        for path in blocked:
            path.rmdir()
        assert other.change_decisions(lambda held: held.update(b=CutoverDecision(7, 0.0)))
        one.restore()
        one.restore()
    assert events(logged)[1:] == ["shared store writable again"]
    assert other.roster() == Roster({}, 2, restarts=4)
    assert other.decisions() == {"a": CutoverDecision(4, 1.0), "b": CutoverDecision(7, 0.0)}


def test_a_folder_that_vanished_is_made_anew_with_all_that_was_known(tmp_path: Path) -> None:
    """It is private again; until then the files' last content is what everybody reads."""
    folder = tmp_path / "store"
    folder.mkdir(mode=0o700)
    supervisor, one, other = SharedStore(folder), SharedStore(folder), SharedStore(folder)
    supervisor.write_roster(Roster({}, 2))
    one.change_decisions(lambda held: held.update(a=CutoverDecision(1, 0.0)))
    known = other.roster(), other.decisions()
    shutil.rmtree(folder)
    assert (other.roster(), other.decisions()) == known
    with capture_logs() as logged:
        for store in (supervisor, other):
            store.restore()
    assert folder.stat().st_mode & 0o777 == 0o700
    assert events(logged) == ["shared store was gone and is made anew"]
    successor = SharedStore(folder)
    assert (successor.roster(), successor.decisions()) == known


def test_a_folder_that_cannot_be_made_anew_stops_nobody(tmp_path: Path) -> None:
    """A file in its place: changes stay in memory until the file is gone."""
    folder = tmp_path / "store"
    store = SharedStore(folder)
    folder.write_text("not a folder")
    store.write_roster(Roster({}, 2))
    assert store.change_decisions(lambda held: held.update(a=CutoverDecision(1, 0.0)))
    store.restore()
    assert store.decisions() == {"a": CutoverDecision(1, 0.0)}
    folder.unlink()
    store.restore()
    assert SharedStore(folder).decisions() == store.decisions()
    assert SharedStore(folder).roster() == Roster({}, 2)
