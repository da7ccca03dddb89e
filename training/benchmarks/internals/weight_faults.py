"""Whether golden rows detect a model that differs from the one that was published.

Faults are put into the weights of a published graph, and two questions are asked of each: by how much
does it move the probability of a row of the data set, and do the golden rows detect it, at the right
member and layer? Faults that move no probability need not be detected; the table counts them apart.
"""

from collections.abc import Callable

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper

from models.bundle.golden import FLOAT32
from models.bundle.loading import Bundle, open_bundle
from models.errors import NotReproduced, Place
from models.networks.outputs import INNER_OUTPUTS, INPUT, OUTPUTS
from models.networks.weights import MemberLayers, layer_tensors, read_weights, tensor_names
from models.registry.store import Repository
from training.benchmarks.harness import Say
from training.benchmarks.internals.fault_kinds import KINDS, Kind
from training.benchmarks.internals.perturbation import PerturbationProbe
from training.data import Dataset, load_htru2, load_tox21
from training.errors import TrainingError
from training.evaluation.metrics import markdown_table

Array32 = NDArray[np.float32]

#: Faults of every kind, over all seeds.
_FAULTS = 500
#: Rows of the data set on which a fault's effect is measured.
_ROWS = 400
#: A fault matters if it moves a probability of any of these rows by so much.
_MATTERS = 0.01

_LOADERS: dict[str, Callable[[], Dataset]] = {"htru2": load_htru2, "tox21": load_tox21}


class _Model:
    """A published graph whose weights can be replaced from run to run."""

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        self.members = read_weights(bundle.model)
        model = onnx.load_model_from_string(bundle.model)
        self._stacked = tensor_names(0)[0] in {tensor.name for tensor in model.graph.initializer}
        published: dict[str, Array32] = {}
        for number in range(len(self.members[0])):
            published |= self._tensors(self.members, number)
        for tensor in model.graph.initializer:
            if tensor.name in published:
                # An initializer that is also an input can be given another value at each run.
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

    def run(self, rows: Array32, members: list[MemberLayers]) -> dict[str, Array32]:
        """Every output of raw rows ``(n, F)`` with the weights of ``members``."""
        feeds = {INPUT: rows}
        for number in range(len(self.members[0])):
            pairs = zip(members, self.members, strict=True)
            if any(given[number] is not own[number] for given, own in pairs):
                feeds |= self._tensors(members, number)
        names = [*OUTPUTS, *INNER_OUTPUTS]
        return dict(zip(names, self._session.run(names, feeds), strict=True))

    def detect(self, members: list[MemberLayers]) -> Place | None:
        """The first place at which golden rows differ from what was published, None if none does."""
        golden = self.bundle.golden
        try:
            outputs = self.run(golden.features, members)
            golden.check_outputs(outputs, self.bundle.featurizer.names, FLOAT32)
        except NotReproduced as error:
            return error.place
        return None


def run(repository: Repository, seeds: int, _processes: int, say: Say) -> str:
    """Put faults into the champions of both models; return the table."""
    rows = []
    for name, load in _LOADERS.items():
        bundle = open_bundle(repository.bundle(name, repository.serving(name).champion))
        title = f"{name} {bundle.manifest.version}"
        say(f"{title}: featurizing {_ROWS} rows")
        records = load().records
        sample = [records[at] for at in np.random.default_rng(0).permutation(len(records))[:_ROWS]]
        model = _Model(bundle)
        if model.detect(model.members) is not None:
            raise TrainingError(f"{title}: the published model does not reproduce its golden rows")
        outputs = model.run(bundle.featurizer.featurize(sample).rows, model.members)
        probe = PerturbationProbe(bundle.manifest, model.members, outputs)
        for kind, make in KINDS.items():
            say(f"{title}: {kind}")
            rows.append((title, kind, *_cells(model, make, probe, seeds)))
    text = (
        "`python -m training benchmark integrity`; models by name and version. "
        f"{_FAULTS} faults of each kind, seeds 0 to {seeds - 1}; a fault matters if it moves the"
        f" probability of any of {_ROWS} rows by {_MATTERS} or more."
    )
    columns = ("model", "fault", "matter", "found", "right place", "found of the rest")
    title = "# Faults of the weights, found by golden rows"
    return "\n".join([title, "", text, "", *markdown_table(columns, rows)])


def _cells(model: _Model, make: Kind, probe: PerturbationProbe, seeds: int) -> tuple[str, ...]:
    """Number of faults that matter, shares of these detected and located, share of the rest detected."""
    outcomes = []
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        for _ in range(-(-_FAULTS // seeds)):
            fault = make(model.members, rng)
            place = model.detect(fault.members)
            matters = probe.reaches(fault.members, _MATTERS)
            outcomes.append((matters, place is not None, place == fault.place))
    matters, detected, located = np.array(outcomes).T
    shares = (detected[matters], located[matters], detected[~matters])
    return (str(matters.sum()), *(f"{100 * part.mean():.1f} %" if len(part) else "–" for part in shares))
