"""The audit of dependencies, and the bill of materials."""

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.integration.test_deploy_requirements import BASE

ROOT = Path(__file__).resolve().parents[2]

SKIPPED = {"name": "torch", "skip_reason": "Dependency not found on PyPI"}
GOOD = {"name": "numpy", "version": "2.4.0", "vulns": []}
BAD = {"name": "old", "version": "1.0", "vulns": [{"id": "PYSEC-1", "fix_versions": ["1.1"]}]}


@pytest.fixture(scope="module")
def audit() -> ModuleType:
    """The script, loaded from its file."""
    spec = importlib.util.spec_from_file_location("audit", ROOT / "deploy" / "audit.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("dependencies", "status", "words"),
    [
        (None, 3, "NOT AUDITED"),
        ([], 3, "NOT AUDITED"),
        ([SKIPPED, SKIPPED], 3, "NOT AUDITED"),
        ([GOOD, SKIPPED], 0, "1 packages audited; not known to the service: torch"),
        ([GOOD, BAD], 1, "old 1.0: PYSEC-1, fixed in 1.1"),
    ],
)
def test_nothing_audited_is_not_nothing_found(
    audit: ModuleType, dependencies: list[dict[str, Any]] | None, status: int, words: str
) -> None:
    """Packages that the service did not know are not called free of vulnerabilities."""
    document = None if dependencies is None else {"dependencies": dependencies}
    found, text = audit.verdict(document)
    assert found == status
    assert words in text


def test_the_bill_of_materials_lists_what_the_service_needs(tmp_path: Path) -> None:
    """Every direct dependency, with a version and a package URL, as CycloneDX."""
    if importlib.util.find_spec("cyclonedx_py") is None:
        pytest.skip("cyclonedx-bom is not installed")
    file = tmp_path / "sbom.json"
    # `make sbom` has the document validated against CycloneDX's schema, which takes a quarter minute.
    arguments = ["environment", "--no-validate", "--pyproject", "pyproject.toml"]
    arguments += ["--output-file", str(file)]
    command = [sys.executable, "-m", "cyclonedx_py", *arguments, sys.executable]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=120)
    document = json.loads(file.read_text())
    assert document["bomFormat"] == "CycloneDX"
    assert document["metadata"]["component"]["name"] == "snn-serving"
    listed = {re.sub(r"[-_.]+", "-", part["name"]).lower(): part for part in document["components"]}
    for line in BASE:
        matched = re.match(r"[\w.-]+", line)
        assert matched is not None
        name = re.sub(r"[-_.]+", "-", matched[0]).lower()
        if ";" in line and name not in listed:
            continue  # of another platform
        assert listed[name]["version"]
        assert listed[name]["purl"].startswith("pkg:pypi/")
