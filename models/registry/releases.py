"""Releasing: what the command lines and the service do to have a version served, or another one.

All of them come here, so that a step means the same by whatever way it is asked for, and is in the
release log. A bundle is verified before it is promoted. Where the repository is read-only to the
service, a rollback is kept in the state folder instead, as an exemption from one promotion: the
next promotion ends it.
"""

import errno
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from pydantic import JsonValue

from models.bundle.loading import read_file, read_manifest, verify_files
from models.bundle.manifest import GATE_FILE, MODEL_FILE
from models.errors import LogUnwritable, ModelError, ReadOnly, RepositoryError
from models.registry.release_log import Action, ReleaseLog
from models.registry.store import Repository, ServingState, locked, replace_file

EXEMPTIONS_FILE = "exemptions.json"

_NOT_WRITABLE = (errno.EROFS, errno.EACCES, errno.EPERM)


@dataclass(frozen=True, slots=True)
class Exemption:
    """Serve another version than the champion, as long as this promotion lasts."""

    champion: int
    generation: int
    serve: int
    why: str


@dataclass(frozen=True, slots=True)
class Releases:
    """A repository, and the state folder in which its releases are logged."""

    repository: Repository
    state: Path

    @property
    def log(self) -> ReleaseLog:
        """The release log."""
        return ReleaseLog(self.state)

    def serving(self, model: str) -> ServingState:
        """What is to be served: the champion, or the exemption from it."""
        serving = self.repository.serving(model)
        exemption = self._exemptions().get(model)
        if exemption is None:
            return serving
        if (exemption.champion, exemption.generation) != (serving.champion, serving.generation):
            return serving
        rest = serving.previous
        if exemption.serve in rest:
            rest = rest[rest.index(exemption.serve) + 1 :]
        return replace(serving, champion=exemption.serve, previous=rest)

    def promote(self, model: str, version: int, by: str, why: str) -> ServingState:
        """Make a version the champion once its files are found whole.

        Raises ``UnknownVersion``, ``BundleRefused``, or ``ReadOnly``.
        """
        before = self._served(model)
        folder = self.repository.bundle(model, version)
        try:
            verify_files(folder, model, version)
        except ModelError as error:
            self._note(model, "refuse", before, version, by, f"not promoted: {error}")
            raise
        try:
            serving = self.repository.promote(model, version)
        except OSError as error:
            raise _read_only(error, self.repository) from error
        self._note(model, "promote", before, version, by, why)
        return serving

    def hold(self, model: str, version: int, by: str, why: str) -> None:
        """Write down that a version was published and is not promoted."""
        before = self._served(model)
        self._note(model, "hold", before, version, by, why)

    def roll_back(self, model: str, by: str, why: str, expected: int | None = None) -> ServingState:
        """Have the champion's predecessor served; ``expected`` is the version that is to go.

        Raises ``RepositoryError`` where there is none, or another version is the champion by now.
        """
        now = self.serving(model)
        if expected is not None and now.champion != expected:
            raise RepositoryError(f"version {expected} of {model!r} is not what is served any more")
        if not now.previous:
            raise RepositoryError(f"model {model!r} has no earlier champion than version {now.champion}")
        real = self.repository.serving(model)
        if now.champion != real.champion:  # an exemption holds; the next one takes its place
            self._exempt(model, real, now.previous[0], why)
        else:
            try:
                self.repository.roll_back(model, now.champion)
            except OSError as error:
                if error.errno not in _NOT_WRITABLE:
                    raise
                self._exempt(model, real, now.previous[0], why)
        self._note(model, "rollback", now.champion, now.previous[0], by, why)
        return self.serving(model)

    def describe(self, model: str) -> dict[str, JsonValue]:
        """Champion, exemption and every version of a model, with what its gate said."""
        serving, wanted = self.repository.serving(model), self.serving(model)
        exemption = self._exemptions()[model].why if wanted.champion != serving.champion else None
        return {
            "model": model,
            "champion": serving.champion,
            "previous": list(serving.previous),
            "wanted": wanted.champion,
            "exemption": exemption,
            "versions": [self._version(model, number) for number in self.repository.versions(model)],
        }

    def compare(self, model: str, first: int, second: int) -> dict[str, JsonValue]:
        """Two versions' figures side by side: each ``[first, second]``, None where one has none."""
        manifests = [
            read_manifest(self.repository.bundle(model, version)) for version in (first, second)
        ]
        flat = [_figures(manifest.metrics) for manifest in manifests]
        sizes: list[JsonValue] = [manifest.files[MODEL_FILE].bytes for manifest in manifests]
        names = [name for name in flat[0] if name in flat[1]]
        names += [name for each in flat for name in each if name not in names]
        figures: dict[str, JsonValue] = {name: [each.get(name) for each in flat] for name in names}
        return {
            "model": model,
            "versions": [self._version(model, version) for version in (first, second)],
            "bytes": sizes,
            "metrics": figures,
        }

    def gate(self, model: str, version: int) -> JsonValue:
        """The gate's report of a version, None where it has none; raises ``BundleRefused``."""
        folder = self.repository.bundle(model, version)
        content = read_file(folder, GATE_FILE)
        document: JsonValue = None if content is None else json.loads(content)
        return document

    def _version(self, model: str, version: int) -> dict[str, JsonValue]:
        try:
            manifest = read_manifest(self.repository.bundle(model, version))
            report = self.gate(model, version)
        except ModelError as error:
            return {"version": version, "error": str(error)}
        overall = manifest.metrics.get("overall")
        return {
            "version": version,
            "created": manifest.created.isoformat(),
            "mean_auc": overall.get("mean_auc") if isinstance(overall, dict) else None,
            "gate": report.get("passed") if isinstance(report, dict) else None,
        }

    def _served(self, model: str) -> int | None:
        try:
            return self.serving(model).champion
        except ModelError:
            return None

    def _note(
        self, model: str, action: Action, before: int | None, after: int, by: str, why: str
    ) -> None:
        """Write a step down. It was taken: a log that cannot be written must not undo it unsaid."""
        try:
            self.log.add(model, action, before, after, by, why)
        except OSError as error:
            raise LogUnwritable(
                f"{model}: version {before} → {after} was done ({action}), but the release log in"
                f" {self.state} cannot be written: {error.strerror}"
            ) from error

    def _exemptions(self) -> Mapping[str, Exemption]:
        path = self.state / EXEMPTIONS_FILE
        try:
            document = json.loads(path.read_bytes())
            return {model: Exemption(**entry) for model, entry in document.items()}
        except FileNotFoundError:
            return {}
        except (ValueError, TypeError, AttributeError) as error:
            raise RepositoryError(
                f"{path} is malformed ({error}); remove it to serve what is promoted"
            ) from error

    def _exempt(self, model: str, serving: ServingState, serve: int, why: str) -> None:
        self.state.mkdir(parents=True, exist_ok=True)
        with locked(self.state):
            held = dict(self._exemptions())
            held[model] = Exemption(serving.champion, serving.generation, serve, why)
            text = json.dumps({name: asdict(entry) for name, entry in held.items()}, indent=1)
            replace_file(self.state / EXEMPTIONS_FILE, text)


def _read_only(error: OSError, repository: Repository) -> Exception:
    if error.errno not in _NOT_WRITABLE:
        return error
    return ReadOnly(
        f"the model repository {repository.root} is read-only from here ({os.strerror(error.errno)});"
        " promote where it can be written: python -m training promote MODEL VERSION"
    )


def _figures(value: JsonValue, name: str = "") -> dict[str, float]:
    """Every number of nested metrics, by its path."""
    if isinstance(value, dict):
        found: dict[str, float] = {}
        for key, inner in value.items():
            found |= _figures(inner, f"{name}.{key}" if name else key)
        return found
    return {name: value} if isinstance(value, (int, float)) and not isinstance(value, bool) else {}
