"""Closed-loop load by gRPC: streams that each send their next call after the answer.

The generator is Python's grpcio, which takes about as much processor for a call as the server does: the
server's own processor time for an answer is the figure to look at.
"""

import asyncio
from time import perf_counter

import grpc.aio
import numpy as np

from service.grpc.messages import SERVICE, shapes
from tests.benchmarks import client, processes
from tests.benchmarks.load import Load
from tests.benchmarks.server import HOST, Server


def closed_loop(
    server: Server, port: int, model: str, rows: list[list[float]], streams: int, seconds: float
) -> Load:
    """Load the server with single rows of a model."""
    asked, answered = shapes(SERVICE, "ModelInfer")
    calls = []
    for row in np.array(rows, np.float32):
        call = asked(model_name=model, raw_input_contents=[row.tobytes()])
        call.inputs.add(name="features", datatype="FP32", shape=[1, len(row)])
        call.outputs.add(name="probability")
        calls.append(call.SerializeToString())
    spent = processes.seconds(server.process.pid)
    latencies = asyncio.run(_load(port, calls, answered, streams, seconds))
    spent = processes.seconds(server.process.pid) - spent
    p50, p99 = (client.percentile(latencies, percent) for percent in (50, 99))
    count = len(latencies)
    return Load(count / seconds, p50, p99, max(latencies), 0, spent / max(1, count))


async def _load(
    port: int, calls: list[bytes], answered: type, streams: int, seconds: float
) -> list[float]:
    latencies: list[float] = []
    async with grpc.aio.insecure_channel(f"{HOST}:{port}") as channel:
        infer = channel.unary_unary(f"/{SERVICE}/ModelInfer", response_deserializer=answered.FromString)
        end = perf_counter() + seconds

        async def stream(number: int) -> None:
            while (began := perf_counter()) < end:
                await infer(calls[number % len(calls)])
                latencies.append(perf_counter() - began)
                number += streams

        await asyncio.gather(*(stream(number) for number in range(streams)))
    return latencies
