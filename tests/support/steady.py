"""A steady stream of requests over kept-alive connections, for what must happen meanwhile unnoticed."""

import asyncio
import json
import threading
import time
from types import TracebackType
from typing import Self

_PATIENCE_SECONDS = 60


class Steady:
    """Sends ``rate`` requests a second over ``connections``, from a thread of its own, while entered.

    A connection whose answer is late sends its next at once, so that the rate is made up for.
    """

    def __init__(self, port: int, body: dict, rate: float, connections: int = 8) -> None:
        content = json.dumps(body).encode()
        self._request = (
            b"POST /predict HTTP/1.1\r\nhost: test\r\ncontent-type: application/json\r\n"
            b"content-length: %d\r\n\r\n" % len(content)
        ) + content
        self._port, self._rate, self._connections = port, rate, connections
        self._stop = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._all()))
        #: Seconds from when each request was due to its whole answer.
        self.seconds: list[float] = []
        #: The version that each connection was told, one after the other.
        self.versions: list[list[int]] = [[] for _ in range(connections)]
        self.failures: list[str] = []
        self._began = 0.0
        self.elapsed = 0.0

    def __enter__(self) -> Self:
        """Begin, and return once every connection has had an answer."""
        self._began = time.monotonic()
        self._thread.start()
        while not all(self.versions) and self._thread.is_alive():
            time.sleep(0.01)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop after the answers that are under way."""
        self._stop.set()
        self._thread.join()
        self.elapsed = time.monotonic() - self._began

    @property
    def latest(self) -> int:
        """The oldest of the versions that the connections were told last."""
        return min(told[-1] for told in self.versions)

    @property
    def went_back(self) -> list[list[int]]:
        """What connections were told whose version went back."""
        return [told for told in self.versions if told != sorted(told)]

    async def _all(self) -> None:
        await asyncio.gather(*(self._one(number) for number in range(self._connections)))

    async def _one(self, number: int) -> None:
        interval = self._connections / self._rate
        due = time.monotonic() + interval * number / self._connections
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
            while not self._stop.is_set():
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                writer.write(self._request)
                async with asyncio.timeout(_PATIENCE_SECONDS):
                    head = await reader.readuntil(b"\r\n\r\n")
                    length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                    content = await reader.readexactly(length)
                self.seconds.append(time.monotonic() - due)
                if head.startswith(b"HTTP/1.1 200 "):
                    self.versions[number].append(int(json.loads(content)["version"]))
                else:
                    self.failures.append((head + content).decode(errors="replace"))
                due += interval
            writer.close()
            await writer.wait_closed()
        except Exception as error:  # noqa: BLE001 - whatever it is, an answer was owed
            self.failures.append(repr(error))
