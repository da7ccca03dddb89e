"""What any service is measured against. ``python -m tests.benchmarks.bare [MODEL] PORT``.

The bare route is a raw Starlette route: msgspec decodes the body that the service is sent, onnxruntime
runs inline on one thread, msgspec encodes the probabilities. No batching, no statistics, no validation,
no limits, no log, no metrics, no request id, and a graph of nothing but the network. Without a model
there is one answer to everything, by uvicorn alone: the ceiling of any application behind it.
"""

import sys
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import onnxruntime
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route


class _Body(msgspec.Struct):
    inputs: list[list[float]]


def application(model: bytes) -> Starlette:
    """The application around a graph from ``features`` to ``probability``."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    decode = msgspec.json.Decoder(_Body).decode
    encode = msgspec.json.Encoder().encode

    async def predict(request: Request) -> Response:
        body = decode(await request.body())
        rows = np.array(body.inputs, np.float32)
        probability = session.run(None, {"features": rows})[0]
        content = encode({"probability": probability.tolist()})
        return Response(content, media_type="application/json")

    async def ready(_: Request) -> Response:
        return Response(b"{}", media_type="application/json")

    return Starlette(
        routes=[Route("/predict", predict, methods=["POST"]), Route("/health/ready", ready)]
    )


async def hello(_scope: Any, _receive: Any, send: Any) -> None:
    """Answer anything with the same bytes, unread."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"{}"})


def main() -> None:
    """Serve as the service does: uvicorn with uvloop and httptools, no access log."""
    *model, port = sys.argv[1:]
    uvicorn.run(
        application(Path(model[0]).read_bytes()) if model else hello,
        host="127.0.0.1",
        port=int(port),
        loop="uvloop",
        http="httptools",
        lifespan="off",
        access_log=False,
        log_level="warning",
    )


if __name__ == "__main__":
    main()
