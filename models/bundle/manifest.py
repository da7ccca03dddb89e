"""The schema of ``manifest.json``: everything about a bundle that is not weights."""

from typing import Annotated, Literal, Self

from pydantic import (
    AwareDatetime,
    BaseModel,
    Field,
    JsonValue,
    ValidationError,
    model_validator,
)

from models.bundle.targets import STRICT, Fraction, Quantity, Target
from models.errors import BundleRefused
from models.health.reference import MemberReference
from models.networks.outputs import OUTPUTS, QUANTITY_OUTPUTS
from models.networks.theory import MemberTheory

SCHEMA_VERSION = 1

MODEL_FILE = "model.onnx"
MANIFEST_FILE = "manifest.json"
GOLDEN_FILE = "golden.npz"
CARD_FILE = "MODEL_CARD.md"
GATE_FILE = "gate.json"  # the report of the promotion gate
REFERENCE_FILE = "reference.npz"  # older bundles have none
FIGURE_FILE = "reliability.svg"  # the card's reliability diagram
CURVES_FILE = "curves.json"  # calls by cut-off; older bundles, and those of classes, have none
DOMAIN_FILE = "domain.npz"  # the compounds that a model of molecules learned from

#: Files that the manifest must list, and those that it may list.
REQUIRED_FILES = frozenset((MODEL_FILE, GOLDEN_FILE, CARD_FILE))
OPTIONAL_FILES = frozenset((GATE_FILE, REFERENCE_FILE, FIGURE_FILE, CURVES_FILE, DOMAIN_FILE))

#: A model's name, which is a folder, a URL segment and a metric label.
NAME_PATTERN = r"[a-z0-9][a-z0-9_-]{0,63}"
#: Names of routes that have the same path as a model's route; a model of such a name is unreachable.
RESERVED_NAMES = frozenset(("stats", "stream"))

#: Rows that are computed at once at most, and golden rows of a bundle.
LARGEST_BATCH = 256


class _Strict(BaseModel):
    model_config = STRICT


class FeaturizerEntry(_Strict):
    """The featurizer: ``models.features.create(identifier, parameters)`` builds it."""

    identifier: str
    parameters: dict[str, JsonValue]


class Member(_Strict):
    """One network of the ensemble: the fold that its training left out, and its seed."""

    fold: int
    seed: int


class Trees(_Strict):
    """Boosted trees whose logits are added to those of each member: of the trees without its fold.

    ``number`` trees for each fold, ``nodes`` of all together, and at most ``depth`` splits above a leaf.
    """

    number: Annotated[int, Field(ge=1)]
    depth: Annotated[int, Field(ge=0, le=64)]
    nodes: Annotated[int, Field(ge=1)]


class FileEntry(_Strict):
    """Size in bytes and sha256 (hexadecimal) of one file of the bundle."""

    bytes: Annotated[int, Field(ge=0)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Provenance(_Strict):
    """How the bundle was trained.

    ``training_hash``: the sha256 (hexadecimal) of the model's name, the seeds and all other entries
    but the names of files and ``seconds``, the training time.
    """

    training_hash: str
    configuration: dict[str, JsonValue]
    data: dict[str, str]
    fold_rule: str
    libraries: dict[str, str]
    seconds: float


class SimilarRows(_Strict):
    """How good the model is, out-of-fold, on the rows whose similarity is in a range.

    ``similarity`` is the range, ends included; ``mean_auc`` leaves out targets of one class.
    """

    similarity: tuple[Fraction, Fraction]
    rows: int
    mean_auc: float | None
    log_loss: float
    log_loss_base_rate: float


class DomainEvidence(_Strict):
    """Figures of the domain (``domain.npz``), out-of-fold: similarity is to compounds of other folds.

    ``similarity`` and ``repeats`` are its cut-offs. ``fifths`` are of rows by similarity, lowest first.
    """

    similarity: Fraction
    repeats: Fraction
    rule: str
    fifths: list[SimilarRows]
    inside: SimilarRows
    outside: SimilarRows | None


class Manifest(_Strict):
    """A bundle's manifest.

    ``metrics`` maps names to values and their spread, as the model card shows them.
    """

    schema_version: Literal[1]
    name: Annotated[str, Field(pattern=f"^{NAME_PATTERN}$")]
    version: Annotated[int, Field(ge=1)]
    created: AwareDatetime
    task: str
    description: str
    featurizer: FeaturizerEntry
    features: Annotated[int, Field(ge=1)]
    #: The targets of a classification, and those of a regression: one of the lists is empty.
    targets: list[Target] = []
    quantities: list[Quantity] = []
    #: Whether every record belongs to exactly one target: the probabilities then sum to 1, and the most
    #: probable target is called.
    exclusive: bool = False
    threshold_rule: str = ""
    members: Annotated[list[Member], Field(min_length=1)]
    #: Units of each hidden layer, of the widest member if members differ.
    widths: Annotated[list[int], Field(min_length=1)]
    #: Units of each hidden layer by member; empty if all members have ``widths``.
    member_widths: list[list[int]] = []
    #: Trees beside the networks, if there are any.
    trees: Trees | None = None
    #: Reference statistics of the layers' activations, per member; empty if the graph has no taps.
    reference: list[MemberReference] = []
    #: Measured activations beside those that theory predicts, per member; empty in older bundles.
    theory: list[MemberTheory] = []
    metrics: dict[str, JsonValue]
    #: How the domain's cut-offs were chosen, and how good the model is inside and outside.
    domain: DomainEvidence | None = None
    provenance: Provenance
    files: dict[str, FileEntry]

    @model_validator(mode="after")
    def _widest(self) -> Self:
        """Check that ``member_widths`` has all members and layers and that ``widths`` are its maxima."""
        if self.member_widths and (
            len(self.member_widths) != len(self.members)
            or {len(widths) for widths in self.member_widths} != {self.layers}
            or [max(layer) for layer in zip(*self.member_widths, strict=True)] != self.widths
        ):
            raise ValueError("member_widths are not those of the members and their widths")
        return self

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        """Check that the targets are of one kind, and that there is one."""
        if bool(self.targets) == bool(self.quantities):
            raise ValueError("it needs targets or quantities, and not both")
        if self.quantities and (self.exclusive or self.trees is not None):
            raise ValueError("quantities are no classes, and have no trees beside their networks")
        return self

    def widths_of(self, member: int) -> list[int]:
        """Units of each hidden layer of one member, counted from 0."""
        return self.member_widths[member] if self.member_widths else self.widths

    @property
    def layers(self) -> int:
        """Number of hidden layers of every member."""
        return len(self.widths)

    @property
    def target_names(self) -> list[str]:
        """The names of the output columns, in the graph's order."""
        return [target.name for target in self.targets] + [each.name for each in self.quantities]

    @property
    def is_regression(self) -> bool:
        """Whether the targets are quantities."""
        return bool(self.quantities)

    @property
    def outputs(self) -> tuple[str, ...]:
        """The graph's outputs that clients see, in its order; the last are the taps."""
        return QUANTITY_OUTPUTS if self.is_regression else OUTPUTS

    @property
    def network_outputs(self) -> int:
        """The outputs of each member: a logit of each target, or a mean and two quantiles."""
        return 3 * len(self.quantities) or len(self.targets)

    @property
    def has_intervals(self) -> bool:
        """Whether results can have intervals."""
        return self.is_regression or all(target.spread is not None for target in self.targets)

    @property
    def are_assays(self) -> bool:
        """Whether the targets are assays, whose results have a level; not in older bundles."""
        return bool(self.targets) and all(target.elevated is not None for target in self.targets)


def parse_manifest(text: bytes) -> Manifest:
    """Parse and validate a manifest (JSON); raises ``BundleRefused`` with its first fault."""
    try:
        return Manifest.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "document"
        if place == "schema_version":
            raise BundleRefused(
                f"{MANIFEST_FILE}: its schema version is not {SCHEMA_VERSION}, the one this build"
                " reads; publish the model again with this build's training module"
            ) from error
        raise BundleRefused(f"{MANIFEST_FILE}: {place}: {first['msg']}") from error
