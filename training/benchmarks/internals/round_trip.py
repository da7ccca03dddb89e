"""Whether an export by InChI changes an answer: parents of the data, drawn by SMILES and by InChI.

InChI moves the hydrogens of amides, lactams and rings with nitrogen, and cuts metals off, so that a
compound that comes back from it is drawn otherwise. The answers of one compound should be the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem
from threadpoolctl import threadpool_limits

from models.bundle.loading import Bundle, open_bundle
from models.features import Accepted, Rejected
from models.features.molecules.rdkit_log import captured_rdkit_log
from models.networks.outputs import INPUT, OUTPUTS
from models.registry.store import Repository
from training.benchmarks.harness import Say
from training.data import load_tox21
from training.errors import TrainingError
from training.evaluation.metrics import markdown_table, wilson
from training.networks.export import reopened

_PARENTS, _AT_ONCE = 2000, 250
_to_inchi: Any = Chem.MolToInchi  # without types
_from_inchi: Any = Chem.MolFromInchi


@dataclass(frozen=True, slots=True)
class Changes:
    """Which of some parents ``(n,)`` an export changes: another parent, another level in any assay."""

    parent: NDArray[np.bool_]
    level: NDArray[np.bool_]
    active: NDArray[np.bool_]


def run(repository: Repository, seeds: int, processes: int, say: Say) -> str:
    """Return the table of the champion; ``seeds`` and ``processes`` are not used."""
    del seeds, processes
    bundle = open_bundle(repository.bundle("tox21", repository.serving("tox21").champion))
    records = load_tox21().records
    drawn = np.random.default_rng(0).permutation(len(records))[:_PARENTS]
    kept = [pair for row in drawn if (pair := _pair(str(records[row]))) is not None]
    say(f"{len(kept)} of {len(drawn)} parents have an InChI that is read again")
    with threadpool_limits(1):
        found = compared(bundle, [first for first, _ in kept], [second for _, second in kept])
    return _report(bundle, len(drawn), found)


def _pair(smiles: str) -> tuple[str, str] | None:
    """A SMILES, and what it is after an export by InChI; None if InChI cannot say it."""
    with captured_rdkit_log():
        inchi = _to_inchi(Chem.MolFromSmiles(smiles))
        molecule = _from_inchi(inchi) if inchi else None
    return None if molecule is None else (smiles, Chem.MolToSmiles(molecule))


def compared(bundle: Bundle, first: Sequence[str], second: Sequence[str]) -> Changes:
    """Compare the parents and levels of two drawings of each compound.

    A drawing that is refused or not applicable has a level of its own. Raises ``TrainingError`` of a
    model whose targets have no levels.
    """
    (parents, levels), (again, moved) = (_answers(bundle, records) for records in (first, second))
    other = np.array([one != two for one, two in zip(parents, again, strict=True)], dtype=np.bool_)
    active = levels.max(initial=0)
    return Changes(
        other,
        (levels != moved).any(axis=1),
        ((levels == active) != (moved == active)).any(axis=1),
    )


def _answers(bundle: Bundle, records: Sequence[str]) -> tuple[list[str], NDArray[np.intp]]:
    """Parents, and levels ``(n, T)``: 0 low, 1 elevated, 2 active, and -1 of what is not judged."""
    targets = bundle.manifest.targets
    cut_offs = np.array([(each.elevated, each.threshold) for each in targets], dtype=np.float64)
    if not np.isfinite(cut_offs).all():
        raise TrainingError(f"{bundle.manifest.name} has no levels; its targets are called alone")
    session = reopened(bundle.model, OUTPUTS[:1], threads=1)
    parents: list[str] = []
    levels: list[NDArray[np.intp]] = []
    for start in range(0, len(records), _AT_ONCE):
        made = bundle.featurizer.featurize(records[start : start + _AT_ONCE])
        judged = [isinstance(outcome, Accepted) for outcome in made.outcomes]
        has_row = [not isinstance(outcome, Rejected) for outcome in made.outcomes]
        part = np.full((len(judged), len(targets)), -1)
        if any(judged):
            probability = session.run(OUTPUTS[:1], {INPUT: made.rows})[0].astype(np.float64)
            part[has_row] = (probability.round(9)[:, :, None] >= cut_offs).sum(axis=2)
            part[~np.array(judged)] = -1
        levels.append(part)
        parents += [str(getattr(outcome, "details", {}).get("parent")) for outcome in made.outcomes]
    return parents, np.concatenate(levels)


def _report(bundle: Bundle, drawn: int, found: Changes) -> str:
    rows = []
    for what, changed in (
        ("another parent", found.parent),
        ("another level in any assay, at either cut-off", found.level),
        ("more or fewer assays called active", found.active),
    ):
        low, high = wilson(int(changed.sum()), len(changed))
        rows.append((what, int(changed.sum()), f"{changed.mean():.2%}", f"{low:.2%} to {high:.2%}"))
    text = (
        f"`python -m training benchmark drawings`. Version {bundle.manifest.version}: of {drawn:,}"
        f" compounds of the data by lot, the {len(found.parent):,} that InChI can say, as SMILES and"
        " as SMILES made of their InChI."
    )
    columns = ("what changes", "compounds", "share", "95 % interval")
    return "\n".join(["# Two drawings of a compound", "", text, "", *markdown_table(columns, rows)])
