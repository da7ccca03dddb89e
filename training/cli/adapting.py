"""What the command ``adapt`` does and shows."""

from pathlib import Path
from typing import Any

from models.bundle.loading import open_bundle
from models.registry.release_log import command_line_user
from models.registry.releases import Releases
from models.registry.store import Repository
from training.cli.terminal import print_metrics, say
from training.data.few_rows import read_few
from training.errors import TrainingError
from training.pipeline.adaptation import adapt
from training.release.adapted import publish_adapted


def adapt_version(
    model: str,
    version: int | None,
    name: str,
    data: Path,
    target: str | None,
    rate: float,
    repository: Repository,
    state: Path,
) -> dict[str, Any]:
    """Adapt a version to the rows of a file, publish it under ``name``, and say how to promote it.

    Returns what was done.

    Raises ``TrainingError`` or ``ModelError`` if the rows or the version cannot be used.
    """
    if not 1e-6 <= rate <= 0.5:
        raise TrainingError(f"--fpr is a share of the negative rows from 1e-6 to .5, not {rate:g}")
    number = version if version is not None else repository.serving(model).champion
    repository.versions(name)  # raises if the name is not valid
    bundle = open_bundle(repository.bundle(model, number))
    manifest = bundle.manifest
    if manifest.is_regression:
        raise TrainingError(
            f"{model} predicts a quantity; adapt is for classes: train it on the new rows"
        )
    table: Any = manifest.provenance.configuration.get("table")
    of_training = table.get("target") if isinstance(table, dict) else None
    rows = read_few(
        data,
        bundle.featurizer.fields,
        dict(zip(bundle.featurizer.fields, bundle.featurizer.readers, strict=True)),
        tuple(manifest.target_names),
        exclusive=manifest.exclusive,
        column=target or of_training,
    )
    for notice in rows.notices:
        say(notice)
    adapted = adapt(bundle, rows, rate, say)
    published = publish_adapted(adapted, name, repository)
    print_metrics(adapted.metrics, f"{name} version {published}, cross-fitted on {rows.name}")
    for key, value in adapted.summary.items():
        say(f"{key}: {value}")
    reason = f"adapted from {model} version {number} by {len(rows.labels)} rows; not compared with it"
    Releases(repository, state).hold(name, published, command_line_user(), reason)
    say(
        f"published {name} version {published}; not promoted:"
        f" `python -m training promote {name} {published}` serves it"
    )
    return {
        "model": name,
        "version": published,
        "published": True,
        "promoted": False,
        "reason": reason,
        "metrics": adapted.metrics,
        "summary": adapted.summary,
    }
