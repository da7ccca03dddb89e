"""Turn a finished run into a bundle in the model repository."""

import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, cast

from models import features
from models.bundle import manifest as names
from models.bundle.cutoffs import curves_to_bytes
from models.bundle.golden import Golden
from models.bundle.loading import Bundle, file_entry, open_bundle, read_manifest
from models.bundle.manifest import FeaturizerEntry, Manifest, Provenance, Trees
from models.bundle.targets import Assay, Spread, Target
from models.domain.measured import MeasuredCompounds
from models.errors import BundleRefused
from models.registry.store import Repository
from training.errors import ExportError
from training.evaluation.calibration import CLASS_RULE, THRESHOLD_RULES, Calibration
from training.networks.export import all_outputs, reopened, sign
from training.pipeline.kinds import quantities_of
from training.pipeline.run import Trained
from training.release.gate import Report
from training.release.golden_records import golden_records
from training.release.model_card import model_card, reliability_svg

if TYPE_CHECKING:
    from models.features.molecules.featurizer import MoleculeFeaturizer

#: The molecules that a model learned from, and how their cut-offs were chosen.
Domain = tuple[MeasuredCompounds, names.DomainEvidence]


def publish(
    trained: Trained, repository: Repository, judge: Callable[[Bundle], Report] | None = None
) -> int:
    """Publish the run's bundle as the model's next version, which is returned; promote nothing.

    The bundle is opened and its golden rows are run first: one that cannot be served gets no version.
    ``judge`` is then called with it; its report becomes a file of the bundle. The repository is locked
    while files are copied, not while anything is computed. Raises ``ExportError`` or ``BundleRefused``
    if the bundle cannot be served.
    """
    name, report, domain = trained.dataset.name, None, _domain(trained)
    with tempfile.TemporaryDirectory() as temporary:
        prepared = Path(temporary)
        expected = max(repository.versions(name), default=0) + 1
        bundle = _write(prepared, trained, expected, None, domain)
        bundle.check_golden(partial(all_outputs, reopened(bundle.model, ())))
        if judge is not None:
            report = judge(bundle)
            _write(prepared, trained, expected, report, domain)

        def write(folder: Path, version: int) -> None:
            if version == expected:
                shutil.copytree(prepared, folder, dirs_exist_ok=True)
            else:  # somebody else published meanwhile
                _write(folder, trained, version, report and replace(report, version=version), domain)

        return repository.publish(name, write)


def _domain(trained: Trained) -> Domain | None:
    if not trained.dataset.featurizer.startswith("molecules-"):
        return None
    from training.release.domain import fit_domain  # RDKit takes a while to load

    featurizer = cast("MoleculeFeaturizer", trained.featurizer)
    return fit_domain(trained.dataset, featurizer, trained.calibration.probability)


def _write(
    folder: Path, trained: Trained, version: int, report: Report | None, domain: Domain | None
) -> Bundle:
    """Write all files of a bundle, and open it."""
    dataset = trained.dataset
    manifest = _manifest(trained, version).model_copy(update={"domain": domain and domain[1]})
    metadata = {
        "model": dataset.name,
        "version": str(version),
        "training_hash": manifest.provenance.training_hash,
    }
    model = sign(trained.model, metadata)
    content = {
        names.MODEL_FILE: model,
        names.REFERENCE_FILE: trained.reference.to_bytes(),
        names.GOLDEN_FILE: golden(model, manifest.featurizer, dataset.golden).to_bytes(),
        names.CARD_FILE: model_card(
            manifest, dataset.summary, trained.recipe.selection, trained.recipe.limits, report
        ).encode(),
        **(_files(trained) if trained.quantities is None else {}),
    }
    if domain is not None:
        content[names.DOMAIN_FILE] = domain[0].content
    if report is not None:
        content[names.GATE_FILE] = report.to_bytes()
    return write_files(folder, manifest, content)


def _files(trained: Trained) -> dict[str, bytes]:
    """The files that bundles of classes have besides."""
    dataset, calibration = trained.dataset, trained.calibration
    diagram = reliability_svg(dataset.labels, calibration.probability, dataset.targets)
    files = {names.FIGURE_FILE: diagram}
    if calibration.curves:
        curves = dict(zip(dataset.targets, calibration.curves, strict=True))
        files[names.CURVES_FILE] = curves_to_bytes(curves)
    return files


def write_files(folder: Path, manifest: Manifest, content: Mapping[str, bytes]) -> Bundle:
    """Write a bundle's files and its manifest, which lists them, and open it."""
    entries = {name: file_entry(data) for name, data in content.items()}
    document = manifest.model_copy(update={"files": entries}).model_dump_json(indent=1)
    for name, data in content.items():
        (folder / name).write_bytes(data)
    (folder / names.MANIFEST_FILE).write_bytes(document.encode() + b"\n")
    return open_bundle(folder)


def published_before(trained_as: str, model: str, repository: Repository) -> int | None:
    """The version of ``model`` whose training hash is ``trained_as``, None if there is none."""
    for version in repository.versions(model):
        try:
            manifest = read_manifest(repository.bundle(model, version))
        except BundleRefused:
            continue  # what cannot be read is no reason against training
        if manifest.provenance.training_hash == trained_as:
            return version
    return None


def _manifest(trained: Trained, version: int) -> Manifest:
    """The manifest, but for the list of files."""
    dataset, featurizer = trained.dataset, trained.featurizer
    widths = [network.widths() for network in trained.ensemble.networks]
    return Manifest(
        schema_version=1,
        name=dataset.name,
        version=version,
        created=datetime.now(UTC).replace(microsecond=0),
        task=trained.recipe.task,
        description=trained.recipe.description,
        featurizer=FeaturizerEntry.model_validate(
            {"identifier": featurizer.identifier, "parameters": featurizer.parameters}
        ),
        features=len(featurizer.names),
        targets=[]
        if trained.quantities is not None
        else targets_of(
            trained.dataset.targets,
            trained.calibration,
            trained.spreads,
            [trained.recipe.assays.get(name) for name in trained.dataset.targets],
        ),
        quantities=[] if trained.quantities is None else quantities_of(dataset, trained.quantities),
        exclusive=dataset.exclusive,
        threshold_rule=_rule(trained),
        members=list(trained.ensemble.members),
        widths=[max(layer) for layer in zip(*widths, strict=True)],
        member_widths=widths if any(own != widths[0] for own in widths) else [],
        trees=_trees(trained),
        reference=list(trained.reference.members),
        theory=trained.theory,
        metrics=trained.metrics,
        provenance=Provenance.model_validate(trained.provenance),
        files={},
    )


def targets_of(
    names: Sequence[str],
    calibration: Calibration,
    spreads: Sequence[Spread | None] | None,
    assays: Sequence[Assay | None],
) -> list[Target]:
    """The targets of a manifest, by name."""
    return [
        Target(
            name=name,
            threshold=calibration.thresholds[at],
            slope=calibration.maps[at].slope,
            intercept=calibration.maps[at].intercept,
            elevated=None if calibration.elevated is None else calibration.elevated[at],
            spread=None if spreads is None else spreads[at],
            assay=assays[at],
        )
        for at, name in enumerate(names)
    ]


def _rule(trained: Trained) -> str:
    """How calls are made; quantities have none."""
    if trained.quantities is not None:
        return ""
    return CLASS_RULE if trained.dataset.exclusive else THRESHOLD_RULES[trained.recipe.threshold_rule]


def _trees(trained: Trained) -> Trees | None:
    grown = trained.trees
    if grown is None:
        return None
    return Trees(number=grown.roots.shape[1], depth=grown.depth, nodes=len(grown.child))


def golden(model: bytes, entry: FeaturizerEntry, constructed: tuple[object, ...]) -> Golden:
    """The golden rows: constructed records, their features and the graph's outputs."""
    records = constructed or golden_records(entry)
    rows = features.create(entry.identifier, entry.parameters).featurize(records).rows
    if len(rows) != len(records):
        raise ExportError("the featurizer refused a golden record, which it must not")
    return Golden(records, rows, **all_outputs(reopened(model, ()), rows))
