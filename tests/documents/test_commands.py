"""Every command and every block of code in the documents runs, or says why it is not run."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.documents import pages
from tests.support.server import ROOT, Server, environment, running

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed"),
]

#: Another page's commands need what a tutorial has made, so these come in this order.
_FIRST = ("README.md", "docs/tutorials/rank-candidates.md", "docs/tutorials/own-table.md")
_RUN = ("sh", "python")
#: CONTRIBUTING's and SECURITY's are `make` targets, which have tests of their own.
_OTHERS = ("CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")
#: What starts a server, which here runs already.
_SERVE = "make serve\n"

#: A version that was promoted a moment ago serves within seconds, so a refused request is tried again.
_PRELUDE = """
set -euo pipefail
curl() { command curl --fail-with-body --retry {tries} --retry-all-errors --retry-delay 1 "$@"; }
"""


def names() -> list[str]:
    """The pages with blocks to run, the tutorials first."""
    found = [
        str(page.relative_to(ROOT))
        for page in pages.PAGES
        if any(block.language in _RUN for block in pages.blocks(page))
    ]
    return [*_FIRST, *(name for name in found if name not in _FIRST + _OTHERS)]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the examples, a copy of the committed models, and the command ``snn``."""
    folder = tmp_path_factory.mktemp("documents")
    (folder / "examples").symlink_to(ROOT / "examples")
    shutil.copytree(ROOT / "models" / "repository", folder / "repository")
    program = folder / ".venv" / "bin" / "snn"
    program.parent.mkdir(parents=True)
    program.write_text(
        f"#!{sys.executable}\nfrom service.cli.snn import main\nif __name__ == '__main__':\n    main()\n"
    )
    program.chmod(0o755)
    return folder


@pytest.fixture(scope="module")
def server(place: Path) -> Iterator[Server]:
    """The service that a reader has started."""
    with running(place, models=place / "repository", state=place / "state") as server:
        assert server.wait_until_ready().status_code == 200
        yield server


def run(block: pages.Block, place: Path, server: Server) -> str:
    """Run a block as a reader would; return what it printed."""
    code = block.code.replace("http://localhost:8000", server.address)
    code = code.replace("localhost:8000", server.address.removeprefix("http://"))
    path = f"{place / '.venv' / 'bin'}:{os.environ['PATH']}"
    settings = {"models": place / "repository", "state": place / "state", "device": "cpu"}
    prelude = _PRELUDE.replace("{tries}", "0" if block.mark == "refused" else "20")
    program = (
        [sys.executable, "-c", code] if block.language == "python" else ["bash", "-c", prelude + code]
    )
    done = subprocess.run(
        program, cwd=place, env=environment(**settings) | {"PATH": path},
        capture_output=True, text=True, check=False, timeout=600,
    )  # fmt: skip
    if block.mark == "refused":
        assert done.returncode != 0
    else:
        assert done.returncode == 0, f"{block.code}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    return done.stdout


@pytest.mark.parametrize("name", names())
def test_a_pages_blocks_run(name: str, place: Path, server: Server) -> None:
    """Each is run in order against a service with the committed models, unless its mark says why not."""
    shown: Any = None
    for block in pages.blocks(ROOT / name):
        if block.language == "json" and name == "README.md":
            like(json.loads(block.code), json.loads(shown.splitlines()[-1]))
        if block.language not in _RUN or block.code == _SERVE or block.mark == "not run":
            continue
        shown = run(block, place, server)


def like(written: Any, answered: Any) -> None:
    """Compare an answer's shape, names and statuses with what is written; numbers may differ."""
    if isinstance(written, dict):
        assert written.keys() <= answered.keys()
        for name, value in written.items():
            if name == "status":
                assert value == answered[name]
            like(value, answered[name])
    elif isinstance(written, list):
        assert len(written) == len(answered)
        for one, other in zip(written, answered, strict=True):
            like(one, other)
    else:
        assert type(written) is type(answered)


def test_the_tutorials_alarm_is_raised(place: Path, server: Server) -> None:
    """What the tutorial about the alarm sends turns the verdict, and the inputs are named."""
    (block,) = [
        each for each in pages.blocks(ROOT / "docs/tutorials/alarm.md") if each.language == "python"
    ]
    run(block, place, server)
    document = httpx.get(f"{server.address}/health/activations/htru2", timeout=30).json()
    assert (document["verdict"], document["origin"]) == ("unhealthy", "input")
    assert document["model_verdict"] == "intact"


def test_the_readme_begins_with_one_command() -> None:
    """The first command is `make serve`, and the sentence after it has the page's address."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert next(block.code for block in pages.blocks(ROOT / "README.md")) == _SERVE
    assert "http://localhost:8000" in re.split(r"make serve\n```", text)[1][:80]
