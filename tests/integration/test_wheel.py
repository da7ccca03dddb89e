"""The package: what the wheel holds, and that it serves where there is no clone."""

import json
import shutil
import subprocess
import sys
import time
import venv
import zipfile
from pathlib import Path

import httpx
import pytest

from tests.support.server import ROOT, environment

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """The wheel, built from a copy of what git has, as pip builds it."""
    folder = tmp_path_factory.mktemp("wheel")
    for name in ("models", "service", "training", "pyproject.toml", "README.md", "LICENSE"):
        source, target = ROOT / name, folder / "source" / name
        target.parent.mkdir(exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)
    done = subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--wheel-dir", folder, "./source"],
        cwd=folder, capture_output=True, text=True, check=False, timeout=600,
    )  # fmt: skip
    if done.returncode and "setuptools" in done.stderr and "No matching" in done.stderr:
        pytest.skip("no package index answers")
    assert done.returncode == 0, done.stderr
    (made,) = folder.glob("snn_serving-*.whl")
    return made


def test_the_wheel_carries_the_page_and_htru2(wheel: Path) -> None:
    """All of the page and of htru2's champion are in it, and none of tox21 or of the tests."""
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        entry_points = next(name for name in names if name.endswith("entry_points.txt"))
        assert b"snn = service.cli.snn:main" in archive.read(entry_points)
    for folder in ("service/web", "models/repository/htru2"):
        files = {
            str(path.relative_to(ROOT))
            for path in (ROOT / folder).rglob("*")
            if path.is_file() and not path.name.startswith(".")
        }
        assert files <= names
    assert "training/cli/app.py" in names
    assert not [name for name in names if name.startswith(("tests/", "models/repository/tox21/"))]
    assert wheel.stat().st_size < 3_000_000


def test_the_wheel_serves_from_an_empty_environment(wheel: Path, tmp_path: Path) -> None:
    """With the wheel and its dependencies alone, htru2 is answered and the page is there."""
    venv.create(tmp_path / "venv", with_pip=True, symlinks=True)
    programs = tmp_path / "venv" / "bin"
    done = subprocess.run(
        [programs / "python", "-m", "pip", "--disable-pip-version-check", "install", "-q", wheel],
        capture_output=True, text=True, check=False, timeout=900, cwd=tmp_path,
    )  # fmt: skip
    if done.returncode and "No matching distribution" in done.stderr:
        pytest.skip("no package index answers")
    assert done.returncode == 0, done.stderr
    own = {name: value for name, value in environment().items() if name != "PYTHONPATH"}
    log = tmp_path / "log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [programs / "snn", "serve", "--port", "0", "--json"], stdout=out, env=own, cwd=tmp_path
        )
    try:
        end, address = time.monotonic() + 60, ""
        while not address:
            assert time.monotonic() < end
            assert process.poll() is None, log.read_text()
            for line in log.read_text().splitlines():
                if '"listening"' in line:
                    address = f"http://127.0.0.1:{json.loads(line)['port']}"
            time.sleep(0.1)
        while httpx.get(f"{address}/health/ready").status_code != 200:
            assert time.monotonic() < end
            time.sleep(0.1)
        body = {"model": "htru2", "inputs": [[99.4, 41.6, 1.55, 4.1, 27.6, 61.7, 2.2, 3.7]]}
        answer = httpx.post(f"{address}/predict", json=body)
        assert answer.json()["results"][0]["status"] == "ok"
        assert "<title>" in httpx.get(address).text
    finally:
        process.terminate()
        process.wait(20)
