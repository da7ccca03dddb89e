"""From a finished run to a release: published, judged by the gate, promoted or held back, and logged."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from models.bundle.loading import open_bundle
from models.errors import UnknownModel
from models.registry.release_log import command_line_user
from models.registry.releases import Releases
from models.registry.store import Repository
from training.pipeline.run import Trained
from training.release.comparison import MARGIN
from training.release.gate import examine
from training.release.publish import publish


@dataclass(frozen=True, slots=True)
class Released:
    """The version, whether it is the champion now and why; ``report`` is the gate's, as JSON."""

    version: int
    promoted: bool
    reason: str
    report: Any


def release(
    trained: Trained, repository: Repository, state: Path, promote: str, margin: float = MARGIN
) -> Released:
    """Publish a run's bundle and promote it by the gate's verdict and ``promote``; log it in ``state``.

    Raises ``ExportError``, ``TrainingError`` or ``ModelError`` if it cannot be served or compared.
    """
    model = trained.dataset.name
    serving = _served(model, repository)
    champion = None if serving is None else open_bundle(repository.bundle(model, serving))
    version = publish(trained, repository, partial(examine, promote, trained, champion, margin=margin))
    releases = Releases(repository, state)
    report: Any = releases.gate(model, version)
    promoted, reason = bool(report["promote"]), str(report["reason"])
    now = _served(model, repository)
    if promote == "auto" and promoted and now != serving:
        promoted = False
        reason = f"version {now} became the champion meanwhile, with which it was not compared"
    step = releases.promote if promoted else releases.hold
    step(model, version, command_line_user(), reason)
    return Released(version, promoted, reason, report)


def _served(model: str, repository: Repository) -> int | None:
    """The champion's version, None if the model has none."""
    try:
        return repository.serving(model).champion
    except UnknownModel:
        return None
