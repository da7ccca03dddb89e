"""What the documents say holds: sizes, links, and what the reference says of the code."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from models.features.tabular.pulsar import NAMES
from service.settings import _OF_OTHERS, Settings
from tests.documents import pages, pictures, reference
from tests.support.both import serving_both
from tests.support.server import ROOT
from training.data.official.tox21 import TARGETS

README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_readme_is_short() -> None:
    """At most 150 lines, 1,200 words, and 18 words a sentence on average."""
    assert len(README.splitlines()) <= 150
    text = pages.prose(README)
    assert len(text.split()) <= 1200
    lines = [line for line in text.splitlines() if not line.startswith(("|", "#", "!"))]
    paragraphs = re.split(r"\n\s*\n|\n(?=\* )", "\n".join(lines))
    sentences = [
        sentence
        for paragraph in paragraphs
        for sentence in re.split(r"(?<=[.!?:])\s+", paragraph)
        if len(sentence.split()) > 1
    ]
    assert len(sentences) > 20
    assert sum(len(sentence.split()) for sentence in sentences) / len(sentences) <= 18


@pytest.mark.parametrize(
    "answer",
    ["localhost:8000", "Is my molecule in the domain?", "snn train", "What does *degraded* mean?",
     "How fast is it?"],
)  # fmt: skip
def test_a_strangers_questions_are_answered(answer: str) -> None:
    """The page, the domain, own tables, the word degraded, and speed stand in the README itself."""
    assert answer in README


@pytest.mark.parametrize("page", pages.PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    """Every link within the repository has a file and, where it names one, a heading."""
    for link in pages.links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        if anchor:
            assert anchor in pages.anchors(target), link


def test_the_checks_of_links_and_blocks_can_fail(tmp_path: Path) -> None:
    """A dead link, a missing heading and an unmarked block are seen."""
    page = tmp_path / "page.md"
    page.write_text("# Some heading\n[a](none.md) [b](#nothing) ![c](d.png)\n```sh\nfalse\n```\n")
    assert list(pages.links(page)) == ["none.md", "#nothing", "d.png"]
    assert pages.anchors(page) == {"some-heading"}
    assert pages.blocks(page) == [pages.Block("sh", "false\n", "")]


@pytest.mark.slow
def test_the_reference_is_that_of_the_code() -> None:
    """Routes, fields, metrics, commands and manifest are as the code has them."""
    blocks = reference.made(reference.ask())
    used = set()
    for page in reference.REFERENCE.glob("*.md"):
        text = page.read_text(encoding="utf-8")
        used |= {name for name in blocks if f"<!-- made: {name} -->" in text}
        assert reference.renewed(text, blocks) == text, f"{page.name}: `make reference` renews it"
    assert used == set(blocks)


def test_every_variable_is_in_the_reference() -> None:
    """Settings, and what training, clients and compose read; not what tests and benchmarks do."""
    text = (ROOT / "docs" / "reference" / "settings.md").read_text(encoding="utf-8")
    settings = {f"SNN_{name.upper()}" for name in Settings.model_fields}
    others = {name for name in _OF_OTHERS if not name.startswith(("SNN_TEST_", "SNN_PEERS"))}
    for name in settings | others - {"SNN_SECRETS"}:
        assert f"`{name}`" in text, name


def test_assays_and_features_are_those_of_the_models() -> None:
    """The tables list them in the models' order."""
    folder = ROOT / "docs" / "reference"
    assays = re.findall(r"^\| `([\w-]+)` \|", (folder / "assays.md").read_text(), re.MULTILINE)
    assert tuple(assays) == tuple(TARGETS)
    features = re.findall(r"^\| \d \| `(\w+)` \|", (folder / "pulsar-features.md").read_text(), re.M)
    assert tuple(features) == tuple(NAMES)


def test_the_bar_chart_is_that_of_its_table() -> None:
    """``make pictures`` draws what is committed."""
    drawn = (pictures.IMAGES / "servers.svg").read_text(encoding="utf-8")
    assert drawn == pictures.draw_bars()


@pytest.mark.slow
@pytest.mark.skipif(pictures.CHROMIUM is None, reason="there is no chromium; apt-get install chromium")
def test_the_dashboard_is_photographed(tmp_path: Path) -> None:
    """The command makes a light and a dark picture, unlike each other, of the size that is committed."""
    with serving_both(tmp_path) as server:
        light, dark = pictures.photograph(server, tmp_path)
    contents = [light.read_bytes(), dark.read_bytes()]
    assert contents[0] != contents[1]
    for path, content in zip((light, dark), contents, strict=True):
        committed = (pictures.IMAGES / path.name).read_bytes()
        assert content[:24] == committed[:24]  # the signature, and width and height
        assert len(committed) < 300_000


@pytest.mark.slow
def test_the_site_builds_strictly(tmp_path: Path) -> None:
    """MkDocs finds no dead link, and the pages load nothing from elsewhere."""
    pytest.importorskip("mkdocs", reason="the extra docs is not installed")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--quiet", "--site-dir", str(tmp_path)],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert "Your first molecule" in page
    assert not re.findall(r'<(?:script|link|img)[^>]+(?:src|href)="(?:https?:)?//', page)
