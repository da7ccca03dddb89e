"""``POST /predict``: the first stop of a request, decoding it, and the last, encoding the answer.

Decoding and encoding are msgspec's, without models in between: for a single row the web layer
costs more than the network does. ``documents`` describes the same shapes for people.
"""

import asyncio
import json
from collections.abc import Coroutine, Sequence
from time import perf_counter
from typing import Any, TypeVar

import msgspec
from msgspec import UNSET, UnsetType
from starlette.types import Receive, Scope, Send

from service.api import encoding
from service.api.body.reading import read_json
from service.api.context import context_of
from service.api.problems import Disconnected, Problem, send_json
from service.errors import InvalidRequest
from service.inference.predictor import Prediction, Predictor

T = TypeVar("T")

#: What answers a request for SMILES that names no model.
DEFAULT_SMILES_MODEL = "tox21"


class _Body(msgspec.Struct):
    model: str | UnsetType = UNSET
    smiles: list[Any] | UnsetType = UNSET
    inputs: list[Any] | UnsetType = UNSET


_decoder = msgspec.json.Decoder(_Body)


class Predict:
    """The route as a plain ASGI application."""

    def __init__(self, predictor: Predictor, max_bytes: int) -> None:
        self._predictor = predictor
        self._max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        context = context_of(scope)
        started = perf_counter()
        body = parse(await read_json(scope, receive, self._max_bytes))
        keyed = body.inputs is UNSET
        records = body.smiles if keyed else body.inputs
        assert isinstance(records, list)  # parse has seen to it
        name = body.model or DEFAULT_SMILES_MODEL
        context.read = perf_counter() - started
        served = self._predictor.model(name)
        if keyed and not served.takes_smiles:
            raise InvalidRequest(f"model {name!r} does not take SMILES; send its records as 'inputs'")
        context.model, context.rows, context.traffic = served.label, len(records), served.traffic
        work = self._predictor.predict(served, records, context.deadline, context)
        if self._predictor.is_quick(served, records):
            prediction = await work
        else:
            prediction = await unless_disconnected(work, receive)
        context.stages = prediction.stages
        started = perf_counter()
        write = encoding.keyed if keyed else _listed
        if len(records) <= encoding.MANY:
            content = write(prediction, records)
        else:
            content = await asyncio.to_thread(write, prediction, records)
        context.encode = perf_counter() - started
        await send_json(send, 200, content)


def parse(content: bytes) -> _Body:
    """Decode a body and check its shape; raises ``Problem`` 400 or ``InvalidRequest``."""
    try:
        body = _decoder.decode(content)
    except msgspec.DecodeError as error:
        body = _lenient(content, error)
    except UnicodeDecodeError as error:
        raise Problem(400, "the body is not JSON: it is not UTF-8") from error
    except RecursionError as error:
        raise Problem(400, "the body is not usable: its JSON is nested too deeply") from error
    if (body.smiles is UNSET) == (body.inputs is UNSET):
        raise InvalidRequest(
            'send either {"smiles": ["CCO", …]} or {"model": "…", "inputs": [record, …]}'
        )
    if body.model is UNSET:
        if body.smiles is UNSET:
            raise InvalidRequest("'model' is missing: it says which model the inputs are for")
        body.model = DEFAULT_SMILES_MODEL
    return body


def _lenient(content: bytes, error: msgspec.DecodeError) -> _Body:
    """Read what strict JSON does not have but clients send: NaN, Infinity, numbers beyond a float.

    They concern one record, and its neighbours are to be answered; the featurizer says what is
    wrong with it.
    """
    try:
        document = json.loads(content)
        msgspec.json.encode(document)  # no half of a surrogate pair, which no answer could repeat
        return msgspec.convert(document, _Body)
    except msgspec.ValidationError as invalid:
        raise InvalidRequest(f"the request has the wrong shape: {invalid}") from invalid
    except (ValueError, RecursionError) as malformed:
        raise Problem(400, f"the body is not JSON: {error}") from malformed


async def unless_disconnected(work: Coroutine[Any, Any, T], receive: Receive) -> T:
    """Do long work for as long as the client is there to be answered."""
    task, watch = asyncio.create_task(work), asyncio.ensure_future(receive())
    try:
        await asyncio.wait({task, watch}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise Disconnected
        return task.result()
    finally:
        watch.cancel()
        if not task.done():
            task.cancel()
            await asyncio.wait({task})


def _listed(prediction: Prediction, records: Sequence[object]) -> bytes:
    return encoding.listed(prediction.served, records, prediction.outcomes, prediction.outputs)
