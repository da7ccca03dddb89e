"""Nothing is ever unpickled, nor any text run as code: files of models and data stay data."""

import ast
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]

MODULES = ("pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal")
CALLS = ("eval", "exec", "torch.load", "torch.jit.load", "pandas.read_pickle", "yaml.load")


def faults(source: str) -> Iterator[str]:
    """What of a module would read a pickle, or run a text."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=names):
                yield from (name.name for name in names if name.name.partition(".")[0] in MODULES)
            case ast.ImportFrom(module=str(module)) if module.partition(".")[0] in MODULES:
                yield module
            case ast.Call(func=function, keywords=keywords):
                name = ast.unparse(function)
                if name in CALLS:
                    yield name
                if name in ("np.load", "numpy.load") and not any(
                    keyword.arg == "allow_pickle" and ast.unparse(keyword.value) == "False"
                    for keyword in keywords
                ):
                    yield f"{name} without allow_pickle=False"
                for keyword in keywords:
                    if keyword.arg == "allow_pickle" and ast.unparse(keyword.value) != "False":
                        yield f"{name}(allow_pickle={ast.unparse(keyword.value)})"


def test_no_module_unpickles_or_runs_texts() -> None:
    """Every module of the three rooms, by its syntax tree."""
    found = {
        str(path.relative_to(ROOT)): list(faults(path.read_text(encoding="utf-8")))
        for room in ("models", "service", "training")
        for path in (ROOT / room).rglob("*.py")
    }
    assert len(found) > 100
    assert {path: names for path, names in found.items() if names} == {}


@pytest.mark.parametrize(
    "line",
    [
        "import pickle",
        "from joblib import load",
        "torch.load(path)",
        "np.load(path)",
        "np.load(path, allow_pickle=True)",
        "np.savez(path, allow_pickle=flag)",
        "eval(text)",
    ],
)
def test_the_test_above_can_fail(line: str) -> None:
    """Each of these is found out."""
    assert list(faults(line))
    assert not list(faults("np.load(path, allow_pickle=False)"))


def test_committed_arrays_hold_no_objects() -> None:
    """Every npz of the committed bundles opens without pickles, and holds plain numbers and texts."""
    files = sorted((ROOT / "models" / "repository").rglob("*.npz"))
    assert files
    for path in files:
        with np.load(path, allow_pickle=False) as archive:
            assert all(not archive[name].dtype.hasobject for name in archive.files), path
