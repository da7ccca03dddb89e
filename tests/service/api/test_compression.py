"""Content codings of bodies and answers, over all routes."""

import asyncio
import gzip
import json
import zlib
from collections.abc import Callable

import httpx
import pytest
from backports import zstd
from hypothesis import given
from hypothesis import strategies as st

from service.api.body.compression import CODINGS, CompressedAnswer, compress, decoded
from service.api.body.reading import read_body
from service.api.problems import Problem
from tests.service.conftest import MAX_BYTES, App
from tests.support import bundles

PACK: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
    "zstd": zstd.compress,
}
UNPACK = {"gzip": gzip.decompress, "deflate": zlib.decompress, "zstd": zstd.decompress}
ROWS = bundles.candidates(40).tolist()
JSON = json.dumps({"model": "htru2", "inputs": ROWS}).encode()
NDJSON = "".join(json.dumps({"x": n, "inputs": row}) + "\n" for n, row in enumerate(ROWS)).encode()
CSV = "\n".join(
    [
        "profile_mean,profile_stdev,profile_skewness,profile_kurtosis,dm_mean,dm_stdev,dm_skewness,dm_kurtosis",
        *(",".join(map(str, row)) for row in ROWS),
    ]
).encode()
INFER = json.dumps(
    {
        "inputs": [
            {
                "name": "features",
                "datatype": "FP32",
                "shape": [40, 8],
                "data": [number for row in ROWS for number in row],
            }
        ]
    }
).encode()
#: Path, content type and body of each route that takes one.
BODIES = {
    "predict": ("/predict", "application/json", JSON),
    "a table": ("/predict?model=htru2", "text/csv", CSV),
    "invocations": ("/invocations?model=htru2", "text/csv", CSV),
    "infer": ("/v2/models/htru2/infer", "application/json", INFER),
    "index": ("/v2/repository/index", "application/json", b"{}"),
}


async def raw(app: App, path: str, content: bytes, **headers: str) -> tuple[httpx.Response, bytes]:
    """Post; return the answer, and its bytes as they were sent."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    async with app.client.stream("POST", path, content=content, headers=named) as answer:
        sent = b"".join([piece async for piece in answer.aiter_raw()])
    return answer, sent


@pytest.mark.parametrize("coding", PACK)
@pytest.mark.parametrize("name", BODIES)
def test_every_route_takes_a_compressed_body(with_app, name: str, coding: str) -> None:
    """It is answered as the plain body is."""
    path, kind, body = BODIES[name]

    async def work(app: App) -> None:
        plain = await app.client.post(path, content=body, headers={"content-type": kind})
        assert plain.status_code == 200
        headers = {"content-type": kind, "content-encoding": coding}
        packed = await app.client.post(path, content=PACK[coding](body), headers=headers)
        assert (packed.status_code, packed.content) == (200, plain.content)

    with_app(work)


@pytest.mark.parametrize("coding", PACK)
@pytest.mark.parametrize("path", ["/predict", "/v2/models/htru2/infer", "/predict?model=htru2"])
def test_a_bomb_is_refused(with_app, path: str, coding: str) -> None:
    """Some kilobytes that would become 50 MB: 413, having decompressed little more than the limit."""
    bomb = PACK[coding](bytes(50_000_000))
    kind = "text/csv" if "model=" in path else "application/json"

    async def work(app: App) -> None:
        assert len(bomb) < MAX_BYTES
        headers = {"content-type": kind, "content-encoding": coding}
        answer = await app.client.post(path, content=bomb, headers=headers)
        assert answer.status_code == 413
        assert "once decompressed" in answer.json()["error"]

    with_app(work, max_stream_bytes=1_000_000)


@pytest.mark.parametrize(
    ("coding", "body", "status"),
    [
        ("br", JSON, 415),
        ("gzip, zstd", JSON, 415),
        ("gzip", JSON, 400),
        ("gzip", b"", 400),
        ("gzip", gzip.compress(JSON)[:-4], 400),
        ("gzip", gzip.compress(JSON) * 2, 400),
        ("deflate", b"\x78\x9c nothing", 400),
        ("zstd", JSON, 400),
        ("zstd", b"", 400),
        ("zstd", zstd.compress(JSON)[:-4], 400),
        ("zstd", zstd.compress(JSON) * 2, 400),
        ("zstd", zstd.compress(bytes(64), options={zstd.CompressionParameter.window_log: 27}), 400),
        ("identity", JSON, 200),
    ],
)
def test_what_is_not_the_coding_that_it_says(with_app, coding: str, body: bytes, status: int) -> None:
    """An unknown coding is 415, another content 400, with a sentence."""

    async def work(app: App) -> None:
        headers = {"content-type": "application/json", "content-encoding": coding}
        answer = await app.client.post("/predict", content=body, headers=headers)
        assert answer.status_code == status
        assert status == 200 or "error" in answer.json()

    with_app(work)


@pytest.mark.parametrize("coding", ["gzip", "deflate", "zstd"])
def test_bodies_in_small_pieces(with_app, coding: str) -> None:
    """A body that arrives byte by byte is decompressed as it comes."""

    async def work(app: App) -> None:
        packed = PACK[coding](JSON)

        async def pieces():
            for start in range(0, len(packed), 7):
                yield packed[start : start + 7]

        headers = {"content-type": "application/json", "content-encoding": coding}
        answer = await app.client.post("/predict", content=pieces(), headers=headers)
        assert answer.status_code == 200

    with_app(work)


@pytest.mark.parametrize("coding", UNPACK)
def test_answers_are_compressed_where_that_is_set(with_app, coding: str) -> None:
    """JSON, tables in pieces, documents: each as its client accepts it, and with ``Vary``."""

    async def work(app: App) -> None:
        for path, kind, body in BODIES.values():
            plain, content = await raw(app, path, body, content_type=kind, accept_encoding="identity")
            packed, sent = await raw(app, path, body, content_type=kind, accept_encoding=f"br, {coding}")
            assert plain.status_code == packed.status_code == 200
            assert "content-encoding" not in plain.headers
            if len(content) < 1024:
                assert "content-encoding" not in packed.headers
                continue
            assert packed.headers["content-encoding"] == coding
            assert packed.headers["vary"] == "accept-encoding"
            assert len(sent) < len(content)
            assert UNPACK[coding](sent) == content
        document = await app.client.get("/openapi.json", headers={"accept-encoding": coding})
        assert document.headers["content-encoding"] == coding

    with_app(work, compresses=True)


def test_by_default_only_protocol_v2_compresses(with_app) -> None:
    """As before: the setting is off."""

    async def work(app: App) -> None:
        for name, coding in (("predict", None), ("a table", None), ("infer", "gzip")):
            path, kind, body = BODIES[name]
            answer, _ = await raw(app, path, body, content_type=kind, accept_encoding="gzip")
            assert answer.headers.get("content-encoding") == coding

    with_app(work)


def test_errors_and_small_answers_stay_as_they_are(with_app) -> None:
    """What gains nothing is not compressed, nor is an error."""

    async def work(app: App) -> None:
        for path in ("/health/live", "/nothing"):
            answer = await app.client.get(path, headers={"accept-encoding": "gzip"})
            assert "content-encoding" not in answer.headers
        answer = await app.client.head("/openapi.json", headers={"accept-encoding": "gzip"})
        assert (answer.status_code, answer.content) == (200, b"")

    with_app(work, compresses=True)


@pytest.mark.parametrize("coding", UNPACK)
def test_an_answer_in_pieces_can_be_read_piece_by_piece(coding: str) -> None:
    """What was sent so far can be decompressed to all that was written so far."""
    pieces = [b"a,b\n" * 1000, b"1,2\n" * 3, b"3,4\n" * 50, b""]
    sent: list[dict] = []

    async def send(message: dict) -> None:
        sent.append(message)

    async def work() -> None:
        answer = CompressedAnswer(send, coding.encode())
        headers = [(b"content-type", b"text/csv; charset=utf-8")]
        await answer({"type": "http.response.start", "status": 200, "headers": headers})
        for number, piece in enumerate(pieces):
            more = number < len(pieces) - 1
            await answer({"type": "http.response.body", "body": piece, "more_body": more})

    asyncio.run(work())
    assert (b"content-encoding", coding.encode()) in sent[0]["headers"]
    if coding == "zstd":
        stream = zstd.ZstdDecompressor()
    else:
        stream = zlib.decompressobj(31 if coding == "gzip" else 15)
    for message, piece in zip(sent[1:], pieces, strict=True):
        assert stream.decompress(message["body"]) == piece
    assert stream.eof


def read(body: bytes, coding: bytes, limit: int, step: int) -> bytes:
    """A body as a route reads it, which comes in pieces of ``step`` bytes."""
    parts = [body[at : at + step] for at in range(0, len(body), step)] or [b""]
    messages = [
        {"type": "http.request", "body": part, "more_body": number < len(parts)}
        for number, part in enumerate(parts, 1)
    ]

    async def receive() -> dict[str, object]:
        return messages.pop(0) if messages else {"type": "http.request", "body": b"", "more_body": False}

    async def whole() -> bytes:
        scope = {"type": "http", "headers": [(b"content-encoding", coding)]}
        return await read_body(*decoded(scope, receive), limit)

    return asyncio.run(whole())


@given(st.binary(max_size=2000), st.sampled_from(CODINGS), st.integers(1, 50))
def test_what_is_compressed_is_read_again(content: bytes, coding: bytes, step: int) -> None:
    """By this code, in pieces of any size, and by the standard library's other half."""
    packed = compress(content, coding)
    assert UNPACK[coding.decode()](packed) == content
    assert read(packed, coding, 2000, step) == content


@given(st.binary(max_size=300), st.sampled_from(CODINGS), st.integers(0, 100), st.integers(1, 50))
def test_arbitrary_compressed_bytes_raise_nothing_but_problems(
    content: bytes, coding: bytes, cut: int, step: int
) -> None:
    """Noise, and a stream that is cut, is a ``Problem``; never is more made than the limit."""
    for body in (content, compress(content, coding)[: -1 - cut]):
        try:
            made = read(body, coding, 50, step)
        except Problem as problem:
            assert problem.status in (400, 413)
        else:
            assert len(made) <= 50
