"""The board's files, and the door that workers share."""

import asyncio
import fcntl
import socket
from collections import Counter
from pathlib import Path

import pytest

from service.coordination.shared_store import SharedStore, make_folder
from service.coordination.statuses import CutoverDecision, Roster, WorkerSlot
from service.errors import ServiceError
from service.server.listener import ConnectionCounts, SharedListener


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


class Counted(asyncio.Protocol):
    """A protocol that counts connections by worker."""

    def __init__(self, taken: Counter[int], number: int) -> None:
        taken[number] += 1


def test_the_door_shares_fairly_and_waits_for_nobody(tmp_path: Path) -> None:
    """Two doors on one socket share a burst; when one is closed or asleep the other takes all."""
    ConnectionCounts.make(tmp_path / "scale", 3)
    taken: Counter[int] = Counter()

    async def burst(address: tuple, number: int) -> list[socket.socket]:
        clients = [await asyncio.to_thread(socket.create_connection, address) for _ in range(number)]
        for _ in range(100):
            await asyncio.sleep(0.02)
            if taken.total() == number:
                break
        return clients

    async def work() -> None:
        listener = socket.create_server(("127.0.0.1", 0), backlog=200)
        listener.setblocking(False)
        scale = ConnectionCounts(tmp_path / "scale", 3)

        def shared_listener(number: int) -> SharedListener:
            twin = listener.dup()
            twin.setblocking(False)
            return SharedListener(
                twin, lambda: Counted(taken, number), lambda: taken[number], scale, number
            )

        doors = [shared_listener(1), shared_listener(2)]
        for each in doors:
            each.open()
        clients = await burst(listener.getsockname(), 40)
        assert taken.total() == 40
        assert min(taken.values()) >= 15
        doors[0].close()
        taken.clear()
        clients += await burst(listener.getsockname(), 10)
        assert taken == {2: 10}
        scale.put(3, 0)  # says that it has none, and never takes one
        taken.clear()
        clients += await burst(listener.getsockname(), 50)
        assert taken == {2: 50}
        doors[1].close()
        for client in clients:
            client.close()
        for each in doors:
            each._listener.close()
        listener.close()

    asyncio.run(work())
