"""A worker that is killed in the middle of its work."""

import asyncio
import os
import signal
import time
from contextlib import suppress
from pathlib import Path

import pytest

from service.settings import Settings
from tests.chaos import wire
from tests.support import bundles
from tests.support.server import Server, running

pytestmark = pytest.mark.skipif(
    "workers" not in Settings.model_fields, reason="this service has no setting SNN_WORKERS"
)


def _workers(server: Server) -> list[int]:
    """Children of the server that have a connection to listen on or answer: python processes."""
    found = []
    for folder in Path("/proc").iterdir():
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            command = (folder / "cmdline").read_bytes()
        except (OSError, IndexError, ValueError):
            continue
        if parent == server.process.pid and b"resource_tracker" not in command:
            found.append(int(folder.name))
    return found


async def _client(port: int, stop: asyncio.Event, lost: list[str]) -> int:
    """Post blocks until told to stop; a lost connection is noted and opened again."""
    rows = bundles.candidates(64)
    request, answered = wire.post(wire.predict_body(rows)), 0
    while not stop.is_set():
        try:
            reader, writer = await asyncio.open_connection(wire.HOST, port)
        except OSError as error:
            lost.append(repr(error))
            continue
        try:
            while not stop.is_set():
                writer.write(request)
                head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), wire.PATIENCE)
                length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                body = await asyncio.wait_for(reader.readexactly(length), wire.PATIENCE)
                assert head.startswith(b"HTTP/1.1 200 "), (head, body[:200])
                answered += 1
        except (OSError, asyncio.IncompleteReadError) as error:
            lost.append(repr(error))
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
    return answered


def test_a_killed_worker_costs_its_own_requests_and_is_replaced(tmp_path: Path) -> None:
    """Of sixteen clients each loses at most the request under way; then two workers serve again."""
    root = tmp_path / "repository"
    root.mkdir()
    bundles.publish(root)
    lost: list[str] = []

    async def everyone(server: Server, port: int) -> list[int]:
        stop = asyncio.Event()
        tasks = [asyncio.create_task(_client(port, stop, lost)) for _ in range(16)]
        await asyncio.sleep(1.0)
        before = set(_workers(server))
        os.kill(sorted(before)[-1], signal.SIGKILL)
        await asyncio.sleep(2.0)
        stop.set()
        return await asyncio.gather(*tasks)

    with running(tmp_path, models=root, workers=2, state=tmp_path / "state") as server:
        assert server.wait_until_ready().status_code == 200
        port = int(server.address.rpartition(":")[2])
        count = len(_workers(server))
        answered = asyncio.run(everyone(server, port))
        assert all(answered)
        assert len(lost) <= 16, lost[:3]
        end = time.monotonic() + wire.PATIENCE
        while len(_workers(server)) < count and time.monotonic() < end:
            time.sleep(0.1)
        assert len(_workers(server)) == count
        rows = bundles.candidates(16)
        for _ in range(20):
            wire.check_right(wire.ask(server, wire.post(wire.predict_body(rows))), rows)
        assert server.wait_until_ready().status_code == 200
        assert server.stop() == 0
