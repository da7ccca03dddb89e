"""What holds for every route: the shape of errors, and of the OpenAPI document."""

import json
import re

import pytest
from starlette.staticfiles import StaticFiles

from service.api.routes.admin import Administration
from service.inference.served_models import ServedModels
from tests.service.conftest import App


def _fail(*_: object, **__: object) -> None:
    raise RuntimeError("SECRET")


def test_an_unforeseen_error_has_the_documented_shape_on_every_route(with_app, monkeypatch) -> None:
    """Routes of the router, of the middleware and of files answer 500 as JSON with a request id."""

    async def work(app: App) -> None:
        document = (await app.client.get("/openapi.json")).json()
        routes = [
            (method.upper(), path.replace("{model}", "htru2").replace("{version}", "1"))
            for path, methods in document["paths"].items()
            for method in methods
        ]
        routes += [(method, path) for method in ("GET", "HEAD") for path in ("/", "/web/app.js")]
        routes += [("GET", "/swagger/swagger-ui.css"), ("HEAD", "/favicon.ico")]
        for name in ("get", "state", "states"):
            monkeypatch.setattr(ServedModels, name, _fail)
        monkeypatch.setattr(app.coordinator, "whole", _fail)
        monkeypatch.setattr(StaticFiles, "lookup_path", _fail)
        failed = set()
        for method, path in routes:
            if path == "/health/activations/stream":
                continue  # it goes on without what could not be computed
            body = b'{"model": "htru2", "inputs": [[1]]}' if path == "/predict" else None
            answer = await app.client.request(method, path, content=body)
            assert "SECRET" not in answer.text
            if answer.status_code == 500:
                failed.add((method, path))
                assert answer.headers["content-type"] == "application/json", (method, path)
                document = {"request_id": answer.headers["x-request-id"]}
                if method != "HEAD":  # its answer has no body
                    document = answer.json()
                    assert set(document) == {"error", "code", "request_id"}
                assert document["request_id"] == answer.headers["x-request-id"]
        assert {
            ("POST", "/predict"), ("GET", "/health/ready"), ("GET", "/metrics"), ("GET", "/models"),
            ("GET", "/v2/models/htru2"), ("POST", "/v2/models/htru2/infer"),
            ("GET", "/web/app.js"), ("HEAD", "/web/app.js"), ("HEAD", "/"),
            ("GET", "/swagger/swagger-ui.css"),
        } <= failed  # fmt: skip

    with_app(work)


@pytest.mark.parametrize(
    ("path", "words"),
    [("/admin/log?limit=0", "limit"), ("/admin/models/htru2/versions/x/gate", "version")],
)
def test_a_parameter_that_is_wrong_has_the_documented_shape(with_app, path: str, words: str) -> None:
    """A parameter of the wrong type or size is a 422 that names it."""

    async def work(app: App) -> None:
        app.rebuild(administration=Administration(None, None))
        answer = await app.client.get(path)
        assert answer.status_code == 422
        assert set(answer.json()) == {"error", "code", "request_id"}
        assert words in answer.json()["error"]

    with_app(work)


def test_the_openapi_document_is_whole(with_app) -> None:
    """Every reference is to a schema, every schema is referred to and has a description."""

    async def work(app: App) -> None:
        text = (await app.client.get("/openapi.json")).text
        schemas = json.loads(text)["components"]["schemas"]
        named = set(re.findall(r'"\$ref":"#/components/schemas/(\w+)"', text))
        assert named - set(schemas) == set()
        assert set(schemas) - named <= {"Change"}  # administration is not part of this application
        assert len(schemas) >= 37
        assert text.count('"description"') >= 181
        assert text.count('"examples"') + text.count('"example"') >= 8
        assert all(schema["description"] for schema in schemas.values())

    with_app(work)


def test_all_accept_headers_of_a_request_count(with_app) -> None:
    """Two headers are one list, whichever comes first."""

    async def work(app: App) -> None:
        body = json.dumps({"model": "htru2", "inputs": [[1]]})
        csv, other = ("accept", "text/csv"), ("accept", "image/png")
        for accepted in ([csv, other], [other, csv]):
            headers = [("content-type", "application/json"), *accepted]
            answer = await app.client.post("/predict", content=body, headers=headers)
            assert answer.status_code == 200, answer.text
            assert answer.headers["content-type"].startswith("text/csv")
        openmetrics = [
            ("accept", "application/openmetrics-text; version=1.0.0"),
            ("accept", "*/*;q=0.1"),
        ]
        for accepted in (openmetrics, openmetrics[::-1]):
            answer = await app.client.get("/metrics", headers=accepted)
            assert answer.headers["content-type"].startswith("application/openmetrics-text")

    with_app(work)
