"""Framing: where a request ends and the next one begins, with h11 as the oracle."""

import asyncio
import os
import random
import re

import pytest

from tests.service.api.transport.streams import (
    INVALID,
    SMUGGLED,
    cut,
    read_by_h11,
    read_by_us,
    valid_request,
)

#: Streams of each kind; ``make framing`` tries 100,000 in all.
STREAMS = int(os.environ.get("SNN_TEST_STREAMS", "3000")) // 3
#: What h11 says of ends of lines before a request, which llhttp skips.
_BLANK = ("no request line", "illegal request line: bytearray(b'\\r")
#: A request line with more spaces than RFC 9112 has, which section 3 lets a server read.
_SPACED = re.compile(rb"(^|\n)[A-Z]+( {2,}\S+ +| +\S+ {2,})HTTP/1\.[01]\r\n")


def test_valid_requests_are_read_as_h11_reads_them() -> None:
    """Pipelined, with any headers, and cut anywhere: each is seen as h11 sees it, and answered once."""
    dice = random.Random(1)

    async def work() -> None:
        for _ in range(STREAMS):
            requests = [valid_request(dice) for _ in range(dice.randrange(1, 6))]
            blank = dice.choice((b"", b"", b"\r\n"))
            expected = read_by_h11(b"".join(requests))
            assert not expected.refused, requests
            pieces = cut(b"".join(blank + each for each in requests), dice)
            ours = await read_by_us(pieces, dice)
            assert sorted(ours.seen, key=repr) == sorted(expected.seen, key=repr), pieces
            assert ours.statuses == [200] * len(expected.seen), pieces

    asyncio.run(work())


def test_invalid_requests_are_refused_once_and_end_the_connection() -> None:
    """The requests before are answered, the invalid one gets one error, and nothing after it is read."""
    dice = random.Random(2)

    async def work() -> None:
        for number in range(max(STREAMS, len(INVALID))):
            name = list(INVALID)[number % len(INVALID)]
            invalid, status = INVALID[name]
            before = [valid_request(dice) for _ in range(dice.randrange(3))]
            expected = read_by_h11(b"".join(before))
            ended = read_by_h11(b"".join([*before, SMUGGLED])).seen == expected.seen  # it was closed
            pieces = cut(b"".join([*before, invalid, SMUGGLED]), dice)
            ours = await read_by_us(pieces, dice)
            assert sorted(ours.seen, key=repr) == sorted(expected.seen, key=repr), (name, pieces)
            answers = [200] * len(expected.seen) + [status] * (not ended)
            assert ours.statuses == answers, (name, pieces)

    asyncio.run(work())


def test_what_is_made_of_other_bytes_is_never_another_request() -> None:
    """With bytes changed, lost or added, the requests read are the first of those that h11 reads."""
    dice = random.Random(3)

    async def work() -> None:
        for _ in range(STREAMS):
            stream = bytearray(b"".join(valid_request(dice) for _ in range(dice.randrange(1, 4))))
            for _ in range(dice.randrange(1, 4)):
                place = dice.randrange(len(stream))
                byte = dice.choice(
                    (b"\r", b"\n", b" ", b":", b"0", b"5", b",", b"\x00", b"\t", b"\xff", b";")
                )
                stream[place : place + dice.randrange(2)] = dice.choice((b"", byte, byte))
            pieces = cut(bytes(stream), dice)
            ours, theirs = await read_by_us(pieces, dice), read_by_h11(bytes(stream))
            # What is answered before its body has arrived may never end.
            more = [each for each in ours.seen if (b"x-how", b"early") not in each.headers]
            if not all(each in theirs.seen for each in more):
                lenient = theirs.reason.startswith(_BLANK) or _SPACED.search(bytes(stream))
                assert theirs.refused, (bytes(stream), ours, theirs)
                assert lenient, (bytes(stream), ours, theirs)
            assert len([status for status in ours.statuses if status >= 400]) <= 1, stream

    asyncio.run(work())


@pytest.mark.parametrize("name", INVALID)
def test_each_invalid_request_is_refused(name: str) -> None:
    """In one piece and byte by byte, it is answered by its status and never seen by the application."""
    invalid, status = INVALID[name]

    async def work() -> None:
        for pieces in ([invalid + SMUGGLED], [bytes([byte]) for byte in invalid + SMUGGLED]):
            ours = await read_by_us(pieces, random.Random(0))
            assert (ours.seen, ours.statuses) == ([], [status])

    asyncio.run(work())
