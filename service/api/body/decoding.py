"""JSON bodies, and what ``POST /predict`` asks for: one set of rules for every format and both paths."""

import json
from typing import Any, NamedTuple, TypeVar, cast, get_args
from urllib.parse import parse_qs

import msgspec
from msgspec import UNSET
from starlette.types import Receive, Scope

from service.api.body.negotiation import body_format
from service.api.body.reading import read_body
from service.api.problems import Problem
from service.api.schemas import PredictRequest
from service.errors import InvalidRequest
from service.inference.predictor import Applicability

T = TypeVar("T")

#: The model of SMILES, and of a table, that name none.
DEFAULT_SMILES_MODEL = "tox21"


class Limits(NamedTuple):
    """The most records and bytes of a JSON request, and bytes of a table."""

    rows: int
    bytes: int
    table_bytes: int


_predict_request = msgspec.json.Decoder(PredictRequest)


class Asked(NamedTuple):
    """A JSON request of ``POST /predict``; ``keyed`` where its records are ``smiles``."""

    model: str
    records: list[Any]
    keyed: bool
    applicability: Applicability | None = None


def parse(content: bytes, queried: str | None = None) -> Asked:
    """Decode a JSON body of ``POST /predict``; ``queried`` is the query's model.

    Raises ``Problem`` 400 or 422, and ``InvalidRequest``.
    """
    body = decode(content, _predict_request)
    keyed = body.inputs is UNSET
    records = body.smiles if keyed else body.inputs
    if records is UNSET or (body.smiles is not UNSET and not keyed):
        raise InvalidRequest(
            'send either {"smiles": ["CCO", …]} or {"model": "…", "inputs": [record, …]}'
        )
    named = body.model or queried
    if queried and named != queried:
        raise InvalidRequest(
            f"the body is for model {named!r:.82}, the query for {queried!r:.82}; name one"
        )
    if not named and not keyed:
        raise InvalidRequest("'model' is missing: it says which model the inputs are for")
    return Asked(named or DEFAULT_SMILES_MODEL, records, keyed, body.applicability or None)


def queried_model(scope: Scope) -> str | None:
    """Return the query's ``model``; raises ``InvalidRequest`` for other parameters, or two of it."""
    if not scope.get("query_string"):
        return None
    query = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    unknown = sorted(set(query) - {"model", "applicability"})
    if unknown:
        raise InvalidRequest(
            f"unknown parameter {unknown[0][:80]!r}; there are 'model' and 'applicability'"
        )
    names = query.get("model", [])
    if len(names) > 1:
        raise InvalidRequest("the parameter 'model' is said twice")
    return names[0] if names else None


def queried_applicability(scope: Scope) -> Applicability | None:
    """Return the query's ``applicability``; raises ``InvalidRequest`` for another value, or two."""
    query = parse_qs(scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True)
    values = query.get("applicability", [])
    if not values:
        return None
    if len(values) > 1 or values[0] not in get_args(Applicability):
        raise InvalidRequest("the parameter 'applicability' is 'judge' or 'ignore', once")
    return cast(Applicability, values[0])


async def read_json(scope: Scope, receive: Receive, limit: int) -> bytes:
    """Read a body of JSON; raises ``Problem`` 415 for another type, and what ``read_body`` raises."""
    if body_format(scope) != "json":
        raise Problem(415, "send application/json")
    return await read_body(scope, receive, limit)


def decode(content: bytes | memoryview, decoder: msgspec.json.Decoder[T], wrong_shape: int = 422) -> T:
    """Decode a JSON body; raises ``Problem`` 400 for no JSON, ``wrong_shape`` for another document.

    NaN, Infinity and numbers beyond a float are read, though strict JSON does not have them: they
    concern one record, and the featurizer's message names it.
    """
    try:
        return decoder.decode(content)
    except UnicodeDecodeError as error:
        raise Problem(400, "the body is not JSON: it is not UTF-8") from error
    except RecursionError as error:
        raise Problem(400, "the body is not usable: its JSON is nested too deeply") from error
    except msgspec.DecodeError as error:
        strict = error
    try:
        document = json.loads(bytes(content))
        msgspec.json.encode(document)  # no half of a surrogate pair, which no answer could repeat
        return msgspec.convert(document, decoder.type)
    except msgspec.ValidationError as error:
        raise Problem(wrong_shape, f"the request has the wrong shape: {error}") from error
    except (ValueError, RecursionError) as error:
        shape = isinstance(strict, msgspec.ValidationError)
        what = "the request has the wrong shape" if shape else "the body is not JSON"
        raise Problem(400, f"{what}: {strict}") from error
