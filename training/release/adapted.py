"""Publish an adapted version: a bundle of the same networks with all else new."""

import hashlib
import json
import shutil
import tempfile
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from models.bundle import manifest as names
from models.bundle.cutoffs import curves_to_bytes
from models.bundle.loading import Bundle
from models.bundle.manifest import Manifest, Provenance
from models.registry.store import Repository
from training.networks.export import all_outputs, reopened, sign
from training.pipeline.adaptation import Adapted
from training.release.model_card import model_card, reliability_svg
from training.release.publish import golden, targets_of, write_files

_SELECTION = (
    "The networks are those of {origin}, unchanged. The scale of the features, calibration, cut-offs"
    " and the reference of the activations come from {rows} labelled rows of {file}; the figures above"
    " are of these rows, cross-fitted."
)
_LIMITS = (
    "Adapted to one sample of another survey: probabilities hold for its share of each class, which are"
    " {shares}. The networks never learned from that survey; what it has that their own rows lack, they"
    " cannot know. Its reference is of few rows: take a live baseline once traffic is known to be sound."
)


def publish_adapted(adapted: Adapted, name: str, repository: Repository) -> int:
    """Publish the version as the next of model ``name``, which is returned; promote nothing.

    Its golden rows are run first. Raises ``ExportError`` or ``BundleRefused`` if it cannot be served.
    """

    def write(folder: Path, version: int) -> Bundle:
        bundle = _write(folder, adapted, name, version)
        bundle.check_golden(partial(all_outputs, reopened(bundle.model, ())))
        return bundle

    with tempfile.TemporaryDirectory() as temporary:
        prepared = Path(temporary)
        expected = max(repository.versions(name), default=0) + 1
        write(prepared, expected)

        def place(folder: Path, version: int) -> None:
            if version == expected:
                shutil.copytree(prepared, folder, dirs_exist_ok=True)
            else:  # somebody else published meanwhile
                write(folder, version)

        return repository.publish(name, place)


def _write(folder: Path, adapted: Adapted, name: str, version: int) -> Bundle:
    manifest = _manifest(adapted, name, version)
    rows, calibration = adapted.rows, adapted.calibration
    targets = tuple(manifest.target_names)
    trained_as = manifest.provenance.training_hash
    metadata = {"model": name, "version": str(version), "training_hash": trained_as}
    model = sign(adapted.model, metadata)
    origin = adapted.origin.manifest
    means = rows.labels.mean(axis=0).tolist()
    shares = ", ".join(f"{share:.1%} {target}" for target, share in zip(targets, means, strict=True))
    selection = _SELECTION.format(
        origin=f"{origin.name} version {origin.version}", rows=len(rows.labels), file=rows.name
    )
    content = {
        names.MODEL_FILE: model,
        names.REFERENCE_FILE: adapted.reference.to_bytes(),
        names.GOLDEN_FILE: golden(
            model, manifest.featurizer, tuple(adapted.origin.golden.records)
        ).to_bytes(),
        names.FIGURE_FILE: reliability_svg(rows.labels, calibration.probability, targets),
        names.CARD_FILE: model_card(
            manifest, adapted.summary, selection, _LIMITS.format(shares=shares)
        ).encode(),
    }
    if calibration.curves:
        content[names.CURVES_FILE] = curves_to_bytes(dict(zip(targets, calibration.curves, strict=True)))
    return write_files(folder, manifest, content)


def _manifest(adapted: Adapted, name: str, version: int) -> Manifest:
    """The manifest, but for the list of files."""
    origin, calibration = adapted.origin.manifest, adapted.calibration
    data = {adapted.rows.name: adapted.rows.sha256}
    came_from = {
        "model": origin.name,
        "version": origin.version,
        "training_hash": origin.provenance.training_hash,
        "rule": adapted.threshold_rule,
    }
    text = json.dumps([name, came_from, data], sort_keys=True)
    provenance = origin.provenance.model_dump(mode="json") | {
        "training_hash": hashlib.sha256(text.encode()).hexdigest(),
        "data": data,
        "configuration": origin.provenance.configuration | {"adapted": came_from},
        "seconds": 0.0,
    }
    return origin.model_copy(
        update={
            "name": name,
            "version": version,
            "created": datetime.now(UTC).replace(microsecond=0),
            "description": f"{origin.description} Adapted to another survey.",
            "featurizer": adapted.featurizer,
            # The networks are the same, and so are what they measure and how far they differ.
            "targets": targets_of(
                origin.target_names,
                calibration,
                [target.spread for target in origin.targets],
                [target.assay for target in origin.targets],
            ),
            "threshold_rule": adapted.threshold_rule or origin.threshold_rule,
            "reference": list(adapted.reference.members),
            "metrics": adapted.metrics,
            "provenance": Provenance.model_validate(provenance),
            "files": {},
        }
    )
