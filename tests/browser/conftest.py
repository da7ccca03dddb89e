"""A real browser before a real server of two workers; what the browser complains of fails the test."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.both import serving_both
from tests.support.server import Server

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
_FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update",
]  # fmt: skip
DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder starts a real server, and needs the browser."""
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.slow)
            if CHROMIUM is None:
                item.add_marker(pytest.mark.skip("there is no chromium; apt-get install chromium"))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Two workers with the small htru2 and a small tox21; each file of tests has its own."""
    with serving_both(tmp_path_factory.mktemp("browser"), workers=2) as server:
        yield server


@pytest.fixture(scope="module")
def chromium():
    """Debian's Chromium. Its event loop would be in the way of other folders' tests, so it ends here."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=_FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def visit(chromium, server: Server) -> Iterator[Callable]:
    """Open the dashboard in a browser of its own; nothing may fail, or come from elsewhere."""
    contexts, complaints = [], []

    def open_page(path: str = "/", *, expected: str | None = None, **options: object):
        """``expected`` is a complaint that the test brings about."""
        context = chromium.new_context(**({"viewport": DESKTOP} | options))
        contexts.append(context)
        page = context.new_page()

        def complain(text: str) -> None:
            if expected is None or expected not in text:
                complaints.append(text)

        page.on("console", lambda said: said.type in ("error", "warning") and complain(said.text))
        page.on("pageerror", lambda error: complain(str(error)))
        page.on(
            "request",
            lambda request: (
                request.url.startswith((server.address, "blob:", "data:"))
                or complain(f"asked for {request.url}")
            ),
        )
        page.goto(server.address + path)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not complaints
