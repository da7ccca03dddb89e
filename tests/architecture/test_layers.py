"""The floors of the packages, their sizes, and what the service must not load."""

import graphlib
import subprocess
import sys
import tomllib
from collections import Counter
from pathlib import Path

import grimp
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
        ("service/health/monitor.py", "import service.inference.predictor"),
        ("service/settings.py", "import service.health.monitor"),
        ("service/inference/predictor.py", "import service.api.problems"),
        ("service/lifecycle/loader.py", "import service.api.problems"),
        ("models/health/detector.py", "import models.bundle.manifest"),
        ("training/recipes/official.py", "import training.pipeline.run"),
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


def test_every_wing_has_a_floor() -> None:
    """The layers are exhaustive, so that a new wing must be given a place."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    floors = {
        tuple(each["containers"]): each["exhaustive"] for each in contracts if "containers" in each
    }
    assert floors == {("service",): True, ("models",): True, ("training",): True}


def circle_among(imports: dict[str, set[str]]) -> list[str] | None:
    """Return modules that import one another in a circle, None where there are none."""
    try:
        graphlib.TopologicalSorter(imports).prepare()
    except graphlib.CycleError as error:
        circle: list[str] = error.args[1]
        return circle
    return None


def test_no_modules_import_one_another_in_a_circle() -> None:
    """Every module can be read after those that it imports; imports for types alone count too."""
    graph = grimp.build_graph("models", "service", "training", cache_dir=None)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    assert sum(map(len, imports.values())) > 500
    assert circle_among(imports) is None


def test_a_circle_is_found() -> None:
    """The search for circles finds one of three modules."""
    assert set(circle_among({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) or []) == {"a", "b", "c"}


def test_folders_and_modules_stay_small() -> None:
    """A folder holds at most twelve modules beside ``__init__``, and a module at most 260 lines."""
    sources = [
        file for package in ("models", "service", "training") for file in (ROOT / package).rglob("*.py")
    ]
    crowded = Counter(file.parent for file in sources if not file.name.startswith("__"))
    assert {folder: count for folder, count in crowded.items() if count > 12} == {}
    lengths = {file: len(file.read_text(encoding="utf-8").splitlines()) for file in sources}
    assert {file: length for file, length in lengths.items() if length > 260} == {}
