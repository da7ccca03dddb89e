"""Small bundles built with ``onnx.helper``, so that the service's tests need no training.

Two members of three hidden layers, for candidates (eight features, one target) or for molecules
(the real featurizer, twelve targets).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, lru_cache
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from models.bundle.cutoffs import Curve, curves_to_bytes
from models.bundle.golden import Golden
from models.bundle.loading import file_entry
from models.bundle.manifest import (
    CARD_FILE,
    CURVES_FILE,
    DOMAIN_FILE,
    GOLDEN_FILE,
    MANIFEST_FILE,
    MODEL_FILE,
    REFERENCE_FILE,
    FeaturizerEntry,
    Manifest,
    Member,
    Provenance,
)
from models.bundle.targets import Assay, Spread, Target
from models.domain.fragment_index import FragmentIndex
from models.domain.measured import Cutoffs, MeasuredCompounds, usual_counts
from models.features import Featurizer, create
from models.features.molecules.fingerprints import small_fragments
from models.health.fitting import MemberRows, fit_reference
from models.health.reference import Reference
from models.networks.outputs import INPUT, MEMBER_LOGIT, OUTPUTS, SQUASHED, TAPS
from models.networks.selu import SATURATED_BELOW
from models.registry.store import Repository

MEMBERS, WIDTHS = 2, (16, 12, 8)
Rows = NDArray[np.float32]


@dataclass(frozen=True)
class Kind:
    """What a small model is of: its featurizer, its targets, and where its features lie."""

    identifier: str
    parameters: tuple[tuple[str, object], ...]
    targets: tuple[str, ...]
    centre: Callable[[], Rows]
    spread: Callable[[], Rows]
    golden: Callable[[], Sequence[object]]
    #: Features of rows like those that the model was "trained" on.
    ordinary: Callable[[], Rows]

    def featurizer(self) -> Featurizer:
        """The real featurizer."""
        return create(self.identifier, dict(self.parameters))


CENTRE = np.array([110, 46, 0.5, 1.8, 12, 26, 8, 104], np.float32)
SPREAD = np.array([25, 7, 1, 6, 30, 20, 4.5, 105], np.float32)


def candidates(rows: int, seed: int = 0) -> Rows:
    """Made-up candidates, shape (rows, 8), like those that the bundle was 'trained' on."""
    noise = np.random.default_rng(seed).standard_normal((rows, len(CENTRE)))
    return (CENTRE + SPREAD * noise).astype(np.float32)


CANDIDATES = Kind(
    "pulsar-1",
    (),
    ("pulsar",),
    centre=lambda: CENTRE,
    spread=lambda: SPREAD,
    golden=lambda: [row.tolist() for row in candidates(8, seed=99)],
    ordinary=lambda: candidates(1000, seed=7),
)

SMILES = (
    "CCO", "c1ccccc1O", "CC(=O)Oc1ccccc1C(=O)O", "CN1C=NC2=C1C(=O)N(C(=O)N2C)C", "CCN(CC)CC",
    "CC(C)Cc1ccc(cc1)C(C)C(=O)O", "c1ccc2ccccc2c1", "OCC(O)CO", "CCCCCCCC", "ClC(Cl)Cl",
    "NC(=O)c1cccnc1", "CS(C)=O", "OC(=O)CC(O)(CC(O)=O)C(O)=O", "c1ccsc1", "CC#N", "C1CCCCC1",
)  # fmt: skip

TARGETS = (
    "NR-AR", "NR-AR-LBD", "NR-AhR", "NR-Aromatase", "NR-ER", "NR-ER-LBD",
    "NR-PPAR-gamma", "SR-ARE", "SR-ATAD5", "SR-HSE", "SR-MMP", "SR-p53",
)  # fmt: skip


def _kind_of_molecules(identifier: str, parameters: tuple[tuple[str, object], ...]) -> Kind:
    @cache
    def features() -> Rows:
        return np.nan_to_num(create(identifier, dict(parameters)).featurize(SMILES).rows)

    return Kind(
        identifier,
        parameters,
        TARGETS,
        centre=lambda: features().mean(axis=0),
        spread=lambda: 2 * features().std(axis=0) + 1,
        golden=lambda: list(SMILES[:6]),
        ordinary=features,
    )


_FRAGMENTS = (("radius", 2), ("fragments", (2246728737, 3218693969, 864662311, 2245384272)))
MOLECULES = _kind_of_molecules("molecules-1", _FRAGMENTS)
#: Molecules whose featurizer tells what the model cannot judge.
JUDGED_MOLECULES = _kind_of_molecules(
    "molecules-3", (*_FRAGMENTS, ("pharmacophore_radius", 2), ("pharmacophores", (1, 2)))
)


def domain_of(
    kind: Kind,
    smiles: Sequence[str] = SMILES,
    cutoffs: Cutoffs = Cutoffs(0.3, 0.15),  # noqa: B008 - immutable
) -> MeasuredCompounds:
    """A domain of some molecules, each active in one assay and not measured in the next."""
    featurizer = kind.featurizer()
    molecules = [featurizer.fingerprint(text) for text in smiles]
    index = FragmentIndex.of([molecule.counts for molecule in molecules])
    labels = np.zeros((len(smiles), len(kind.targets)), np.int8)
    rows = np.arange(len(smiles))
    labels[rows, rows % len(kind.targets)] = 1
    labels[rows, (rows + 1) % len(kind.targets)] = -1
    small = np.isin(index.ids, small_fragments([molecule.smiles for molecule in molecules]))
    return MeasuredCompounds(
        [molecule.smiles for molecule in molecules],
        labels,
        kind.targets,
        index,
        usual_counts(index, small),
        featurizer.radius,
        cutoffs,
    )


def graph(
    seed: int = 0,
    scale_layer: float = 1.0,
    kind: Kind = CANDIDATES,
    *,
    inner: bool = True,
    taps: bool = True,
) -> bytes:
    """The ONNX model; ``scale_layer`` multiplies the second layer's weights, a fault to be found.

    Without ``inner`` it lacks the outputs that older bundles lack, without ``taps`` those of layers.
    """
    rng = np.random.default_rng(seed)
    centre, outputs = kind.centre(), len(kind.targets)
    tensors = {"centre": centre, "spread": kind.spread(), "low": np.float32(SATURATED_BELOW)}
    tensors["units"] = np.array([1], np.int64)
    nodes = [
        helper.make_node("IsNaN", [INPUT], ["undefined"]),
        helper.make_node("Where", ["undefined", "centre", INPUT], ["defined"]),
        helper.make_node("Sub", ["defined", "centre"], ["centred"]),
        helper.make_node("Div", ["centred", "spread"], [SQUASHED]),
    ]
    members, logits = [], []
    for member in range(MEMBERS):
        value, size, own = SQUASHED, len(centre), []
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
            own.append(f"{name}tap")
        last = rng.standard_normal((size, outputs)) / np.sqrt(size)
        tensors[f"m{member}out"] = last.astype(np.float32)
        nodes.append(helper.make_node("MatMul", [value, f"m{member}out"], [f"m{member}logit"]))
        nodes.append(helper.make_node("Concat", own, [f"m{member}taps3"], axis=1))
        nodes.append(helper.make_node("Unsqueeze", [f"m{member}taps3", "units"], [f"m{member}taps"]))
        nodes.append(helper.make_node("Unsqueeze", [f"m{member}logit", "units"], [f"m{member}logit3"]))
        members.append(f"m{member}taps")
        logits.append(f"m{member}logit")
    nodes += [
        helper.make_node("Concat", members, ["taps"], axis=1),
        helper.make_node("Mean", logits, ["logit"]),
        helper.make_node("Sigmoid", ["logit"], ["probability"]),
        helper.make_node("Concat", [f"{name}3" for name in logits], [MEMBER_LOGIT], axis=1),
    ]
    shapes = {"probability": [outputs], "logit": [outputs]}
    if taps:
        shapes[TAPS] = [MEMBERS, len(WIDTHS), 3]
    if inner:
        shapes |= {SQUASHED: [len(centre)], MEMBER_LOGIT: [MEMBERS, outputs]}
    model = helper.make_model(
        helper.make_graph(
            nodes,
            "small",
            [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, ["batch", len(centre)])],
            [
                helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", *shapes[name]])
                for name in shapes
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
    made = run_all(model, rows)
    return {name: made[name] for name in OUTPUTS if name in made}


@lru_cache(maxsize=16)
def _session(model: bytes) -> onnxruntime.InferenceSession:
    """A session costs far more than a run, and is asked for the same few graphs."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def run_all(model: bytes, rows: Rows) -> dict[str, Rows]:
    """Every output of the graph, those for the service's own use too."""
    session = _session(model)
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {INPUT: rows}), strict=True))


#: What cut-offs of every target of a small model that is decided are worth.
CURVE = Curve(
    threshold=[0.9, 0.6, 0.3, 0.05],
    hits=[5, 16, 19, 20],
    false_alarms=[0, 2, 20, 200],
    positive=20,
    negative=200,
)
SPREAD_OF_REFITS = Spread(factor=1.5, typical=0.2)
ASSAY = Assay(measures="a receptor", mode="agonist", cells="HeLa", readout="dye", source="a paper")


def figures(targets: Sequence[str]) -> dict[str, object]:
    """Figures as a manifest has them."""
    rates = {
        name: value
        for rate in ("precision", "recall", "false_positive_rate")
        for name, value in ((rate, 0.5), (f"{rate}_95_interval", [0.4, 0.6]))
    }
    own = {"measured": 220, "positive": 20, "auc": 0.8, "auc_95_interval": [0.7, 0.9], **rates}
    part = {"rows": 220, "mean_auc": 0.8, "mean_auc_95_interval": [0.7, 0.9]}
    counted = {"active": 1.0, "elevated_or_active": 2.0, "expected": 0.9, "measured": 0.8}
    overall = part | {"parts": {"leaderboard": part}, "assays_a_record": counted}
    return {"overall": overall, "targets": dict.fromkeys(targets, own | {"elevated": rates})}


@cache
def _published(seed: int, kind: Kind) -> tuple[bytes, Golden, Reference]:
    model, records = graph(seed, kind=kind), tuple(kind.golden())
    features = kind.featurizer().featurize(records).rows
    ordinary = run_all(model, kind.ordinary())
    rows = np.arange(len(ordinary["taps"]))
    members = [MemberRows(ordinary["taps"][:, member], rows) for member in range(MEMBERS)]
    reference = fit_reference(members, ordinary[SQUASHED])
    return model, Golden(records, features, **run_all(model, features)), reference


def reference(seed: int = 0, kind: Kind = CANDIDATES) -> Reference:
    """The reference of a small bundle."""
    return _published(seed, kind)[2]


def write_bundle(
    folder: Path,
    version: int,
    *,
    name: str = "htru2",
    seed: int = 0,
    model: bytes | None = None,
    kind: Kind = CANDIDATES,
    ill: float | None = None,
    stale: int | None = None,
    taps: bool = True,
    decided: bool = False,
    domain: MeasuredCompounds | None = None,
) -> None:
    """Write a bundle's files; ``model`` replaces the graph that golden rows and reference are of.

    ``ill`` multiplies the second layer's weights in graph and golden rows, but not for the reference:
    what is published is intact, and unhealthy on any traffic. ``stale`` is the seed of the weights where
    the reference is of others. Without ``taps`` it is a model that was made elsewhere: outputs, golden
    rows of outputs, no reference. One that is ``decided`` has all that decisions need: curves,
    intervals, figures, and for assays two cut-offs.
    """
    made, golden, fitted = _published(seed, kind)
    if ill is not None:
        made = graph(seed, ill, kind)
        golden = Golden(golden.records, golden.features, **run_all(made, golden.features))
    if stale is not None:
        made, golden, _ = _published(stale, kind)
    if not taps:
        made = graph(seed, kind=kind, inner=False, taps=False)
        golden = Golden(golden.records, golden.features, **run_all(made, golden.features))
    content = {
        MODEL_FILE: made if model is None else model,
        GOLDEN_FILE: golden.to_bytes(),
        REFERENCE_FILE: fitted.to_bytes(),
        CARD_FILE: b"# A small model for tests\n",
    }
    if domain is not None:
        content[DOMAIN_FILE] = domain.content
    if not taps:
        del content[REFERENCE_FILE]
    if decided:
        content[CURVES_FILE] = curves_to_bytes(dict.fromkeys(kind.targets, CURVE))
    for file, written in content.items():
        (folder / file).write_bytes(written)
    extra: dict[str, object] = {}
    if decided:
        extra = {"spread": SPREAD_OF_REFITS}
        if kind.identifier.startswith("molecules-"):
            extra |= {"elevated": 0.3, "assay": ASSAY}
    manifest = Manifest(
        schema_version=1,
        name=name,
        version=version,
        created=datetime.now(UTC),
        task="binary",
        description="a small model for tests",
        featurizer=FeaturizerEntry(identifier=kind.identifier, parameters=kind.featurizer().parameters),
        features=len(kind.centre()),
        targets=[
            Target(name=target, threshold=0.5, slope=1.0, intercept=0.0, **extra)
            for target in kind.targets
        ],
        threshold_rule="half",
        members=[Member(fold=fold, seed=seed) for fold in range(MEMBERS)],
        widths=list(WIDTHS),
        reference=list(fitted.members) if taps else [],
        metrics=figures(kind.targets) if decided else {},
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
