"""JSON bodies, and what ``POST /predict`` asks for: one set of rules for every format and both paths."""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, TypeVar, cast, get_args
from urllib.parse import parse_qs

import msgspec
from msgspec import UNSET, UnsetType
from starlette.types import Receive, Scope

from models.bundle.cutoffs import By, CutOffs
from service.api.body.negotiation import body_format
from service.api.body.reading import read_body
from service.api.body.torn_text import whole_text, with_torn_records
from service.api.error_codes import Code
from service.api.problems import Problem
from service.api.schemas import PredictRequest
from service.errors import InvalidRequest
from service.inference.answers.decision import Decision, cut_offs_of, flag_of
from service.inference.predictor import Applicability
from service.inference.served_models import ServedModel
from service.tables import ResultColumns

T = TypeVar("T")

#: The model of SMILES, and of a table, that name none.
DEFAULT_SMILES_MODEL = "tox21"


class Limits(NamedTuple):
    """The most records and bytes of a JSON request, and bytes of a table."""

    rows: int
    bytes: int
    table_bytes: int


#: Python converts no integers of more digits, which are far beyond a float.
_MOST_DIGITS = 4000

_WAYS = get_args(By)

_predict_request = msgspec.json.Decoder(PredictRequest)


class Queried(NamedTuple):
    """What the query of ``POST /predict``, or its form, names; None for what it does not."""

    model: str | None = None
    version: str | None = None
    applicability: Applicability | None = None
    smiles_column: str | None = None
    result_columns: ResultColumns | None = None
    threshold: str | None = None
    recall: str | None = None
    fpr: str | None = None
    interval: str | None = None

    def decision(self, served: ServedModel) -> Decision:
        """Return what decides the rows of a table; raises what ``Decision.of`` does."""
        return served.decide(cut_offs_of(self._asdict()), interval=flag_of("interval", self.interval))


class Asked(NamedTuple):
    """A JSON request of ``POST /predict``; ``keyed`` where its records are ``smiles``.

    ``version`` is None where any version may answer. ``nearest`` is how many measured compounds each
    result is to have.
    """

    model: str
    version: str | None
    records: list[Any]
    keyed: bool
    applicability: Applicability | None = None
    cut_offs: CutOffs | None = None
    interval: bool = False
    nearest: int = 0


def parse(content: bytes, queried: Queried = Queried()) -> Asked:  # noqa: B008 - immutable
    """Decode a JSON body of ``POST /predict``.

    Raises ``Problem`` 400 or 422, and ``InvalidRequest``.
    """
    body = decode(content, _predict_request, repair=with_torn_records)
    keyed = body.inputs is UNSET
    records = body.smiles if keyed else body.inputs
    if records is UNSET or (body.smiles is not UNSET and not keyed):
        raise InvalidRequest(
            'send either {"smiles": ["CCO", …]} or {"model": "…", "inputs": [record, …]}'
        )
    model = _one_of("model", body.model, queried.model)
    version = _one_of("version", body.version, queried.version)
    if model is None and not keyed:
        raise InvalidRequest("'model' is missing: it says which model the inputs are for")
    return Asked(
        DEFAULT_SMILES_MODEL if model is None else model,
        version,
        records,
        keyed,
        body.applicability or queried.applicability,
        _cut_offs(body, queried),
        body.interval or (queried.interval is not None and flag_of("interval", queried.interval)),
        0 if body.nearest is UNSET else body.nearest,
    )


def _cut_offs(body: PredictRequest, queried: Queried) -> CutOffs | None:
    said = {by: value for by in _WAYS if (value := getattr(body, by)) is not UNSET}
    named = {by: value for by in _WAYS if (value := getattr(queried, by)) is not None}
    return cut_offs_of(said, named) if said or named else None


def _one_of(name: str, said: str | int | UnsetType, queried: str | None) -> str | None:
    """Return what the body and the query name; raises ``InvalidRequest`` where they differ."""
    if said is UNSET:
        return queried
    if queried not in (None, str(said)):
        raise InvalidRequest(
            f"the body is for {name} {str(said)!r:.82}, the query for {queried!r:.82}; name one"
        )
    return str(said)


def queried(scope: Scope) -> Queried:
    """Return what the query names.

    Raises ``Problem`` 422 for another parameter, and ``InvalidRequest`` for one that is said twice.
    """
    if not scope.get("query_string"):
        return Queried()
    query = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    unknown = set(query) - set(Queried._fields)
    if unknown:
        raise _unknown("parameter", unknown, Queried._fields)
    for name, values in query.items():
        if len(values) > 1:
            raise InvalidRequest(f"the parameter {name!r} is said twice")
    return with_fields(Queried(), {name: value for name, (value,) in query.items()})


def check_field(name: str) -> None:
    """Raise ``Problem`` 422 for a field of a form that is no parameter of the query."""
    if name not in Queried._fields:
        raise _unknown("field", (name,), Queried._fields)


def with_fields(named: Queried, fields: Mapping[str, str]) -> Queried:
    """Add what the fields of a form name; raises ``InvalidRequest`` where it is no value or another."""
    if fields.get("applicability", "judge") not in get_args(Applicability):
        raise InvalidRequest("the parameter 'applicability' is 'judge' or 'ignore'")
    if fields.get("result_columns", "refuse") not in get_args(ResultColumns):
        raise InvalidRequest("the parameter 'result_columns' is 'refuse', 'replace' or 'prefix'")
    said = {name: _one_of(name, value, getattr(named, name)) for name, value in fields.items()}
    return named._replace(**cast(dict[str, Any], said))


def _unknown(what: str, names: Iterable[str], known: Iterable[str]) -> Problem:
    shown = ", ".join(f"{name[:80]!r}" for name in sorted(names)[:8])
    text = f"unknown {what} {shown}; there is {', '.join(map(repr, known))}"
    return Problem(422, text, code=Code.UNKNOWN_FIELD)


async def read_json(scope: Scope, receive: Receive, limit: int) -> bytes:
    """Read a body of JSON; raises ``Problem`` 415 for another type, and what ``read_body`` raises."""
    if body_format(scope) != "json":
        raise Problem(415, "send application/json")
    return await read_body(scope, receive, limit)


def decode(
    content: bytes | memoryview,
    decoder: msgspec.json.Decoder[T],
    wrong_shape: int = 422,
    repair: Callable[[object], object] = whole_text,
) -> T:
    """Decode a JSON body; raises ``Problem`` 400 for no JSON, ``wrong_shape`` for another document.

    NaN, Infinity and numbers beyond a float are read, though strict JSON does not have them: they
    concern one record, and the featurizer's message names it. ``repair`` takes a document with halves
    of surrogate pairs, which no answer could repeat.
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
        document = json.loads(bytes(content), parse_int=_integer)
        try:
            msgspec.json.encode(document)
        except UnicodeEncodeError:
            document = repair(document)
        return msgspec.convert(document, decoder.type)
    except msgspec.ValidationError as error:
        known = getattr(decoder.type, "__struct_fields__", ())
        unknown = set(document) - set(known) if isinstance(document, dict) else set()
        if unknown and "unknown field" in str(error):
            raise _unknown("field", unknown, known) from error
        raise Problem(wrong_shape, f"the request has the wrong shape: {error}") from error
    except (ValueError, RecursionError) as error:
        shape = isinstance(strict, msgspec.ValidationError)
        what = "the request has the wrong shape" if shape else "the body is not JSON"
        raise Problem(400, f"{what}: {strict}") from error


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= _MOST_DIGITS else float(digits)
