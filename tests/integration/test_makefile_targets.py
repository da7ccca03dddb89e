"""The Makefile's promises, with a Python that writes down what it is asked instead of doing it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")

# `-c` is the check of the version; `-m venv FOLDER` puts the same script into the new environment.
PYTHON = """#!/bin/sh
case "$*" in
  "-c "*) exit ${OLD_PYTHON:-0} ;;
  "-m venv "*) mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
  *install*) [ -z "$NO_INDEX" ] || exit 1 ;;
esac
echo "$*" >> "$CALLS"
"""


#: Every installation takes the versions of constraints.txt.
PINNED = "--constraint .venv/versions.txt"


class Clone:
    """A fresh clone with the Makefile and nothing else, on a machine with the Python above."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("Makefile", "pyproject.toml", "constraints.txt"):
            shutil.copy(ROOT / name, folder)
        python = folder / "python-stub"
        python.write_text(PYTHON)
        python.chmod(0o755)
        self.calls_file = folder / "calls"

    def make(self, *targets: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run make with the stub as its Python, and nothing of a make that runs these tests."""
        unset = {"MAKEFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "MFLAGS", "ARGS", "PYTHON"}
        clean = {name: value for name, value in os.environ.items() if name not in unset}
        return subprocess.run(
            ["make", f"PYTHON={self.folder / 'python-stub'}", *targets],
            cwd=self.folder,
            env={**clean, "CALLS": str(self.calls_file), **variables},
            capture_output=True,
            text=True,
            check=False,
        )

    def calls(self, *targets: str) -> list[str]:
        """What Python was asked to do by one successful make."""
        self.calls_file.write_text("")
        done = self.make(*targets)
        assert done.returncode == 0, done.stderr
        return [
            line.replace("-m pip --disable-pip-version-check ", "")
            for line in self.calls_file.read_text().splitlines()
        ]


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    """A fresh clone."""
    return Clone(tmp_path)


def test_serve_installs_the_base_alone_and_starts(clone: Clone) -> None:
    """The first `make serve` makes the environment, installs no extra, and starts the service."""
    install = f"install --no-compile {PINNED} --editable ."
    assert clone.calls("serve") == ["-m venv .venv", install, "-m service"]


def test_a_second_serve_installs_nothing(clone: Clone) -> None:
    """Only a changed pyproject.toml brings pip back."""
    clone.calls("serve")
    assert clone.calls("serve") == ["-m service"]
    stamp = (clone.folder / ".venv" / ".serve").stat().st_mtime
    os.utime(clone.folder / "pyproject.toml", (stamp + 5, stamp + 5))
    assert clone.calls("serve") == [f"install --no-compile {PINNED} --editable .", "-m service"]


def test_the_tests_install_everything(clone: Clone) -> None:
    """`make test` brings the extras, on top of a served environment too, and spares `serve` its own."""
    clone.calls("serve")
    install, whole = clone.calls("test")
    assert install == f"install {PINNED} --editable .[dev]"
    assert whole.startswith("-m pytest -n auto ")
    assert clone.calls("test", "ARGS=-k store") == [f"{whole.rstrip()} -k store"]
    assert clone.calls("test-quick", "ARGS=-k store") == [
        f"{whole.rstrip()} -m not slow and not gpu -k store"
    ]
    assert clone.calls("serve") == ["-m service"]


def test_a_failed_install_is_tried_again(clone: Clone) -> None:
    """An index that did not answer leaves no stamp behind."""
    assert clone.make("serve", NO_INDEX="1").returncode != 0
    assert clone.calls("serve") == [f"install --no-compile {PINNED} --editable .", "-m service"]


def test_an_old_python_is_named(clone: Clone) -> None:
    """The message says what is needed and how to name another Python; nothing is left behind."""
    done = clone.make("serve", OLD_PYTHON="1")
    assert done.returncode != 0
    assert "Python 3.11 or newer" in done.stderr
    assert not (clone.folder / ".venv").exists()


def test_check_lints_and_types_before_the_tests(clone: Clone) -> None:
    """`make check` is the whole list, in the order of what fails fastest."""
    lines = clone.make("--dry-run", "check").stdout
    steps = ["ruff check", "ruff format --check", "mypy --strict", "lint-imports", "-m pytest"]
    places = [lines.find(step) for step in steps]
    assert -1 not in places
    assert places == sorted(places)


def test_help_names_the_doors(clone: Clone) -> None:
    """`make` alone lists the targets with a line each."""
    text = clone.make().stdout
    for target in ("serve", "test", "test-quick", "check", "bench", "test-gpu", "container-test"):
        assert f"make {target} " in text


def test_this_python_is_new_enough_for_the_check() -> None:
    """The version check in the Makefile is Python that runs, and lets the Python of the tests pass."""
    lines = (ROOT / "Makefile").read_text().splitlines()
    code = next(line for line in lines if "sys.version_info" in line).split("'")[1]
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
