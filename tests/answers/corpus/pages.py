"""Pages and their files, the drawing of molecules, and what models say of themselves."""

from collections.abc import Iterator

from tests.answers.request import Request, get, post_json, request

_FILES = (
    "activations.js", "api.js", "app.js", "charts.js", "csv.js", "departing.js", "dropping.js",
    "events.js",
    "history.js", "icon.svg", "index.html", "inputs.js", "models.js", "molecules.js", "page.js",
    "playground.js", "releases.js", "style.css", "tables.js", "theme.js", "README.md",
)  # fmt: skip
_VENDOR = tuple(
    f"vendor/uplot-1.6.32/{name}" for name in ("uPlot.iife.min.js", "uPlot.min.css", "LICENSE.txt")
)
_SWAGGER = (
    "swagger-ui-bundle.js",
    "swagger-ui.css",
    "favicon-32x32.png",
    "favicon-16x16.png",
    "index.html",
)
_GZIP = ("accept-encoding", "gzip")

_DRAWINGS: dict[str, bytes] = {
    "light": b'{"smiles": "c1ccccc1O"}',
    "dark": b'{"smiles": "c1ccccc1O", "dark": true}',
    "not-dark": b'{"smiles": "c1ccccc1O", "dark": 1}',
    "salt": b'{"smiles": "CC(=O)[O-].[Na+]"}',
    "no-molecule": b'{"smiles": "CC[Na"}',
    "empty": b'{"smiles": ""}',
    "large": b'{"smiles": "' + b"C" * 300 + b'"}',
    "longest": b'{"smiles": "' + b"C" * 2001 + b'"}',
    "missing": b"{}",
    "number": b'{"smiles": 5}',
    "array": b"[]",
    "cut": b'{"smiles": "C',
    "deep": b"[" * 3000,
    "not-utf8": b'{"smiles": "\xff"}',
    "surrogate": b'{"smiles": "\\ud800"}',
    "unknown-field": b'{"smiles": "CCO", "colour": 1}',
    "markup": b'{"smiles": "<svg onload=1>"}',
    "too-large": b'{"smiles": "' + b"C" * 90_000 + b'"}',
    "nothing": b"",
}


def all_() -> Iterator[Request]:
    """As browsers ask, and as they do not."""
    for file in (*_FILES, *_VENDOR):
        yield get(f"pages:/web/{file}", f"/web/{file}")
        yield get(f"pages:/web/{file} packed", f"/web/{file}", _GZIP)
    for file in _SWAGGER:
        yield get(f"swagger:{file}", f"/swagger/{file}")
        yield get(f"swagger:{file} packed", f"/swagger/{file}", _GZIP)
    for path in ("/", "/docs", "/openapi.json", "/favicon.ico", "/favicon.svg", "/models", "/metadata"):
        yield get(f"pages:{path}", path)
        yield get(f"pages:{path} as html", path, ("accept", "text/html"), _GZIP)
        yield get(f"pages:{path} with an old tag", path, ("if-none-match", '"x"'))
        yield get(f"pages:{path} any tag", path, ("if-none-match", "*"))
        yield get(f"pages:{path} range", path, ("range", "bytes=0-9"))
        yield get(f"pages:{path} query", f"{path}?a=1&a=2")
        origin = ("origin", "https://lab.example")
        yield get(f"cors:{path}", path, origin)
        asks = ("access-control-request-method", "POST")
        named = ("access-control-request-headers", "content-type,x-api-key")
        yield request(f"cors:{path} before", "OPTIONS", path, None, [origin, asks, named])
        other = ("origin", "https://elsewhere.example")
        yield request(f"cors:{path} elsewhere", "OPTIONS", path, None, [other, asks])
    for name, body in _DRAWINGS.items():
        yield post_json(f"drawing:{name}", "/molecule.svg", body)
    for kind in ("text/plain", "application/json; charset=utf-8", "image/svg+xml"):
        typed = [("content-type", kind)]
        yield request(f"drawing:as {kind}", "POST", "/molecule.svg", _DRAWINGS["light"], typed)
    encoded = [("content-type", "application/json"), ("content-encoding", "gzip")]
    yield request("drawing:encoded", "POST", "/molecule.svg", _DRAWINGS["light"], encoded)
