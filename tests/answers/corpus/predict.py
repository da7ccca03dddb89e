"""``POST /predict`` as JSON: both forms, and everything that may be wrong with a body."""

from collections.abc import Iterator

from tests.answers.request import Request, post_json, request

PULSAR = [99.4, 41.6, 1.55, 4.1, 27.6, 61.7, 2.2, 3.7]
NAMED = dict(
    zip(
        (
            "profile_mean", "profile_stdev", "profile_skewness", "profile_kurtosis",
            "dm_mean", "dm_stdev", "dm_skewness", "dm_kurtosis",
        ),
        [112, 47.5, 0.2, 0.1, 2.6, 14, 9.5, 120],
        strict=True,
    )
)  # fmt: skip

_NUMBERS = b"[99.4,41.6,1.55,4.1,27.6,61.7,2.2,%s]"


def _value(text: bytes) -> bytes:
    """A candidate whose last number is written so, between two good ones."""
    good = _NUMBERS % b"3.7"
    return b'{"model":"htru2","inputs":[' + good + b"," + _NUMBERS % text + b"," + good + b"]}"


_VALUES = (
    b"NaN", b"Infinity", b"-Infinity", b"1e400", b"-1e400", b"1e39", b"3.4e38", b"-0.0", b"0", b"1e-400",
    b"123456789012345678901234567890", b"-9223372036854775809", b"18446744073709551616", b"true",
    b"null",
    b'"3.7"', b'"NaN"', b"[]", b"{}", b"3.70000000000000000000001", b"1E2", b"4e-324", b"+1", b"01",
    b".5",
)  # fmt: skip

_BODIES: dict[str, bytes] = {
    "empty": b"",
    "blank": b"  \n",
    "null": b"null",
    "number": b"1",
    "string": b'"CCO"',
    "array": b"[]",
    "object": b"{}",
    "cut": b'{"smiles": ["CCO"',
    "tail": b'{"smiles": ["CCO"]} x',
    "comma": b'{"smiles": ["CCO",]}',
    "quotes": b"{'smiles': ['CCO']}",
    "mark": b'\xef\xbb\xbf{"smiles": ["CCO"]}',
    "not-utf8": b'{"smiles": ["\xff"]}',
    "utf16": '{"smiles": ["CCO"]}'.encode("utf-16"),
    "nul": b'{"smiles": ["C\x00O"]}',
    "escaped-nul": b'{"smiles": ["C\\u0000O"]}',
    "surrogate": b'{"smiles": ["\\ud800"]}',
    "surrogate-key": b'{"smiles": ["CCO"], "\\udfff": 1}',
    "surrogate-and-nan": b'{"model": "htru2", "inputs": [["\\ud800", NaN]]}',
    "pair": b'{"smiles": ["\\ud83d\\ude00"]}',
    "deep": b'{"smiles": ' + b"[" * 3000 + b"]" * 3000 + b"}",
    "deep-nan": b'{"smiles": ' + b"[" * 200 + b"NaN" + b"]" * 200 + b"}",
    "both": b'{"smiles": ["CCO"], "model": "tox21", "inputs": ["CCO"]}',
    "neither": b'{"model": "tox21"}',
    "no-model": b'{"inputs": ["CCO"]}',
    "empty-smiles": b'{"smiles": []}',
    "empty-inputs": b'{"model": "htru2", "inputs": []}',
    "null-smiles": b'{"smiles": null}',
    "null-inputs": b'{"model": "htru2", "inputs": null}',
    "text-smiles": b'{"smiles": "CCO"}',
    "object-inputs": b'{"model": "htru2", "inputs": {"a": 1}}',
    "null-model": b'{"model": null, "smiles": ["CCO"]}',
    "number-model": b'{"model": 2, "smiles": ["CCO"]}',
    "empty-model": b'{"model": "", "inputs": ["CCO"]}',
    "empty-model-smiles": b'{"model": "", "smiles": ["CCO"]}',
    "unknown-model": b'{"model": "nosuch", "inputs": [1]}',
    "long-model": b'{"model": "' + b"m" * 300 + b'", "inputs": [1]}',
    "path-model": b'{"model": "../htru2", "inputs": [1]}',
    "odd-model": '{"model": "módel\\n\\u0007", "inputs": [1]}'.encode(),
    "broken-model": b'{"model": "broken", "inputs": [1]}',
    "smiles-of-htru2": b'{"model": "htru2", "smiles": ["CCO"]}',
    "named-tox21": b'{"model": "tox21", "smiles": ["CCO"]}',
    "unknown-field": b'{"smiles": ["CCO"], "colour": "red"}',
    "field-twice": b'{"smiles": ["CCO"], "smiles": ["CCN"]}',
    "model-twice": b'{"model": "tox21", "model": "htru2", "inputs": [[1,2,3,4,5,6,7,8]]}',
    "case": b'{"SMILES": ["CCO"]}',
    "spaces": b' \t\n{ "smiles" :\r\n[ "CCO" ] } ',
    "unicode-names": '{"smiles": ["CCO"], "größe": "µ"}'.encode(),
    "escaped-names": b'{"\\u0073miles": ["CCO"]}',
    "mixed": b'{"smiles": ["CCO", 1, null, true, [], {}, 1.5, "CCN"]}',
    "duplicates": b'{"smiles": ["CCO", "CCO", "OCC", "CCO "]}',
    "too-many-rows": b'{"smiles": [' + b",".join([b'"C"'] * 201) + b"]}",
    "most-rows": b'{"model": "htru2", "inputs": ['
    + b",".join(b"[99.4,41.6,1.55,4.1,27.6,61.7,2.2,%d]" % n for n in range(200))
    + b"]}",
    "too-many-candidates": b'{"model": "htru2", "inputs": ['
    + b",".join([_NUMBERS % b"1"] * 201)
    + b"]}",
    "too-large": b'{"smiles": ["' + b"C" * 70_000 + b'"]}',
    "named": b'{"model": "htru2", "inputs": [{"profile_mean": 1}]}',
    "short-and-long": b'{"model": "htru2", "inputs": [[1, 2], [1,2,3,4,5,6,7,8,9], []]}',
    "smiles-inputs": b'{"model": "tox21", "inputs": ["CCO", "c1ccccc1O", 5, ["C"], {"smiles": "C"}]}',
    "strings-for-htru2": b'{"model": "htru2", "inputs": ["CCO", null, true, 5]}',
}

_TYPES: dict[str, list[tuple[str, str]]] = {
    "none": [],
    "text": [("content-type", "text/plain")],
    "form": [("content-type", "application/x-www-form-urlencoded")],
    "upper": [("content-type", "Application/JSON")],
    "utf8": [("content-type", "application/json; charset=utf-8")],
    "quoted": [("content-type", 'application/json; charset="UTF-8"')],
    "latin1": [("content-type", "application/json; charset=latin-1")],
    "parameter": [("content-type", "application/json; version=1")],
    "empty": [("content-type", "")],
    "twice": [("content-type", "application/json"), ("content-type", "text/plain")],
    "odd": [("content-type", "application/jsön")],
    "long": [("content-type", "x/" + "y" * 200)],
}

_HEADERS: dict[str, list[tuple[str, str]]] = {
    "id": [("x-request-id", "mine-1")],
    "odd-id": [("x-request-id", "mine 1")],
    "long-id": [("x-request-id", "i" * 129)],
    "two-ids": [("x-request-id", "one"), ("x-request-id", "two")],
    "gzip": [("content-encoding", "gzip")],
    "identity": [("content-encoding", "identity")],
    "accept-json": [("accept", "application/json")],
    "accept-any": [("accept", "*/*")],
    "accept-html": [("accept", "text/html")],
    "accept-none": [("accept", "")],
    "timeout": [("x-request-timeout-ms", "60000")],
    "timeout-0": [("x-request-timeout-ms", "0")],
    "timeout-text": [("x-request-timeout-ms", "soon")],
    "timeout-negative": [("x-request-timeout-ms", "-1")],
    "timeout-long": [("x-request-timeout-ms", "1234567890")],
    "expect": [("expect", "100-continue")],
    "expect-other": [("expect", "200-ok")],
    "close": [("connection", "close")],
    "upgrade": [("connection", "upgrade"), ("upgrade", "websocket")],
    "origin": [("origin", "https://lab.example")],
    "other-origin": [("origin", "https://elsewhere.example")],
    "accept-gzip": [("accept-encoding", "gzip, deflate")],
    "range": [("range", "bytes=0-3")],
    "other": [("x-other", "1")],
}


def all_() -> Iterator[Request]:
    """Values, bodies, content types and headers, each for both models."""
    plain = [("content-type", "application/json")]
    good = {"tox21": b'{"smiles": ["CCO", "CC[Na", "CCO.Cl"]}', "htru2": _value(b"1")}
    for number, text in enumerate(_VALUES):
        yield post_json(f"predict value:{number:02} {text.decode()}", "/predict", _value(text))
    yield post_json("predict value:named", "/predict", {"model": "htru2", "inputs": [NAMED, PULSAR]})
    for missing in NAMED:
        record = {name: value for name, value in NAMED.items() if name != missing}
        document = {"model": "htru2", "inputs": [record, NAMED | {missing: "x"}, NAMED | {"more": 1}]}
        yield post_json(f"predict value:without {missing}", "/predict", document)
    for name, body in _BODIES.items():
        yield post_json(f"predict body:{name}", "/predict", body)
        other = [*plain, ("accept", "application/json"), ("x-request-timeout-ms", "60000")]
        yield request(f"predict body:{name}, the long way", "POST", "/predict", body, other)
    for model, body in good.items():
        for name, headers in _TYPES.items():
            yield request(f"predict type:{name} {model}", "POST", "/predict", body, headers)
        for name, headers in _HEADERS.items():
            asked = request(f"predict header:{name} {model}", "POST", "/predict", body, plain + headers)
            yield asked.but(fresh=name in ("upgrade", "close", "expect", "expect-other"))
    for query in ("?", "?model=htru2", "?x=1", "#part"):
        yield post_json(f"predict query:{query}", f"/predict{query}", good["htru2"])
    for path in (
        "/predict/",
        "//predict",
        "/Predict",
        "/predict%20",
        "/%70redict",
        "/predict;x",
        "/predict/1",
    ):
        yield post_json(f"predict path:{path}", path, good["htru2"])
