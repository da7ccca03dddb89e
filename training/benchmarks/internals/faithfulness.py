"""Whether explanations are faithful: deleting the needed atoms beside random connected ones.

Held-out actives of all assays: each is explained by the members that never saw it, and so are the
deletions. Random atoms are as many as the needed ones, and connected too.
"""

from collections.abc import Sequence
from time import process_time

import numpy as np
from numpy.typing import NDArray
from onnxruntime import InferenceSession
from rdkit import Chem
from threadpoolctl import threadpool_limits

from models.bundle.loading import Bundle, open_bundle
from models.explanation.attribution import Logits, attribute
from models.explanation.deletion import Atoms, kekulized, without
from models.features.molecules.featurizer import MoleculeFeaturizer
from models.networks.outputs import INPUT, MEMBER_LOGIT
from models.registry.store import Repository
from training.benchmarks.harness import Say
from training.benchmarks.statistics import with_interval
from training.data import Dataset, load_tox21
from training.evaluation.metrics import bootstrap, markdown_table
from training.networks.export import reopened

_ACTIVES, _RANDOM = 200, 10
_FEWEST_ATOMS = 5

# Of each active: the fall of the logit without the needed atoms, the mean absolute change and the mean
# fall without random ones, and the seconds that the explanation took.
_Row = tuple[float, float, float, float]


def run(repository: Repository, seeds: int, processes: int, say: Say) -> str:
    """Return the table of the champion; ``seeds`` and ``processes`` are not used."""
    del seeds, processes
    dataset = load_tox21()
    bundle = open_bundle(repository.bundle("tox21", repository.serving("tox21").champion))
    session = reopened(bundle.model, (MEMBER_LOGIT,), threads=1)
    rng = np.random.default_rng(0)
    found: dict[str, list[_Row]] = {target: [] for target in dataset.targets}
    with threadpool_limits(1):
        for number, (row, column) in enumerate(_actives(dataset, rng), start=1):
            logits, molecule = _held_out(bundle, session, dataset, row, column)
            one = _compared(molecule, logits, rng)
            if one is not None:
                found[dataset.targets[column]].append(one)
            if not number % 20:
                say(f"{number}/{_ACTIVES}")
    return _report(bundle, found)


def _actives(dataset: Dataset, rng: np.random.Generator) -> list[tuple[int, int]]:
    """Rows and columns of actives by lot, as many of each assay as of another."""
    each = -(-_ACTIVES // len(dataset.targets))
    pairs = [
        (int(row), column)
        for column in range(len(dataset.targets))
        for row in rng.permutation(np.flatnonzero(dataset.labels[:, column] == 1))[:each]
    ]
    return [pairs[at] for at in rng.permutation(len(pairs))[:_ACTIVES]]


def _held_out(
    bundle: Bundle, session: InferenceSession, dataset: Dataset, row: int, column: int
) -> tuple[Logits, Chem.Mol]:
    """The logit by the members that never saw a row, and the row's parent."""
    featurizer = bundle.featurizer
    assert isinstance(featurizer, MoleculeFeaturizer)
    own = [member.fold == dataset.folds[row] for member in bundle.manifest.members]

    def logits(molecules: Sequence[Chem.Mol]) -> NDArray[np.float64]:
        rows, sound = featurizer.rows_of(molecules)
        values = session.run([MEMBER_LOGIT], {INPUT: rows})[0][:, own, column].mean(axis=1)
        return np.where(sound, values, np.nan)

    return logits, featurizer.parent(dataset.records[row])


def _compared(molecule: Chem.Mol, logits: Logits, rng: np.random.Generator) -> _Row | None:
    if molecule.GetNumAtoms() < _FEWEST_ATOMS:
        return None
    began = process_time()
    found = attribute(molecule, logits)
    seconds = process_time() - began
    ground = kekulized(molecule)
    draws = [_connected(molecule, len(found.needed), rng) for _ in range(_RANDOM)]
    left = [made for atoms in draws if atoms and (made := without(ground, atoms)) is not None]
    if found.without_needed is None or not left:
        return None
    falls = found.logit - logits(left)
    return (
        found.logit - found.without_needed,
        float(np.nanmean(abs(falls))),
        float(np.nanmean(falls)),
        seconds,
    )


def _connected(molecule: Chem.Mol, size: int, rng: np.random.Generator) -> Atoms:
    """Connected atoms by lot, grown from one; fewer than ``size`` where its part is smaller."""
    atoms = {int(rng.integers(molecule.GetNumAtoms()))}
    while len(atoms) < size:
        beside = {
            other.GetIdx() for index in atoms for other in molecule.GetAtomWithIdx(index).GetNeighbors()
        } - atoms
        if not beside:
            break
        atoms.add(int(rng.choice(sorted(beside))))
    return frozenset(atoms)


def _report(bundle: Bundle, found: dict[str, list[_Row]]) -> str:
    every = np.array([one for rows in found.values() for one in rows])

    def gap(rows: NDArray[np.intp]) -> float:
        return float((every[rows, 0] - every[rows, 1]).mean())

    value, _, low, high = bootstrap(gap, len(every), draws=2000)
    rows = [
        (
            target,
            len(values),
            *(f"{figure:.2f}" for figure in np.mean(values, axis=0)[:3]),
            f"{np.mean([needed > random for needed, random, *_ in values]):.0%}",
        )
        for target, values in [*found.items(), ("all", every.tolist())]
        if len(values)
    ]
    columns = (
        "assay", "actives", "logit falls without the needed atoms", "changes without random ones",
        "falls without random ones", "needed above random",
    )  # fmt: skip
    milliseconds = 1000 * every[:, 3]
    text = (
        f"`python -m training benchmark explain`. Version {bundle.manifest.version}: {len(every)}"
        f" actives that the members asked never saw, {_RANDOM} random connected sets of as many atoms"
        " for each; changes are absolute. Needed minus random:"
        f" {with_interval(value, low, high)} (95 %, bootstrap over actives). One core needs"
        f" {milliseconds.mean():.0f} ms for an explanation on average, and"
        f" {np.quantile(milliseconds, 0.9):.0f} ms or less for nine in ten."
    )
    return "\n".join(["# Faithful explanations", "", text, "", *markdown_table(columns, rows)])
