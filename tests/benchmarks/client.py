"""A load generator of our own: every answer with its status, time and latency; closed and open loop."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle
from math import ceil
from time import perf_counter
from typing import cast

import httptools
import uvloop

from tests.benchmarks.server import HOST

#: What a request that got no answer has for a status.
NO_ANSWER = 0


@dataclass(frozen=True, slots=True)
class Sample:
    """One answer: when it was due to be sent, how long it took from then, and what it was."""

    due: float
    seconds: float
    status: int
    retry_after: str | None = None


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that so many percent of the values do not exceed; 0 of none."""
    if not values:
        return 0.0
    ordered = sorted(values)
    return ordered[max(0, ceil(len(ordered) * percent / 100) - 1)]


def require_answers(samples: Sequence[Sample]) -> None:
    """Raise where anything but a 200 came back: rates of errors are worth nothing."""
    bad = Counter(sample.status for sample in samples if sample.status != 200)
    if bad:
        raise RuntimeError(f"of {len(samples)} requests these were not answered with 200: {dict(bad)}")


class Connection(asyncio.Protocol):
    """A kept-alive connection with one request under way at most."""

    def __init__(self, answered: Callable[["Connection", Sample], None]) -> None:
        self._answered = answered
        self._transport: asyncio.Transport | None = None
        self._due = 0.0
        self.busy = False
        self.open = False
        self._retry_after: str | None = None
        self._parser = httptools.HttpResponseParser(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport, self.open = cast(asyncio.Transport, transport), True

    def ask(self, content: bytes, due: float | None = None) -> None:
        """Send a whole request; latency counts from ``due``, or else from now."""
        assert self._transport is not None
        self.busy, self._retry_after = True, None
        self._due = perf_counter() if due is None else due
        self._transport.write(content)

    def data_received(self, data: bytes) -> None:
        """Feed the parser."""
        self._parser.feed_data(data)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Note when an overloaded server wants us back."""
        if name.lower() == b"retry-after":
            self._retry_after = value.decode()

    def on_message_complete(self) -> None:
        """Report the answer."""
        if not self._parser.should_keep_alive():
            self.close()
        self._report(self._parser.get_status_code())

    def connection_lost(self, _: Exception | None) -> None:
        """Report a request that will get no answer."""
        self.open = False
        if self.busy:
            self._report(NO_ANSWER)

    def close(self) -> None:
        """Hang up."""
        self.open = False
        if self._transport is not None:
            self._transport.close()

    def _report(self, status: int) -> None:
        self.busy = False
        took = perf_counter() - self._due
        self._answered(self, Sample(self._due, took, status, self._retry_after))


def closed_loop(
    port: int,
    requests: Sequence[bytes],
    connections: int,
    *,
    seconds: float | None = None,
) -> tuple[list[Sample], float]:
    """Send the requests over several connections, each its next after its last one's answer.

    Once through, or over and over for so many seconds. Returns the samples and the time taken.
    """
    source = iter(requests) if seconds is None else cycle(requests)
    return uvloop.run(_closed_loop(port, source, connections, seconds))


async def _closed_loop(
    port: int, source: Iterator[bytes], connections: int, seconds: float | None
) -> tuple[list[Sample], float]:
    loop = asyncio.get_running_loop()
    samples: list[Sample] = []
    finished = asyncio.Event()
    ends = float("inf")
    active = connections

    def answered(connection: Connection, sample: Sample) -> None:
        nonlocal active
        samples.append(sample)
        following = next(source, None) if perf_counter() < ends else None
        if following is not None and connection.open:
            connection.ask(following)
            return
        connection.close()
        active -= 1
        if not active:
            finished.set()

    made = [
        (await loop.create_connection(lambda: Connection(answered), HOST, port))[1]
        for _ in range(connections)
    ]
    started = perf_counter()
    if seconds is not None:
        ends = started + seconds
    for connection in made:
        first = next(source, None)
        if first is None:
            active -= 1
            connection.close()
        else:
            connection.ask(first)
    await finished.wait()
    return samples, perf_counter() - started


def open_loop(
    port: int, requests: Iterator[bytes], rate: float, seconds: float, patience: float = 60.0
) -> list[Sample]:
    """Send requests at a steady rate whether or not the earlier ones are answered.

    A connection is opened whenever none is free. What has no answer ``patience`` seconds after
    the last request counts as ``NO_ANSWER``.
    """
    return uvloop.run(_open_loop(port, requests, rate, seconds, patience))


async def _open_loop(
    port: int, requests: Iterator[bytes], rate: float, seconds: float, patience: float
) -> list[Sample]:
    loop = asyncio.get_running_loop()
    samples: list[Sample] = []
    free: list[Connection] = []
    everyone: list[Connection] = []
    opening: set[asyncio.Task[None]] = set()

    def answered(connection: Connection, sample: Sample) -> None:
        samples.append(sample)
        if connection.open:
            free.append(connection)

    async def open_and_ask(content: bytes, due: float) -> None:
        try:
            _, connection = await loop.create_connection(lambda: Connection(answered), HOST, port)
        except OSError:
            samples.append(Sample(due, perf_counter() - due, NO_ANSWER))
            return
        everyone.append(connection)
        connection.ask(content, due)

    started = perf_counter()
    for number in range(round(rate * seconds)):
        due = started + number / rate
        wait = due - perf_counter()
        if wait > 0:
            await asyncio.sleep(wait)
        content = next(requests)
        while free and not free[-1].open:
            free.pop()
        if free:
            free.pop().ask(content, due)
        else:
            task = loop.create_task(open_and_ask(content, due))
            opening.add(task)
            task.add_done_callback(opening.discard)
    ends = perf_counter() + patience
    while (opening or any(one.busy for one in everyone)) and perf_counter() < ends:
        await asyncio.sleep(0.02)
    for connection in everyone:
        connection.close()
    await asyncio.sleep(0.05)  # the closings report what was still waiting
    return samples
