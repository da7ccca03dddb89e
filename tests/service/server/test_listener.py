"""The listening socket that several workers share."""

import asyncio
import socket
from collections import Counter
from pathlib import Path

from service.server.listener import ConnectionCounts, SharedListener


class Counted(asyncio.Protocol):
    """A protocol that counts connections by worker."""

    def __init__(self, taken: Counter[int], number: int) -> None:
        taken[number] += 1


def test_connections_are_shared_fairly_and_wait_for_nobody(tmp_path: Path) -> None:
    """Two listeners on one socket share a burst; when one is closed or asleep the other accepts all."""
    counts = ConnectionCounts(ConnectionCounts.make(tmp_path, 3), 3)
    assert list(tmp_path.iterdir()) == []
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

        def shared_listener(number: int) -> SharedListener:
            twin = listener.dup()
            twin.setblocking(False)
            return SharedListener(
                [twin], lambda: Counted(taken, number), lambda: taken[number], counts, number
            )

        listeners = [shared_listener(1), shared_listener(2)]
        for each in listeners:
            each.open()
        clients = await burst(listener.getsockname(), 40)
        assert taken.total() == 40
        assert min(taken.values()) >= 15
        listeners[0].close()
        taken.clear()
        clients += await burst(listener.getsockname(), 10)
        assert taken == {2: 10}
        counts.put(3, 0)  # says that it has none, and never takes one
        taken.clear()
        clients += await burst(listener.getsockname(), 50)
        assert taken == {2: 50}
        listeners[1].close()
        for client in clients:
            client.close()
        listener.close()

    asyncio.run(work())
