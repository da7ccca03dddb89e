"""Hostile ONNX files, each refused with its reason."""

from collections.abc import Callable

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from models.bundle.graph_check import check_graph
from models.bundle.loading import read_manifest
from models.bundle.manifest import Manifest, Trees
from models.errors import BundleRefused
from tests.support import bundles

Change = Callable[[onnx.ModelProto], object]


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """The small bundle's manifest."""
    root = tmp_path_factory.mktemp("models")
    bundles.publish(root)
    return read_manifest(root / "htru2" / "1")


def outside(tensor: TensorProto) -> TensorProto:
    """Let a tensor keep its values in a file of the machine."""
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../../etc/passwd")
    return tensor


def weight(name: str = "more", size: int = 1) -> TensorProto:
    """A plain tensor."""
    return numpy_helper.from_array(np.zeros(size, np.float32), name)


def add(kind: str, **attributes: object) -> Change:
    """Append a node that nothing needs."""
    node = helper.make_node(kind, [], ["surplus"], **attributes)
    return lambda model: model.graph.node.append(node)


def short(model: onnx.ModelProto) -> None:
    """Let a tensor say that it is larger than it is."""
    model.graph.initializer[0].dims[0] = 1 << 40


def broadcast(model: onnx.ModelProto) -> None:
    """Multiply a column and a row of constants, both small, into a tensor of a thousand million."""
    for name, shape in (("column", (30_000, 1)), ("row", (1, 30_000))):
        model.graph.initializer.append(numpy_helper.from_array(np.zeros(shape, np.float32), name))
    model.graph.node.append(helper.make_node("Mul", ["column", "row"], ["huge"]))


def broadcast_rows(model: onnx.ModelProto) -> None:
    """Multiply each row's features by a column of constants."""
    model.graph.initializer.append(
        numpy_helper.from_array(np.zeros((8_192, 1, 1), np.float32), "column")
    )
    model.graph.node.append(helper.make_node("Mul", ["features", "column"], ["huge"]))


def unknown(model: onnx.ModelProto) -> None:
    """Take the shape of a tensor from what is computed, so that nobody knows it before."""
    for name, values in (("axis", [1]), ("column", np.zeros((8_192, 1), np.float32))):
        model.graph.initializer.append(numpy_helper.from_array(np.asarray(values), name))
    model.graph.node.extend(
        [
            helper.make_node("ReduceSum", ["features", "axis"], ["sum"], keepdims=0),
            helper.make_node("Cast", ["sum"], ["number"], to=TensorProto.INT64),
            helper.make_node("Reshape", ["column", "number"], ["huge"]),
        ]
    )


def late(model: onnx.ModelProto) -> None:
    """Multiply rows by rows, but for the first two, so that one row and two show nothing."""
    for name, values in (
        ("from", [2]),
        ("to", [1 << 30]),
        ("first", [0]),
        ("wide", [[1.0] * 1_000] * 8),
    ):
        kind = np.float32 if name == "wide" else np.int64
        model.graph.initializer.append(numpy_helper.from_array(np.array(values, kind), name))
    model.graph.node.extend(
        [
            helper.make_node("Slice", ["features", "from", "to", "first"], ["later"]),
            helper.make_node("MatMul", ["later", "wide"], ["widened"]),
            helper.make_node("Unsqueeze", ["widened", "first"], ["one"]),
            helper.make_node("Unsqueeze", ["widened", "units"], ["other"]),
            helper.make_node("Mul", ["one", "other"], ["huge"]),
        ]
    )


def kept(model: onnx.ModelProto) -> None:
    """Keep many tensors, each of an allowed size, until the end."""
    model.graph.initializer.append(numpy_helper.from_array(np.zeros((500, 1, 1), np.float32), "column"))
    names = [f"kept{number}" for number in range(400)]
    model.graph.node.extend(helper.make_node("Mul", ["features", "column"], [name]) for name in names)
    model.graph.node.append(helper.make_node("Sum", names, ["all"]))


def mislabelled(model: onnx.ModelProto) -> None:
    """Hide a tensor with external data in an attribute of the type of a number."""
    node = model.graph.node[0]
    attribute = node.attribute.add(name="value", type=onnx.AttributeProto.INT)
    attribute.t.CopyFrom(outside(weight()))


def picks(
    high: object = 7, *, low: object = 0, values: str = "features", axis: int = -1, clip: str = "Clip"
) -> Callable[[onnx.ModelProto], None]:
    """Pick one of each row's eight features as trees do: at a place that is computed and clipped."""

    def change(model: onnx.ModelProto) -> None:
        for name, value, kind in (
            ("pick.none", 0.0, np.float32),
            ("pick.low", low, np.int64),
            ("pick.high", high, np.int64),
            ("pick.table", [[0.0] * 9], np.float32),
        ):
            model.graph.initializer.append(numpy_helper.from_array(np.array(value, kind), name))
        limits = ["pick.low", "pick.high"] if clip == "Clip" else ["pick.high"]
        model.graph.node.extend(
            [
                helper.make_node("Greater", ["logit", "pick.none"], ["pick.above"]),
                helper.make_node("Cast", ["pick.above"], ["pick.place"], to=TensorProto.INT64),
                helper.make_node(clip, ["pick.place", *limits], ["pick.index"]),
                helper.make_node("GatherElements", [values, "pick.index"], ["picked"], axis=axis),
            ]
        )

    return change


def endless(model: onnx.ModelProto) -> None:
    """Pick from a tensor that is cast from itself."""
    picks(values="cast")(model)
    model.graph.node.append(helper.make_node("Cast", ["cast"], ["cast"], to=TensorProto.FLOAT))


HOSTILE: dict[str, tuple[Change, str]] = {
    "picks beyond": (picks(8), "gathers elements in 'picked'"),
    "picks before": (picks(low=-1), "gathers elements in 'picked'"),
    "picks nothing": (picks(low=5, high=4), "gathers elements in 'picked'"),
    "picks by two bounds": (picks([7, 7]), "gathers elements in 'picked'"),
    "picks of unknown width": (picks(0, values="probability"), "gathers elements in 'picked'"),
    "picks beyond a table": (picks(9, values="pick.table"), "gathers elements in 'picked'"),
    "picks rows": (picks(axis=0), "gathers elements in 'picked'"),
    "picks without bounds": (picks(clip="Add"), "gathers elements in 'picked'"),
    "picks of itself": (endless, "model.onnx"),
    "outside": (lambda model: outside(model.graph.initializer[0]), "outside itself"),
    "outside, in a node": (add("Identity", value=outside(weight())), "outside itself"),
    "outside, mislabelled": (mislabelled, "outside itself"),
    "custom domain": (
        lambda model: model.opset_import.append(helper.make_opsetid("com.evil", 1)),
        "com.evil",
    ),
    "custom node": (
        lambda model: setattr(model.graph.node[0], "domain", "com.microsoft"),
        "com.microsoft",
    ),
    "old operator set": (lambda model: setattr(model.opset_import[0], "version", 7), "operator sets"),
    "no operator set": (lambda model: model.opset_import.pop(), "operator sets"),
    "loop": (add("Loop", body=helper.make_graph([], "body", [], [])), "'Loop'"),
    "hidden graph": (
        add("Identity", body=helper.make_graph([], "body", [], [])),
        "a graph of its own",
    ),
    "random numbers": (add("RandomNormal", shape=[1]), "'RandomNormal'"),
    "bomb": (add("ConstantOfShape"), "'ConstantOfShape'"),
    "function": (
        lambda model: model.functions.append(
            helper.make_function("com.evil", "F", [], [], [], [helper.make_opsetid("", 18)])
        ),
        "functions of its own",
    ),
    "sparse": (
        lambda model: model.graph.sparse_initializer.append(onnx.SparseTensorProto()),
        "sparse",
    ),
    "sparse, in a node": (add("Identity", sparse_value=onnx.SparseTensorProto()), "sparse"),
    "training graph": (lambda model: model.training_info.add(), "training graph"),
    "too large": (lambda model: model.graph.initializer.append(weight(size=100_000)), "more than"),
    "too many nodes": (
        lambda model: model.graph.node.extend([model.graph.node[0]] * 1000),
        "nodes",
    ),
    "short": (short, "does not hold the values"),
    "strings": (
        lambda model: model.graph.initializer.append(
            helper.make_tensor("text", TensorProto.STRING, [1], [b"x"])
        ),
        "kind of number",
    ),
    "negative": (
        lambda model: model.graph.initializer.append(TensorProto(data_type=1, dims=[-1])),
        "negative size",
    ),
    "broadcast": (broadcast, "900000000 values in 'huge'"),
    "broadcast rows": (broadcast_rows, "65536 values for each row in 'huge'"),
    "unknown": (unknown, "the size of 'huge' does not follow from the graph"),
    "late": (late, "for each row in 'huge'"),
    "kept": (kept, "MiB of values in a batch of 256 rows"),
    "no output": (lambda model: model.graph.output.pop(0), "foreign: its outputs"),
    "another input": (
        lambda model: setattr(model.graph.input[0], "name", "other"),
        "foreign: its inputs",
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused(manifest: Manifest, name: str) -> None:
    """The reason says what it holds."""
    change, reason = HOSTILE[name]
    model = onnx.load_model_from_string(bundles.graph())
    change(model)
    with pytest.raises(BundleRefused, match=reason):
        check_graph(model.SerializeToString(), manifest)


def test_layers_are_bounded_by_the_weights_there_are(manifest: Manifest) -> None:
    """A manifest that claims wide layers does not let the graph compute as much."""
    claimed = manifest.model_copy(update={"widths": [1 << 20] * 3})
    with pytest.raises(BundleRefused, match="fewer weights than its manifest's layers and trees have"):
        check_graph(bundles.graph(), claimed)


def test_a_sound_file_is_not(manifest: Manifest) -> None:
    """What the tests above spoil is allowed before, with the inner outputs and without."""
    check_graph(bundles.graph(), manifest)
    check_graph(bundles.graph(inner=False), manifest)


@pytest.mark.parametrize(("values", "high"), [("features", 7), ("pick.table", 8)])
def test_values_may_be_picked_at_clipped_places(manifest: Manifest, values: str, high: int) -> None:
    """As trees do it; what is refused above differs from this in one thing each."""
    model = onnx.load_model_from_string(bundles.graph())
    picks(high, values=values)(model)
    check_graph(model.SerializeToString(), manifest)


def test_trees_are_bounded_by_the_nodes_there_are(manifest: Manifest) -> None:
    """A manifest that claims many trees does not let the graph hold or compute as much."""
    claimed = manifest.model_copy(update={"trees": Trees(number=100, depth=9, nodes=1 << 20)})
    with pytest.raises(BundleRefused, match="fewer weights than its manifest's layers and trees have"):
        check_graph(bundles.graph(), claimed)
    claimed = manifest.model_copy(update={"trees": Trees(number=1 << 20, depth=9, nodes=2)})
    with pytest.raises(BundleRefused, match="fewer nodes than trees"):
        check_graph(bundles.graph(), claimed)


def test_a_name_that_is_not_text_is_refused(manifest: Manifest) -> None:
    """Protobuf gives such a name as bytes, which nothing behind it expects."""
    model = onnx.load_model_from_string(bundles.graph())
    for tensor in model.graph.initializer:
        name = tensor.name.encode()
        content = bundles.graph().replace(name, b"\x80" + name[1:])
        with pytest.raises(BundleRefused, match=r"^model\.onnx"):
            check_graph(content, manifest)


@given(st.binary(max_size=200), st.integers(0, 10_000))
def test_garbage_is_refused_or_whole(manifest: Manifest, garbage: bytes, place: int) -> None:
    """Bytes overwritten anywhere never raise anything but a refusal."""
    model = bytearray(bundles.graph())
    place %= len(model)
    model[place : place + len(garbage)] = garbage
    try:
        check_graph(bytes(model), manifest)
    except BundleRefused as refusal:
        assert str(refusal).startswith("model.onnx")
