"""The shapes of the answers of ``/admin``, for OpenAPI: the answers are made as dictionaries."""

from typing import Annotated, Any

from msgspec import Meta, Struct


class ReleasedVersion(Struct):
    """One published version; ``error`` says why it cannot be read."""

    version: int
    created: str | None = None
    mean_auc: Annotated[float | None, Meta(description="Of classes.")] = None
    r2: Annotated[float | None, Meta(description="Of a quantity.")] = None
    gate: Annotated[bool | None, Meta(description="Whether it passed the gate; null without one.")] = (
        None
    )
    error: str | None = None


class ReleasedModel(Struct):
    """A model's versions, and which of them serves."""

    model: str
    versions: list[ReleasedVersion]
    champion: int | None = None
    previous: Annotated[list[int], Meta(description="Champions before it, the latest last.")] = []
    wanted: Annotated[int | None, Meta(description="The version that is to be served.")] = None
    exemption: Annotated[str | None, Meta(description="Why that is not the champion.")] = None
    challenger: Annotated[int | None, Meta(description="The version on trial beside it.")] = None
    trial: Annotated[str | None, Meta(description="How it is tried, in words.")] = None
    serving: str | int | None = None
    error: str | None = None


class ReleasesAnswer(Struct):
    """Every promoted model."""

    models: dict[str, ReleasedModel]


class GateCheck(Struct):
    """One check of the gate."""

    name: str
    passed: bool
    summary: str
    figures: dict[str, Any]


class GateReport(Struct):
    """What the promotion gate found, and whether the version was to be promoted."""

    at: str
    version: int
    champion: Annotated[int | None, Meta(description="The version that it was compared with.")]
    passed: bool
    promote: bool
    reason: str
    checks: list[GateCheck]


class VersionComparison(Struct):
    """Two versions' figures side by side; a figure that a version lacks is null."""

    model: str
    versions: list[ReleasedVersion]
    bytes: list[int]
    metrics: dict[str, list[float | None]]


class ReleaseLogEntry(Struct):
    """One step: who had which version served, when and why."""

    at: str
    model: str
    action: str
    before: int | None
    after: int | None
    by: str
    why: str


class ReleaseLogAnswer(Struct):
    """The latest steps, the latest last."""

    entries: list[ReleaseLogEntry]


class ListedKey(Struct):
    """An API key without its secret and hash."""

    name: str
    scopes: list[str]
    created: str
    expires: str | None
    requests_per_second: float | None
    rows_per_second: float | None


class KeysAnswer(Struct):
    """The API keys; null where the service has none. ``error`` is why the file was not read again."""

    keys: list[ListedKey] | None
    error: str | None


class Promoted(Struct):
    """The champion after a step; ``warning`` says what could not be logged."""

    model: str
    champion: int
    warning: str | None = None


class Loaded(Struct):
    """Whether a model is loaded now."""

    model: str
    loaded: bool


class Retired(Struct):
    """A model that is served no longer."""

    model: str
    retired: bool
    warning: str | None = None


class RepositoryDone(Struct):
    """An empty object, as the protocol has it."""


class OwnKey(Struct):
    """A key of the request: its name, and what it may do: predict, admin or metrics."""

    name: str
    scopes: list[str]


class OwnKeys(Struct):
    """Whether the service takes API keys, and the request's own that are valid."""

    needed: bool
    keys: list[OwnKey]
