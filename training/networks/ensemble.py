"""The fold ensemble: networks that were each trained without one fold, and out-of-fold predictions.

A row's out-of-fold prediction averages only the members whose held-out fold the row belongs to.
"""

import multiprocessing
import queue
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import log_softmax
from torch import Tensor

from models.bundle.manifest import Member
from models.cores import cores
from training.data.dataset import Replicates
from training.errors import TrainingError
from training.evaluation.averaging import fold_spread
from training.networks.network import SelfNormalizingNetwork, tap
from training.networks.training_loop import Progress, Recipe, train

Array32 = NDArray[np.float32]
Watch = Callable[[int, Progress], None]
#: Name of the first layer's weights, (units, F).
_FIRST = "hidden.0.weight"


@dataclass(frozen=True, slots=True)
class Ensemble:
    """Trained networks of equally many layers, and the fold that each was trained without."""

    members: tuple[Member, ...]
    networks: tuple[SelfNormalizingNetwork, ...]

    def rounds(self, first: int, last: int) -> "Ensemble":
        """The ensemble of the training rounds ``first`` up to, not including, ``last``."""
        folds = len({member.fold for member in self.members})
        part = slice(first * folds, last * folds)
        return Ensemble(self.members[part], self.networks[part])

    @torch.no_grad()
    def member_logits(self, rows: Array32) -> Array32:
        """Uncalibrated logits ``(n, members, T)`` of squashed rows ``(n, F)``."""
        x = torch.from_numpy(rows)
        return torch.stack([network(x) for network in self.networks], dim=1).numpy()

    @torch.no_grad()
    def member_taps(self, rows: Array32, member: int) -> Array32:
        """One member's taps ``(n, layers, 3)`` of squashed rows ``(n, F)``."""
        layers = self.networks[member].activations(torch.from_numpy(rows))
        return torch.stack([tap(layer) for layer in layers], dim=1).numpy()


@dataclass(frozen=True, slots=True)
class OutOfFold:
    """Logits ``(n, T)`` by the members that never saw a row, and how far the folds' members differ.

    ``spread`` is the variance ``(n, T)`` that ``averaging.fold_spread`` estimates.
    """

    logits: NDArray[np.float64]
    spread: NDArray[np.float64]


def out_of_fold(
    member_logits: NDArray[np.floating],
    members: tuple[Member, ...],
    folds: NDArray[np.integer],
    exclusive: bool,
) -> OutOfFold:
    """Average, for each row, the logits ``(n, members, T)`` of the members that never saw it.

    With ``exclusive`` the logits are log-probabilities, so that a column ranks the rows.
    """
    member_folds = np.array([member.fold for member in members])
    held_out = member_folds[None] == folds[:, None]
    weight = held_out / held_out.sum(axis=1, keepdims=True)
    logits = np.asarray(np.einsum("nmt,nm->nt", member_logits, weight, dtype=np.float64))
    if exclusive:
        logits = log_softmax(logits, axis=1)
        member_logits = member_logits - member_logits.mean(axis=2, keepdims=True)
    return OutOfFold(logits, fold_spread(member_logits, member_folds, folds))


def members_of(folds: NDArray[np.integer], rounds: int, seed: int) -> tuple[Member, ...]:
    """The members of ``rounds`` rounds in their order: one without each fold, each of its own seed."""
    numbers = [int(fold) for fold in np.unique(folds)]
    return tuple(
        Member(fold=fold, seed=seed + round_ * len(numbers) + fold)
        for round_ in range(rounds)
        for fold in numbers
    )


def fit_ensemble(
    rows: Array32,
    labels: Array32,
    folds: NDArray[np.integer],
    recipes: Sequence[Recipe],
    *,
    names: Sequence[str],
    rounds: int,
    seed: int,
    watch: Watch,
    replicates: Replicates | None = None,
    weights: Array32 | None = None,
    processes: int | None = None,
) -> Ensemble:
    """Train ``rounds`` networks without each fold, in ``processes``: by default one per core.

    Rounds take the ``recipes`` in turn. ``rows`` ``(n, F)`` are squashed features called ``names``;
    those that a recipe leaves out get weight 0. A recipe may learn ``replicates``, if there are any, in
    place of ``labels``. ``weights`` ``(n,)`` are the rows' in the loss.
    ``watch(member, progress)`` is called in this process after every epoch of every
    member. One process is this one, with torch on one thread. Raises ``TrainingError`` if a network
    diverges.
    """
    members = members_of(folds, rounds, seed)
    count = len(members) // rounds
    recipe_of = [recipes[index // count % len(recipes)] for index in range(len(members))]
    data = (labels, replicates, weights, tuple(names))
    jobs = [
        (data, folds == member.fold, recipe, index, member)
        for index, (member, recipe) in enumerate(zip(members, recipe_of, strict=True))
    ]
    workers = min(len(members), processes or cores())
    if workers == 1:
        states = [_fit_member(rows, *job, lambda report: watch(*report)) for job in jobs]
    else:
        states = _fit_in_processes(rows, jobs, workers, watch)
    networks = []
    for recipe, state, member in zip(recipe_of, states, members, strict=True):
        if not all(np.isfinite(array).all() for array in state.values()):
            raise TrainingError(
                f"the network without fold {member.fold} diverged: its weights are no 16-bit numbers; a"
                f" learning_rate below {recipe.learning_rate:g} is needed"
            )
        network = recipe.build(rows.shape[1], labels.shape[1])
        network.load_state_dict({name: torch.from_numpy(array) for name, array in state.items()})
        networks.append(network.eval())
    return Ensemble(members, tuple(networks))


def _fit_in_processes(
    rows: Array32, jobs: Sequence[tuple[Any, ...]], workers: int, watch: Watch
) -> list[Mapping[str, NDArray[Any]]]:
    # Spawned, not forked: torch's threads do not survive a fork. The rows are in a file that all
    # processes map, as copies of them would take most of the memory.
    context = multiprocessing.get_context("spawn")
    with TemporaryDirectory(prefix="snn-rows-") as folder, context.Manager() as manager:
        shared = Path(folder) / "rows.npy"
        np.save(shared, rows)
        reports: queue.Queue[tuple[int, Progress]] = manager.Queue()
        with ProcessPoolExecutor(workers, context) as pool:
            futures = [pool.submit(_fit_member, *(shared, *job, reports.put)) for job in jobs]
            _relay(futures, reports, watch)
            return [future.result() for future in futures]


def _fit_member(
    given: Array32 | Path,
    data: tuple[Array32, Replicates | None, Array32 | None, tuple[str, ...]],
    held_out: NDArray[np.bool_],
    recipe: Recipe,
    index: int,
    member: Member,
    report: Callable[[tuple[int, Progress]], None],
) -> Mapping[str, NDArray[Any]]:
    """Train one member on one thread, on rows or those of a file; return its weights as plain arrays."""
    torch.set_num_threads(1)
    rows = given
    if isinstance(rows, Path):
        rows = np.load(rows, mmap_mode="r", allow_pickle=False)
    labels, replicates, weights, names = data
    samples = replicates if recipe.shares else None
    learned = labels if samples is None else samples.shares
    seen = recipe.seen(names)
    own = rows if seen.all() else rows[:, seen]
    network = train(
        own[~held_out],
        learned[~held_out],
        (own[held_out], labels[held_out]),
        recipe,
        member.seed,
        lambda progress: report((index, progress)),
        None if samples is None else samples.counts[~held_out],
        None if weights is None else weights[~held_out],
    )
    # Weights are published as float16: rounded here, everything later evaluates what will be served.
    state: dict[str, Tensor] = network.half().float().state_dict()
    first = torch.zeros(len(state[_FIRST]), len(seen))
    first[:, torch.from_numpy(seen)] = state[_FIRST]
    return {name: tensor.numpy() for name, tensor in (state | {_FIRST: first}).items()}


def _relay(
    futures: list[Future[Any]], reports: "queue.Queue[tuple[int, Progress]]", watch: Watch
) -> None:
    while not all(future.done() for future in futures) or not reports.empty():
        try:
            watch(*reports.get(timeout=0.2))
        except queue.Empty:
            continue
