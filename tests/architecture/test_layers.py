"""The arrows between the rooms and the floors, and what the service must not load."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

#: Heavy or foreign packages that serving must not need.
UNWANTED = ("torch", "training", "sklearn", "pandas", "matplotlib")

IMPORT_EVERYTHING = """
import importlib, pkgutil, sys
for package in ("models", "service"):
    root = importlib.import_module(package)
    for module in pkgutil.walk_packages(root.__path__, package + "."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
loaded = sorted(set(sys.argv[1:]) & set(sys.modules))
sys.exit(f"loaded: {', '.join(loaded)}" if loaded else 0)
"""


def run_python(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python code in a process of its own, from the root of the project."""
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_service_imports_without_torch_or_training() -> None:
    """Every module of models and service loads, and none of the unwanted packages with them."""
    done = run_python(IMPORT_EVERYTHING, *UNWANTED)
    assert done.returncode == 0, done.stderr


def test_the_test_above_can_fail() -> None:
    """The same check finds a package that the service does load."""
    done = run_python(IMPORT_EVERYTHING, "numpy")
    assert done.returncode == 1
    assert "loaded: numpy" in done.stderr


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    """Check the import contracts of the project in a folder."""
    command = [Path(sys.executable).parent / "lint-imports", "--no-cache"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)


def test_imports_keep_to_the_layers() -> None:
    """The contracts of pyproject.toml hold."""
    done = lint(ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("models/errors.py", "import service.settings"),
        ("models/errors.py", "import training.errors"),
        ("service/errors.py", "import training.errors"),
        ("service/inference/batcher.py", "import service.inference.backend.onnx_session"),
        ("service/settings.py", "import service.health.monitor"),
        ("service/inference/predictor.py", "import service.api.problems"),
    ],
)
def test_a_forbidden_import_breaks_a_contract(tmp_path: Path, module: str, line: str) -> None:
    """A copy of the project's imports with one more, against an arrow, is found out."""
    for package in ("models", "service", "training"):
        for source in (ROOT / package).rglob("*.py"):
            copy = tmp_path / source.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_text(source.read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text())
    with (tmp_path / module).open("a") as file:
        file.write(f"\n{line}\n")
    done = lint(tmp_path)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "BROKEN" in done.stdout


def test_every_module_of_the_service_has_a_floor() -> None:
    """The layers are exhaustive, so that a new module must be given a place."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = [contract for contract in contracts if contract.get("containers") == ["service"]]
    assert len(layers) == 1
    assert layers[0]["exhaustive"] is True
