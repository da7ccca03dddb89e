"""Who may do what, over HTTP: keys, scopes, rates, and what stays open."""

import re
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest
from fastapi import APIRouter
from starlette.routing import Mount, Route

from service.api.access_control import RULES, administrator, scope_of
from service.api.app import create_app
from service.api.auth.keys import KeyFile, KeyStore, new_key
from service.api.problems import Problem
from tests.service.conftest import MAX_ROWS, App
from tests.support import bundles

BODY = {"model": "htru2", "inputs": bundles.candidates(2).tolist()}


@pytest.fixture
def key_store(tmp_path_factory) -> tuple[KeyStore, dict[str, str]]:
    """A ring with one key of each scope, a slow one and an expired one."""
    made = {scope: new_key(scope, (scope,)) for scope in ("predict", "admin", "metrics")}
    made["slow"] = new_key("slow", ("predict",), requests_per_second=0.01)
    made["rows"] = new_key("rows", ("predict",), rows_per_second=1)
    made["expired"] = new_key("expired", ("predict",), datetime(2026, 1, 1, tzinfo=UTC))
    file = tmp_path_factory.mktemp("keys") / "keys.json"
    file.write_bytes(msgspec.json.encode(KeyFile(tuple(entry for _, entry in made.values()))))
    return KeyStore(file), {name: key for name, (key, _) in made.items()}


def test_a_key_opens_what_its_scope_says_and_nothing_else(with_app, key_store) -> None:
    """Every scope on every kind of path; refusals are in the service's shape, with what HTTP asks."""
    held, keys = key_store
    paths = [("POST", "/predict", "predict"), ("GET", "/metrics", "metrics")]
    paths += [("GET", "/health/activations", "metrics"), ("GET", "/v2/models/htru2", "predict")]
    paths += [("POST", "/v2/repository/models/htru2/unload", "admin"), ("GET", "/no/such", "admin")]

    async def work(app: App) -> None:
        for method, path, needed in paths:
            for scope in ("predict", "metrics", "admin"):
                answer = await app.client.request(
                    method,
                    path,
                    headers={"authorization": f"Bearer {keys[scope]}"},
                    json=BODY if path == "/predict" else None,
                )
                allowed = scope == needed or (scope, needed) == ("admin", "metrics")
                if allowed:
                    # No control was given to this application, and there is nothing at the last.
                    expected = {"/no/such": 404}.get(path, 403 if path.endswith("unload") else 200)
                    assert answer.status_code == expected, (path, scope)
                else:
                    assert answer.status_code == 403, (path, scope)
                    assert f"no scope '{needed}'" in answer.json()["error"]
            bare = await app.client.request(method, path)
            assert bare.status_code == 401
            assert bare.headers["www-authenticate"].startswith("Bearer")
            assert bare.json()["request_id"] == bare.headers["x-request-id"]
        by_other_header = await app.client.post(
            "/predict", json=BODY, headers={"x-api-key": keys["predict"]}
        )
        assert by_other_header.status_code == 200
        for wrong in ("Bearer x", f"Basic {keys['predict']}", f"Bearer {keys['expired']}"):
            answer = await app.client.post("/predict", json=BODY, headers={"authorization": wrong})
            assert answer.status_code == 401
        for path in ("/health/live", "/health/ready", "/healthz", "/v2/health/ready", "/", "/docs"):
            assert (await app.client.get(path)).status_code == 200, path

    with_app(work, key_store=held)


def test_a_rate_is_kept_and_says_when_to_come_back(with_app, key_store) -> None:
    """The second request of a slow key, and the one after a large request, are 429 with Retry-After."""
    held, keys = key_store

    async def work(app: App) -> None:
        for name in ("slow", "rows"):
            headers = {"x-api-key": keys[name]}
            assert (await app.client.post("/predict", json=BODY, headers=headers)).status_code == 200
            over = await app.client.post("/predict", json=BODY, headers=headers)
            assert over.status_code == 429
            assert int(over.headers["retry-after"]) >= 1
            assert "over its rate" in over.json()["error"]

    with_app(work, key_store=held)


def test_what_was_refused_is_not_charged(with_app, key_store) -> None:
    """Too many rows, or a queue that is full, cost a key with a rate of rows nothing."""
    held, keys = key_store

    async def work(app: App) -> None:
        headers = {"x-api-key": keys["rows"]}
        for path, body in (
            ("/predict", {"model": "htru2", "inputs": [[1]] * (MAX_ROWS + 1)}),
            (
                "/v2/models/htru2/infer",
                {
                    "inputs": [
                        {"name": "features", "shape": [2000, 8], "datatype": "FP32", "data": [1] * 16000}
                    ]
                },
            ),
        ):
            refused = await app.client.post(path, json=body, headers=headers)
            assert refused.status_code == 413, refused.text
        assert (await app.client.post("/predict", json=BODY, headers=headers)).status_code == 200
        assert (await app.client.post("/predict", json=BODY, headers=headers)).status_code == 429

    with_app(work, key_store=held)


def test_without_keys_all_is_open_but_what_administrates(with_app) -> None:
    """A change is refused, and the refusal says what to do."""

    async def work(app: App) -> None:
        assert (await app.predict(**BODY)).status_code == 200
        assert (await app.client.get("/metrics")).status_code == 200
        refused = await app.client.post("/v2/repository/models/htru2/unload")
        assert refused.status_code == 403
        assert "SNN_API_KEYS_FILE" in refused.json()["error"]

    with_app(work)


def test_every_route_has_a_place_in_the_table(tmp_path: Path) -> None:
    """A path that no rule fits takes an admin key, which for a new route would be an accident."""
    bundles.publish(tmp_path)
    app = App(tmp_path)
    middleware = create_app(app.served_models, app.predictor, app.telemetry, max_rows=1, max_bytes=1)
    paths = list(_paths(middleware._app._otherwise.routes))
    assert len(paths) > 20
    for path in paths:
        assert any(re.fullmatch(rule.path, path) for rule in RULES), path
    assert scope_of("GET", "/nobody/thought/of") == "admin"
    app.predictor.close()


def _paths(routes):
    for route in routes:
        if isinstance(route, Mount):
            yield f"{route.path}/x"
        elif isinstance(route, Route):
            yield route.path.replace("{", "").replace("}", "")
        else:
            yield from _paths(getattr(route, "original_router", APIRouter()).routes)


def test_another_origin_may_ask_only_where_it_is_named(with_app) -> None:
    """Without the setting no answer has a header for it; with it only that origin's pages may read."""
    ask = {"origin": "https://lab.example", "access-control-request-method": "POST"}
    header = "access-control-allow-origin"

    async def closed(app: App) -> None:
        assert header not in (await app.client.options("/predict", headers=ask)).headers
        assert header not in (await app.client.get("/health/live", headers=ask)).headers

    async def opened(app: App) -> None:
        allowed = await app.client.options("/predict", headers=ask)
        assert (allowed.status_code, allowed.headers[header]) == (200, ask["origin"])
        other = await app.client.get("/health/live", headers={"origin": "https://evil.example"})
        assert header not in other.headers
        for refused in (
            ask | {"origin": "https://evil.example"},
            ask | {"access-control-request-method": "DELETE"},
            ask | {"access-control-request-headers": "x-other"},
        ):
            answer = await app.client.options("/predict", headers=refused)
            assert answer.status_code == 400
            assert list(answer.json()) == ["error", "code", "request_id"]
            assert answer.json()["code"] == "origin_refused"
            assert answer.json()["request_id"] == answer.headers["x-request-id"]

    with_app(closed)
    with_app(opened, origins=("https://lab.example",))


def test_pages_carry_security_headers(with_app) -> None:
    """No frame, no sniffing, no content from elsewhere."""

    async def work(app: App) -> None:
        for path in ("/", "/docs"):
            headers = (await app.client.get(path)).headers
            assert "default-src 'none'" in headers["content-security-policy"]
            assert "frame-ancestors 'none'" in headers["content-security-policy"]
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["referrer-policy"] == "no-referrer"

    with_app(work)


def test_administrator_needs_a_key_whatever_the_table_says(with_app, key_store) -> None:
    """The second lock: a route that changes something asks for the key itself."""
    held, keys = key_store
    entry = held.find(keys["predict"].encode())[0]
    for key, text in ((None, "SNN_API_KEYS_FILE"), (entry, "no scope 'admin'")):
        request = SimpleNamespace(scope={"snn.context": SimpleNamespace(key=key)})
        with pytest.raises(Problem, match=text) as caught:
            administrator(request)
        assert caught.value.status == 403
    admin = held.find(keys["admin"].encode())[0]
    assert administrator(SimpleNamespace(scope={"snn.context": SimpleNamespace(key=admin)})) is admin
