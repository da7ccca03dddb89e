"""``constraints.txt``: what CI tests, version by version, with hashes."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "constraints.txt").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
_EXTRAS = PROJECT["optional-dependencies"]
#: CUDA's libraries are as large as all others together, and CI has no use for them.
_USERS = sorted(set(_EXTRAS) - {"dev", "gpu", "mutants"})
DEPENDENCIES = [
    *PROJECT["dependencies"],
    *(line for extra in (*_USERS, "dev") for line in _EXTRAS[extra]),
]


def pins() -> dict[str, list[str]]:
    """The pinned versions of each package; several where Pythons differ."""
    found: dict[str, list[str]] = {}
    for name, version in re.findall(
        r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^\s;\\]+)", TEXT, re.MULTILINE
    ):
        found.setdefault(canonicalize_name(name), []).append(version)
    return found


@pytest.mark.parametrize("line", DEPENDENCIES)
def test_every_dependency_is_pinned_within_its_bounds(line: str) -> None:
    """`make upgrade` has been run since the dependency was added or its bounds were changed."""
    wanted = Requirement(line)
    if wanted.name == PROJECT["name"]:
        return
    versions = pins()[canonicalize_name(wanted.name)]
    assert all(wanted.specifier.contains(version) for version in versions)


def test_every_pin_has_hashes_and_no_address() -> None:
    """Each version has at least one sha256, and nothing says where it is from."""
    blocks = re.split(r"\n(?=[A-Za-z0-9])", TEXT.strip())
    assert len(blocks) > 100
    for block in blocks:
        assert "--hash=sha256:" in block, block.splitlines()[0]
    assert "://" not in TEXT


def test_every_dependency_has_a_reason() -> None:
    """The page about the architecture says of each package what it is for; tools of tests apart."""
    page = (ROOT / "docs" / "explanation" / "architecture.md").read_text(encoding="utf-8")
    extras = [line for extra in _USERS for line in _EXTRAS[extra]]
    for line in [*PROJECT["dependencies"], *extras]:
        assert re.search(rf"\b{Requirement(line).name}\b", page, re.IGNORECASE), line
