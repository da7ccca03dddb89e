"""The limit: weights over the memory's bandwidth, operations over the peak, beside what is reached."""

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from time import perf_counter

import numpy as np
import onnx
import torch

from tests.benchmarks.gpu.half import PRODUCTS, folded
from tests.benchmarks.gpu.place import FP16, FP32, MODELS, TF32, VARIANTS, Place, named, told
from tests.benchmarks.gpu.resident import DeviceSession
from tests.benchmarks.report import Cell, Table

_BYTES = {FP32: 4, TF32: 4, FP16: 2}


@dataclass(frozen=True, slots=True)
class _Machine:
    """Measured by torch: bytes per second, and operations per second in each precision."""

    bandwidth: float
    to_device: float
    from_device: float
    peak: dict[str, float]


def run(place: Place) -> list[Table]:
    """Measure the device, count the work of each network, and time it without copies."""
    machine = _measured("cuda" if place.memory == "cuda" else "cpu", quick=place.memory != "cuda")
    rows: list[list[Cell]] = []
    notes = [
        "The limit is the larger of reading every weight once and of multiplying by it."
        " Reached: rows and results stay on the device. Copies are from and to pageable memory."
    ]
    for precision, captured in VARIANTS:
        for model in MODELS:
            bundle, label = place.bundle(model), named(precision, captured)
            weights, nodes = count_work(bundle.model)
            with told(notes, f"{model}, {label}"):
                session = DeviceSession(
                    place.created(bundle.model, precision, captured=captured), place.memory, place.sizes
                )
                for size in place.sizes[::2]:
                    session.run(np.resize(bundle.golden.features, (size, bundle.manifest.features)))
                    reached = float(np.median(place.took(lambda s=session, n=size: s.compute(n))))
                    reading = weights * _BYTES[precision] / machine.bandwidth
                    computing = 2 * weights * size / machine.peak[precision]
                    copying = size * (
                        4 * bundle.manifest.features / machine.to_device
                        + session.bytes_back / machine.from_device
                    )
                    rows.append([
                        model, label, size, nodes, 1e6 * reading, 1e6 * computing, 1e6 * copying,
                        1e6 * reached, f"{max(reading, computing) / reached:.1%}",
                    ])  # fmt: skip
                    place.tell(rows[-1])
    rows.sort(key=lambda row: MODELS.index(row[0]))
    device: list[list[Cell]] = [
        ["memory bandwidth, GB/s, read and written", machine.bandwidth / 1e9],
        ["copies to the device, GB/s", machine.to_device / 1e9],
        ["copies from the device, GB/s", machine.from_device / 1e9],
        *([f"products in {name}, TFLOP/s", peak / 1e12] for name, peak in machine.peak.items()),
    ]
    columns = [
        "model", "in", "rows", "nodes", "weights read, µs", "products, µs", "copies, µs",
        "reached without copies, p50, µs", "limit over reached",
    ]  # fmt: skip
    return [
        Table("What the device can do", ["what", "measured"], device, ["By torch: the best of ten."]),
        Table("The limit, and what is reached", columns, rows, notes),
    ]


def count_work(model: bytes) -> tuple[int, int]:
    """Weights that products are made with, and nodes of the graph once constants are computed."""
    graph: onnx.GraphProto = folded(model).graph
    sizes = {tensor.name: prod(tensor.dims) for tensor in graph.initializer}
    used = {name for node in graph.node if node.op_type in PRODUCTS for name in node.input[:2]}
    return sum(size for name, size in sizes.items() if name in used), len(graph.node)


def _measured(device: str, *, quick: bool) -> _Machine:
    length, side = (1 << 20, 256) if quick else (1 << 29, 8192)
    bandwidth, to_device, from_device = _copies(device, length)
    peak = {}
    for name, kind in ((FP32, torch.float32), (TF32, torch.float32), (FP16, torch.float16)):
        torch.backends.cuda.matmul.allow_tf32 = name == TF32
        peak[name] = _product(device, side, kind)
    if device == "cuda":
        torch.cuda.empty_cache()
    return _Machine(bandwidth, to_device, from_device, peak)


def _copies(device: str, length: int) -> tuple[float, float, float]:
    """Bytes per second within the device, to it, and from it."""
    source, target = (torch.ones(length, device=device) for _ in range(2))
    here = torch.ones(min(length, 1 << 26))
    there = torch.empty_like(here, device=device)
    return (
        8 * length / _best(device, lambda: target.copy_(source)),
        4 * len(here) / _best(device, lambda: there.copy_(here)),
        4 * len(here) / _best(device, lambda: here.copy_(there)),
    )


def _product(device: str, side: int, kind: torch.dtype) -> float:
    """Operations per second of a product of two square matrices."""
    left, right = (torch.randn(side, side, device=device).to(kind) for _ in range(2))
    return 2 * side**3 / _best(device, lambda: left @ right)


def _best(device: str, call: Callable[[], object]) -> float:
    took = []
    for _ in range(12):
        if device == "cuda":
            torch.cuda.synchronize()
        started = perf_counter()
        call()
        if device == "cuda":
            torch.cuda.synchronize()
        took.append(perf_counter() - started)
    return min(took[2:])
