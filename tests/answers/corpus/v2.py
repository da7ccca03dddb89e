"""The rest of the v2 protocol: metadata, configuration, readiness, the repository."""

from collections.abc import Iterator

from tests.answers.request import Request, get, post_json, request

_MODELS = ("htru2", "tox21", "broken", "nosuch", "a%20b", "..", "m" * 100)
_BODIES = (
    b"",
    b"{}",
    b'{"ready": true}',
    b'{"ready": false}',
    b'{"ready": 1}',
    b"[]",
    b"x",
    b"\xff",
    b'{"more": 1}',
)


def all_() -> Iterator[Request]:
    """Every model, loaded or not, by every route."""
    for path in ("/v2", "/v2/health/live", "/v2/health/ready", "/v2/models/stats"):
        asked = get(f"v2:{path}", path)
        yield asked.but(settle=2.5) if path.endswith("stats") else asked
    for model in _MODELS:
        for version in ("", "/versions/2", "/versions/3", "/versions/x", "/versions/02"):
            for what in ("", "/ready", "/config", "/stats"):
                path = f"/v2/models/{model}{version}{what}"
                yield get(f"v2 model:{path}", path)
    for number, body in enumerate(_BODIES):
        yield post_json(f"v2 index:{number}", "/v2/repository/index", body)
    yield post_json("v2 index:too large", "/v2/repository/index", b" " * 70_000)
    for model in ("nosuch", "broken", "a%20b"):
        for step in ("load", "unload"):
            if (model, step) == ("broken", "unload"):
                continue  # it would change what later answers say
            path = f"/v2/repository/models/{model}/{step}"
            yield request(f"v2 repository:{step} {model}", "POST", path, b"")
            yield post_json(f"v2 repository:{step} {model} malformed", path, b"{")
    path = "/v2/repository/models/htru2/load"
    parameters = {"parameters": {"config": "{}"}}
    yield post_json("v2 repository:load with parameters", path, parameters)
    yield post_json("v2 repository:load too large", path, b" " * 70_000)
