"""The page before a service that wants API keys."""

import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.support import bundles
from tests.support.server import Server, environment, running

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
expect = sync_api.expect

PATIENT = 20_000


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory):
    """A file of two keys: one for all that the page asks for, and one for predictions alone."""
    file = tmp_path_factory.mktemp("keys") / "keys.json"

    def new(name: str, *scopes: str) -> str:
        asked = [part for scope in scopes for part in ("--scope", scope)]
        made = subprocess.run(
            [sys.executable, "-m", "service", "keys", "new", name, *asked],
            env=environment(api_keys_file=file),
            capture_output=True,
            text=True,
            check=True,
        )
        return made.stdout.split()[-1]

    return file, new("operator", "predict", "metrics"), new("chemist", "predict")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, keys) -> Iterator[Server]:
    """One worker that knows those keys."""
    folder = tmp_path_factory.mktemp("keyed")
    repository = folder / "repository"
    repository.mkdir()
    bundles.publish(repository)
    with running(folder, models=repository, api_keys_file=keys[0]) as server:
        assert server.wait_until_ready(60).status_code == 200
        yield server
        assert server.stop() == 0


def give(page, key: str) -> None:
    """Type a key where the page asks for it."""
    field = page.get_by_label("This service asks for an API key")
    field.fill(key, timeout=PATIENT)
    page.get_by_role("button", name="Use it").click()


def test_the_page_asks_for_a_key_and_keeps_it_for_the_tab(visit, keys) -> None:
    """Without one it says so; with one it is live, and stays so after a reload."""
    page = visit(expected="status of 40")
    give(page, "wrong")
    expect(page.locator("#key-form")).to_be_visible(timeout=PATIENT)
    give(page, keys[1])
    expect(page.locator("#connection")).to_have_text("Live", timeout=PATIENT)
    expect(page.locator(".model")).to_contain_text("Warming up")
    expect(page.locator("#releases-body .log")).to_be_visible(timeout=PATIENT)
    page.reload()
    expect(page.locator("#connection")).to_have_text("Live", timeout=PATIENT)
    expect(page.locator("#key-form")).to_be_hidden()


def test_a_key_for_predictions_alone_opens_the_playground(visit, keys) -> None:
    """Health is refused to it, in the service's words; predictions are not."""
    page = visit(expected="status of 40")
    give(page, keys[2])
    page.get_by_role("tab", name="htru2").wait_for(timeout=PATIENT)
    expect(page.locator("#banner")).to_contain_text("no scope 'metrics'", timeout=PATIENT)
    rows = bundles.candidates(4).tolist()
    page.get_by_label("Candidates").fill("\n".join(",".join(map(str, row)) for row in rows))
    page.get_by_role("button", name="Predict and rank").click()
    expect(page.locator(".results.table tbody tr")).to_have_count(4, timeout=PATIENT)
