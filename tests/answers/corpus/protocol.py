"""HTTP itself: pipelines, chunks, pieces, heads that are too long or wrong."""

from collections.abc import Iterator

from tests.answers.request import HOST_LINE, Request, raw

_JSON = b"content-type: application/json\r\n"
_BODY = b'{"model":"htru2","inputs":[[99.4,41.6,1.55,4.1,27.6,61.7,2.2,3.7]]}'


def _post(path: bytes = b"/predict", more: bytes = b"", body: bytes = _BODY) -> bytes:
    length = b"content-length: %d\r\n" % len(body)
    return b"POST " + path + b" HTTP/1.1\r\n" + HOST_LINE + _JSON + length + more + b"\r\n" + body


def _get(path: bytes, more: bytes = b"") -> bytes:
    return b"GET " + path + b" HTTP/1.1\r\n" + HOST_LINE + more + b"\r\n"


def _chunks(path: bytes, *parts: bytes, more: bytes = b"", tail: bytes = b"0\r\n\r\n") -> bytes:
    head = b"POST " + path + b" HTTP/1.1\r\n" + HOST_LINE + more + b"transfer-encoding: chunked\r\n\r\n"
    return head + b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + tail


_ODD: dict[str, bytes] = {
    "no version": b"GET /health/live\r\n\r\n",
    "old version": b"GET /health/live HTTP/1.0\r\n" + HOST_LINE + b"\r\n",
    "old version kept": b"GET /health/live HTTP/1.0\r\n" + HOST_LINE + b"connection: keep-alive\r\n\r\n",
    "odd version": b"GET /health/live HTTP/9.9\r\n" + HOST_LINE + b"\r\n",
    "no host": b"GET /health/live HTTP/1.1\r\n\r\n",
    "noise": b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n",
    "lower method": b"get /health/live HTTP/1.1\r\n" + HOST_LINE + b"\r\n",
    "line feeds": b"GET /health/live HTTP/1.1\nhost: answers\n\n",
    "blank first": b"\r\nGET /health/live HTTP/1.1\r\n" + HOST_LINE + b"\r\n",
    "no colon": b"GET /health/live HTTP/1.1\r\n" + HOST_LINE + b"nonsense\r\n\r\n",
    "space in name": b"GET /health/live HTTP/1.1\r\n" + HOST_LINE + b"a b: 1\r\n\r\n",
    "folded": b"GET /health/live HTTP/1.1\r\n" + HOST_LINE + b"a: 1\r\n 2\r\n\r\n",
    "nul in value": b"GET /health/live HTTP/1.1\r\n" + HOST_LINE + b"a: \x00\r\n\r\n",
    "latin-1 value": b"GET /health/live HTTP/1.1\r\n" + HOST_LINE + b"a: \xe4\r\n\r\n",
    "absolute": b"GET http://answers/health/live HTTP/1.1\r\n" + HOST_LINE + b"\r\n",
    "star": b"OPTIONS * HTTP/1.1\r\n" + HOST_LINE + b"\r\n",
    "connect": b"CONNECT answers:80 HTTP/1.1\r\n" + HOST_LINE + b"\r\n",
    "long head": _get(b"/health/live", b"a: " + b"x" * 70_000 + b"\r\n"),
    "long path": _get(b"/" + b"x" * 70_000),
    "longest path": _get(b"/" + b"x" * 30_000),
    "many headers": _get(b"/health/live", b"".join(b"a%d: 1\r\n" % n for n in range(200))),
    "long head of predict": _post(more=b"a: " + b"x" * 70_000 + b"\r\n"),
    "length text": b"POST /predict HTTP/1.1\r\n" + HOST_LINE + _JSON + b"content-length: x\r\n\r\n",
    "length negative": b"POST /predict HTTP/1.1\r\n" + HOST_LINE + _JSON + b"content-length: -1\r\n\r\n",
    "two lengths": _post(more=b"content-length: 5\r\n"),
    "length and chunks": _post(more=b"transfer-encoding: chunked\r\n"),
    "chunk not hex": _chunks(b"/predict", more=_JSON, tail=b"zz\r\n\r\n"),
    "coding unknown": _post(more=b"transfer-encoding: gzip\r\n"),
    "announced too large": _post(more=b"x: 1\r\n", body=b" " * 66_000),
    "tabs": b"GET\t/health/live\tHTTP/1.1\r\n" + HOST_LINE + b"\r\n",
    "escapes": _get(b"/health%2Flive"),
    "not utf-8": _get(b"/h\xffalth"),
    "websocket": _get(
        b"/health/live",
        b"connection: upgrade\r\nupgrade: websocket\r\n"
        b"sec-websocket-version: 13\r\nsec-websocket-key: AAAA\r\n",
    ),
}  # fmt: skip


def all_() -> Iterator[Request]:
    """Each on a connection of its own."""
    for name, content in _ODD.items():
        yield raw(f"http odd:{name}", content)
    live, predict = _get(b"/health/live"), _post()
    yield raw("http pipeline:gets", live * 5, answers=5)
    yield raw("http pipeline:predicts", predict * 4, answers=4)
    yield raw("http pipeline:mixed", predict + live + predict + _get(b"/nosuch") + predict, answers=5)
    yield raw("http pipeline:wrong in the middle", predict + _post(body=b"{") + predict, answers=3)
    yield raw("http pipeline:nonsense at the end", live + b"nonsense\r\n\r\n", answers=2)
    yield raw("http pipeline:nonsense after predict", predict + b"nonsense\r\n\r\n", answers=2)
    yield raw(
        "http pipeline:after close", _get(b"/health/live", b"connection: close\r\n") + live, answers=2
    )
    kept = _get(b"/health/live", b"connection: keep-alive\r\n")
    yield raw("http pipeline:kept", kept + kept, answers=2)
    yield raw("http pieces:head", live[:20], live[20:])
    yield raw("http pieces:body", predict[:-10], predict[-10:])
    yield raw("http pieces:bytes", *(predict[at : at + 25] for at in range(0, len(predict), 25)))
    for name, parts in (
        ("one", (_BODY,)),
        ("two", (_BODY[:9], _BODY[9:])),
        ("many", tuple(bytes([b]) for b in _BODY)),
    ):
        yield raw(f"http chunks:{name}", _chunks(b"/predict", *parts, more=_JSON))
    yield raw("http chunks:none", _chunks(b"/predict", more=_JSON))
    yield raw("http chunks:too large", _chunks(b"/predict", *[b" " * 20_000] * 4, more=_JSON))
    yield raw(
        "http chunks:extension", _chunks(b"/predict", more=_JSON, tail=b"2;a=b\r\n{}\r\n0\r\n\r\n")
    )
    yield raw("http chunks:trailer", _chunks(b"/predict", _BODY, more=_JSON, tail=b"0\r\nx: 1\r\n\r\n"))
    csv = _chunks(b"/predict", b"smiles\nCC", b"O\nCCN", b"\n", more=b"content-type: text/csv\r\n")
    yield raw("http chunks:table", csv)
    yield raw("http chunks:tensor", _chunks(b"/v2/models/htru2/infer", b'{"inp', b'uts": []}'))
    yield raw("http chunks:then more", _chunks(b"/predict", _BODY, more=_JSON) + live, answers=2)
    head, _, body = _post(more=b"expect: 100-continue\r\n").partition(b"\r\n\r\n")
    yield raw("http expect:continue", head + b"\r\n\r\n", body)
