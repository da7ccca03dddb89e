"""The committed bundles in a repository of a test's own, and further versions with the same content."""

import json
import shutil
from pathlib import Path

from models.registry.store import Repository
from tests.support.server import ROOT

COMMITTED = ROOT / "models" / "repository"


def copy(model: str, root: Path) -> Repository:
    """Copy a committed model into a repository."""
    shutil.copytree(COMMITTED / model, root / model)
    return Repository(root)


def publish_again(repository: Repository, model: str) -> int:
    """Publish the latest version once more; return the number of the copy, which is not promoted."""
    latest = repository.bundle(model, max(repository.versions(model)))

    def write(folder: Path, version: int) -> None:
        shutil.copytree(latest, folder, dirs_exist_ok=True)
        manifest = json.loads((folder / "manifest.json").read_text())
        (folder / "manifest.json").write_text(json.dumps(manifest | {"version": version}))

    return repository.publish(model, write)
