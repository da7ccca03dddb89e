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

from models.bundle.golden import FLOAT32
from models.bundle.loading import Bundle, open_bundle
from models.errors import NotReproduced, Place
from models.networks.outputs import INNER_OUTPUTS, INPUT, OUTPUTS
from models.networks.weights import Layer, MemberLayers, layer_tensors, read_weights, tensor_names
from models.registry.store import Repository
from training.benchmarks.internals.perturbation import PerturbationProbe
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
    """Members as they are with it, sharing what it leaves alone, and where it begins."""

    members: list[MemberLayers]
    place: Place


Kind = Callable[[list[MemberLayers], np.random.Generator], Fault]


class _Model:
    """A published graph whose weights can be replaced from run to run."""

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        self.members = read_weights(bundle.model)
        model = onnx.load_model_from_string(bundle.model)
        self._stacked = {tensor_names(0)[0]} <= {tensor.name for tensor in model.graph.initializer}
        published: dict[str, Array32] = {}
        for number in range(len(self.members[0])):
            published |= self._tensors(self.members, number)
        for tensor in model.graph.initializer:
            if tensor.name in published:
                # A tensor that is an input as well may be given another value at each run.
                tensor.CopyFrom(onnx.numpy_helper.from_array(published[tensor.name], tensor.name))
                model.graph.input.append(
                    helper.make_tensor_value_info(tensor.name, TensorProto.FLOAT, list(tensor.dims))
                )
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )

    def _tensors(self, members: list[MemberLayers], number: int) -> dict[str, Array32]:
        layers = [member[number] for member in members]
        return layer_tensors(number, layers, stacked=self._stacked)

    def run(self, rows: Array32, members: list[MemberLayers]) -> Outputs:
        """Every output of raw rows as ``members`` give it, which may share layers with the published."""
        feeds = {INPUT: rows}
        for number in range(len(self.members[0])):
            pairs = zip(members, self.members, strict=True)
            if any(given[number] is not own[number] for given, own in pairs):
                feeds |= self._tensors(members, number)
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
        _found(model, model.members)  # the sound model must pass, or nothing below means anything
        sound = PerturbationProbe.of(bundle.manifest, model.members, model.run(rows, model.members))
        for kind, make in KINDS.items():
            say(f"{name}: {kind}")
            label = f"{name} {bundle.manifest.version}"
            lines.append([label, kind, *_row(model, make, sound, seeds)])
    title = (
        "# Faults of the weights, found by golden rows\n\n"
        "`python -m training benchmark integrity`; models by name and version. "
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
    make: Kind,
    sound: PerturbationProbe,
    seeds: int,
) -> tuple[str, str, str, str]:
    matter = found = right = rest = rest_found = 0
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        for _ in range(-(-_FAULTS // seeds)):
            fault = make(model.members, rng)
            place = _found(model, fault.members)
            if sound.reaches(fault.members, _MATTERS):
                matter += 1
                found += place is not None
                right += place == fault.place
            else:
                rest += 1
                rest_found += place is not None
    return (str(matter), _share(found, matter), _share(right, matter), _share(rest_found, rest))


def _found(model: _Model, members: list[MemberLayers]) -> Place | None:
    """The part of the model that the golden rows find different."""
    golden = model.bundle.golden
    try:
        golden.check_outputs(model.run(golden.features, members), model.bundle.featurizer.names, FLOAT32)
    except NotReproduced as error:
        return error.place
    return None


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "–"


def _sample(dataset: Dataset, bundle: Bundle) -> Array32:
    chosen = np.random.default_rng(0).permutation(len(dataset.records))[:_ROWS]
    return bundle.featurizer.featurize([dataset.records[index] for index in chosen]).rows


def _somewhere(members: list[MemberLayers], rng: np.random.Generator) -> tuple[int, int]:
    """A member, and the first, middle or last of its hidden layers."""
    hidden = len(members[0]) - 1
    return int(rng.integers(len(members))), int(rng.choice((0, hidden // 2, hidden - 1)))


def _faulty(
    members: list[MemberLayers], member: int, number: int, change: Callable[[Array32, Array32], None]
) -> Fault:
    """One layer of one member changed: a copy of its weights and biases is, in place."""
    layer = Layer(members[member][number].weights.copy(), members[member][number].biases.copy())
    change(layer.weights, layer.biases)
    changed = list(members)
    changed[member] = (*members[member][:number], layer, *members[member][number + 1 :])
    return Fault(changed, _place(members, number, member))


def _place(members: list[MemberLayers], number: int, member: int) -> Place:
    if number == len(members[0]) - 1:
        return Place("output", member)
    return Place("layer", member, number + 1)


def _scaled(factor: float) -> Kind:
    def make(members: list[MemberLayers], rng: np.random.Generator) -> Fault:
        member, number = _somewhere(members, rng)

        def change(weights: Array32, _: Array32) -> None:
            weights *= factor

        return _faulty(members, member, number, change)

    return make


def _scaled_everywhere(members: list[MemberLayers], rng: np.random.Generator) -> Fault:
    """A layer of all members, scaled by 1.1."""
    number = _somewhere(members, rng)[1]

    def scaled(layers: MemberLayers) -> MemberLayers:
        layer = Layer(layers[number].weights * np.float32(1.1), layers[number].biases)
        return (*layers[:number], layer, *layers[number + 1 :])

    return Fault([scaled(layers) for layers in members], _place(members, number, 0))


def _flipped(members: list[MemberLayers], rng: np.random.Generator) -> Fault:
    """The top bit of the exponent of any one weight, in the output layer too."""
    member, number = int(rng.integers(len(members))), int(rng.integers(len(members[0])))

    def change(weights: Array32, _: Array32) -> None:
        bits = weights.reshape(-1).view(np.uint32)
        bits[rng.integers(bits.size)] ^= np.uint32(1 << 30)

    return _faulty(members, member, number, change)


def _dead(share: float) -> Kind:
    """Units whose incoming weights and bias are 0; a share of 0 means one unit."""

    def make(members: list[MemberLayers], rng: np.random.Generator) -> Fault:
        member, number = _somewhere(members, rng)

        def change(weights: Array32, biases: Array32) -> None:
            width = weights.shape[1]
            units = rng.permutation(width)[: max(1, round(share * width))]
            weights[:, units] = 0
            biases[units] = 0

        return _faulty(members, member, number, change)

    return make


def _everywhere(members: list[MemberLayers], change: Callable[[Array32], Array32]) -> Fault:
    """Every weight of every member changed, biases as they were."""
    changed = [tuple(Layer(change(one.weights), one.biases) for one in layers) for layers in members]
    return Fault(changed, _place(members, 0, 0))


def _stale(members: list[MemberLayers], rng: np.random.Generator) -> Fault:
    """All weights a little off, as those of an earlier epoch: by 5 % of their layer's spread."""

    def aged(array: Array32) -> Array32:
        noise = rng.standard_normal(array.shape, dtype=np.float32)
        return array + np.float32(0.05 * array.std()) * noise

    return _everywhere(members, aged)


def _foreign(members: list[MemberLayers], rng: np.random.Generator) -> Fault:
    """Another model of the same shape: every layer's weights in another order."""
    return _everywhere(members, lambda array: rng.permutation(array.reshape(-1)).reshape(array.shape))


def _replaced(members: list[MemberLayers], rng: np.random.Generator) -> Fault:
    """One member replaced by a copy of another of its shape; every shape has one per fold."""
    to = int(rng.integers(len(members)))
    shapes = [[layer.weights.shape for layer in layers] for layers in members]
    alike = [other for other in range(len(members)) if other != to and shapes[other] == shapes[to]]
    changed = list(members)
    changed[to] = members[int(rng.choice(alike))]
    return Fault(changed, _place(members, 0, to))


KINDS: dict[str, Kind] = {
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
