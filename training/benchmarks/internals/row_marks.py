"""Whether rows that a flipped bit has corrupted are marked, and how often clean ones are.

Bits flip in activations and weights of a published ensemble while one row is computed. Those that move
a probability are judged by the bounds of rows, and so are all rows of the data.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from time import process_time

import numpy as np
from numpy.typing import NDArray

from models.bundle.loading import Bundle, open_bundle
from models.health.detector import Detector
from models.health.reference import Reference
from models.health.rows.fitting import fit_row_bounds
from models.networks.outputs import INPUT, MEMBER_LOGIT, SQUASHED, TAPS
from models.networks.weights import read_weights
from models.registry.store import Repository
from training.benchmarks.harness import Say
from training.benchmarks.internals.row_faults import KINDS, Hit, Rows
from training.data import Dataset, load_htru2, load_tox21
from training.errors import TrainingError
from training.evaluation.metrics import markdown_table
from training.networks.export import reopened
from training.pipeline.run import feature_rows

Array32 = NDArray[np.float32]

#: Corrupted rows of each kind, clean rows that are hit, and flips that are tried at most.
_HITS, _ROWS, _TRIES = 400, 400, 400_000
#: A flip matters if it moves any probability of its row by so much.
_MATTERS = 0.05
_CHUNK = 1024
#: Rows of a batch whose cost is measured, and how often.
_SIZES, _ROUNDS = (1, 256), 15

_OUTPUTS = (TAPS, SQUASHED, MEMBER_LOGIT)
_LOADERS: dict[str, Callable[[], Dataset]] = {"htru2": load_htru2, "tox21": load_tox21}


def run(repository: Repository, seeds: int, _processes: int, say: Say) -> str:
    """Return the report on both models' champions; there is one seed."""
    del seeds
    rows, costs = [], []
    for name, load in _LOADERS.items():
        bundle = open_bundle(repository.bundle(name, repository.serving(name).champion))
        title, dataset = f"{name} {bundle.manifest.version}", load()
        say(f"{title}: computing {len(dataset)} rows")
        outputs = _outputs(bundle, feature_rows(dataset, bundle.featurizer))
        reference = _bounded(bundle, dataset, outputs)
        detector = Detector(reference)
        alarms = float(detector.marks(outputs)[1].mean())
        rng = np.random.default_rng(0)
        chosen = rng.permutation(len(dataset))[:_ROWS]
        clean = Rows(bundle.manifest, read_weights(bundle.model), outputs[SQUASHED][chosen])
        for what, bits in KINDS:
            say(f"{title}: {bits} bits of a {what}")
            hits, tried = _hits(clean, what, bits, rng)
            recall = float(np.mean(_marked(detector, clean, hits)))
            precision = recall / (recall + alarms) if recall else 0.0
            cells = f"{tried:,}", str(len(hits)), f"{recall:.3f}", f"{precision:.4f}", f"{alarms:.1e}"
            rows.append((title, f"{what}: {bits} bit{'s' * (bits > 1)}", *cells))
        costs += [(title, *cells) for cells in _costs(reference, outputs)]
    text = (
        "`python -m training benchmark rows`; models by name and version. Flips of any of 32 bits, in"
        f" any layer of any member, the logits' too, of {_ROWS} rows; one matters if it moves a"
        f" probability by {_MATTERS} or more and leaves it a number. *Precision* is of as many corrupted"
        " rows as clean ones; *clean* is the share of all rows of the data that is marked."
    )
    columns = ("model", "flip", "tried", "that matter", "recall", "precision", "clean")
    table = markdown_table(columns, rows)
    cost = markdown_table(("model", "rows", "judging", "of it bounds"), costs)
    title = "# Rows that a flipped bit has corrupted"
    under = "Microseconds of processor for judging a batch, and what bounds add; least of the rounds."
    return "\n".join([title, "", text, "", *table, "", under, "", *cost])


def _outputs(bundle: Bundle, raw: Array32) -> dict[str, Array32]:
    session = reopened(bundle.model, _OUTPUTS)
    parts = [
        session.run(list(_OUTPUTS), {INPUT: raw[at : at + _CHUNK]}) for at in range(0, len(raw), _CHUNK)
    ]
    columns = (np.concatenate(column) for column in zip(*parts, strict=True))
    return dict(zip(_OUTPUTS, columns, strict=True))


def _bounded(bundle: Bundle, dataset: Dataset, outputs: dict[str, Array32]) -> Reference:
    """The bundle's reference; bounds that it lacks are fitted as in training."""
    reference = bundle.reference
    if reference is None:
        raise TrainingError(f"{bundle.manifest.name}: the model has no taps")
    if reference.rows is not None:
        return reference
    places = [np.flatnonzero(dataset.folds == member.fold) for member in bundle.manifest.members]
    taps = [outputs[TAPS][rows, member] for member, rows in enumerate(places)]
    return replace(reference, rows=fit_row_bounds(taps, places, outputs[MEMBER_LOGIT]))


def _hits(clean: Rows, what: str, bits: int, rng: np.random.Generator) -> tuple[list[Hit], int]:
    hits: list[Hit] = []
    for tried in range(1, _TRIES + 1):
        hit = clean.hit(what, bits, rng)
        if hit is not None and hit.moved >= _MATTERS:
            hits.append(hit)
            if len(hits) == _HITS:
                return hits, tried
    return hits, _TRIES


def _marked(detector: Detector, clean: Rows, hits: Sequence[Hit]) -> NDArray[np.bool_]:
    outputs = {
        TAPS: np.stack([hit.taps for hit in hits]),
        MEMBER_LOGIT: np.stack([hit.logits for hit in hits]),
        SQUASHED: clean.squashed[[hit.row for hit in hits]],
    }
    with np.errstate(all="ignore"):
        return np.asarray(detector.marks(outputs)[1] > 0)


def _costs(reference: Reference, outputs: dict[str, Array32]) -> list[tuple[str, str, str]]:
    """Judging with bounds and without, by turns."""
    kinds = Detector(replace(reference, rows=None)), Detector(reference)
    cells = []
    for size in _SIZES:
        batch = [outputs[name][:size] for name in _OUTPUTS]
        best = [np.inf, np.inf]
        for _ in range(_ROUNDS):
            for number, detector in enumerate(kinds):
                times = max(2000 // size, 20)
                started = process_time()
                for _ in range(times):
                    detector.judge(*batch)
                best[number] = min(best[number], (process_time() - started) / times)
        without, with_bounds = best
        cells.append((str(size), f"{1e6 * with_bounds:.1f}", f"{1e6 * (with_bounds - without):.1f}"))
    return cells
