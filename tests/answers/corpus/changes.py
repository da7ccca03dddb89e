"""Releases over HTTP, refused and granted: the last that is asked, as it changes what is served."""

import json
from collections.abc import Iterator

from tests.answers.request import SETTLE, Request, get, post_json, request

#: What readiness says once all workers have taken a change up.
_TAKEN_UP = {
    "unload": b'"tox21":{"version":null',
    "load": b'"tox21":{"version":"3","provider":"CPUExecutionProvider","ready":true,"error":null',
    "promote": b'"htru2":{"version":"1","provider":"CPUExecutionProvider","ready":true,"error":null',
    "rollback": b'"htru2":{"version":"2","provider":"CPUExecutionProvider","ready":true,"error":null',
}
_CANDIDATE = {"model": "htru2", "inputs": [[99.4, 41.6, 1.55, 4.1, 27.6, 61.7, 2.2, 3.7]]}
_STEPS = ("promote", "rollback", "load", "unload")
_BODIES: dict[str, bytes] = {
    "nothing": b"",
    "no version": b"{}",
    "unknown version": b'{"version": 99}',
    "version without a gate": b'{"version": 4}',
    "version text": b'{"version": "1"}',
    "version zero": b'{"version": 0}',
    "version large": b'{"version": 1000000001}',
    "unknown field": b'{"version": 1, "colour": 1}',
    "why number": b'{"version": 1, "why": 5}',
    "why long": b'{"version": 1, "why": "' + b"w" * 1001 + b'"}',
    "array": b"[]",
    "cut": b"{",
    "not-utf8": b'{"why": "\xff"}',
    "deep": b"[" * 3000,
    "too large": b" " * 70_000,
}


def _reads(when: str) -> Iterator[Request]:
    for path in (
        "/admin/models", "/admin/log", "/admin/log?limit=1", "/admin/log?model=htru2", "/admin/keys",
        "/admin/models/htru2/compare?first=1&second=2", "/admin/models/htru2/compare?first=2&second=1",
        "/v2/repository/index", "/health/ready", "/v2/models/htru2", "/models",
    ):  # fmt: skip
        method = "POST" if path.endswith("index") else "GET"
        asked = request(f"admin:{path} {when}", method, path)
        yield asked.but(settle=SETTLE if path == "/admin/models" else 0.0)
    yield post_json(f"admin:predict {when}", "/predict", _CANDIDATE)


def _refused() -> Iterator[Request]:
    for query in (
        "",
        "?first=1",
        "?first=1&second=x",
        "?first=0&second=1",
        "?first=1&second=99",
        "?first=1&second=1",
    ):
        yield get(f"admin compare:{query}", f"/admin/models/htru2/compare{query}")
    for query in ("?limit=0", "?limit=x", "?limit=10001", "?model=nosuch", "?model=" + "m" * 65, "?x=1"):
        yield get(f"admin log:{query}", f"/admin/log{query}")
    for model, version in (
        ("htru2", "2"), ("htru2", "1"), ("tox21", "3"), ("htru2", "99"), ("htru2", "x"), ("htru2", "0"),
        ("nosuch", "1"), ("broken", "1"), ("m" * 65, "1"), ("a%20b", "1"), ("..", "1"),
    ):  # fmt: skip
        yield get(f"admin gate:{model} {version}", f"/admin/models/{model}/versions/{version}/gate")
    for model in ("tox21", "nosuch", "broken", "m" * 65, "a%20b", "%2e%2e"):
        path = f"/admin/models/{model}/compare?first=1&second=2"
        yield get(f"admin compare:{model}", path)
    for step in _STEPS[:2]:
        for name, body in _BODIES.items():
            if step == "promote" or name in ("unknown version", "cut", "too large", "unknown field"):
                yield post_json(f"admin {step}:{name}", f"/admin/models/htru2/{step}", body)
    for step in _STEPS:
        for model in ("nosuch", "m" * 65, "a%20b"):
            body = b'{"version": 1}'
            yield post_json(f"admin {step}:of {model}", f"/admin/models/{model}/{step}", body)
    for step in _STEPS[:3]:
        body = b'{"version": 7}'
        yield post_json(f"admin {step}:of broken", f"/admin/models/broken/{step}", body)


def _granted() -> Iterator[Request]:
    body = json.dumps({"version": 1, "why": "to be compared"}).encode()
    for step in ("unload", "load"):
        for how in ("/admin/models/tox21", "/v2/repository/models/tox21"):
            yield post_json(f"admin {step}:{how}", f"{how}/{step}", b"").but(change=True)
            yield get(f"admin {step}:ready by {how}", "/health/ready").but(until=_TAKEN_UP[step])
            yield post_json(f"admin {step}:predict by {how}", "/predict", {"smiles": ["CCO"]})
            for path in (
                "/health/activations/tox21",
                "/health/activations",
                "/metadata",
                "/v2/models/tox21/ready",
            ):
                yield get(f"admin {step}:{path} by {how}", path)
    yield post_json("admin promote:htru2", "/admin/models/htru2/promote", body).but(change=True)
    yield get("admin promote:ready", "/health/ready").but(until=_TAKEN_UP["promote"])
    yield from _reads("after the promotion")
    yield post_json("admin rollback:htru2 from 9", "/admin/models/htru2/rollback", {"version": 9})
    enough = {"why": "enough"}
    yield post_json("admin rollback:htru2", "/admin/models/htru2/rollback", enough).but(change=True)
    yield get("admin rollback:ready", "/health/ready").but(until=_TAKEN_UP["rollback"])
    yield from _reads("after the rollback")
    yield post_json("admin rollback:htru2 again", "/admin/models/htru2/rollback", b"")


def all_() -> Iterator[Request]:
    """Refused ones first; where there are no keys the others are refused as well."""
    yield from _reads("before")
    yield from _refused()
    yield from _granted()
