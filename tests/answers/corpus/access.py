"""API keys: every scope at every kind of route, and everything that is no key."""

from collections.abc import Iterator

from tests.answers.request import SETTLE, Request, get, post_json, request

#: Names of the keys that the fixtures make, as ``{NAME}`` in a header.
KEYS = ("operator", "reader", "watcher", "expired", "slow", "rows")
_PLACES = (
    ("GET", "/"), ("GET", "/openapi.json"), ("GET", "/health/live"), ("GET", "/v2/health/ready"),
    ("GET", "/models"),
    ("GET", "/metadata"), ("GET", "/metrics"), ("GET", "/health/activations"), ("GET",
    "/health/integrity/htru2"),
    ("GET", "/health/activations/stream/x"), ("GET", "/v2"), ("GET", "/v2/models/htru2"), ("GET",
    "/v2/models/stats"),
    ("GET", "/v2/models/htru2/stats"), ("GET", "/admin/models"), ("GET", "/admin/keys"), ("GET",
    "/admin/log"),
    ("GET", "/nosuch"), ("HEAD", "/metrics"), ("DELETE", "/metrics"), ("OPTIONS", "/predict"),
    ("POST", "/v2/repository/index"), ("POST", "/v2/repository/models/nosuch/load"),
    ("POST", "/admin/models/nosuch/unload"), ("POST", "/health/integrity/nosuch"),
    ("POST", "/health/activations/nosuch/baseline"), ("DELETE", "/health/activations/nosuch/baseline"),
)  # fmt: skip
#: What all workers' traffic is in.
_SHARED = ("/metrics", "/health/activations", "/v2/models/stats")
_BODY = {"model": "htru2", "inputs": [[99.4, 41.6, 1.55, 4.1, 27.6, 61.7, 2.2, 3.7]]}
_TEXTS = (
    "Bearer", "Bearer ", "Basic dXNlcjpw", "bearer {reader}", "Bearer  {reader}", "{reader}",
    "Bearer {reader}x",
    "Bearer snn_0123456789abcdef_x", "Bearer nonsense", "Bearer \u00e4", "Bearer " + "k" * 300,
    "Token {reader}",
)  # fmt: skip


def all_() -> Iterator[Request]:
    """Sent to services with and without keys."""
    for key in ("none", "unknown", *KEYS[:4]):
        value = "Bearer snn_0123456789abcdef_no" if key == "unknown" else f"Bearer {{{key}}}"
        headers = [] if key == "none" else [("authorization", value)]
        for method, path in _PLACES:
            asked = request(f"access {key}:{method} {path}", method, path, None, headers)
            shared = key in ("operator", "watcher") and path in _SHARED
            yield asked.but(keyed=False, settle=SETTLE if shared else 0.0)
        for header in ("", "x-other"):
            more = [(header, "1")] if header else []
            asked = post_json(f"access {key}:predict {header}", "/predict", _BODY, *headers, *more)
            yield asked.but(keyed=False)
        table = [("content-type", "text/csv"), *headers]
        yield request(f"access {key}:table", "POST", "/predict", b"smiles\nCCO\n", table).but(
            keyed=False
        )
    for number, text in enumerate(_TEXTS):
        asked = post_json(f"access text:{number:02}", "/predict", _BODY, ("authorization", text))
        yield asked.but(keyed=False)
        yield get(f"access text:{number:02} by name", "/models", ("x-api-key", text)).but(keyed=False)
    both = (("x-api-key", "{reader}"), ("authorization", "Bearer {watcher}"))
    yield get("access both:reader first", "/models", *both).but(keyed=False)
    yield get("access both:watcher first", "/models", *both[::-1]).but(keyed=False)
    yield get("access both:alone", "/models", both[0]).but(keyed=False)
    for key in ("slow", "rows"):
        for turn in ("first", "second", "third"):
            named = ("authorization", f"Bearer {{{key}}}")
            yield post_json(f"access rate:{key} {turn}", "/predict", _BODY, named).but(keyed=False)
            yield get(f"access rate:{key} {turn} of models", "/models", named).but(keyed=False)
