"""Served probabilities against torch: the graph's weights run by torch's own operators."""

import msgspec
import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from torch import Tensor

from models.bundle.loading import open_bundle
from tests.benchmarks.bundles import CANDIDATES, MOLECULES, champion
from tests.benchmarks.records import Molecules, candidates, source_of_molecules
from tests.benchmarks.report import Options, Skipped, Table
from tests.benchmarks.server import Server, service

ROWS = 1000
_PER_REQUEST = 250


def run(options: Options) -> list[Table]:
    """Post real rows and compare every probability that comes back."""
    found: list[list[str]] = []
    notes = [source_of_molecules()]
    with service(options.models) as server:
        for model in (CANDIDATES, MOLECULES):
            try:
                folder = champion(options, model)
            except Skipped as reason:
                notes.append(str(reason))
                continue
            bundle = open_bundle(folder)
            records: list = Molecules().take(ROWS) if model == MOLECULES else candidates(ROWS).tolist()
            features = bundle.featurizer.featurize(records)
            expected = evaluate(bundle.model, features.rows)["probability"]
            shown = served(server, model, records, bundle.manifest.target_names)
            difference = np.abs(shown - expected).max()
            found.append([model, str(len(shown)), f"{difference:.1e}", "≤ 1e-5"])
            options.say(f"parity: {model} {difference:.1e}")
    columns = ["model", "rows", "largest difference of a probability", "target"]
    return [Table("Served through HTTP against torch", columns, found, notes)]


def served(server: Server, model: str, records: list[object], targets: list[str]) -> NDArray[np.float64]:
    """Probabilities of the records that were accepted, in order, shape ``(n, targets)``."""
    rows = []
    for first in range(0, len(records), _PER_REQUEST):
        part = {"model": model, "inputs": records[first : first + _PER_REQUEST]}
        status, body = server.post("/predict", msgspec.json.encode(part))
        if status != 200:
            raise RuntimeError(f"/predict answered {status}: {body[:300]!r}")
        rows += [
            [result["probability"][target] for target in targets]
            for result in msgspec.json.decode(body)["results"]
            if result["status"] == "ok"
        ]
    return np.array(rows)


def evaluate(model: bytes, rows: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
    """All tensors of an exported graph, computed by torch on the CPU."""
    graph = onnx.load_model_from_string(model).graph
    values: dict[str, Tensor | None] = {"": None, graph.input[0].name: torch.from_numpy(rows)}
    for tensor in graph.initializer:
        values[tensor.name] = torch.from_numpy(numpy_helper.to_array(tensor).copy())
    for node in graph.node:
        attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        given = [values[name] for name in node.input]
        values[node.output[0]] = _operator(node.op_type, given, attributes)
    return {name: value.numpy() for name, value in values.items() if value is not None}


_ELEMENTWISE = {
    "Add": torch.add, "Sub": torch.sub, "Mul": torch.mul, "Div": torch.div, "Pow": torch.pow,
    "MatMul": torch.matmul, "Max": torch.maximum, "Min": torch.minimum, "Where": torch.where,
    "IsNaN": torch.isnan, "Log": torch.log, "Exp": torch.exp, "Neg": torch.neg, "Abs": torch.abs,
    "Tanh": torch.tanh, "Sigmoid": torch.sigmoid, "Selu": torch.selu, "Sqrt": torch.sqrt,
    "LessOrEqual": torch.le, "GreaterOrEqual": torch.ge, "Less": torch.lt, "Greater": torch.gt,
    "Equal": torch.eq,
    "Identity": torch.clone, "Reciprocal": torch.reciprocal,
    "And": torch.logical_and, "Or": torch.logical_or, "Not": torch.logical_not,
}  # fmt: skip


_REDUCTIONS = {
    "ReduceMean": torch.mean,
    "ReduceSum": torch.sum,
    "ReduceSumSquare": lambda values, **how: torch.sum(values.square(), **how),
}


def _operator(kind: str, given: list[Tensor | None], attributes: dict) -> Tensor:
    """One ONNX operator by its torch counterpart: those that our graphs have."""
    if kind in _ELEMENTWISE:
        return _ELEMENTWISE[kind](*given)
    first = given[0]
    if kind == "Clip":
        low, high = [*given[1:], None, None][:2]
        return torch.clamp(first, low, high)
    if kind == "HardSigmoid":
        return torch.clamp(first * attributes["alpha"] + attributes["beta"], 0.0, 1.0)
    if kind == "Gather":
        axis, places = attributes.get("axis", 0), given[1]
        taken = first.index_select(axis, places.flatten())
        return taken.reshape(*first.shape[:axis], *places.shape, *first.shape[axis + 1 :])
    if kind == "GatherElements":
        axis = attributes.get("axis", 0) % first.dim()
        full = list(given[1].shape)
        full[axis] = first.shape[axis]
        return first.expand(full).gather(axis, given[1])
    if kind == "Reshape":
        return first.reshape(given[1].tolist())
    if kind == "Softmax":
        return first.softmax(attributes.get("axis", -1))
    if kind == "Cast":
        return first.to({1: torch.float32, 7: torch.int64}[attributes["to"]])
    if kind == "Mean":
        return torch.stack(given).mean(dim=0)
    if kind == "Concat":
        return torch.cat(given, dim=attributes["axis"])
    if kind == "Transpose":
        return first.permute(attributes["perm"])
    if kind == "Gemm":
        right = given[1].T if attributes.get("transB") else given[1]
        return torch.addmm(given[2], first, right)
    axes = tuple(given[1].tolist()) if len(given) > 1 else tuple(attributes.get("axes", ()))
    if kind in _REDUCTIONS:
        return _REDUCTIONS[kind](first, dim=axes, keepdim=bool(attributes.get("keepdims", 1)))
    if kind == "Squeeze":
        return first.squeeze(axes)
    if kind == "Unsqueeze":
        for axis in sorted(axes):
            first = first.unsqueeze(axis)
        return first
    raise NotImplementedError(f"the exported graph has an operator that torch is not told of: {kind}")
