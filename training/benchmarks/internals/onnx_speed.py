"""Times of the served graph in onnxruntime, beside the same networks as exporters usually write them.

Processor seconds on one thread, the least of several interleaved rounds; networks with random weights.
The table of operators is why the graph is written as it is: ``docs/explanation/served-graph.md``.
"""

import time
import timeit
from collections.abc import Mapping
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto

from models.networks.onnx_nodes import Nodes
from models.networks.outputs import INPUT
from models.networks.selu import SATURATED_BELOW
from models.networks.weights import Layer, MemberLayers
from models.registry.store import Repository
from training.benchmarks.harness import Say
from training.evaluation.calibration import Platt
from training.evaluation.metrics import markdown_table
from training.networks.onnx_answers import ProbabilityAnswer
from training.networks.onnx_graph import build

Array32 = NDArray[np.float32]

#: Members, features, width, layers, targets: a single network, and the sizes of the committed models.
SHAPES = {
    "8 × 256, 8 inputs": (1, 8, 256, 8, 1),
    "htru2, 5 × (4 × 64)": (5, 8, 64, 4, 1),
    "tox21, 10 × (8 × 384)": (10, 1321, 384, 8, 12),
}
_BATCHES = (1, 8, 32, 256)
#: Copies of an operator in one graph, so that its time is not hidden by that of the call.
_COPIES = 16


def run(_: Repository, seeds: int, _processes: int, say: Say) -> str:
    """Return both tables; ``seeds`` is the number of rounds."""
    networks, operators = [], []
    for name, shape in SHAPES.items():
        say(name)
        served = _served(shape)
        graphs = {"usual": _usual(shape), "bare": _without_taps(served), "served": served}
        sessions = {key: _session(model) for key, model in graphs.items()}
        for batch in _BATCHES:
            rows = np.random.default_rng(1).standard_normal((batch, shape[1]), dtype=np.float32)
            times = _microseconds(sessions, rows, seeds)
            usual = times.pop("usual")
            cells = [f"{time:.0f} ({time / usual - 1:+.0%})" for time in times.values()]
            networks.append((name, batch, f"{usual:.0f}", *cells))
    say("operators")
    for name, chain in OPERATORS.items():
        # Not optimised: onnxruntime would merge equal nodes of the copies.
        session = {"": _session(_copies(chain), optimised=False)}
        cells = []
        for batch in (1, 32, 256):
            rows = np.random.default_rng(1).standard_normal((batch, 256), dtype=np.float32)
            cells.append(f"{_microseconds(session, rows, seeds)[''] / _COPIES:.2f}")
        operators.append((name, *cells))
    text = (
        "Microseconds of processor per run, least of the rounds; in brackets against the first column."
    )
    columns = ("network", "rows", "Gemm and Selu, no statistics")
    lines = markdown_table((*columns, "as served, no statistics", "as served"), networks)
    columns = ("operator, on (rows, 256)", "1 row", "32 rows")
    return "\n".join([text, "", *lines, "", *markdown_table((*columns, "256 rows"), operators)])


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
    answer = ProbabilityAnswer([Platt(1.0, 0.0)] * targets)
    return build(squash.astype(np.float32), _members(shape), answer)


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
    graph, logits = Nodes(), []
    for member, layers in enumerate(_members(shape)):
        value = INPUT
        for number, layer in enumerate(layers):
            weights = graph.constant(f"weights_{member}_{number}", layer.weights)
            biases = graph.constant(f"biases_{member}_{number}", layer.biases)
            value = graph.add("Gemm", value, weights, biases)
            if number < len(layers) - 1:
                value = graph.add("Selu", value)
        logits.append(value)
    probability = graph.add("Sigmoid", graph.add("Mean", *logits))
    return graph.model("usual", {INPUT: [shape[1]]}, {probability: [shape[-1]]})


_Chain = list[tuple[str, list[str], dict[str, Any]]]

#: Operators on x (rows, 256); a node after another takes its output as ``_``.
OPERATORS: Mapping[str, _Chain] = {
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


def _copies(chain: _Chain) -> onnx.ModelProto:
    rng = np.random.default_rng(0)
    graph, outputs = Nodes(), []
    graph.constant("c", 0.5)
    graph.constant("axis", [-1], np.int64)
    graph.constant("ones", np.ones((256, 1)))
    graph.constant("scale", np.ones(256))
    graph.constant("threshold", SATURATED_BELOW)
    graph.constant("square", rng.standard_normal((256, 256), dtype=np.float32))
    for _ in range(_COPIES):
        before = ""
        for operator, inputs, attributes in chain:
            names = [{"x": INPUT, "_": before}.get(name, name) for name in inputs]
            before = graph.add(operator, *names, **attributes)
        outputs.append(before)
    return graph.model("timed", {INPUT: [256]}, {name: [None] for name in outputs})


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
    timers = {
        name: timeit.Timer(partial(session.run, None, {INPUT: rows}), timer=time.process_time)
        for name, session in sessions.items()
    }
    counts = {name: timer.autorange()[0] for name, timer in timers.items()}
    best = dict.fromkeys(timers, np.inf)
    for _ in range(rounds):
        for name, timer in timers.items():
            best[name] = min(best[name], 1e6 * timer.timeit(counts[name]) / counts[name])
    return best
