"""Codes of errors: the table in the documents, and one shape for every error of every route."""

import re
from pathlib import Path

import pytest

from service.api.error_codes import MEANINGS, Code, code_of
from service.api.problems import Problem
from tests.service.conftest import App

ROOT = Path(__file__).resolve().parents[3]


def test_the_documents_table_is_that_of_the_code() -> None:
    """docs/reference/requests.md lists each code with its status and its meaning, in this order."""
    text = (ROOT / "docs" / "reference" / "requests.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([a-z_]+)` \| (\d{3}) \| (.+?) \|$", text.partition("## Errors")[2], re.M)
    expected = [(code.value, str(status), text) for code, (status, text) in MEANINGS.items()]
    assert rows == expected
    assert list(MEANINGS) == list(Code)


@pytest.mark.parametrize("status", sorted({status for status, _ in MEANINGS.values()}))
def test_a_status_has_a_code_of_its_own(status: int) -> None:
    """Where nothing more is known the code is one that comes with the status."""
    assert MEANINGS[code_of(status)][0] == status
    assert Problem(status, "text").code is code_of(status)


BODY = '{"model": "htru2", "inputs": [[1, 2, 3, 4, 5, 6, 7, 8]]%s}'
_JSON = {"content-type": "application/json"}
CASES = [
    ("GET", "/nowhere", {}, "", 404, Code.NOT_FOUND),
    ("GET", "/v2/models/none", {}, "", 404, Code.UNKNOWN_MODEL),
    ("GET", "/v2/models/htru2/versions/9", {}, "", 404, Code.UNKNOWN_VERSION),
    ("DELETE", "/predict", {}, "", 405, Code.METHOD_NOT_ALLOWED),
    ("POST", "/predict", {}, "{", 400, Code.MALFORMED_REQUEST),
    ("POST", "/predict", {}, BODY % ', "version": 2', 404, Code.UNKNOWN_VERSION),
    ("POST", "/predict", {}, BODY % ', "modle": 2', 422, Code.UNKNOWN_FIELD),
    ("POST", "/predict?modle=x", {}, BODY % "", 422, Code.UNKNOWN_FIELD),
    ("POST", "/predict", {}, '{"model": "htru2", "inputs": []}', 422, Code.INVALID_REQUEST),
    ("POST", "/predict", {"content-type": "text/html"}, "", 415, Code.UNSUPPORTED_MEDIA_TYPE),
    ("POST", "/predict", {"accept": "application/xml"}, BODY % "", 406, Code.NOT_ACCEPTABLE),
    ("POST", "/predict", {"x-request-timeout-ms": "0"}, BODY % "", 504, Code.DEADLINE_EXCEEDED),
    ("POST", "/predict", {"x-request-timeout-ms": "x"}, BODY % "", 400, Code.MALFORMED_REQUEST),
    ("POST", "/predict", {}, " " * 200_000, 413, Code.TOO_LARGE),
    ("POST", "/v2/models/htru2/infer", {}, "{}", 400, Code.MALFORMED_REQUEST),
    ("POST", "/v2/models/htru2/infer", {"accept": "text/html"}, "{}", 406, Code.NOT_ACCEPTABLE),
    ("POST", "/v2/repository/models/htru2/load", {}, "", 403, Code.CLOSED_TO_ALL),
    ("POST", "/health/activations/htru2/baseline", {}, "", 403, Code.CLOSED_TO_ALL),
    ("POST", "/molecule.svg", {}, '{"smiles": 7}', 422, Code.INVALID_REQUEST),
    ("POST", "/molecule.svg", {}, '{"smiles": "C", "drak": true}', 422, Code.UNKNOWN_FIELD),
    ("GET", "/metrics", {"accept": "application/xml"}, "", 406, Code.NOT_ACCEPTABLE),
    ("GET", "/v2", {"accept": "application/xml"}, "", 406, Code.NOT_ACCEPTABLE),
    ("GET", "/v2", {"accept": "application/*;q=0, text/html"}, "", 406, Code.NOT_ACCEPTABLE),
    ("GET", "/", {"accept": "image/png"}, "", 406, Code.NOT_ACCEPTABLE),
    ("GET", "/health/activations/stream", {"accept": "text/html"}, "", 406, Code.NOT_ACCEPTABLE),
]


def test_every_error_has_the_one_shape(with_app) -> None:
    """A sentence, a code that programs may ask for, and the request's id, on every route."""

    async def work(app: App) -> None:
        for method, path, headers, body, status, code in CASES:
            answer = await app.client.request(method, path, headers=_JSON | headers, content=body)
            assert answer.status_code == status, (method, path, answer.text)
            document = answer.json()
            assert list(document) == ["error", "code", "request_id"], (method, path)
            assert document["code"] == code, (method, path, document)
            assert document["request_id"] == answer.headers["x-request-id"]
            assert answer.headers["content-type"] == "application/json"

    with_app(work)


@pytest.mark.parametrize("accept", ["*/*", "application/*", "application/json;q=0.1", "text/html, */*"])
def test_what_accept_names_is_answered(with_app, accept: str) -> None:
    """Ranges, weights and lists name JSON, too; probes are answered whatever they accept."""

    async def work(app: App) -> None:
        assert (await app.client.get("/v2", headers={"accept": accept})).status_code == 200
        for path in ("/health/live", "/health/ready", "/healthz", "/v2/health/ready"):
            answer = await app.client.get(path, headers={"accept": "application/xml"})
            assert answer.status_code == 200

    with_app(work)
