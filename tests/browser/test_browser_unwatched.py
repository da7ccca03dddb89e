"""The page before a model without taps: it says so, everywhere, and predicts all the same."""

import re
from collections.abc import Iterator

import pytest

from tests.browser.test_browser_health import PATIENT, card
from tests.support import bundles
from tests.support.both import serving_both
from tests.support.server import Server

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
expect = sync_api.expect


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Two workers with candidates and molecules, neither of whose models has taps."""
    with serving_both(tmp_path_factory.mktemp("unwatched"), taps=False, workers=2) as server:
        yield server


def test_every_panel_says_that_nothing_is_watched(server: Server, visit, tmp_path) -> None:
    """A calm badge, the reason, rows that are counted; no band, no verdict, no 'nothing moved'."""
    page = visit()
    expect(card(page, "htru2").locator(".badge")).to_have_text("Unwatched", timeout=PATIENT)
    expect(card(page, "htru2").locator(".badge")).to_have_class(re.compile("wait"))
    expect(card(page, "htru2")).to_contain_text("Nothing is watched")
    card(page, "htru2").get_by_text("Numbers").click()
    expect(card(page, "htru2")).to_contain_text("reproduced")
    body = {"model": "htru2", "inputs": bundles.candidates(300).tolist()}
    assert server.client.post("/predict", json=body).status_code == 200
    expect(card(page, "htru2")).to_contain_text(re.compile(r"\d rows/s"), timeout=PATIENT)
    expect(card(page, "htru2").locator(".badge")).to_have_text("Unwatched")
    expect(page.locator("#inside-body")).to_contain_text("tells nothing of its layers")
    expect(page.locator("#inside-body")).to_contain_text("No taps")
    expect(page.locator("#inputs-body")).to_contain_text("Nothing inside this model is watched")
    expect(page.locator("#departing-body")).to_contain_text("Nothing inside this model is watched")
    expect(page.locator("#departing-body")).not_to_contain_text("stands out")
    expect(page).to_have_title("SNN serving")
    page.screenshot(path=tmp_path / "unwatched.png", full_page=True)


def test_predictions_say_that_they_have_no_p_value(visit) -> None:
    """A molecule is not called unlike training where nobody can tell; a table's column is empty."""
    page = visit()
    page.get_by_role("tab", name="tox21").click(timeout=PATIENT)
    page.locator("#smiles-tox21").fill("CCO")
    page.keyboard.press("Control+Enter")
    expect(page.locator(".molecule .p-value")).to_have_text(
        "no p-value nothing inside this model is watched", timeout=PATIENT
    )
    expect(page.locator(".molecule .odd")).to_have_count(0)
    page.get_by_role("tab", name="htru2").click()
    rows = bundles.candidates(3).tolist()
    page.get_by_label("Candidates").fill("\n".join(",".join(map(str, row)) for row in rows))
    page.get_by_role("button", name="Predict and rank").click()
    expect(page.locator(".results.table tbody tr")).to_have_count(3, timeout=PATIENT)
    expect(page.locator(".results.table .odd")).to_have_count(0)
