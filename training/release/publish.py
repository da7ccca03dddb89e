"""Turn a finished run into a bundle in the model repository."""

from datetime import UTC, datetime
from pathlib import Path

from models import features
from models.bundle.golden import Golden
from models.bundle.loading import Bundle, Run, file_entry, open_bundle
from models.bundle.manifest import (
    CARD_FILE,
    FIGURE_FILE,
    GATE_FILE,
    GOLDEN_FILE,
    MANIFEST_FILE,
    MODEL_FILE,
    REFERENCE_FILE,
    FeaturizerEntry,
    Manifest,
    Provenance,
    Target,
)
from models.networks.outputs import INNER_OUTPUTS, INPUT, OUTPUTS
from models.registry.store import Repository
from training.errors import ExportError
from training.evaluation.calibration import CLASS_RULE, THRESHOLD_RULES
from training.networks.export import reopened, sign
from training.pipeline.run import Trained
from training.release.gate import Judge, Report
from training.release.golden_records import golden_records
from training.release.model_card import model_card, reliability_svg


def publish(trained: Trained, repository: Repository, judge: Judge | None = None) -> int:
    """Publish the run's bundle as the model's next version, which is returned; nothing is promoted.

    The bundle is opened and its golden rows are run from the staging folder first: what cannot be
    served is never given a version. ``judge`` is then asked about it, and its report goes with it.
    """
    dataset = trained.dataset

    def write(folder: Path, version: int) -> None:
        provenance = Provenance.model_validate(trained.provenance)
        model = sign(
            trained.model,
            {"model": dataset.name, "version": str(version), "training_hash": provenance.training_hash},
        )
        featurizer = FeaturizerEntry.model_validate(
            {
                "identifier": trained.featurizer.identifier,
                "parameters": trained.featurizer.parameters,
            }
        )
        content = {
            MODEL_FILE: model,
            REFERENCE_FILE: trained.reference.to_bytes(),
            GOLDEN_FILE: _golden(model, featurizer, dataset.golden).to_bytes(),
            FIGURE_FILE: reliability_svg(
                dataset.labels, trained.calibration.probability, dataset.targets
            ),
        }
        manifest = _manifest(trained, version, featurizer, provenance)

        def fill(report: Report | None) -> None:
            content[CARD_FILE] = model_card(
                manifest, dataset.summary, trained.recipe.selection, trained.recipe.limits, report
            ).encode()
            if report is not None:
                content[GATE_FILE] = report.to_bytes()
            entries = {name: file_entry(data) for name, data in content.items()}
            document = manifest.model_copy(update={"files": entries}).model_dump_json(indent=1)
            for name, data in content.items():
                (folder / name).write_bytes(data)
            (folder / MANIFEST_FILE).write_bytes(document.encode() + b"\n")

        fill(None)
        bundle = _rehearse(folder)
        if judge is not None:
            fill(judge(bundle))
            open_bundle(folder)

    return repository.publish(dataset.name, write)


def _manifest(
    trained: Trained, version: int, featurizer: FeaturizerEntry, provenance: Provenance
) -> Manifest:
    dataset = trained.dataset
    widths = [network.widths() for network in trained.ensemble.networks]
    return Manifest(
        schema_version=1,
        name=dataset.name,
        version=version,
        created=datetime.now(UTC).replace(microsecond=0),
        task=trained.recipe.task,
        description=trained.recipe.description,
        featurizer=featurizer,
        features=len(trained.featurizer.names),
        targets=[
            Target(name=name, threshold=threshold, slope=platt.slope, intercept=platt.intercept)
            for name, threshold, platt in zip(
                dataset.targets, trained.calibration.thresholds, trained.calibration.maps, strict=True
            )
        ],
        exclusive=dataset.exclusive,
        threshold_rule=CLASS_RULE
        if dataset.exclusive
        else THRESHOLD_RULES[trained.recipe.threshold_rule],
        members=list(trained.ensemble.members),
        widths=[max(layer) for layer in zip(*widths, strict=True)],
        member_widths=widths if any(own != widths[0] for own in widths) else [],
        reference=list(trained.reference.members),
        theory=trained.theory,
        metrics=trained.metrics,
        provenance=provenance,
        files={},
    )


def _golden(model: bytes, entry: FeaturizerEntry, constructed: tuple[object, ...]) -> Golden:
    records = constructed or golden_records(entry)
    rows = features.create(entry.identifier, entry.parameters).featurize(records).rows
    if len(rows) != len(records):
        raise ExportError("the featurizer refused a golden record, which it must not")
    return Golden(records, rows, **_run(model)(rows))


def _rehearse(folder: Path) -> Bundle:
    """Load the staged bundle as the service will, and run its golden rows."""
    bundle = open_bundle(folder)
    bundle.check_golden(_run(bundle.model))
    return bundle


def _run(model: bytes) -> Run:
    """A session's outputs by name, the inner ones too."""
    names, session = [*OUTPUTS, *INNER_OUTPUTS], reopened(model, ())
    return lambda rows: dict(zip(names, session.run(names, {INPUT: rows}), strict=True))
