"""Every route by every method, with names that there are and names that there are not."""

from collections.abc import Iterator

from tests.answers.request import SETTLE, Request, request

_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW")

#: Nothing here changes anything: a model of that name does not exist where a method would.
_ROUTES = (
    "/", "/docs", "/openapi.json", "/favicon.ico", "/web/app.js", "/swagger/swagger-ui.css",
    "/predict", "/metadata", "/models", "/molecule.svg", "/metrics",
    "/health/live", "/healthz", "/health/ready", "/health/activations", "/health/activations/nosuch",
    "/health/activations/nosuch/baseline", "/health/integrity/nosuch",
    "/v2", "/v2/health/live", "/v2/health/ready", "/v2/models/stats", "/v2/models/tox21",
    "/v2/models/tox21/versions/3", "/v2/models/tox21/config", "/v2/models/tox21/ready",
    "/v2/models/tox21/stats", "/v2/models/tox21/infer", "/v2/models/tox21/versions/3/infer",
    "/v2/models/tox21/versions/3/config", "/v2/models/tox21/versions/3/ready",
    "/v2/models/tox21/versions/3/stats", "/v2/repository/index", "/v2/repository/models/nosuch/load",
    "/v2/repository/models/nosuch/unload",
    "/admin/models", "/admin/log", "/admin/keys", "/admin/models/nosuch/promote",
    "/admin/models/nosuch/rollback", "/admin/models/nosuch/load", "/admin/models/nosuch/unload",
    "/admin/models/htru2/compare", "/admin/models/htru2/versions/2/gate",
    "/nosuch", "/redoc", "/docs/", "/health", "/health/", "/v2/", "/v2/models", "/admin", "/admin/",
    "/v2/models/nosuch", "/v2/models/broken", "/v2/models/tox21/versions/9", "/swagger/", "/swagger/no",
    "/web/", "/web/no.js", "/web/../settings.py", "/%2e%2e/x", "/health/live?x=1", "/predict%00", "/%ff",
)  # fmt: skip


def all_() -> Iterator[Request]:
    """One request for each; a stream has no end and is asked elsewhere."""
    for path in _ROUTES:
        for method in _METHODS:
            shared = method == "GET" and path.endswith(("/metrics", "/stats", "/activations"))
            asked = request(f"routes {path}:{method}", method, path)
            yield asked.but(settle=SETTLE if shared else 0.0)
    for method in _METHODS[1:]:
        path = "/health/activations/stream"
        yield request(f"routes {path}:{method}", method, path).but(fresh=True)
