"""The ensemble as one ONNX graph: raw features in; probability, logit, taps and inner outputs out."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.networks.outputs import DOUBLES, INNER_OUTPUTS, INPUT
from models.networks.weights import Layer, MemberLayers
from training.errors import ExportError
from training.networks.ensemble import Ensemble
from training.networks.network import tap
from training.networks.onnx_answers import Answer
from training.networks.onnx_graph import build
from training.networks.onnx_trees import TreesBeside
from training.networks.preprocessing import Squash
from training.networks.trees import Trees

Array32 = NDArray[np.float32]

#: Largest difference between torch and onnxruntime that an export may show, on any output: float32's
#: rounding over a deep network, on logits of order 1. Probabilities differ by a tenth of it.
PARITY = 5e-5


@dataclass(frozen=True, slots=True)
class ServedEnsemble:
    """What is served: preprocessing, networks with weights rounded to float16, calibration.

    The logits of ``trees`` are added to those of the networks; ``answer`` is made of their mean.
    """

    squash: Squash
    ensemble: Ensemble
    answer: Answer
    trees: Trees | None = None

    @torch.no_grad()
    def outputs(self, features: Array32) -> dict[str, NDArray[Any]]:
        """Compute by torch, network by network, the graph's outputs for raw rows ``(n, F)``."""
        squashed = self.squash(torch.from_numpy(features))
        taps, logits = [], []
        for network in self.ensemble.networks:
            units, layers = squashed, []
            for linear in network.linears():
                units = nn.functional.selu(_rounded(linear, units))
                layers.append(tap(units))
            taps.append(torch.stack(layers, dim=1))
            logits.append(_rounded(network.head, units))
        member_logit = torch.stack(logits, dim=1)
        if (beside := self.beside()) is not None:
            added = beside.trees.logits(self.squash.imputed(features))
            member_logit = member_logit + torch.from_numpy(added[:, beside.places])
        answered = self.answer.compute(member_logit.mean(dim=1))
        inner = (torch.stack(taps, dim=1), squashed, member_logit)
        values = (*answered, *(value.numpy() for value in inner))
        return dict(zip(self.names, values, strict=True))

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the graph's outputs."""
        return (*self.answer.outputs, *INNER_OUTPUTS)

    def beside(self) -> TreesBeside | None:
        """The trees, and which of their logits belongs to each member."""
        if self.trees is None:
            return None
        return TreesBeside(self.trees, self.trees.places(self.ensemble.members))

    def layers(self) -> list[MemberLayers]:
        """Every member's layers, the head last."""
        return [
            tuple(
                Layer(linear.weight.detach().numpy().T, linear.bias.detach().numpy())
                for linear in (*network.linears(), network.head)
            )
            for network in self.ensemble.networks
        ]


def _rounded(linear: nn.Linear, inputs: Tensor) -> Tensor:
    """Apply a layer with its weights as they are published."""
    return nn.functional.linear(inputs, linear.weight.half().float(), linear.bias)


def export(served: ServedEnsemble, rows: Array32) -> bytes:
    """Return the ONNX model, checked against torch on raw feature rows ``(n, F)``.

    Weights are stored as float16, which halves the file, and computed with as float32; onnxruntime
    converts them once, when a session is made. Raises ``ExportError`` if an output differs by more
    than ``PARITY``.
    """
    model = build(
        served.squash.table.numpy(),
        served.layers(),
        served.answer,
        trees=served.beside(),
    )
    onnx.checker.check_model(model, full_check=True)
    content: bytes = model.SerializeToString()
    _check(served, content, rows)
    return content


def reopened(
    model: bytes, outputs: tuple[str, ...], *, threads: int = 0
) -> onnxruntime.InferenceSession:
    """Return a CPU session in which ``outputs``, inner tensors of an older graph, are outputs too.

    ``threads`` of 0 are as many as there are cores.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    graph = onnx.load_model_from_string(model)
    declared = {output.name for output in graph.graph.output}
    for name in outputs:
        if name not in declared:
            graph.graph.output.append(onnx.helper.make_empty_tensor_value_info(name))
    return onnxruntime.InferenceSession(
        graph.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def all_outputs(session: onnxruntime.InferenceSession, rows: Array32) -> dict[str, NDArray[Any]]:
    """All outputs of a session by name, for raw feature rows ``(n, F)``."""
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {INPUT: rows}), strict=True))


def sign(model: bytes, metadata: dict[str, str]) -> bytes:
    """Return the model with ``metadata`` (model, version, training hash) written into it."""
    graph = onnx.load_model_from_string(model)
    onnx.helper.set_model_props(graph, metadata)
    return bytes(graph.SerializeToString())


def _check(served: ServedEnsemble, content: bytes, rows: Array32) -> None:
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    actual, expected = all_outputs(session, rows), served.outputs(rows)
    # Rounding may move a unit across the saturation threshold: two units may differ.
    narrowest = min(min(network.widths()) for network in served.ensemble.networks)
    share = np.abs(expected["taps"][..., 2] - actual["taps"][..., 2]).max()
    if not share <= 2 / narrowest + PARITY:
        raise ExportError(
            f"taps: onnxruntime and torch differ by {share:.2g} of a layer's saturated units"
        )
    for outputs in (expected, actual):
        outputs["taps"] = outputs["taps"][..., :2]
    for name in served.names:
        # Logits and statistics have no fixed scale: errors are relative to sizes above 1, and where a
        # logit near 0 is the sum of large terms to its usual size; those of quantities to their range.
        usual = np.sqrt(np.square(expected[name]).mean(axis=0))
        scale = np.maximum(np.maximum(np.abs(expected[name]), usual), 1.0)
        if name in DOUBLES:
            scale = np.maximum(np.ptp(expected[name]), 1e-6 * np.abs(expected[name]).max())
        error = float(np.max(np.abs(expected[name] - actual[name]) / scale))
        if not error <= PARITY:
            raise ExportError(f"{name}: onnxruntime and torch differ by {error:.2g}, {PARITY:g} allowed")
