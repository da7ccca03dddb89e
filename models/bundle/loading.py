"""Open a bundle and verify it before any of it is executed.

Nothing in the folder is trusted that its hashes do not confirm: each file is read once, the bytes that
were hashed are the bytes that are used, nothing is unpickled, no link is followed.
"""

import hashlib
import zipfile
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models import features
from models.bundle.cutoffs import Curve, curves_of_bytes
from models.bundle.files import read_plain
from models.bundle.golden import FLOAT32, Golden, Tolerance
from models.bundle.graph_check import check_graph
from models.bundle.manifest import (
    CARD_FILE,
    CURVES_FILE,
    DOMAIN_FILE,
    GOLDEN_FILE,
    MANIFEST_FILE,
    MODEL_FILE,
    OPTIONAL_FILES,
    REFERENCE_FILE,
    REQUIRED_FILES,
    FileEntry,
    Manifest,
    parse_manifest,
)
from models.domain.measured import MeasuredCompounds
from models.errors import BundleRefused
from models.health.reference import Reference
from models.networks.outputs import SQUASHED, TAPS

#: The largest model, well above any real one, and the largest of a bundle's other files: larger ones
#: could fill the memory.
MAX_MODEL_BYTES, MAX_FILE_BYTES = 1 << 30, 32 << 20

Run = Callable[[NDArray[np.float32]], Mapping[str, NDArray[np.float32]]]


@dataclass(frozen=True, slots=True)
class Bundle:
    """A verified bundle, held in memory.

    ``model`` is the serialised ONNX graph. ``reference`` is None if the graph has no taps: there are
    then no live statistics to compare with it. ``curves`` by target are what cut-offs were worth on rows
    left out, None in older bundles and those of classes. ``card`` is Markdown.
    """

    manifest: Manifest
    model: bytes
    golden: Golden
    featurizer: features.Featurizer
    reference: Reference | None
    curves: Mapping[str, Curve] | None = None
    card: bytes = b""

    @property
    def marks_rows(self) -> bool:
        """Whether rows have bounds, beyond which they are suspect."""
        return self.reference is not None and self.reference.rows is not None

    def check_golden(
        self, run: Run, tolerance: Tolerance = FLOAT32
    ) -> Mapping[str, NDArray[np.float32]]:
        """Featurize the golden records, run the golden rows, and compare with what was published.

        ``run`` computes the graph's outputs, by name, for rows of shape ``(n, F)``; they are returned.
        Raises ``NotReproduced`` at the first difference, and ``BundleRefused`` if a shape differs.
        """
        result = self.featurizer.featurize(self.golden.records)
        self.golden.check_features(result.rows, self.featurizer.names, tolerance)
        outputs = run(self.golden.features)
        self.golden.check_outputs(outputs, self.featurizer.names, tolerance)
        return outputs


def open_bundle(folder: Path) -> Bundle:
    """Read and verify the bundle in ``folder``.

    Raises ``BundleRefused`` with the file and the reason, and ``FeaturizerError`` if this build cannot
    make the manifest's features.
    """
    manifest = read_manifest(folder)
    content = _contents(folder, manifest)
    outputs = check_graph(content[MODEL_FILE], manifest)
    featurizer = features.create(manifest.featurizer.identifier, manifest.featurizer.parameters)
    if DOMAIN_FILE in content:
        featurizer = _within(featurizer, content[DOMAIN_FILE], manifest)
    if len(featurizer.names) != manifest.features:
        raise BundleRefused(
            f"{MANIFEST_FILE}: the featurizer makes {len(featurizer.names)} features,"
            f" the manifest says {manifest.features}"
        )
    sizes = [len(member.layers) for member in manifest.theory]
    if sizes and sizes != [manifest.layers] * len(manifest.members):
        raise BundleRefused(f"{MANIFEST_FILE}: theory is of other members and layers than the model")
    golden = Golden.from_bytes(content[GOLDEN_FILE])
    if golden.is_regression != manifest.is_regression:
        raise BundleRefused(f"{GOLDEN_FILE} has other outputs than the manifest's targets")
    if TAPS in outputs and golden.taps is None:
        raise BundleRefused(f"{GOLDEN_FILE} has no taps, which {MODEL_FILE} gives")
    reference = _reference(manifest, content, outputs) if TAPS in outputs else None
    curves = None
    if CURVES_FILE in content:
        curves = curves_of_bytes(content[CURVES_FILE], manifest.target_names)
    card = content[CARD_FILE]
    return Bundle(manifest, content[MODEL_FILE], golden, featurizer, reference, curves, card)


def file_entry(content: bytes) -> FileEntry:
    """The manifest's entry for a file with this content."""
    return FileEntry(bytes=len(content), sha256=hashlib.sha256(content).hexdigest())


def read_manifest(folder: Path) -> Manifest:
    """Read the manifest of the bundle in ``folder``, without its files; raises ``BundleRefused``."""
    return parse_manifest(_read(folder / MANIFEST_FILE))


def read_file(folder: Path, name: str) -> bytes | None:
    """Read and verify one file of a bundle, None if the manifest does not list it.

    Raises ``BundleRefused`` if the manifest or the file cannot be read, or the file was altered.
    """
    entry = read_manifest(folder).files.get(name)
    return None if entry is None else _verified(folder / name, entry)


def verify_files(folder: Path, model: str, version: int) -> None:
    """Check a bundle's files against its manifest, and the manifest against ``model`` and ``version``.

    Raises ``BundleRefused`` if a file is missing or altered, or the bundle is another's.
    """
    manifest = read_manifest(folder)
    check_place(manifest, model, version)
    _contents(folder, manifest)


def check_place(manifest: Manifest, model: str, version: int) -> None:
    """Raise ``BundleRefused`` if the manifest is that of another model or version."""
    if (manifest.name, manifest.version) != (model, version):
        raise BundleRefused(
            f"the bundle in {model}/{version} says that it is version {manifest.version}"
            f" of {manifest.name}: it was copied there, not published"
        )


def check_names(manifest: Manifest) -> None:
    """Raise ``BundleRefused`` if the manifest lists other files than a bundle has."""
    if not REQUIRED_FILES <= set(manifest.files) <= REQUIRED_FILES | OPTIONAL_FILES:
        raise BundleRefused(
            f"{MANIFEST_FILE}: it lists the files {sorted(manifest.files)}, not {sorted(REQUIRED_FILES)}"
        )


def _contents(folder: Path, manifest: Manifest) -> dict[str, bytes]:
    """The content of all files of the bundle, by name, verified; other names are never opened."""
    check_names(manifest)
    return {name: _verified(folder / name, entry) for name, entry in manifest.files.items()}


def _read(path: Path) -> bytes:
    try:
        return read_plain(path, MAX_MODEL_BYTES if path.name == MODEL_FILE else MAX_FILE_BYTES)
    except OSError as error:
        raise BundleRefused(f"{path.name} cannot be read: {error.strerror}") from error


def _verified(path: Path, entry: FileEntry) -> bytes:
    content = _read(path)
    if len(content) != entry.bytes:
        raise BundleRefused(
            f"{path.name} has {len(content)} bytes, its manifest says {entry.bytes}:"
            " it is truncated or was replaced"
        )
    if file_entry(content).sha256 != entry.sha256:
        raise BundleRefused(f"{path.name} was altered: its sha256 is not its manifest's")
    return content


def _within(featurizer: features.Featurizer, content: bytes, manifest: Manifest) -> features.Featurizer:
    """The featurizer with the domain of this file."""
    try:
        domain = MeasuredCompounds.from_bytes(content)
    except (ValueError, zipfile.BadZipFile) as error:
        raise BundleRefused(f"{DOMAIN_FILE} is not usable: {error}") from error
    if list(domain.targets) != manifest.target_names:
        raise BundleRefused(f"{DOMAIN_FILE} has labels of other targets than the model")
    return features.within(featurizer, domain)


def _reference(manifest: Manifest, content: Mapping[str, bytes], outputs: Collection[str]) -> Reference:
    size = 3 * manifest.layers
    if len(manifest.reference) != len(manifest.members):
        raise BundleRefused(f"{MANIFEST_FILE}: one reference per member is needed")
    arrays = content.get(REFERENCE_FILE)
    for number, member in enumerate(manifest.reference):
        sizes = {len(values) for values in (member.mean, member.variance, member.saturated)}
        widths = [len(row) for row in member.covariance]
        complete = arrays is not None or (widths == [size] * size and bool(member.scores))
        if len(member.centre) != size or sizes != {manifest.layers} or not complete:
            raise BundleRefused(f"{MANIFEST_FILE}: the reference of member {number} is malformed")
    try:
        if arrays is None:
            return Reference.of(manifest.reference)
        reference = Reference.from_bytes(arrays, manifest.reference, manifest.features)
    except np.linalg.LinAlgError as error:
        raise BundleRefused(f"{MANIFEST_FILE}: a reference covariance is not usable") from error
    except ValueError as error:
        raise BundleRefused(f"{REFERENCE_FILE} is not usable: {error}") from error
    if reference.inputs is not None and SQUASHED not in outputs:
        raise BundleRefused(f"{REFERENCE_FILE} is of inputs, which {MODEL_FILE} does not give")
    return reference
