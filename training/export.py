"""The ensemble as one ONNX graph: raw features in; probability, logit, taps and inner outputs out."""

import logging
import warnings
from collections.abc import Sequence

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.manifest import INNER_OUTPUTS, INPUT, OUTPUTS
from models.selu import SATURATED_BELOW
from training.calibrate import Platt
from training.ensemble import Ensemble
from training.errors import ExportError
from training.squash import Squash

Array32 = NDArray[np.float32]

#: Largest difference between torch and onnxruntime that an export may show, on any output.
PARITY = 1e-5


class ServedEnsemble(nn.Module):
    """All members side by side: weights are stacked ``[members, in, out]``.

    One batched product per layer instead of one per member and layer: a small net's time is the
    number of graph nodes, not its arithmetic. Weights are kept as float16, which halves the file,
    and computed with as float32; onnxruntime converts them once, when a session is made.
    """

    def __init__(
        self,
        squash: Squash,
        ensemble: Ensemble,
        calibration: Sequence[Platt],
        *,
        exclusive: bool = False,
    ) -> None:
        """With ``exclusive`` the targets are classes, whose probabilities sum to 1."""
        super().__init__()
        self.squash = squash
        self.exclusive = exclusive
        depth = len(ensemble.networks[0].linears())
        stacks = [[network.linears()[layer] for network in ensemble.networks] for layer in range(depth)]
        stacks.append([network.head for network in ensemble.networks])
        self.weights = nn.ParameterList(
            torch.stack([linear.weight.detach().T.half() for linear in stack]) for stack in stacks
        )
        self.biases = nn.ParameterList(
            torch.stack([linear.bias.detach()[None] for linear in stack]) for stack in stacks
        )
        platt = np.array([[one.slope, one.intercept] for one in calibration], dtype=np.float32)
        self.register_buffer("platt", torch.from_numpy(platt))
        self.platt: Tensor

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Return the outputs in the manifest's order: ``OUTPUTS``, then ``INNER_OUTPUTS``."""
        squashed = self.squash(features)
        activation = squashed.unsqueeze(0)
        means, squares, shares = [], [], []
        for weight, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
            activation = nn.functional.selu(activation @ weight.float() + bias)
            means.append(activation.mean(dim=-1, keepdim=True))
            squares.append((activation * activation).mean(dim=-1, keepdim=True))
            shares.append((activation <= SATURATED_BELOW).float().mean(dim=-1, keepdim=True))
        # The variance from the mean square: one pass less over every layer, and a product where a
        # power would take onnxruntime several times as long. Activations are of order 1, so that
        # the difference loses nothing that a statistic of a layer would show.
        mean = torch.cat(means, dim=-1)
        variance = torch.cat(squares, dim=-1) - mean * mean
        taps = torch.stack((mean, variance, torch.cat(shares, dim=-1)), dim=-1)
        member_logit = (activation @ self.weights[-1].float() + self.biases[-1]).transpose(0, 1)
        logit = member_logit.mean(dim=1) * self.platt[:, 0] + self.platt[:, 1]
        return (
            torch.softmax(logit, dim=-1) if self.exclusive else torch.sigmoid(logit),
            logit,
            taps.transpose(0, 1),
            squashed,
            member_logit,
        )


def export(served: ServedEnsemble, rows: Array32) -> bytes:
    """Return the ONNX model, checked against torch on raw feature rows ``(n, F)``, n >= 2.

    Raises ``ExportError`` where a checker or the parity of any output fails.
    """
    names = [*OUTPUTS, *INNER_OUTPUTS]
    served = served.eval()
    sample = torch.from_numpy(rows[:2])
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings(), torch.no_grad():
        # The exporter warns of its own internals; what it makes is checked below.
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            served,
            (sample,),
            dynamo=True,
            input_names=[INPUT],
            output_names=names,
            dynamic_shapes={"features": {0: torch.export.Dim("batch")}},
            external_data=False,
            optimize=True,
            verbose=False,
        )
    if program is None:
        raise ExportError("torch's exporter returned nothing")
    model = program.model_proto
    _tidy(model)
    content: bytes = model.SerializeToString()
    _check(served, model, content, rows)
    return content


def reopened(model: bytes, outputs: tuple[str, ...]) -> onnxruntime.InferenceSession:
    """Return a CPU session in which ``outputs``, inner tensors of an older graph, are outputs too."""
    graph = onnx.load_model_from_string(model)
    known = {output.name for output in graph.graph.output}
    for name in outputs:
        if name not in known:
            graph.graph.output.append(onnx.helper.make_empty_tensor_value_info(name))
    return onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])


def sign(model: bytes, metadata: dict[str, str]) -> bytes:
    """Return the model with ``metadata`` (model, version, training hash) written into it."""
    graph = onnx.load_model_from_string(model)
    onnx.helper.set_model_props(graph, metadata)
    return bytes(graph.SerializeToString())


def _tidy(model: onnx.ModelProto) -> None:
    """Drop the exporter's traces of source files."""
    del model.graph.value_info[:]
    for node in model.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    del model.metadata_props[:]


def _check(served: ServedEnsemble, model: onnx.ModelProto, content: bytes, rows: Array32) -> None:
    onnx.checker.check_model(model, full_check=True)
    if any(node.op_type == "Dropout" for node in model.graph.node):
        raise ExportError("the exported graph still holds a Dropout node")
    with torch.no_grad():
        expected = served(torch.from_numpy(rows))
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    names = [*OUTPUTS, *INNER_OUTPUTS]
    got = dict(zip(names, session.run(names, {INPUT: rows}), strict=True))
    wanted = {name: tensor.numpy() for name, tensor in zip(names, expected, strict=True)}
    # A unit on the threshold may count as saturated on one side alone: two units are let off.
    narrowest = min(weight.shape[-1] for weight in served.weights[:-1])
    share = np.abs(wanted["taps"][..., 2] - got["taps"][..., 2]).max()
    if not share <= 2 / narrowest + PARITY:
        raise ExportError(
            f"taps: onnxruntime and torch differ by {share:.2g} of a layer's saturated units"
        )
    for outputs in (wanted, got):
        outputs["taps"] = outputs["taps"][..., :2]
    for name in names:
        # Logits and statistics have no fixed scale: their own size is the unit, from 1 up.
        size = np.maximum(np.abs(wanted[name]), 1.0)
        error = float(np.max(np.abs(wanted[name] - got[name]) / size))
        if not error <= PARITY:
            raise ExportError(f"{name}: onnxruntime and torch differ by {error:.2g}, {PARITY:g} allowed")
