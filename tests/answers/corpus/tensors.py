"""``POST /v2/models/{model}/infer``: tensors as JSON and as bytes, compressed or not."""

import gzip
import json
import struct
import zlib
from collections.abc import Iterator
from typing import Any

from tests.answers.corpus.predict import PULSAR
from tests.answers.request import Request, post_json, request

HTRU2, TOX21 = "/v2/models/htru2/infer", "/v2/models/tox21/infer"
_LENGTH = "inference-header-content-length"

Document = dict[str, Any]


def _numbers(**changes: Any) -> Document:
    """A request for one candidate, with other fields of its input."""
    declared = {"name": "input", "shape": [1, 8], "datatype": "FP32", "data": PULSAR}
    declared |= changes
    return {"inputs": [{name: value for name, value in declared.items() if value is not None}]}


def _strings(**changes: Any) -> Document:
    declared = {"name": "smiles", "shape": [2], "datatype": "BYTES", "data": ["CCO", "CCN"]} | changes
    return {"inputs": [{name: value for name, value in declared.items() if value is not None}]}


_FP32 = struct.pack("<8f", *PULSAR)
_TEXTS = b"".join(struct.pack("<I", len(text)) + text for text in (b"CCO", b"c1ccccc1O"))


def _binary(name: str, path: str, document: Document, tail: bytes, *headers: tuple[str, str]) -> Request:
    text = json.dumps(document).encode()
    return request(name, "POST", path, text + tail, [(_LENGTH, str(len(text))), *headers])


_OF_NUMBERS: dict[str, Document] = {
    "good": _numbers(),
    "nested": _numbers(data=[PULSAR]),
    "two-nested": _numbers(shape=[2, 8], data=[PULSAR, PULSAR]),
    "ragged": _numbers(shape=[2, 8], data=[PULSAR, PULSAR[1:]]),
    "shape-one": _numbers(shape=[8]),
    "shape-zero": _numbers(shape=[0, 8], data=[]),
    "shape-negative": _numbers(shape=[-1, 8]),
    "shape-large": _numbers(shape=[10**12, 8]),
    "shape-beyond": _numbers(shape=[10**30, 8]),
    "shape-deep": _numbers(shape=[1] * 12),
    "shape-text": _numbers(shape=["1", 8]),
    "shape-none": _numbers(shape=None),
    "too-many-rows": _numbers(shape=[201, 8], data=PULSAR * 201),
    "many-rows": _numbers(shape=[100, 8], data=PULSAR * 100),
    "short": _numbers(data=PULSAR[1:]),
    "bool": _numbers(data=[True, *PULSAR[1:]]),
    "text": _numbers(data=["1", *PULSAR[1:]]),
    "nan": _numbers(data=[float("nan"), *PULSAR[1:]]),
    "inf": _numbers(data=[float("inf"), *PULSAR[1:]]),
    "beyond": _numbers(data=[1e300, *PULSAR[1:]]),
    "big-integer": _numbers(data=[10**40, *PULSAR[1:]]),
    "no-data": _numbers(data=None),
    "null-data": {"inputs": [{"name": "input", "shape": [1, 8], "datatype": "FP32", "data": None}]},
    "no-name": _numbers(name=None),
    "other-name": _numbers(name="x" * 60),
    "no-datatype": _numbers(datatype=None),
    "no-inputs": {},
    "empty-inputs": {"inputs": []},
    "two-inputs": {"inputs": _numbers()["inputs"] * 2},
    "id": _numbers() | {"id": "mine"},
    "id-number": _numbers() | {"id": 5},
    "unknown-field": _numbers() | {"colour": 1},
    "parameters": _numbers(parameters={"a": 1}),
    "shared-memory": _numbers(parameters={"shared_memory_region": "x"}),
    "classification": _numbers() | {"outputs": [{"name": "logit", "parameters": {"classification": 2}}]},
    "no-outputs": _numbers() | {"outputs": []},
    "logit": _numbers() | {"outputs": [{"name": "logit"}]},
    "taps": _numbers() | {"outputs": [{"name": "taps"}, {"name": "logit"}]},
    "output-twice": _numbers() | {"outputs": [{"name": "logit"}, {"name": "logit"}]},
    "unknown-output": _numbers() | {"outputs": [{"name": "nosuch"}]},
    "output-binary": _numbers() | {"outputs": [{"name": "logit", "parameters": {"binary_data": True}}]},
    "output-odd": _numbers() | {"outputs": [{"name": "logit", "parameters": {"binary_data": 1}}]},
    "all-binary": _numbers() | {"parameters": {"binary_data_output": True}},
    "all-binary-odd": _numbers() | {"parameters": {"binary_data_output": "yes"}},
    "mixed-binary": _numbers()
    | {
        "parameters": {"binary_data_output": True},
        "outputs": [{"name": "logit"}, {"name": "taps", "parameters": {"binary_data": False}}],
    },
    "sequence": _numbers() | {"parameters": {"sequence_id": 3}},
}

_OF_STRINGS: dict[str, Document] = {
    "good": _strings(),
    "column": _strings(shape=[2, 1]),
    "nested": _strings(shape=[2, 1], data=[["CCO"], ["CCN"]]),
    "no-molecule": _strings(data=["CCO", "CC[Na"]),
    "many-wrong": _strings(shape=[120], data=["CC[Na"] * 120),
    "number": _strings(data=["CCO", 5]),
    "two-columns": _strings(shape=[1, 2]),
    "fp32": _strings(datatype="FP32"),
    "input": _strings(name="input"),
    "surrogate": _strings(data=["CCO", "\ud800"]),
    "binary": _strings() | {"parameters": {"binary_data_output": True}},
}

_TYPES = (
    "FP16",
    "FP64",
    "BF16",
    "INT8",
    "INT32",
    "INT64",
    "UINT8",
    "UINT64",
    "BOOL",
    "BYTES",
    "FP128",
    "fp32",
)
_BODIES = (
    b"",
    b"null",
    b"[]",
    b"{",
    b"\xff",
    b'{"inputs": 5}',
    b"[" * 3000,
    b'{"inputs": [{}]}',
    b'{"inputs": [5]}',
)


def _compressed() -> Iterator[Request]:
    text = json.dumps(_numbers(shape=[100, 8], data=PULSAR * 100)).encode()
    shrunk = {
        "gzip": gzip.compress(text, mtime=0),
        "x-gzip": gzip.compress(text, mtime=0),
        "deflate": zlib.compress(text),
        "identity": text,
        "br": text,
        "GZIP": gzip.compress(text, mtime=0),
    }
    for coding, body in shrunk.items():
        yield request(f"tensors coding:{coding}", "POST", HTRU2, body, [("content-encoding", coding)])
    damaged = {
        "raw": ("deflate", zlib.compress(text)[2:-4]),
        "cut": ("gzip", shrunk["gzip"][:-5]),
        "two": ("gzip", shrunk["gzip"] * 2),
        "plain": ("gzip", text),
        "bomb": ("gzip", gzip.compress(b" " * 1_000_000, mtime=0)),
    }
    for name, (coding, body) in damaged.items():
        yield request(
            f"tensors coding:damaged {name}", "POST", HTRU2, body, [("content-encoding", coding)]
        )
    twice = [("content-encoding", "gzip"), ("content-encoding", "gzip")]
    yield request("tensors coding:twice", "POST", HTRU2, text, twice)
    for accepted in ("gzip", "deflate", "gzip;q=0, deflate", "br", "deflate, gzip", "*"):
        headers = [("accept-encoding", accepted)]
        yield request(f"tensors coding:wanted {accepted}", "POST", HTRU2, text, headers)


def all_() -> Iterator[Request]:
    """JSON, then bytes, then both compressed."""
    for name, document in _OF_NUMBERS.items():
        yield post_json(f"tensors numbers:{name}", HTRU2, document)
    for kind in _TYPES:
        yield post_json(f"tensors type:{kind}", HTRU2, _numbers(datatype=kind))
        whole = _numbers(datatype=kind, data=[1, 2, 3, 4, 5, 6, 7, 300])
        yield post_json(f"tensors type:{kind} of integers", HTRU2, whole)
        width = {"FP16": 2, "BF16": 2, "FP64": 8, "INT8": 1, "UINT8": 1, "INT32": 4}.get(kind, 8)
        sized = _numbers(datatype=kind, data=None, parameters={"binary_data_size": 8 * width})
        yield _binary(f"tensors type:{kind} binary", HTRU2, sized, bytes(range(60, 60 + 8 * width)))
    for name, document in _OF_STRINGS.items():
        yield post_json(f"tensors strings:{name}", TOX21, document)
    for number, body in enumerate(_BODIES):
        yield post_json(f"tensors body:{number}", HTRU2, body)
    yield post_json("tensors body:too large", HTRU2, b" " * 70_000)
    for size in (32, 31, 33, 0, -1, 1.5, "32", True, None):
        sized = _numbers(data=None, parameters={"binary_data_size": size})
        yield _binary(f"tensors binary:size {size!r}", HTRU2, sized, _FP32)
    sized = _numbers(data=None, parameters={"binary_data_size": 32})
    yield _binary(
        "tensors binary:output too", HTRU2, sized | {"parameters": {"binary_data_output": True}}, _FP32
    )
    yield _binary("tensors binary:nan", HTRU2, sized, struct.pack("<8f", float("nan"), *PULSAR[1:]))
    both = _numbers(parameters={"binary_data_size": 32})
    yield _binary("tensors binary:and data", HTRU2, both, _FP32)
    for length in ("0", "-1", "x", "999999", "1" * 30, ""):
        text = json.dumps(sized).encode() + _FP32
        yield request(f"tensors binary:length {length}", "POST", HTRU2, text, [(_LENGTH, length)])
    texts = {
        "good": _TEXTS,
        "cut": _TEXTS[:-1],
        "more": _TEXTS + b"\0\0\0\0",
        "not-utf8": b"\1\0\0\0\xff" * 2,
    }
    for name, tail in texts.items():
        strings = _strings(data=None, parameters={"binary_data_size": len(tail)})
        yield _binary(f"tensors binary:strings {name}", TOX21, strings, tail)
    yield from _compressed()
    for path in ("/v2/models/nosuch/infer", "/v2/models/broken/infer",
    "/v2/models/htru2/versions/2/infer",
                 "/v2/models/htru2/versions/9/infer", "/v2/models/htru2/versions/x/infer",
                 f"{HTRU2}/"):  # fmt: skip
        yield post_json(f"tensors path:{path}", path, _numbers())
    for name, value in (
        ("x-request-timeout-ms", "0"),
        ("x-request-id", "v2"),
        ("content-type", "text/plain"),
    ):
        yield post_json(f"tensors header:{name}", HTRU2, _numbers(), (name, value))
