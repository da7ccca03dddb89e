"""Whether golden rows find a model that is no longer the one that was published.

Faults are put into the weights of a published graph, as a damaged memory or a wrong file would, and
two questions asked of each: by how much does it move the probability of a row of the data set, and do
the golden rows find it, at the right member and layer? What matters is found; the table also says how
much is found that does not matter.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper

from models.bundle import Bundle, open_bundle
from models.errors import NotReproduced, Place
from models.golden import FLOAT32
from models.manifest import INNER_OUTPUTS, INPUT, OUTPUTS
from models.store import Repository
from models.weights import BIASES, WEIGHTS, Layer, read_weights
from training.data import Dataset, load_htru2, load_tox21

Array32 = NDArray[np.float32]
Outputs = dict[str, Array32]

#: Faults of every kind, over all seeds.
_FAULTS = 500
#: Rows of the data set on which a fault's effect is measured.
_ROWS = 400
#: A fault matters if it moves a probability of any of these rows by so much.
_MATTERS = 0.01

_LOADERS: dict[str, Callable[[], Dataset]] = {"htru2": load_htru2, "tox21": load_tox21}


@dataclass(frozen=True, slots=True)
class Fault:
    """Layers that replace the published ones, by their number, and where the first of them is."""

    layers: dict[int, Layer]
    place: Place


class _Model:
    """A published graph whose weights can be replaced from run to run."""

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        self.layers = read_weights(bundle.model)
        model = onnx.load_model_from_string(bundle.model)
        names = {name.format(number) for number in range(len(self.layers)) for name in (WEIGHTS, BIASES)}
        for tensor in model.graph.initializer:
            if tensor.name in names:
                # A tensor that is an input as well may be given another value at each run.
                if tensor.name.startswith("weights"):
                    number = int(tensor.name.rpartition(".")[2])
                    tensor.CopyFrom(
                        onnx.numpy_helper.from_array(self.layers[number].weights, tensor.name)
                    )
                model.graph.input.append(
                    helper.make_tensor_value_info(tensor.name, TensorProto.FLOAT, list(tensor.dims))
                )
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )

    def run(self, rows: Array32, replaced: dict[int, Layer]) -> Outputs:
        """Every output of raw rows with some layers replaced."""
        feeds = {INPUT: rows}
        for number, layer in replaced.items():
            feeds[WEIGHTS.format(number)] = layer.weights
            feeds[BIASES.format(number)] = layer.biases[:, None]
        names = [*OUTPUTS, *INNER_OUTPUTS]
        return dict(zip(names, self._session.run(names, feeds), strict=True))


def run(repository: Repository, seeds: int, _processes: int, say: Callable[[str], None]) -> str:
    """Inject faults into the champions of both models; return the table."""
    lines = []
    for name, load in _LOADERS.items():
        bundle = open_bundle(repository.bundle(name, repository.serving(name).champion))
        say(f"{name} version {bundle.manifest.version}: featurizing {_ROWS} rows")
        rows = _sample(load(), bundle)
        model = _Model(bundle)
        _found(model, {})  # the sound model must pass, or nothing below means anything
        sound = model.run(rows, {})["probability"]
        for kind, make in KINDS.items():
            say(f"{name}: {kind}")
            lines.append([name, kind, *_row(model, make, rows, sound, seeds)])
    title = (
        f"{_FAULTS} faults of each kind, seeds 0 to {seeds - 1}; a fault matters if it moves the"
        f" probability of any of {_ROWS} rows by {_MATTERS} or more.\n\n"
    )
    head = "| model | fault | matter | found | right place | found of the rest |\n"
    return (
        title
        + head
        + "|---|---|---|---|---|---|\n"
        + "\n".join(f"| {' | '.join(line)} |" for line in lines)
    )


def _row(
    model: _Model,
    make: Callable[[list[Layer], np.random.Generator], Fault],
    rows: Array32,
    sound: Array32,
    seeds: int,
) -> tuple[str, str, str, str]:
    matter = found = right = rest = rest_found = 0
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        for _ in range(-(-_FAULTS // seeds)):
            fault = make(model.layers, rng)
            moved = np.abs(model.run(rows, fault.layers)["probability"] - sound).max()
            place = _found(model, fault.layers)
            if moved < _MATTERS:  # a probability that is no number matters
                rest += 1
                rest_found += place is not None
            else:
                matter += 1
                found += place is not None
                right += place == fault.place
    return (str(matter), _share(found, matter), _share(right, matter), _share(rest_found, rest))


def _found(model: _Model, replaced: dict[int, Layer]) -> Place | None:
    """The part of the model that the golden rows find different."""
    golden = model.bundle.golden
    try:
        golden.check_outputs(
            model.run(golden.features, replaced), model.bundle.featurizer.names, FLOAT32
        )
    except NotReproduced as error:
        return error.place
    return None


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "–"


def _sample(dataset: Dataset, bundle: Bundle) -> Array32:
    chosen = np.random.default_rng(0).permutation(len(dataset.records))[:_ROWS]
    return bundle.featurizer.featurize([dataset.records[index] for index in chosen]).rows


def _somewhere(layers: list[Layer], rng: np.random.Generator) -> tuple[int, int]:
    """A member, and the first, middle or last of its hidden layers."""
    hidden = len(layers) - 1
    return int(rng.integers(len(layers[0].weights))), int(rng.choice((0, hidden // 2, hidden - 1)))


def _changed(
    layers: list[Layer], number: int, member: int, change: Callable[[Array32, Array32], None]
) -> Layer:
    weights, biases = layers[number].weights.copy(), layers[number].biases.copy()
    change(weights[member], biases[member])
    return Layer(weights, biases)


def _place(layers: list[Layer], number: int, member: int) -> Place:
    if number == len(layers) - 1:
        return Place("output", member)
    return Place("layer", member, number + 1)


def _scaled(factor: float) -> Callable[[list[Layer], np.random.Generator], Fault]:
    def make(layers: list[Layer], rng: np.random.Generator) -> Fault:
        member, number = _somewhere(layers, rng)

        def change(weights: Array32, _: Array32) -> None:
            weights *= factor

        layer = _changed(layers, number, member, change)
        return Fault({number: layer}, _place(layers, number, member))

    return make


def _scaled_everywhere(layers: list[Layer], rng: np.random.Generator) -> Fault:
    """A layer of all members, scaled by 1.1."""
    number = _somewhere(layers, rng)[1]
    layer = Layer(layers[number].weights * np.float32(1.1), layers[number].biases)
    return Fault({number: layer}, _place(layers, number, 0))


def _flipped(layers: list[Layer], rng: np.random.Generator) -> Fault:
    """The top bit of the exponent of any one weight, in the output layer too."""
    member, number = int(rng.integers(len(layers[0].weights))), int(rng.integers(len(layers)))

    def change(weights: Array32, _: Array32) -> None:
        bits = weights.reshape(-1).view(np.uint32)
        bits[rng.integers(bits.size)] ^= np.uint32(1 << 30)

    layer = _changed(layers, number, member, change)
    return Fault({number: layer}, _place(layers, number, member))


def _dead(share: float) -> Callable[[list[Layer], np.random.Generator], Fault]:
    """Units whose incoming weights and bias are 0; a share of 0 means one unit."""

    def make(layers: list[Layer], rng: np.random.Generator) -> Fault:
        member, number = _somewhere(layers, rng)

        def change(weights: Array32, biases: Array32) -> None:
            width = weights.shape[1]
            units = rng.permutation(width)[: max(1, round(share * width))]
            weights[:, units] = 0
            biases[units] = 0

        layer = _changed(layers, number, member, change)
        return Fault({number: layer}, _place(layers, number, member))

    return make


def _stale(layers: list[Layer], rng: np.random.Generator) -> Fault:
    """All weights a little off, as those of an earlier epoch: by 5 % of their layer's spread."""

    def aged(array: Array32) -> Array32:
        noise = rng.standard_normal(array.shape, dtype=np.float32)
        return array + np.float32(0.05 * array.std()) * noise

    replaced = {number: Layer(aged(layer.weights), layer.biases) for number, layer in enumerate(layers)}
    return Fault(replaced, _place(layers, 0, 0))


def _foreign(layers: list[Layer], rng: np.random.Generator) -> Fault:
    """Another model of the same shape: every layer's weights in another order."""
    replaced = {}
    for number, layer in enumerate(layers):
        shuffled = rng.permutation(layer.weights.reshape(-1)).reshape(layer.weights.shape)
        replaced[number] = Layer(shuffled, layer.biases)
    return Fault(replaced, _place(layers, 0, 0))


def _replaced(layers: list[Layer], rng: np.random.Generator) -> Fault:
    """One member replaced by a copy of another."""
    to, source = (int(index) for index in rng.permutation(len(layers[0].weights))[:2])
    replaced = {}
    for number, layer in enumerate(layers):

        def change(weights: Array32, biases: Array32, layer: Layer = layer) -> None:
            weights[:], biases[:] = layer.weights[source], layer.biases[source]

        replaced[number] = _changed(layers, number, to, change)
    return Fault(replaced, _place(layers, 0, to))


KINDS: dict[str, Callable[[list[Layer], np.random.Generator], Fault]] = {
    "a member's layer × 2": _scaled(2.0),
    "a member's layer × 1.1": _scaled(1.1),
    "every member's layer × 1.1": _scaled_everywhere,
    "top exponent bit of a weight": _flipped,
    "a dead unit": _dead(0.0),
    "5 % of a layer's units dead": _dead(0.05),
    "stale model (5 % noise)": _stale,
    "foreign model of the same shape": _foreign,
    "one member replaced": _replaced,
}
