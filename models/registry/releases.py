"""Releases: promotion, rollback and their log, for the command lines and the service.

All of them use ``Releases``, so that a step has the same meaning and is in the release log whoever takes
it. A bundle is verified before it is promoted. If the repository is read-only, a rollback is kept in the
state folder instead, as an exemption from one promotion: the next promotion ends it.
"""

import errno
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from secrets import token_hex

from pydantic import JsonValue

from models.bundle.loading import read_file, read_manifest, verify_files
from models.bundle.manifest import GATE_FILE, MODEL_FILE
from models.errors import LogUnwritable, ModelError, ReadOnly, RepositoryError, UnknownModel
from models.registry.exemptions import Exemptions
from models.registry.release_log import Action, ReleaseLog
from models.registry.serving_state import Challenger, ServingState
from models.registry.store import Repository

_NOT_WRITABLE = (errno.EROFS, errno.EACCES, errno.EPERM)


@dataclass(frozen=True, slots=True)
class Releases:
    """A repository, and the state folder with its release log and exemptions."""

    repository: Repository
    state: Path

    @property
    def log(self) -> ReleaseLog:
        """The release log."""
        return ReleaseLog(self.state)

    @property
    def _exemptions(self) -> Exemptions:
        return Exemptions(self.state)

    def serving(self, model: str) -> ServingState:
        """The version to serve and its predecessors: those promoted, or an exemption.

        Raises ``UnknownModel`` if no version was promoted, and ``RepositoryError`` if a file is
        malformed.
        """
        serving = self.repository.serving(model)
        exemption = self._exemptions.of(model, serving)
        if exemption is None:
            return serving
        earlier = serving.previous
        if exemption.serve in earlier:
            earlier = earlier[earlier.index(exemption.serve) + 1 :]
        return replace(serving, champion=exemption.serve, previous=earlier, challenger=None)

    def promote(self, model: str, version: int, by: str, why: str) -> ServingState:
        """Make a version the champion after its files are verified.

        Raises ``UnknownVersion``, ``BundleRefused``, ``ReadOnly`` if the repository cannot be written,
        and ``LogUnwritable`` if the step was taken but not logged.
        """
        before = self._served(model)
        folder = self.repository.bundle(model, version)
        try:
            verify_files(folder, model, version)
        except ModelError as error:
            self._note(model, "refuse", before, version, by, f"not promoted: {error}")
            raise
        advice = "promote where it can be written: python -m training promote MODEL VERSION"
        with self._writing(advice):
            serving = self.repository.promote(model, version)
        self._note(model, "promote", before, version, by, why)
        return serving

    def retire(self, model: str, by: str, why: str, served: int | None = None) -> None:
        """Have a model served no longer, until a version of it is promoted again.

        ``served`` is the version that serves although nothing may be promoted any more. Raises
        ``UnknownModel`` if nothing is promoted and nothing serves, ``ReadOnly`` if the repository cannot
        be written, and ``LogUnwritable`` if the step was taken but not logged.
        """
        try:
            with self._writing("take the model's folder away where it can be, then retire it here"):
                before = self.repository.retire(model).champion
        except UnknownModel:
            if served is None:
                raise
            before = served
        self._note(model, "retire", before, None, by, why)

    def challenge(self, model: str, challenger: Challenger, by: str, why: str) -> ServingState:
        """Put a version on trial beside the champion after its files are verified.

        It ends with ``drop``, the next trial, promotion or rollback. Raises as ``promote``, and
        ``RepositoryError`` for the champion itself, and where an exemption is in force.
        """
        now = self.serving(model)
        if now.champion != self.repository.serving(model).champion:
            raise RepositoryError(
                f"version {now.champion} of {model!r} serves in the champion's place; promote a version"
            )
        verify_files(self.repository.bundle(model, challenger.version), model, challenger.version)
        with self._writing("try a version where it can be written"):
            serving = self.repository.challenge(model, replace(challenger, salt=token_hex(8)))
        self._note(model, "trial", now.champion, challenger.version, by, why + now.ended_by(challenger))
        return serving

    def drop(self, model: str, by: str, why: str, expected: int | None = None) -> ServingState:
        """End the trial of a challenger, ``expected`` if it is given; the champion serves on.

        Raises ``RepositoryError`` if none, or another version, is on trial, ``ReadOnly``, and
        ``LogUnwritable`` if the step was taken but not logged.
        """
        challenger = self.serving(model).challenger
        if challenger is not None and expected not in (None, challenger.version):
            raise RepositoryError(f"version {expected} of {model!r} is not on trial any more")
        with self._writing("drop it where it can be written"):
            serving = self.repository.challenge(model, None)
        version = None if challenger is None else challenger.version
        self._note(model, "drop", version, serving.champion, by, why)
        return serving

    def hold(self, model: str, version: int, by: str, why: str) -> None:
        """Log that a version was published and not promoted; raises ``LogUnwritable``."""
        self._note(model, "hold", self._served(model), version, by, why)

    def roll_back(self, model: str, by: str, why: str, expected: int | None = None) -> ServingState:
        """Have the predecessor of the served version served; ``expected`` is the version to replace.

        Raises ``RepositoryError`` if there is no predecessor, or if another version than ``expected``
        is served by now, and ``LogUnwritable`` if the step was taken but not logged.
        """
        now = self.serving(model)
        if expected is not None and now.champion != expected:
            raise RepositoryError(f"version {expected} of {model!r} is not what is served any more")
        target = now.rolled_back(model).champion
        promoted = self.repository.serving(model)
        if now.champion != promoted.champion:  # an exemption is in force; a new one replaces it
            self._exemptions.add(model, promoted, target, why)
        else:
            try:
                self.repository.roll_back(model, now.champion)
            except OSError as error:
                if error.errno not in _NOT_WRITABLE:
                    raise
                self._exemptions.add(model, promoted, target, why)
        self._note(model, "rollback", now.champion, target, by, why)
        return self.serving(model)

    def describe(self, model: str) -> dict[str, JsonValue]:
        """Champion, exemption and all versions of a model, with what their gates decided.

        Raises as ``serving``; a version that cannot be read has an ``error`` instead.
        """
        serving = self.repository.serving(model)
        exemption, trial = self._exemptions.of(model, serving), serving.challenger
        return {
            "model": model,
            "champion": serving.champion,
            "previous": list(serving.previous),
            "wanted": exemption.serve if exemption else serving.champion,
            "exemption": exemption.why if exemption else None,
            "challenger": None if trial is None else trial.version,
            "trial": None if trial is None else trial.how,
            "versions": [self._version(model, number) for number in self.repository.versions(model)],
        }

    def compare(self, model: str, first: int, second: int) -> dict[str, JsonValue]:
        """The metrics and sizes of two versions, each as ``[first, second]``, None where one has none.

        Raises ``UnknownVersion`` or ``BundleRefused``.
        """
        manifests = [
            read_manifest(self.repository.bundle(model, version)) for version in (first, second)
        ]
        old, new = (_figures(manifest.metrics) for manifest in manifests)
        names = dict.fromkeys([*(name for name in old if name in new), *old, *new])
        return {
            "model": model,
            "versions": [self._version(model, version) for version in (first, second)],
            "bytes": [manifest.files[MODEL_FILE].bytes for manifest in manifests],
            "metrics": {name: [old.get(name), new.get(name)] for name in names},
        }

    def gate(self, model: str, version: int) -> JsonValue:
        """The report of a version's promotion gate, None if it has none.

        Raises ``UnknownVersion`` or ``BundleRefused``.
        """
        content = read_file(self.repository.bundle(model, version), GATE_FILE)
        report: JsonValue = None if content is None else json.loads(content)
        return report

    def passed_gate(self, model: str, version: int) -> bool | None:
        """Whether a version passed its promotion gate; None if it has no report. Raises as ``gate``."""
        report = self.gate(model, version)
        passed = report.get("passed") if isinstance(report, dict) else None
        return passed if isinstance(passed, bool) else None

    def _version(self, model: str, version: int) -> dict[str, JsonValue]:
        try:
            manifest = read_manifest(self.repository.bundle(model, version))
            passed = self.passed_gate(model, version)
        except ModelError as error:
            return {"version": version, "error": str(error)}
        overall = manifest.metrics.get("overall")
        figures = overall if isinstance(overall, dict) else {}
        return {
            "version": version,
            "created": manifest.created.isoformat(),
            "mean_auc": figures.get("mean_auc"),
            "r2": figures.get("r2"),
            "gate": passed,
        }

    def _served(self, model: str) -> int | None:
        try:
            return self.serving(model).champion
        except ModelError:
            return None

    def _note(
        self, model: str, action: Action, before: int | None, after: int | None, by: str, why: str
    ) -> None:
        """Log a step that was taken; raises ``LogUnwritable``, which says that it was."""
        try:
            self.log.add(model, action, before, after, by, why)
        except OSError as error:
            raise LogUnwritable(
                f"{model}: version {before} → {after} was done ({action}), but the release log in"
                f" {self.state} cannot be written: {error.strerror}"
            ) from error

    @contextmanager
    def _writing(self, advice: str) -> Iterator[None]:
        """Raise ``ReadOnly`` with the advice where the repository cannot be written."""
        try:
            yield
        except OSError as error:
            if error.errno not in _NOT_WRITABLE:
                raise
            raise ReadOnly(
                f"the model repository {self.repository.root} is read-only from here"
                f" ({os.strerror(error.errno)}); {advice}"
            ) from error


def _figures(value: JsonValue, name: str = "") -> dict[str, float]:
    """The numbers in nested metrics by their dotted paths."""
    if isinstance(value, dict):
        figures: dict[str, float] = {}
        for key, inner in value.items():
            figures |= _figures(inner, f"{name}.{key}" if name else key)
        return figures
    return {name: value} if isinstance(value, (int, float)) and not isinstance(value, bool) else {}
