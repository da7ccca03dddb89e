"""The schema of ``manifest.json``: everything about a bundle that is not weights."""

from typing import Annotated, Literal, Self

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    ValidationError,
    model_validator,
)

from models.errors import BundleRefused
from models.health.reference import MemberReference
from models.networks.theory import MemberTheory

SCHEMA_VERSION = 1

MODEL_FILE = "model.onnx"
MANIFEST_FILE = "manifest.json"
GOLDEN_FILE = "golden.npz"
CARD_FILE = "MODEL_CARD.md"
GATE_FILE = "gate.json"  # optional: what the promotion gate found
REFERENCE_FILE = "reference.npz"  # older bundles have none
FIGURE_FILE = "reliability.svg"  # optional: the card's reliability diagram

#: A model's name: it is a folder, a URL segment and a metric label.
NAME_PATTERN = r"[a-z0-9][a-z0-9_-]{0,63}"
#: Where routes name a model, these are routes of their own, which would hide a model so called.
RESERVED_NAMES = frozenset(("stats", "stream"))

Fraction = Annotated[float, Field(ge=0, le=1)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FeaturizerEntry(_Strict):
    """Which featurizer made the rows: ``models.features.create(identifier, parameters)``."""

    identifier: str
    parameters: dict[str, JsonValue]


class Member(_Strict):
    """One network of the ensemble: the fold it was trained without, and its seed."""

    fold: int
    seed: int


class Target(_Strict):
    """One output column: its name, decision threshold and Platt calibration.

    logit = ``slope`` * mean of the members' logits + ``intercept``; a call is positive from
    probability ``threshold``.
    """

    name: str
    threshold: Fraction
    slope: float
    intercept: float


class FileEntry(_Strict):
    """Size in bytes and sha256 (hexadecimal) of one file of the bundle."""

    bytes: Annotated[int, Field(ge=0)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Provenance(_Strict):
    """How the bundle came to be; ``training_hash`` is the sha256 of all of it but itself and time."""

    training_hash: str
    configuration: dict[str, JsonValue]
    data: dict[str, str]
    fold_rule: str
    libraries: dict[str, str]
    seconds: float


class Manifest(_Strict):
    """A bundle's manifest. Metrics map a name to its value and spread, as the model card shows them."""

    schema_version: Literal[1]
    name: Annotated[str, Field(pattern=f"^{NAME_PATTERN}$")]
    version: Annotated[int, Field(ge=1)]
    created: AwareDatetime
    task: str
    description: str
    featurizer: FeaturizerEntry
    features: Annotated[int, Field(ge=1)]
    targets: Annotated[list[Target], Field(min_length=1)]
    #: Whether the targets are classes of which every record has one: their probabilities sum to 1,
    #: and what is called is the most probable.
    exclusive: bool = False
    threshold_rule: str
    members: Annotated[list[Member], Field(min_length=1)]
    #: Units of each hidden layer; of the widest member where they are not alike.
    widths: Annotated[list[int], Field(min_length=1)]
    #: Units of each hidden layer by member; empty where all members are of ``widths``.
    member_widths: list[list[int]] = []
    #: What healthy layers look like, per member; empty where the graph gives no taps.
    reference: list[MemberReference] = []
    #: Activations beside what theory says of them, per member; empty in older bundles.
    theory: list[MemberTheory] = []
    metrics: dict[str, JsonValue]
    provenance: Provenance
    files: dict[str, FileEntry]

    @model_validator(mode="after")
    def _widest(self) -> Self:
        """Widths by member are of all members, and ``widths`` the widest of them."""
        if self.member_widths and (
            len(self.member_widths) != len(self.members)
            or {len(widths) for widths in self.member_widths} != {self.layers}
            or [max(layer) for layer in zip(*self.member_widths, strict=True)] != self.widths
        ):
            raise ValueError("member_widths are not those of the members and their widths")
        return self

    def widths_of(self, member: int) -> list[int]:
        """Units of each hidden layer of one member."""
        return self.member_widths[member] if self.member_widths else self.widths

    @property
    def layers(self) -> int:
        """Number of hidden layers of every member."""
        return len(self.widths)

    @property
    def target_names(self) -> list[str]:
        """The output columns' names, in the graph's order."""
        return [target.name for target in self.targets]


def parse_manifest(text: bytes) -> Manifest:
    """Parse and validate a manifest; raises ``BundleRefused`` with the first thing wrong."""
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
