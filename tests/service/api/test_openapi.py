"""The OpenAPI document: complete, true of what is answered, and good for generated clients."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from service.api.specification.examples import EXAMPLES
from service.api.specification.operations import name_of
from tests.integration.clients.environment import CannotInstall, programs
from tests.support import bundles
from tests.support.both import serving_both
from tests.support.server import ROOT, environment

pytestmark = pytest.mark.slow

#: Media types of tables and pictures, which generated clients pass by.
TABLES = (
    "text/csv", "application/x-ndjson", "text/tab-separated-values", "chemical/x-daylight-smiles",
    "chemical/x-mdl-sdfile", "application/vnd.apache.parquet", "application/x-arff", "application/zip",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "image/svg+xml",
)  # fmt: skip


@pytest.fixture(scope="module")
def answered(tmp_path_factory) -> dict[str, Any]:
    """The document as ``openapi``, and real answers by the operation's name."""
    folder = tmp_path_factory.mktemp("openapi")
    keys = folder / "keys.json"
    scopes = [word for scope in ("admin", "predict", "metrics") for word in ("--scope", scope)]
    key = subprocess.run(
        [sys.executable, "-m", "service", "keys", "new", "operator", *scopes],
        env=environment(api_keys_file=keys), cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.strip()  # fmt: skip
    with serving_both(folder, api_keys_file=keys, show_departing_features=True) as server:
        client = server.client
        client.headers["authorization"] = f"Bearer {key}"
        bundles.publish(server.repository, seed=3, promote=False)
        for seed in range(20):
            rows = (1 + seed // 10) * bundles.candidates(64, seed=seed)
            client.post("/predict", json={"model": "htru2", "inputs": rows.tolist()})
        found = {"openapi": client.get("/openapi.json").json()}
        body = {"model": "htru2", "inputs": bundles.candidates(1).tolist()}
        tensor = {"name": "features", "datatype": "FP32", "shape": [1, 8], "data": [0.0] * 8}
        for method, template, path, content in [
            ("post", "/predict", "/predict", {"smiles": ["CCO", "CC[Na"]}),
            ("post", "/predict", "/predict", body),
            ("get", "/health/live", "", None),
            ("get", "/healthz", "", None),
            ("get", "/health/ready", "", None),
            ("get", "/health/activations", "", None),
            ("get", "/health/activations/{model}", "/health/activations/htru2", None),
            ("post", "/health/activations/{model}/baseline", "/health/activations/htru2/baseline", None),
            ("get", "/health/activations/{model}", "/health/activations/htru2", None),
            (
                "delete",
                "/health/activations/{model}/baseline",
                "/health/activations/htru2/baseline",
                None,
            ),
            ("get", "/health/integrity/{model}", "/health/integrity/htru2", None),
            ("post", "/health/integrity/{model}", "/health/integrity/htru2", None),
            ("get", "/health/activations/{model}/history", "/health/activations/htru2/history", None),
            ("get", "/admin/key", "", None),
            ("get", "/models", "", None),
            ("get", "/metadata", "", None),
            ("get", "/v2", "", None),
            ("get", "/v2/models/{model}", "/v2/models/htru2", None),
            ("get", "/v2/models/{model}/config", "/v2/models/htru2/config", None),
            ("get", "/v2/models/{model}/stats", "/v2/models/htru2/stats", None),
            ("post", "/v2/models/{model}/infer", "/v2/models/htru2/infer", {"inputs": [tensor]}),
            ("post", "/v2/repository/index", "", {}),
            ("get", "/admin/models", "", None),
            (
                "get",
                "/admin/models/{model}/compare",
                "/admin/models/htru2/compare?first=1&second=2",
                None,
            ),
            ("post", "/admin/models/{model}/promote", "/admin/models/htru2/promote", {"version": 2}),
            ("post", "/admin/models/{model}/rollback", "/admin/models/htru2/rollback", {}),
            ("post", "/admin/models/{model}/unload", "/admin/models/tox21/unload", {}),
            ("post", "/admin/models/{model}/load", "/admin/models/tox21/load", {}),
            ("post", "/v2/repository/models/{model}/load", "/v2/repository/models/htru2/load", {}),
            ("get", "/admin/log", "", None),
            ("get", "/admin/keys", "", None),
            ("post", "/admin/models/{model}/retire", "/admin/models/tox21/retire", {}),
        ]:
            answer = client.request(method, path or template, json=content)
            assert answer.is_success, (path or template, answer.text)
            found.setdefault(name_of(method, template), []).append(answer.json())
    return found


@pytest.fixture
def document(answered) -> dict[str, Any]:
    """The OpenAPI document."""
    return answered["openapi"]


def operations(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every operation."""
    for methods in document["paths"].values():
        yield from methods.values()


def good(operation: dict[str, Any]) -> dict[str, Any]:
    """The contents of an operation's successful answers by media type."""
    return next(
        each.get("content", {}) for status, each in operation["responses"].items() if status[0] == "2"
    )


def schema_of(document: dict[str, Any], name: str) -> dict[str, Any]:
    """The JSON schema of an operation's answer, with all that it refers to."""
    (operation,) = [each for each in operations(document) if each["operationId"] == name]
    return good(operation)["application/json"]["schema"] | {"components": document["components"]}


def test_every_operation_says_what_it_answers(document) -> None:
    """No schema is empty, every operation has an answer, a summary, a readable name, and one error."""
    named = [operation["operationId"] for operation in operations(document)]
    assert len(named) == len(set(named)) > 40
    for operation in operations(document):
        assert re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", operation["operationId"])
        assert operation["summary"]
        assert good(operation)
        for status, response in operation["responses"].items():
            for kind, content in response.get("content", {}).items():
                assert content.get("schema"), (operation["operationId"], status, kind)
                if status == "default" or (status[0] in "45" and status != "503"):
                    assert content["schema"] == {"$ref": "#/components/schemas/ErrorAnswer"}
        assert "default" in operation["responses"]
        assert "security" in operation
    assert set(document["components"]["securitySchemes"]) == {"bearer", "header"}


def test_every_json_answer_has_an_example_that_is_valid(document) -> None:
    """Each example is of the shape that the document states."""
    for operation in operations(document):
        if "application/json" in good(operation):
            name = operation["operationId"]
            assert name in EXAMPLES or not name.startswith(("get", "list", "v2", "predict")), name
            if name in EXAMPLES:
                jsonschema.validate(EXAMPLES[name], schema_of(document, name))


def test_answers_are_as_the_document_says(answered) -> None:
    """Real answers are valid by the schemas, of every operation that answers JSON."""
    for name, documents in answered.items():
        if name != "openapi":
            for each in documents:
                jsonschema.validate(each, schema_of(answered["openapi"], name))


def resolved(schema: dict[str, Any], components: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The schemas that a value may have, references followed."""
    if "$ref" in schema:
        yield from resolved(components[schema["$ref"].rpartition("/")[2]], components)
    elif "anyOf" in schema:
        for each in schema["anyOf"]:
            yield from resolved(each, components)
    else:
        yield schema


def unknown(value: Any, schemas: list[dict[str, Any]], components: dict[str, Any]) -> Iterator[str]:
    """The fields of a value that none of its schemas names."""
    if isinstance(value, dict):
        objects = [each for each in schemas if each.get("type") == "object"]
        for name, inner in value.items():
            known = [each["properties"][name] for each in objects if name in each.get("properties", {})]
            known += [
                each["additionalProperties"]
                for each in objects
                if isinstance(each.get("additionalProperties"), dict)
            ]
            if not known and any("properties" in each for each in objects):
                yield name
            choices = [kind for each in known for kind in resolved(each, components)]
            yield from unknown(inner, choices, components)
    elif isinstance(value, list):
        items = [each["items"] for each in schemas if isinstance(each.get("items"), dict)]
        choices = [kind for each in items for kind in resolved(each, components)]
        for inner in value:
            yield from unknown(inner, choices, components)


def test_no_field_is_left_out(answered) -> None:
    """Whatever a real answer has, the document names."""
    components = answered["openapi"]["components"]["schemas"]
    for name, documents in answered.items():
        if name != "openapi":
            choices = list(resolved(schema_of(answered["openapi"], name), components))
            for each in documents:
                assert not list(unknown(each, choices, components)), name


def test_a_python_client_is_generated(document, tmp_path: Path) -> None:
    """openapi-python-client makes every operation; it passes by the media types of tables alone."""
    try:
        folder = programs("openapi")
    except CannotInstall as reason:
        pytest.skip(f"the generator cannot be installed: {reason}")
    path = tmp_path / "openapi.json"
    path.write_text(json.dumps(document))
    arguments = ["generate", "--path", path, "--output-path", tmp_path / "client", "--meta", "none"]
    done = subprocess.run(
        [folder / "openapi-python-client", *arguments],
        env=environment() | {"PATH": f"{folder}:/usr/bin:/bin"},
        cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    said = done.stdout + done.stderr
    complaints = re.findall(r"^(?:Unsupported|Unable|Could not|Cannot|Failure).*$", said, re.MULTILINE)
    unexpected = [each for each in complaints if not any(kind in each for kind in TABLES)]
    assert unexpected == []
    made = {path.stem for path in (tmp_path / "client" / "api").rglob("*.py")}
    named = {operation["operationId"].replace("v2_", "v_2_") for operation in operations(document)}
    assert {name.replace("v_2_", "v2_") for name in made} >= {n.replace("v_2_", "v2_") for n in named}


def test_a_typescript_client_is_generated(document, tmp_path: Path) -> None:
    """openapi-typescript makes types of it, which the strict compiler takes."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm is not installed")
    (tmp_path / "openapi.json").write_text(json.dumps(document))
    fetched = subprocess.run(
        [npm, "install", "--no-audit", "--no-fund", "openapi-typescript@7", "typescript@5"],
        cwd=tmp_path, capture_output=True, text=True, check=False, timeout=240,
    )  # fmt: skip
    if fetched.returncode:
        pytest.skip(f"the generator cannot be fetched: {fetched.stderr[-200:]}")
    for command in (
        ["openapi-typescript", "openapi.json", "-o", "made.d.ts"],
        ["tsc", "--noEmit", "--strict", "made.d.ts"],
    ):
        program = tmp_path / "node_modules" / ".bin" / command[0]
        done = subprocess.run(
            [program, *command[1:]],
            cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        assert "warning" not in (done.stdout + done.stderr).lower()
