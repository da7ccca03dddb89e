"""Everything that trials are made of: a model's rows under every fault, and its networks gone wrong."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models import features
from models.bundle.loading import Bundle, open_bundle
from models.bundle.manifest import MODEL_FILE
from models.registry.store import Repository
from training.benchmarks.harness import Say
from training.benchmarks.health import molecules
from training.benchmarks.health.faults import (
    CLEAN,
    DATA,
    MILD,
    MODEL,
    POPULATION,
    SHIFTED,
    data_faults,
    model_faults,
)
from training.benchmarks.health.network import Network, squash
from training.benchmarks.health.store import keep
from training.benchmarks.health.trial import Material
from training.data import Dataset, load_htru2, load_tox21
from training.data.official.sources import TOX21_FINAL, read
from training.pipeline.run import feature_rows

Array32 = NDArray[np.float32]

#: The data set of each model that is tried.
LOADERS = {"htru2": load_htru2, "tox21": load_tox21}
_MADE = 400  # molecules of each made-up population


@dataclass(frozen=True, slots=True)
class Tried:
    """A model whose material is kept: ``same`` is in each of its jobs, ``groups`` names the faults."""

    name: str
    same: dict[str, Any]
    groups: dict[str, list[str]]
    folds: list[int]

    @property
    def folder(self) -> Path:
        """Where its material is."""
        return Path(self.same["folder"])


@contextmanager
def models_tried(
    repository: Repository, quick: bool, say: Say
) -> Iterator[tuple[Path, Iterator[Tried]]]:
    """Give a folder for the time of a benchmark, and in it both models' champions one after the other.

    With ``quick`` it is HTRU2's alone.
    """
    # A matrix product on two threads in each of two processes takes longer than on one in each.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    with TemporaryDirectory(prefix="snn-health-", ignore_cleanup_errors=True) as folder:
        base = Path(folder)
        names = ("htru2",) if quick else tuple(LOADERS)
        yield base, (_kept(repository, name, base / name, quick, say) for name in names)


def _kept(repository: Repository, name: str, folder: Path, quick: bool, say: Say) -> Tried:
    folder.mkdir()
    bundle = open_bundle(repository.bundle(name, repository.serving(name).champion))
    say(f"{name}: making the faults")
    material, groups = make_material(name, bundle, quick)
    keep(folder / "material.bin", material)
    identity = bundle.manifest.files[MODEL_FILE].sha256[:12]
    same = {"model": name, "bundle": identity, "folder": str(folder)}
    return Tried(name, same, groups, sorted({int(fold) for fold in np.unique(material.folds)}))


def make_material(name: str, bundle: Bundle, quick: bool) -> tuple[Material, dict[str, list[str]]]:
    """Return what a model's trials need, and the names of the faults by group."""
    dataset = LOADERS[name]()
    raw = feature_rows(dataset, bundle.featurizer)
    network = Network.of(bundle)
    faults = data_faults(name, bundle, raw)[: 3 if quick else None]
    squashed = {"clean": squash(bundle, raw)}
    squashed |= {fault.name: squash(bundle, fault.apply(raw)) for fault in faults}
    foreign: dict[str, Array32] = {}
    mild, mildest = list[str](), "three pulsars in ten"
    if name == "tox21":
        squashed["featurizer of an older radius"] = squash(bundle, _older(bundle, dataset))
        smiles = {
            "peptides": molecules.peptides(_MADE),
            "lipids": molecules.lipids(_MADE),
            "inorganics": molecules.inorganics(_MADE),
        }
        lines = read(TOX21_FINAL).decode().splitlines()[1:]
        smiles["the 647 official compounds"] = [line.split("\t")[0] for line in lines]
        mildest = "the 647 official compounds"
        mild = [mildest]
        foreign = {
            population: squash(bundle, bundle.featurizer.featurize(molecules_of).rows)
            for population, molecules_of in smiles.items()
        }
    else:
        foreign = _pulsars(dataset, squashed["clean"])
    altered = {fault: (faulty, "none") for fault, faulty in model_faults(network).items()}
    altered["a stale model of the same shape"] = network, "all"
    if len(network.without(0)) > 1:
        altered["one member replaced"] = network, "last"
    halves = _halves(dataset)
    material = Material(network, squashed, dataset.folds, halves, altered, foreign, mildest)
    populations = [name for name in foreign if name not in mild]
    groups = {
        CLEAN: ["clean"],
        DATA: [name for name in squashed if name != "clean"],
        POPULATION: populations,
        MODEL: list(altered),
        MILD: mild,
        SHIFTED: list(altered),
    }
    return material, groups


def _older(bundle: Bundle, dataset: Dataset) -> Array32:
    parameters = bundle.manifest.featurizer.parameters
    older = features.create(bundle.manifest.featurizer.identifier, parameters | {"radius": 2})
    return feature_rows(dataset, older)


def _pulsars(dataset: Dataset, squashed: Array32) -> dict[str, Array32]:
    """Only pulsars, and three in ten, of rows of all folds; every one is out of some member's fold."""
    pulsar = dataset.labels[:, 0] == 1
    rng = np.random.default_rng(4)
    pulsars, others = np.flatnonzero(pulsar), np.flatnonzero(~pulsar)
    some = rng.choice(others, int(len(pulsars) * 7 / 3), replace=False)
    return {
        "only pulsars": squashed[pulsars],
        "three pulsars in ten": squashed[np.concatenate([pulsars, some])],
    }


def _halves(dataset: Dataset) -> NDArray[np.int8]:
    """Which half of its fold a row is in, by a hash: clean means that both halves are alike."""
    keys = [repr(record).encode() for record in dataset.records]
    digests = [hashlib.sha256(key + b" half").digest()[0] % 2 for key in keys]
    return np.array(digests, np.int8)
