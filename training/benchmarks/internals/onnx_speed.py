"""What the served graph costs onnxruntime, beside the same networks written the usual way.

Seconds of processor in one thread, the least of several interleaved rounds; nets with random weights.
The operators' table is why the graph is written as it is; ``training/TAPS.md`` discusses it.
"""

import time
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from models.networks.outputs import INPUT
from models.networks.selu import SATURATED_BELOW
from models.networks.weights import Layer, MemberLayers
from models.registry.store import Repository
from training.networks.onnx_graph import build

Array32 = NDArray[np.float32]

#: Members, features, width, layers, targets: the net of usual comparisons, and the committed models'.
SHAPES = {
    "8 × 256, 8 inputs": (1, 8, 256, 8, 1),
    "htru2, 5 × (4 × 64)": (5, 8, 64, 4, 1),
    "tox21, 10 × (8 × 384)": (10, 1321, 384, 8, 12),
}
_BATCHES = (1, 8, 32, 256)
_ROUND_SECONDS = 0.1
#: Copies of an operator in one graph, so that what a call costs does not hide it.
_COPIES = 16


def run(_: Repository, seeds: int, _processes: int, say: Callable[[str], None]) -> str:
    """Return both tables; ``seeds`` is the number of rounds."""
    lines = [
        "Microseconds of processor per run, least of the rounds; in brackets against the first column.",
        "",
        "| network | rows | Gemm and Selu, no statistics | as served, no statistics | as served |",
        "|---|---|---|---|---|",
    ]
    for name, shape in SHAPES.items():
        say(name)
        usual, served = _usual(shape), _served(shape)
        graphs = {"usual": usual, "bare": _without_taps(served), "served": served}
        sessions = {key: _session(model) for key, model in graphs.items()}
        for batch in _BATCHES:
            rows = np.random.default_rng(1).standard_normal((batch, shape[1]), dtype=np.float32)
            took = _microseconds(sessions, rows, seeds)
            cells = [f"{took['usual']:.0f}"]
            cells += [
                f"{took[key]:.0f} ({took[key] / took['usual'] - 1:+.0%})" for key in ("bare", "served")
            ]
            lines.append(f"| {name} | {batch} | {' | '.join(cells)} |")
    lines += ["", "| operator, on (rows, 256) | 1 row | 32 rows | 256 rows |", "|---|---|---|---|"]
    say("operators")
    for name, nodes in OPERATORS.items():
        # As written: onnxruntime would merge what copies have in common.
        session = {"": _session(_copies(nodes), optimised=False)}
        cells = []
        for batch in (1, 32, 256):
            rows = np.random.default_rng(1).standard_normal((batch, 256), dtype=np.float32)
            cells.append(f"{_microseconds(session, rows, seeds)[''] / _COPIES:.2f}")
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _members(shape: tuple[int, ...]) -> list[MemberLayers]:
    members, features, width, layers, targets = shape
    rng, sizes = np.random.default_rng(0), [features, *[width] * layers, targets]
    return [
        tuple(
            Layer(
                rng.standard_normal((before, after), dtype=np.float32) / np.float32(np.sqrt(before)),
                np.zeros(after, np.float32),
            )
            for before, after in pairwise(sizes)
        )
        for _ in range(members)
    ]


def _served(shape: tuple[int, ...]) -> onnx.ModelProto:
    features, targets = shape[1], shape[-1]
    squash = np.repeat(np.array([[0.0], [0.5], [0.0], [1.0], [1.0], [1.0]]), features, axis=1)
    platt = np.tile(np.array([1.0, 0.0]), (targets, 1))
    return build(squash.astype(np.float32), _members(shape), platt)


def _without_taps(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same without statistics, members' logits and squashed features as outputs."""
    kept = onnx.ModelProto()
    kept.CopyFrom(model)
    del kept.graph.output[2:]
    needed, nodes = {output.name for output in kept.graph.output}, []
    for node in reversed(model.graph.node):
        if needed & set(node.output):
            needed |= set(node.input)
            nodes.append(node)
    del kept.graph.node[:]
    kept.graph.node.extend(reversed(nodes))
    return kept


def _usual(shape: tuple[int, ...]) -> onnx.ModelProto:
    """Each member as Gemm and Selu, as exporters write it, and the mean logit's probability."""
    nodes, tensors, logits = [], [], []
    for member, layers in enumerate(_members(shape)):
        value = INPUT
        for number, layer in enumerate(layers):
            name = f"{member}.{number}"
            tensors += [
                numpy_helper.from_array(layer.weights, f"w{name}"),
                numpy_helper.from_array(layer.biases, f"b{name}"),
            ]
            nodes.append(helper.make_node("Gemm", [value, f"w{name}", f"b{name}"], [f"z{name}"]))
            value = f"z{name}"
            if number < len(layers) - 1:
                nodes.append(helper.make_node("Selu", [value], [f"a{name}"]))
                value = f"a{name}"
        logits.append(value)
    nodes += [helper.make_node("Mean", logits, ["mean"]), helper.make_node("Sigmoid", ["mean"], ["p"])]
    return _model(nodes, tensors, shape[1], ["p"])


_Nodes = list[tuple[str, list[str], dict[str, Any]]]

#: Operators on x (rows, 256); a node after another takes its output as ``_``.
OPERATORS: Mapping[str, _Nodes] = {
    "Selu": [("Selu", ["x"], {})],
    "Clip, Clip, Exp, Add: the same": [
        ("Clip", ["x", "c"], {}),
        ("Clip", ["x", "", "c"], {}),
        ("Exp", ["_"], {}),
        ("Add", ["_", "x"], {}),
    ],
    "Gemm by (256, 256)": [("Gemm", ["x", "square"], {})],
    "ReduceMean": [("ReduceMean", ["x", "axis"], {})],
    "MatMul by ones": [("MatMul", ["x", "ones"], {})],
    "ReduceSumSquare": [("ReduceSumSquare", ["x", "axis"], {})],
    "Mul, ReduceMean: the same": [("Mul", ["x", "x"], {}), ("ReduceMean", ["_", "axis"], {})],
    "LayerNormalization (mean and deviation)": [("LayerNormalization", ["x", "scale"], {"axis": -1})],
    "LessOrEqual, Cast, ReduceMean": [
        ("LessOrEqual", ["x", "threshold"], {}),
        ("Cast", ["_"], {"to": TensorProto.FLOAT}),
        ("ReduceMean", ["_", "axis"], {}),
    ],
    "HardSigmoid, ReduceMean: the same": [
        ("HardSigmoid", ["x"], {"alpha": -1e6, "beta": -1.67e6}),
        ("ReduceMean", ["_", "axis"], {}),
    ],
    "Sign": [("Sign", ["x"], {})],
    "Concat with itself": [("Concat", ["x", "x"], {"axis": 0})],
}


def _copies(chain: _Nodes) -> onnx.ModelProto:
    rng = np.random.default_rng(0)
    constants = {
        "c": np.float32(0.5),
        "axis": np.array([-1]),
        "ones": np.ones((256, 1), np.float32),
        "scale": np.ones(256, np.float32),
        "threshold": np.float32(SATURATED_BELOW),
        "square": rng.standard_normal((256, 256), dtype=np.float32),
    }
    nodes, outputs = [], []
    for copy in range(_COPIES):
        before = ""
        for step, (operator, inputs, attributes) in enumerate(chain):
            names = [{"x": INPUT, "_": before}.get(name, name) for name in inputs]
            before = f"{operator}_{copy}_{step}"
            nodes.append(helper.make_node(operator, names, [before], **attributes))
        outputs.append(before)
    tensors = [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
    return _model(nodes, tensors, 256, outputs)


def _model(
    nodes: list[onnx.NodeProto], tensors: list[onnx.TensorProto], features: int, outputs: list[str]
) -> onnx.ModelProto:
    given = helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, ["batch", features])
    graph = helper.make_graph(
        nodes, "timed", [given], [helper.make_empty_tensor_value_info(name) for name in outputs], tensors
    )
    model: onnx.ModelProto = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10
    )
    return model


def _session(model: onnx.ModelProto, *, optimised: bool = True) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    if not optimised:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    options.execution_order = onnxruntime.ExecutionOrder.PRIORITY_BASED
    options.log_severity_level = 3
    content = model.SerializeToString()
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def _microseconds(
    sessions: dict[str, onnxruntime.InferenceSession], rows: Array32, rounds: int
) -> dict[str, float]:
    """Least microseconds of processor per run, the sessions taking turns."""
    feed, best, counts = {INPUT: rows}, dict.fromkeys(sessions, np.inf), {}
    for name, session in sessions.items():
        for _ in range(3):
            session.run(None, feed)
        began = time.process_time()
        session.run(None, feed)
        counts[name] = max(1, int(_ROUND_SECONDS / max(time.process_time() - began, 1e-6)))
    for _ in range(rounds):
        for name, session in sessions.items():
            began = time.process_time()
            for _ in range(counts[name]):
                session.run(None, feed)
            took = (time.process_time() - began) / counts[name] * 1e6
            best[name] = min(best[name], took)
    return best
