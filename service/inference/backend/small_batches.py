"""A second form of a small graph, for batches of few rows.

For a few rows a node costs what calling it costs, and the statistics of layers are many nodes. Here the
layers of all members are laid one below the other, each statistic is made of them at once, and the same
graph judges the rows. For many rows copying the layers would cost more.
"""

import onnx
from onnx import GraphProto, NodeProto, helper

from models.health.onnx_detector import KEPT, SCORES, detector_graph
from models.health.reference import Reference
from models.networks.outputs import INNER_OUTPUTS, TAPS

#: Batches of up to so many rows take this form. Graphs of up to so many bytes have it, since it has
#: weights of its own.
MOST_ROWS, MOST_BYTES = 32, 4 << 20

_UNITS = "units_of_all_layers"


def small_batch_graph(model: bytes, reference: Reference) -> bytes | None:
    """Return a graph that makes the same outputs, and what ``reference``'s detector makes of them.

    None where the graph is large, lacks an output that the detector may take, or has statistics of
    another form than the exporter's. Layers of unlike widths give a graph that cannot be opened.
    """
    if len(model) > MOST_BYTES:
        return None
    loaded = onnx.load_model_from_string(model)
    graph = loaded.graph
    made = {output.name for output in graph.output}
    if not made.issuperset((TAPS, *INNER_OUTPUTS)) or not _gather_statistics(graph):
        return None
    judging = onnx.load_model_from_string(detector_graph(reference)).graph
    _rename(judging, {*made, SCORES, KEPT})
    graph.initializer.extend(judging.initializer)
    graph.node.extend(judging.node)
    graph.output.extend(output for output in judging.output if output.name in (SCORES, KEPT))
    return bytes(loaded.SerializeToString())


def _gather_statistics(graph: GraphProto) -> bool:
    """Make each statistic of all layers at once; return whether the graph has the form for it.

    Of the units ``u`` of every layer the exporter makes the means of ``u``, ``u * u`` and
    ``HardSigmoid(u)``, and concatenates those of each kind along their first axis.
    """
    makers = {node.output[0]: node for node in graph.node}
    joins = [
        node
        for node in graph.node
        if node.op_type == "Concat"
        and all(name in makers and makers[name].op_type == "ReduceMean" for name in node.input)
    ]
    means = [[makers[name] for name in join.input] for join in joins]
    made = [[makers.get(mean.input[0]) for mean in kind] for kind in means]
    kinds = [{None if node is None else node.op_type for node in kind} for kind in made]
    if len(joins) != 3 or kinds[1:] != [{"Mul"}, {"HardSigmoid"}]:
        return False
    replaced: list[NodeProto] = [
        helper.make_node("Concat", [m.input[0] for m in means[0]], [_UNITS], axis=0)
    ]
    for join, mean, inner in zip(joins, means, (None, made[1][0], made[2][0]), strict=True):
        source = _UNITS
        if inner is not None:
            source = f"{_UNITS}_{inner.op_type}"
            replaced.append(_like(inner, [_UNITS] * len(inner.input), source))
        replaced.append(_like(mean[0], [source, *mean[0].input[1:]], join.output[0]))
    gone = {node.output[0] for nodes in (joins, *means, *made[1:]) for node in nodes if node is not None}
    left = [node for node in graph.node if node.output[0] not in gone]
    place = next(at for at, node in enumerate(left) if joins[0].output[0] in node.input)
    del graph.node[:]
    graph.node.extend([*left[:place], *replaced, *left[place:]])
    return True


def _like(node: NodeProto, inputs: list[str], output: str) -> NodeProto:
    """The same operator with other inputs and another output."""
    other = NodeProto()
    other.CopyFrom(node)
    del other.input[:], other.output[:]
    other.input.extend(inputs)
    other.output.append(output)
    return other


def _rename(graph: GraphProto, kept: set[str]) -> None:
    """Give tensors names that no other graph has, but for the ``kept`` ones."""
    for tensor in graph.initializer:
        tensor.name = f"judging.{tensor.name}"
    for node in graph.node:
        for names in (node.input, node.output):
            for at, name in enumerate(names):
                if name and name not in kept:
                    names[at] = f"judging.{name}"
