"""The OpenAPI document, made of the structures that requests and answers are decoded and encoded by."""

import re
from inspect import cleandoc
from typing import Any

import msgspec
from fastapi import FastAPI, Response

from service.api import result_schemas, schemas
from service.api.routes import model_schemas
from service.api.specification import health, history, releases, trials
from service.api.specification.examples import EXAMPLES
from service.api.specification.operations import SCHEMES, name_of, security_of
from service.api.v2 import schemas as v2_schemas

Described = dict[int | str, dict[str, Any]]

_TEMPLATE = "#/components/schemas/{name}"
_REFERENCE = re.compile(_TEMPLATE.format(name=r"(\w+)"))

#: What each status of an error means, on every route.
ERRORS = {
    400: "Malformed: not JSON, a table that cannot be read, or a tensor with records that cannot.",
    403: "It takes an API key of scope 'admin'.",
    404: "No such model, or not this version of it.",
    406: "No format of answers that the client accepts.",
    408: "The body did not arrive in time.",
    409: "It cannot be done as things are.",
    413: "More bytes or records than the service takes at once.",
    415: "A content type or a content encoding that this route does not take.",
    422: "JSON of another shape, or a request that makes no sense as a whole; the sentence says why.",
    429: "Too much work is waiting, or the key is over its rate; Retry-After says when to come back.",
    503: "The service cannot answer now.",
    504: "The time that the request gave itself passed before it was computed.",
}

#: OpenAPI's description of the header, for every route that predicts.
TIMEOUT_PARAMETER = {
    "name": "X-Request-Timeout-Ms",
    "in": "header",
    "required": False,
    "description": (
        "Milliseconds from its arrival after which nothing more is begun for the request: 504. Where"
        " more work is waiting than that, it is turned away at once: 429. By default"
        " SNN_DEADLINE_SECONDS. A table is answered in pieces and has none."
    ),
    "schema": {"type": "integer", "minimum": 0, "maximum": 999_999_999},
}


#: The same of the header by which a client says that its records are made up.
SYNTHETIC_PARAMETER = {
    "name": "X-SNN-Synthetic",
    "in": "header",
    "required": False,
    "description": (
        "1 for records that are examples or probes: they are answered as any, and left out of the"
        " activation health. It counts with an API key or, without keys, from the same machine."
    ),
    "schema": {"type": "string", "enum": ["1"]},
}


def content_of(*shapes: Any) -> dict[str, Any]:
    """Describe JSON of one of these shapes: structures, or lists of them."""
    found, _ = msgspec.json.schema_components(shapes, ref_template=_TEMPLATE)
    return {"application/json": {"schema": found[0] if len(found) == 1 else {"anyOf": list(found)}}}


def answers(shape: Any, *errors: int, status: int = 200) -> Described:
    """Describe a route's answers: what it returns unless it is None, and its errors' statuses."""
    described: Described = {
        error: {"description": ERRORS[error], "content": content_of(schemas.ErrorAnswer)}
        for error in errors
    }
    if shape is not None:
        summary = (shape.__doc__ or "").partition("\n")[0] if isinstance(shape, type) else "A list."
        described[status] = {"description": summary, "content": content_of(shape)}
    return described


def request_body(shape: Any, *, required: bool = True) -> dict[str, Any]:
    """Describe a route's JSON body, as ``openapi_extra``."""
    return {"requestBody": {"required": required, "content": content_of(shape)}}


def json_response(document: object, status: int = 200) -> Response:
    """Encode an answer that nobody may keep."""
    content = msgspec.json.encode(document)
    return Response(content, status, {"cache-control": "no-store"}, media_type="application/json")


def complete(app: FastAPI) -> None:
    """Add the structures' schemas to the document that FastAPI makes of its routes."""
    made = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = made()
            shapes = [
                shape
                for module in (
                    schemas,
                    result_schemas,
                    model_schemas,
                    v2_schemas,
                    health,
                    history,
                    releases,
                    trials,
                )
                for shape in vars(module).values()
                if isinstance(shape, type) and shape.__base__ is msgspec.Struct
            ]
            _, components = msgspec.json.schema_components(shapes, ref_template=_TEMPLATE)
            for component in components.values():
                component["description"] = cleandoc(component["description"])
            document["components"] = {
                "schemas": dict(sorted(components.items())),
                "securitySchemes": SCHEMES,
            }
            _describe_operations(document)
            # FastAPI's own 422 has another shape than this service's.
            text = msgspec.json.encode(document).replace(b"HTTPValidationError", b"ErrorAnswer")
            app.openapi_schema = _referred(msgspec.json.decode(text))
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _describe_operations(document: dict[str, Any]) -> None:
    """Give every operation its name, its keys, an example, and the shape of all other errors."""
    error = {"description": "Any other error.", "content": content_of(schemas.ErrorAnswer)}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            name = operation["operationId"] = name_of(method, path)
            operation["security"] = security_of(path)
            for parameter in operation.get("parameters", ()):
                if parameter["in"] == "path":  # one function serves paths with and without a version
                    parameter["schema"] = _never_null(parameter["schema"])
            responses = operation["responses"]
            responses.setdefault("default", error)
            if name in EXAMPLES:
                good = responses["200" if "200" in responses else "201"]
                good["content"]["application/json"]["example"] = EXAMPLES[name]


def _referred(document: dict[str, Any]) -> dict[str, Any]:
    """Leave out schemas that nothing refers to: those of routes that this service does not have."""
    schemas: dict[str, Any] = document["components"]["schemas"]
    waiting, found = [msgspec.json.encode(document["paths"]).decode()], set[str]()
    while waiting:
        for name in set(_REFERENCE.findall(waiting.pop())) - found:
            found.add(name)
            waiting.append(msgspec.json.encode(schemas[name]).decode())
    document["components"]["schemas"] = {name: schemas[name] for name in schemas if name in found}
    return document


def _never_null(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of what a path always has."""
    kinds = [each for each in schema.get("anyOf", ()) if each != {"type": "null"}]
    if len(kinds) != 1:
        return schema
    return {**{name: value for name, value in schema.items() if name != "anyOf"}, **kinds[0]}
