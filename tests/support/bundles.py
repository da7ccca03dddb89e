"""A small bundle built with ``onnx.helper``, so that the service's tests need no training.

Eight features like a pulsar candidate's, two members of three hidden layers, one target.
"""

from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from models.bundle import file_entry
from models.golden import Golden
from models.manifest import (
    CARD_FILE,
    GOLDEN_FILE,
    INPUT,
    MANIFEST_FILE,
    MODEL_FILE,
    OUTPUTS,
    FeaturizerEntry,
    Manifest,
    Member,
    Provenance,
    Target,
)
from models.reference import fit_member
from models.selu import SATURATED_BELOW
from models.store import Repository

FEATURES, MEMBERS, WIDTHS = 8, 2, (16, 12, 8)
CENTRE = np.array([110, 46, 0.5, 1.8, 12, 26, 8, 104], np.float32)
SPREAD = np.array([25, 7, 1, 6, 30, 20, 4.5, 105], np.float32)

Rows = NDArray[np.float32]


def candidates(rows: int, seed: int = 0) -> Rows:
    """Made-up candidates, shape (rows, 8), like those that the bundle was 'trained' on."""
    noise = np.random.default_rng(seed).standard_normal((rows, FEATURES))
    return (CENTRE + SPREAD * noise).astype(np.float32)


def graph(seed: int = 0, scale_layer: float = 1.0) -> bytes:
    """The ONNX model; ``scale_layer`` multiplies the second layer's weights, a fault to be found."""
    rng = np.random.default_rng(seed)
    tensors = {"centre": CENTRE, "spread": SPREAD, "low": np.float32(SATURATED_BELOW)}
    tensors["units"] = np.array([1], np.int64)
    nodes = [
        helper.make_node("Sub", [INPUT, "centre"], ["centred"]),
        helper.make_node("Div", ["centred", "spread"], ["scaled"]),
    ]
    members, logits = [], []
    for member in range(MEMBERS):
        value, size, taps = "scaled", FEATURES, []
        for layer, width in enumerate(WIDTHS):
            name = f"m{member}l{layer}"
            weights = rng.standard_normal((size, width)) / np.sqrt(size)
            tensors[f"{name}w"] = (weights * (scale_layer if layer == 1 else 1)).astype(np.float32)
            nodes += [
                helper.make_node("MatMul", [value, f"{name}w"], [f"{name}z"]),
                helper.make_node("Selu", [f"{name}z"], [f"{name}a"]),
                *_tap_nodes(name),
            ]
            value, size = f"{name}a", width
            taps.append(f"{name}tap")
        tensors[f"m{member}out"] = (rng.standard_normal((size, 1)) / np.sqrt(size)).astype(np.float32)
        nodes.append(helper.make_node("MatMul", [value, f"m{member}out"], [f"m{member}logit"]))
        nodes.append(helper.make_node("Concat", taps, [f"m{member}taps3"], axis=1))
        nodes.append(helper.make_node("Unsqueeze", [f"m{member}taps3", "units"], [f"m{member}taps"]))
        members.append(f"m{member}taps")
        logits.append(f"m{member}logit")
    nodes += [
        helper.make_node("Concat", members, ["taps"], axis=1),
        helper.make_node("Mean", logits, ["logit"]),
        helper.make_node("Sigmoid", ["logit"], ["probability"]),
    ]
    shapes = {"probability": [1], "logit": [1], "taps": [MEMBERS, len(WIDTHS), 3]}
    model = helper.make_model(
        helper.make_graph(
            nodes,
            "small",
            [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, ["batch", FEATURES])],
            [
                helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", *shapes[name]])
                for name in OUTPUTS
            ],
            [numpy_helper.from_array(np.asarray(array), name) for name, array in tensors.items()],
        ),
        opset_imports=[helper.make_opsetid("", 18)],
        ir_version=10,
    )
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def _tap_nodes(name: str) -> list[onnx.NodeProto]:
    """Mean, population variance and saturated share of a layer's units, shape (batch, 1, 3)."""
    return [
        helper.make_node("ReduceMean", [f"{name}a", "units"], [f"{name}mean"], keepdims=1),
        helper.make_node("Sub", [f"{name}a", f"{name}mean"], [f"{name}d"]),
        helper.make_node("Mul", [f"{name}d", f"{name}d"], [f"{name}dd"]),
        helper.make_node("ReduceMean", [f"{name}dd", "units"], [f"{name}var"], keepdims=1),
        helper.make_node("LessOrEqual", [f"{name}a", "low"], [f"{name}s"]),
        helper.make_node("Cast", [f"{name}s"], [f"{name}sf"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", [f"{name}sf", "units"], [f"{name}sat"], keepdims=1),
        helper.make_node("Concat", [f"{name}mean", f"{name}var", f"{name}sat"], [f"{name}row"], axis=1),
        helper.make_node("Unsqueeze", [f"{name}row", "units"], [f"{name}tap"]),
    ]


def run(model: bytes, rows: Rows) -> dict[str, Rows]:
    """Onnxruntime asked directly: the oracle of what is served."""
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    return dict(zip(OUTPUTS, session.run(OUTPUTS, {INPUT: rows}), strict=True))


@cache
def _published(seed: int) -> tuple[bytes, Golden, list]:
    model = graph(seed)
    golden_rows = candidates(8, seed=99)
    records = tuple(row.tolist() for row in golden_rows)
    outputs = run(model, golden_rows)
    reference_taps = run(model, candidates(1000, seed=7))["taps"]
    reference = [fit_member(reference_taps[:, member]) for member in range(MEMBERS)]
    return model, Golden(records, golden_rows, **outputs), reference


def write_bundle(
    folder: Path, version: int, *, name: str = "htru2", seed: int = 0, model: bytes | None = None
) -> None:
    """Write a bundle's files; ``model`` replaces the graph that golden rows and reference are of."""
    made, golden, reference = _published(seed)
    content = {
        MODEL_FILE: made if model is None else model,
        GOLDEN_FILE: golden.to_bytes(),
        CARD_FILE: b"# A small model for tests\n",
    }
    for file, written in content.items():
        (folder / file).write_bytes(written)
    manifest = Manifest(
        schema_version=1,
        name=name,
        version=version,
        created=datetime.now(UTC),
        task="binary",
        description="a small model for tests",
        featurizer=FeaturizerEntry(identifier="pulsar-1", parameters={}),
        features=FEATURES,
        targets=[Target(name="pulsar", threshold=0.5, slope=1.0, intercept=0.0)],
        threshold_rule="half",
        members=[Member(fold=fold, seed=seed) for fold in range(MEMBERS)],
        widths=list(WIDTHS),
        reference=reference,
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
    (folder / MANIFEST_FILE).write_text(manifest.model_dump_json())


def publish(root: Path, *, name: str = "htru2", promote: bool = True, **options: object) -> int:
    """Publish the small bundle as the next version of a model, and make it the champion."""
    repository = Repository(root)
    version = repository.publish(
        name, lambda folder, version: write_bundle(folder, version, name=name, **options)
    )
    if promote:
        repository.promote(name, version)
    return version
