"""The notebooks run, and show what is committed with them."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

nbformat = pytest.importorskip("nbformat", reason="the extra notebooks is not installed")
pytest.importorskip("nbclient", reason="the extra notebooks is not installed")

from tests.documents import notebooks  # noqa: E402 - what it imports may be missing
from tests.support.server import Server  # noqa: E402

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that they run in."""
    return tmp_path_factory.mktemp("notebooks")


@pytest.fixture(scope="module")
def server(place: Path) -> Iterator[Server]:
    """One service for all of them."""
    with notebooks.serving(place) as server:
        yield server


@pytest.mark.parametrize("path", notebooks.NOTEBOOKS, ids=lambda path: path.stem)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of Jupyter's own packages
def test_a_notebook_shows_what_is_committed(path: Path, server: Server, place: Path) -> None:
    """Every cell runs; the text is that of the file, digits apart, which may differ."""
    committed = nbformat.read(path, as_version=4)
    now = notebooks.shown(notebooks.run(path, server, place))
    assert [_masked(text) for text in now] == [_masked(text) for text in notebooks.shown(committed)]
    assert any(now)


def _masked(text: str) -> str:
    return re.sub(r"\d+(?:[.,]\d+)*", "#", text)
