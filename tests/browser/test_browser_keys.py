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
    """A file of three keys: for predictions and health, for predictions alone, for changes alone."""
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

    return (
        file,
        new("operator", "predict", "metrics"),
        new("chemist", "predict"),
        new("boss", "admin"),
    )


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, keys) -> Iterator[Server]:
    """One worker that knows those keys, and has two versions of htru2."""
    folder = tmp_path_factory.mktemp("keyed")
    repository = folder / "repository"
    repository.mkdir()
    bundles.publish(repository)
    bundles.publish(repository, seed=1)
    with running(folder, models=repository, api_keys_file=keys[0]) as server:
        assert server.wait_until_ready(60).status_code == 200
        yield server
        assert server.stop() == 0


def give(page, key: str) -> None:
    """Type a key where the page asks for it."""
    field = page.locator("#key")
    field.fill(key, timeout=PATIENT)
    page.get_by_role("button", name="Use it").click()


def test_the_page_asks_for_a_key_and_keeps_it_for_the_tab(visit, keys) -> None:
    """Without one it says so; with one it is live, and stays so after a reload."""
    page = visit()
    expect(page.locator("#key-form")).to_contain_text("asks for an API key", timeout=PATIENT)
    expect(page.locator(".badge.bad")).to_have_count(0)
    give(page, "wrong")
    expect(page.locator("#key-form")).to_contain_text("not known here", timeout=PATIENT)
    give(page, keys[1])
    expect(page.locator("#connection")).to_have_text("Live", timeout=PATIENT)
    expect(page.locator(".model")).to_contain_text("Traffic warming up")
    expect(page.locator("#releases-body .log")).to_be_visible(timeout=PATIENT)
    expect(page.locator("#releases-body")).to_contain_text("takes a key of scope “admin”")
    expect(page.get_by_role("button", name="Promote version 1")).to_have_count(0)
    page.reload()
    expect(page.locator("#connection")).to_have_text("Live", timeout=PATIENT)
    expect(page.locator("#key-form")).to_contain_text("“operator” may ask and see health")
    page.get_by_role("button", name="Forget my keys").click()
    expect(page.locator("#key-form")).to_contain_text("asks for an API key", timeout=PATIENT)
    expect(page.locator("#inside-body")).to_contain_text("takes a key of scope “metrics”")


def test_a_key_for_predictions_alone_opens_the_playground(visit, keys) -> None:
    """What it may not see is said, and nothing is painted as not ready; predictions are answered."""
    page = visit()
    give(page, keys[2])
    page.get_by_role("tab", name="htru2").wait_for(timeout=PATIENT)
    expect(page.locator("#key-form")).to_contain_text("“chemist” may ask.", timeout=PATIENT)
    expect(page.locator(".model")).to_contain_text("Answers")
    expect(page.locator(".model")).to_contain_text("Its health takes a key of scope “metrics”")
    expect(page.locator("body")).not_to_contain_text("Not ready")
    expect(page.locator("#banner")).to_be_hidden()
    rows = bundles.candidates(4).tolist()
    page.get_by_label("Candidates").fill("\n".join(",".join(map(str, row)) for row in rows))
    page.get_by_role("button", name="Predict and rank").click()
    expect(page.locator(".results.table tbody tr")).to_have_count(4, timeout=PATIENT)


def test_an_admin_promotes_and_rolls_back_and_adds_a_key_to_ask(visit, keys) -> None:
    """Both steps ask why, and the log has it; beside it a second key opens the playground."""
    page = visit()
    give(page, keys[3])
    expect(page.locator("#connection")).to_have_text("Live", timeout=PATIENT)
    expect(page.locator("#playground-body")).to_contain_text("takes a key of scope “predict”")
    panel = page.locator("#releases-body")
    panel.get_by_role("button", name="Promote version 1").click(timeout=PATIENT)
    page.get_by_label("Promote version 1 of htru2. Why?").fill("to compare")
    panel.get_by_role("button", name="Promote", exact=True).click()
    expect(page.locator(".model")).to_contain_text("version 1", timeout=PATIENT)
    expect(panel).to_contain_text("key:boss · to compare", timeout=PATIENT)
    panel.get_by_role("button", name="Roll back to version 2").click(timeout=PATIENT)
    page.get_by_label("Roll htru2 back to version 2. Why?").fill("it was better")
    panel.get_by_role("button", name="Roll back", exact=True).click()
    expect(page.locator(".model")).to_contain_text("version 2", timeout=PATIENT)
    give(page, keys[2])
    page.get_by_role("tab", name="htru2").wait_for(timeout=PATIENT)
    expect(page.locator("#key-form")).to_be_hidden()
    expect(page.locator("#connection")).to_have_text("Live")
