"""Heads and bodies that lie, explode, or are not what they say."""

import gzip
import json
import zlib
from contextlib import suppress

import numpy as np
import pytest

from tests.chaos import wire
from tests.chaos.conftest import MAX_BYTES, MAX_ROWS
from tests.support import bundles
from tests.support.server import Server

ROWS = bundles.candidates(3, seed=4)
INFER = "/v2/models/htru2/infer"
MIB = 1 << 20


@pytest.mark.parametrize("path", ["/predict", INFER])
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"text"',
        b"1e999",
        b"NaN",
        b'{"model": "htru2"}',
        b'{"model": "htru2", "inputs": []}',
        b'{"model": "htru2", "inputs": {}}',
        b'{"model": 1, "inputs": [[1]]}',
        b'{"model": ["htru2"], "inputs": [[1]]}',
        b'{"model": "\\u0000", "inputs": [[1]]}',
        b'{"model": "../htru2", "inputs": [[1]]}',
        b'{"model": "\\ud800", "inputs": [[1]]}',
        b'{"inputs": [[1]], "smiles": ["C"]}',
        b"\xff\xfe\x00",
        b"\x80abc",
        b"\x1f\x8b\x08\x00rubbish",
        b'{"model": "htru2", "inputs": [[1,2,3,4,5,6,7,8]]} trailing',
        b'{"model": "htru2", "inputs": [[1,2,3,4,5,6,7,8]]',
        b"[" * 400_000,
        b'{"a":' * 100_000,
        b'{"model": "htru2", "inputs": ' + b"[" * 200_000 + b"]" * 200_000 + b"}",
        b'{"model": "' + b"x" * 500_000 + b'", "inputs": [[1]]}',
        b'{"model": "htru2", "inputs": ' + b"9" * 300_000 + b"}",
    ],
    ids=lambda value: repr(value[:40]),
)
def test_what_is_no_request_is_refused_in_one_sentence(server: Server, path: str, body: bytes) -> None:
    """A body that makes no sense gets a 4xx in the service's shape."""
    error = wire.check_refused(wire.ask(server, wire.post(body, path)), 400, 404, 413, 422)
    assert len(error) < 1000


@pytest.mark.parametrize(
    "bad",
    [
        "NaN", "Infinity", "-Infinity", "1e999", "-1e999", "1e39", "9" * 400, "null", "true", '"1"',
        "[1]", "{}", "[[[[[[1]]]]]]", "[" * 800 + "NaN" + "]" * 800, '"' + "x" * 1000 + '"', "1e-999999",
    ],
)  # fmt: skip
@pytest.mark.parametrize("where", ["number", "record"])
def test_a_bad_record_costs_itself_alone(server: Server, bad: str, where: str) -> None:
    """The rows before and after it are answered right, and nothing in the answer is not JSON."""
    if where == "number":
        bad = f"[1, 2, 3, {bad}, 5, 6, 7, 8]"
    good = [json.dumps(row) for row in ROWS.tolist()]
    body = '{"model": "htru2", "inputs": [' + ", ".join([good[0], bad, *good[1:]]) + "]}"
    answer = wire.ask(server, wire.post(body.encode()))
    assert answer.status == 200, answer.body[:300]
    results = answer.json()["results"]
    if "e-9" not in bad or where == "record":
        assert results[1]["status"] == "error"
    del results[1]
    shown = [result["probability"]["pulsar"] for result in results]
    np.testing.assert_allclose(shown, wire.expected(ROWS), atol=1e-6)


@pytest.mark.parametrize(
    "kind",
    [
        "text/plain", "application/x-www-form-urlencoded", "multipart/mixed; boundary=x", "", ";;;",
        "application/json; charset=utf-16", "application/json; charset=\xff", "x" * 5000,
    ],
)  # fmt: skip
def test_other_content_types_are_refused(server: Server, kind: str) -> None:
    """What is not JSON by its own account is not guessed at."""
    answer = wire.ask(server, wire.post(wire.predict_body(ROWS), content_type=kind))
    wire.check_refused(answer, 415)


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
@pytest.mark.parametrize("path", ["/predict", INFER])
def test_a_compressed_bomb_does_not_go_off(server: Server, path: str, coding: str) -> None:
    """A body of 600 kB that would become 600 MB is refused, and memory stays what it was."""
    packer = zlib.compressobj(9, wbits=31 if coding == "gzip" else 15)
    bomb = b"".join(packer.compress(bytes(MIB)) for _ in range(600)) + packer.flush()
    before = wire.resident(server)
    for _ in range(5):
        wire.check_refused(wire.ask(server, wire.post(bomb, path, content_encoding=coding)), 413)
    assert wire.resident(server) - before < 64 * MIB


@pytest.mark.parametrize("path", ["/predict", INFER])
def test_a_body_beyond_the_limit_is_not_kept(server: Server, path: str) -> None:
    """It is refused whether its length is told, or found out in chunks; memory stays what it was."""
    before = wire.resident(server)
    body = b" " * (40 * MIB)
    answer = wire.ask(server, wire.post(body, path))
    assert str(MAX_BYTES) in wire.check_refused(answer, 413)
    chunk = b"%x\r\n%s\r\n" % (MIB, bytes(MIB))
    chunked = wire.head(None, path, transfer_encoding="chunked") + chunk * 40 + b"0\r\n\r\n"
    wire.check_refused(wire.ask(server, chunked), 413)
    assert wire.resident(server) - before < 64 * MIB


def test_more_rows_than_the_limit_are_refused(server: Server) -> None:
    """The error says how many there may be."""
    body = b'{"model": "htru2", "inputs": [' + b",".join([b"[1]"] * (MAX_ROWS + 1)) + b"]}"
    error = wire.check_refused(wire.ask(server, wire.post(body)), 413)
    assert str(MAX_ROWS) in error


def _bomb(shape: str, size: int) -> bytes:
    """A GET whose head has about so many bytes."""
    path, filler = b"/health/live", b"x: y"
    if shape == "one header":
        filler = b"x-long: " + b"a" * size
    elif shape == "many headers":
        filler = b"\r\n".join(b"x-%d: %s" % (number, b"b" * 90) for number in range(size // 100))
    else:
        path = b"/" + b"c" * size
    return b"GET " + path + b" HTTP/1.1\r\nhost: x\r\n" + filler + b"\r\n\r\n"


@pytest.mark.parametrize("shape", ["one header", "many headers", "address"])
def test_a_long_head_does_no_harm(server: Server, shape: str) -> None:
    """A head of 50 kB is answered as any other, or refused as too long, in few words."""
    answer = wire.ask(server, _bomb(shape, 50_000))
    assert answer.status in (200, 404, 414, 431)
    assert len(answer.body) < 2000


@pytest.mark.parametrize("shape", ["one header", "many headers", "address"])
def test_a_bomb_of_headers_is_cut_off(server: Server, shape: str) -> None:
    """A head of 30 MiB is refused, the client still hears why, and memory does not follow its size."""
    before = wire.resident(server)
    answer = wire.ask(server, _bomb(shape, 30 * MIB))
    wire.check_refused(answer, 431, 400)
    assert answer.headers["connection"] == "close"
    assert wire.resident(server) - before < 16 * MIB


def test_a_head_beyond_the_limit_is_refused_in_a_single_read_too(server: Server) -> None:
    """A head of 80 kB is too long however it arrives; a body of that size in the same read is not."""
    assert "head" in wire.check_refused(wire.ask(server, _bomb("one header", 80_000)), 431)
    answer = wire.ask(server, wire.post(wire.predict_body(ROWS) + b" " * 80_000))
    wire.check_right(answer, ROWS)


def test_a_bomb_of_trailers_is_cut_off(server: Server) -> None:
    """Headers after a chunked body have the same limit, and memory does not follow their size."""
    before = wire.resident(server)
    body = wire.predict_body(ROWS)
    start = wire.head(None, transfer_encoding="chunked") + b"%x\r\n%s\r\n0\r\n" % (len(body), body)
    with wire.connected(server) as connection, suppress(ConnectionError):
        connection.sendall(start + b"x-long: " + b"a" * (30 * MIB))
        connection.settimeout(5)
        while connection.recv(65_536):
            pass
    assert wire.resident(server) - before < 16 * MIB


@pytest.mark.parametrize(
    "content",
    [
        b"\r\n\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n",
        b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: 1e3\r\n\r\n",
        b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999999999999999999\r\n\r\n",
        b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n{}",
        b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n",
        b"POST /predict HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"POST /predict HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
        b"GET / HTTP/1.1\r\nhost: x\r\nbad header\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: x\r\nx: \x00\r\n\r\n",
        b"GET /%ff%00%zz HTTP/1.1\r\nhost: x\r\n\r\n",
        b"GET /../../etc/passwd HTTP/1.1\r\nhost: x\r\n\r\n",
        b"DELETE /predict HTTP/1.1\r\nhost: x\r\n\r\n",
        b"BREW /predict HTTP/1.1\r\nhost: x\r\n\r\n",
        b"CONNECT x:1 HTTP/1.1\r\nhost: x\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nhost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\n\r\n",
    ],
    ids=lambda value: repr(value[:60]),
)
def test_what_is_hardly_http_is_answered_or_hung_up_on(server: Server, content: bytes) -> None:
    """A 4xx, an ordinary answer to what can be understood, or the end of the connection."""
    with wire.connected(server, patience=3) as connection:
        connection.sendall(content)
        try:
            answer = connection.recv(65_536)
            if answer.startswith(b"HTTP/1.1 100 "):  # the answer follows (RFC 9110, section 15.2.1)
                answer = answer.partition(b"\r\n\r\n")[2] or connection.recv(65_536)
        except TimeoutError:
            answer = b""  # it waits for the rest, as it may
        except ConnectionError:
            return
    assert answer == b"" or answer[9:10] in (b"2", b"4"), answer
    assert b"Traceback" not in answer


def _infer(rows: np.ndarray, **changes: object) -> tuple[bytes, bytes]:
    """The JSON and the tensor of a binary request, with what ``changes`` says instead."""
    content = rows.astype("<f4").tobytes()
    tensor = {
        "name": "features",
        "datatype": "FP32",
        "shape": list(rows.shape),
        "parameters": {"binary_data_size": len(content)},
    }
    return json.dumps({"inputs": [tensor | changes]}).encode(), content


def test_binary_tensors_are_answered(server: Server) -> None:
    """The well-formed request that the lies below are made from is answered right."""
    document, content = _infer(ROWS)
    length = str(len(document))
    answer = wire.ask(
        server, wire.post(document + content, INFER, inference_header_content_length=length)
    )
    assert answer.status == 200, answer.body[:300]
    (data,) = (one["data"] for one in answer.json()["outputs"] if one["name"] == "probability")
    np.testing.assert_allclose(data, wire.expected(ROWS), atol=1e-6)
    packed = gzip.compress(document + content)
    request = wire.post(packed, INFER, inference_header_content_length=length, content_encoding="gzip")
    assert wire.ask(server, request).status == 200


@pytest.mark.parametrize("delta", ["-1", "+1", "0", "1", "huge", "-5", "1.5", "", "0x10", "١"])
def test_a_wrong_header_length_is_refused(server: Server, delta: str) -> None:
    """``Inference-Header-Content-Length`` that is not the JSON's length is a 400."""
    document, content = _infer(ROWS)
    lengths = {"-1": len(document) - 1, "+1": len(document) + 1, "huge": 10**17}
    length = str(lengths.get(delta, delta)).encode("utf-8").decode("latin-1")
    request = wire.post(document + content, INFER, inference_header_content_length=length)
    wire.check_refused(wire.ask(server, request), 400)


@pytest.mark.parametrize(
    "changes",
    [
        {"parameters": {"binary_data_size": 95}},
        {"parameters": {"binary_data_size": 97}},
        {"parameters": {"binary_data_size": -96}},
        {"parameters": {"binary_data_size": 10**15}},
        {"parameters": {"binary_data_size": "96"}},
        {"parameters": {"binary_data_size": 96.5}},
        {"parameters": {"binary_data_size": None}},
        {"parameters": []},
        {"parameters": {}},
        {"shape": [3, 9]},
        {"shape": [4, 8]},
        {"shape": [24]},
        {"shape": [3, -1]},
        {"shape": [-3, -8]},
        {"shape": [0, 8]},
        {"shape": []},
        {"shape": [10**12, 8]},
        {"shape": [2**62, 2**62]},
        {"shape": ["3", 8]},
        {"shape": [3.0, 8]},
        {"shape": [True, 8]},
        {"shape": [1] * 1000},
        {"shape": "3, 8"},
        {"datatype": "FP31"},
        {"datatype": "BYTES"},
        {"datatype": "BOOL"},
        {"datatype": "FP64"},
        {"datatype": None},
        {"datatype": "x" * 10_000},
        {"name": "nobody"},
        {"name": 3},
        {"data": [1, 2, 3]},
    ],
    ids=str,
)
def test_a_lying_tensor_is_refused(server: Server, changes: dict) -> None:
    """Sizes, shapes and datatypes that do not agree with the bytes are a 4xx that says so."""
    document, content = _infer(ROWS, **changes)
    length = str(len(document))
    request = wire.post(document + content, INFER, inference_header_content_length=length)
    wire.check_refused(wire.ask(server, request), 400, 413, 422)
