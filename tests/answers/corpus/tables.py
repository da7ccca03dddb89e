"""``POST /predict`` with tables: CSV and NDJSON in, CSV, NDJSON and JSON out."""

from collections.abc import Iterator

from tests.answers.corpus.predict import NAMED
from tests.answers.request import Request, request

HEADER = ",".join(NAMED).encode()
ROW = ",".join(map(str, NAMED.values())).encode()

_MANY = b"%d,47.5,.2,.1,2.6,14,9,%d\n"

CSV: dict[str, tuple[str, bytes]] = {
    "molecules": ("tox21", b"id,smiles\n7,CCO\n8,CC[Na\n9,c1ccccc1O\n"),
    "smiles-alone": ("tox21", b"smiles\nCCO\n\nCCN\n"),
    "crlf": ("tox21", b"smiles,id\r\nCCO,1\r\n\r\nCCN,2\r\n"),
    "mark": ("tox21", b"\xef\xbb\xbfsmiles,id\nCCO,1\n"),
    "no-end": ("tox21", b"smiles,id\nCCO,1"),
    "quoted": ("tox21", b'"smiles","na,me"\n"CCO","a ""b"" c"\n"CCN","two\nlines"\n'),
    "unclosed": ("tox21", b'smiles,name\n"CCO,1\nCCN,2\n'),
    "stray-quote": ("tox21", b'smiles,name\nCC"O,1\nCCN,2\n'),
    "ragged": ("tox21", b"smiles,a,b\nCCO,1\nCCN,1,2,3\nCC,1,2\n"),
    "header-alone": ("tox21", b"smiles,id\n"),
    "empty": ("tox21", b""),
    "blank-header": ("tox21", b"\n\n"),
    "no-smiles": ("tox21", b"molecule\nCCO\n"),
    "smiles-twice": ("tox21", b"smiles,smiles\nCCO,CCN\n"),
    "column-twice": ("tox21", b"smiles,a,a\nCCO,1,2\n"),
    "upper": ("tox21", b"SMILES\nCCO\n"),
    "formula": ("tox21", b"smiles,note\nCCO,=1+1\n@C,+1\n"),
    "results-there": ("tox21", b"smiles,error,p_value\nCCO,x,y\n"),
    "not-utf8": ("tox21", b"smiles,name\nCCO,\xff\nCCN,ok\n"),
    "utf16": ("tox21", "smiles\nCCO\n".encode("utf-16")),
    "nul": ("tox21", b"smiles,name\nCC\x00O,1\n"),
    "semicolons": ("tox21", b"smiles;id\nCCO;1\n"),
    "wide": ("tox21", b",".join(b"c%d" % n for n in range(5000)) + b"\n"),
    "many": ("tox21", b"smiles,n\n" + b"".join(b"%s,%d\n" % (b"C" * (n % 40), n) for n in range(300))),
    "candidates": ("htru2", HEADER + b"\n" + ROW + b"\n" + ROW + b"\n"),
    "candidates-id": ("htru2", b"id," + HEADER + b"\n1," + ROW + b"\n2," + ROW[:-3] + b"\n"),
    "candidates-bad": ("htru2", HEADER + b"\n" + ROW.replace(b"14", b"x") + b"\n" + ROW[:-3] + b"nan\n"),
    "candidates-empty-cell": ("htru2", HEADER + b"\n" + ROW.replace(b"47.5", b"") + b"\n"),
    "candidates-inf": ("htru2", HEADER + b"\n" + ROW.replace(b"47.5", b"inf") + b"\n"),
    "candidates-spaces": ("htru2", HEADER + b"\n" + ROW.replace(b",", b" , ") + b"\n"),
    "candidates-missing": ("htru2", HEADER[13:] + b"\n" + ROW + b"\n"),
    "candidates-many": ("htru2", HEADER + b"\n" + b"".join(_MANY % (n, n) for n in range(700))),
    "too-large": ("tox21", b"smiles\n" + b"CCO\n" * 70_000),
    "long-row": ("tox21", b"smiles,x\nCCO," + b"y" * 100_000 + b"\nCCN,1\n"),
    "unknown-model": ("nosuch", b"smiles\nCCO\n"),
    "broken-model": ("broken", b"smiles\nCCO\n"),
}  # fmt: skip

NDJSON: dict[str, tuple[str, bytes]] = {
    "molecules": ("tox21", b'{"smiles": "CCO", "id": 1}\n{"smiles": "CC[Na"}\n'
     b'"CCN"\n\n["CC"]\n5\nnull\n'),
    "fields": ("tox21", b'{"a": 1}\n{"smiles": null}\n'
     b'{"smiles": ["C"]}\n{"smiles": "C", "x": {"a": 1}}\n'),
    "malformed": ("tox21", b'{"smiles": "CCO"\n{"smiles": "CCO"}\nCCO\n{"smiles": "\\ud800"}\n'),
    "numbers": ("tox21", b'{"smiles": "C", "n": NaN}\n'
     b'{"smiles": "C", "n": 1e400, "b": 123456789012345678901}\n'),
    "twice": ("tox21", b'{"smiles": "C", "smiles": "CC", "a": 1, "a": 2}\n'),
    "not-utf8": ("tox21", b'{"smiles": "\xff"}\n{"smiles": "C"}\n'),
    "mark": ("tox21", b'\xef\xbb\xbf{"smiles": "C"}\r\n{"smiles": "CC"}'),
    "empty": ("tox21", b""),
    "blank": ("tox21", b"\n\n \n"),
    "candidates": ("htru2", b"[112,47.5,0.2,0.1,2.6,14,9.5,120]\n[1]\n" + b'{"profile_mean": 1}\n"x"\n'),
    "deep": ("tox21", b"[" * 3000 + b"\n" + b'"C"\n'),
    "results-there": ("tox21", b'{"smiles": "C", "error": 1, "probability": 2, "status": 3}\n'),
    "unknown-model": ("nosuch", b'"C"\n'),
}  # fmt: skip

_ACCEPTS = (
    "text/csv", "application/x-ndjson", "application/json", "*/*", "text/*", "application/*",
    "text/html",
    "text/csv;q=0, application/json", "text/csv;q=0.1, application/x-ndjson;q=0.9", "text/csv;q=x",
    "application/ndjson", "application/jsonl", "image/png, */*;q=0.1", "", "TEXT/CSV",
)  # fmt: skip
_KINDS = (
    "text/csv", "text/csv; charset=utf-8", "text/csv; charset=latin-1", "TEXT/CSV",
    "text/csv; header=absent",
    "application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines",
)  # fmt: skip


def _table(name: str, kind: str, model: str, body: bytes, *headers: tuple[str, str]) -> Request:
    path = "/predict" if model == "tox21" else f"/predict?model={model}"
    return request(name, "POST", path, body, [("content-type", kind), *headers])


def all_() -> Iterator[Request]:
    """Each table as its own kind and as another, and one table by every way of asking."""
    for name, (model, body) in CSV.items():
        for accept in ("text/csv", "application/x-ndjson", "application/json"):
            asked = _table(f"tables csv:{name} as {accept}", "text/csv", model, body, ("accept", accept))
            yield asked
    for name, (model, body) in NDJSON.items():
        for accept in ("text/csv", "application/x-ndjson", "application/json"):
            kind = "application/x-ndjson"
            yield _table(f"tables ndjson:{name} as {accept}", kind, model, body, ("accept", accept))
    _, lines = NDJSON["molecules"]
    _, rows = CSV["molecules"]
    for accept in _ACCEPTS:
        yield _table(f"tables accept:{accept}", "text/csv", "tox21", rows, ("accept", accept))
        body = b'{"smiles": ["CCO", "CC[Na"]}'
        yield _table(
            f"tables accept:{accept} of json", "application/json", "tox21", body, ("accept", accept)
        )
    for kind in _KINDS:
        body = rows if "csv" in kind.lower() else lines
        yield _table(f"tables type:{kind}", kind, "tox21", body)
    for query in (
        "model=",
        "model=tox21&model=htru2",
        "x=1",
        "model=tox21&x=1",
        "model=%74ox21",
        "model=a%00",
    ):
        path = f"/predict?{query}"
        yield request(f"tables query:{query}", "POST", path, rows, [("content-type", "text/csv")])
    for extra in (
        ("content-encoding", "gzip"),
        ("x-request-timeout-ms", "0"),
        ("x-request-id", "table"),
    ):
        yield _table(f"tables header:{extra[0]}", "text/csv", "tox21", rows, extra)
    for body in (
        b"",
        b"{}",
        b'{"smiles": []}',
        b'{"inputs": ["C"]}',
        b'{"model":"htru2","smiles":["C"]}',
        b"x",
    ):
        accept = ("accept", "text/csv")
        name = f"tables of json:{body.decode() or 'nothing'}"
        yield _table(name, "application/json", "tox21", body, accept)
