"""Networks made for the comparison, as real bundles: random weights, everything else as published."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from models import features
from models.bundle.golden import Golden
from models.bundle.loading import file_entry
from models.bundle.manifest import (
    CARD_FILE,
    GOLDEN_FILE,
    MANIFEST_FILE,
    MODEL_FILE,
    REFERENCE_FILE,
    FeaturizerEntry,
    Manifest,
    Member,
    Provenance,
)
from models.bundle.targets import Target
from models.health.fitting import MemberRows, fit_reference
from models.networks.outputs import INNER_OUTPUTS, INPUT, OUTPUTS, SQUASHED
from models.registry.store import Repository
from training.evaluation.calibration import Platt
from training.networks.ensemble import Ensemble
from training.networks.export import ServedEnsemble, export
from training.networks.network import SelfNormalizingNetwork
from training.networks.onnx_answers import ProbabilityAnswer
from training.networks.preprocessing import Block, fit_squash

Rows = NDArray[np.float32]


def network(inputs: int, width: int, layers: int) -> SelfNormalizingNetwork:
    """A network of one output with random weights, the same every time."""
    torch.manual_seed(0)
    return SelfNormalizingNetwork(inputs, (width,) * layers, 1).eval()


def plain_graph(net: SelfNormalizingNetwork) -> bytes:
    """The network alone as ONNX, without squashing, statistics or calibration: Gemm and Selu."""
    nodes, tensors, value = [], [], INPUT
    linears = [*net.linears(), net.head]
    for number, linear in enumerate(linears):
        tensors += [
            numpy_helper.from_array(linear.weight.detach().numpy().T.copy(), f"weight{number}"),
            numpy_helper.from_array(linear.bias.detach().numpy(), f"bias{number}"),
        ]
        names = [value, f"weight{number}", f"bias{number}"]
        nodes.append(helper.make_node("Gemm", names, [f"sum{number}"]))
        value = f"sum{number}"
        if number + 1 < len(linears):
            nodes.append(helper.make_node("Selu", [value], [f"out{number}"]))
            value = f"out{number}"
    nodes.append(helper.make_node("Sigmoid", [value], [OUTPUTS[0]]))
    inputs = linears[0].in_features
    model = helper.make_model(
        helper.make_graph(
            nodes,
            "plain",
            [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, ["batch", inputs])],
            [helper.make_tensor_value_info(OUTPUTS[0], TensorProto.FLOAT, ["batch", 1])],
            tensors,
        ),
        opset_imports=[helper.make_opsetid("", 18)],
        ir_version=10,
    )
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def publish(
    root: Path,
    name: str,
    net: SelfNormalizingNetwork,
    featurizer: FeaturizerEntry,
    records: Callable[[int], list[object]],
) -> int:
    """Publish a network as the champion of a model; ``records(n)`` makes raw records.

    The graph is the one that training would export: squashing fitted to the records, layer
    statistics, calibration.
    """
    made = features.create(featurizer.identifier, featurizer.parameters)
    sample = records(1000)
    rows = made.featurize(sample).rows
    squash = fit_squash(rows, made.names, [Block("")])
    ensemble = Ensemble((Member(fold=0, seed=0),), (net,))
    model = export(ServedEnsemble(squash, ensemble, ProbabilityAnswer([Platt(1.0, 0.0)])), rows)
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    taps, squashed = session.run(["taps", SQUASHED], {INPUT: rows})
    reference = fit_reference([MemberRows(taps[:, 0], np.arange(len(rows)))], squashed)
    golden_rows = np.ascontiguousarray(rows[:16])
    names = [*OUTPUTS, *INNER_OUTPUTS]
    outputs = dict(zip(names, session.run(names, {INPUT: golden_rows}), strict=True))
    golden = Golden(tuple(sample[:16]), golden_rows, **outputs)
    content = {
        MODEL_FILE: model,
        GOLDEN_FILE: golden.to_bytes(),
        REFERENCE_FILE: reference.to_bytes(),
        CARD_FILE: b"# A network made for a benchmark\n",
    }

    def write(folder: Path, version: int) -> None:
        manifest = Manifest(
            schema_version=1,
            name=name,
            version=version,
            created=datetime.now(UTC),
            task="binary",
            description="random weights, for a benchmark",
            featurizer=featurizer,
            features=rows.shape[1],
            targets=[Target(name="target", threshold=0.5, slope=1.0, intercept=0.0)],
            threshold_rule="half",
            members=list(ensemble.members),
            widths=[linear.out_features for linear in net.linears()],
            reference=list(reference.members),
            metrics={},
            provenance=Provenance(
                training_hash="0" * 64,
                configuration={},
                data={},
                fold_rule="none",
                libraries={},
                seconds=0.0,
            ),
            files={file: file_entry(written) for file, written in content.items()},
        )
        for file, written in content.items():
            (folder / file).write_bytes(written)
        (folder / MANIFEST_FILE).write_text(manifest.model_dump_json())

    repository = Repository(root)
    version = repository.publish(name, write)
    repository.promote(name, version)
    return version
