"""Five visitors come for the first time, and find what they came for."""

import re

import pytest

from tests.browser.conftest import PHONE
from tests.browser.test_browser_health import PATIENT, card, send
from tests.support import bundles
from tests.support.server import Server

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
expect = sync_api.expect


def test_a_toxicologist_asks_about_a_molecule(visit, tmp_path) -> None:
    """One click answers the example; then an own molecule, by name, and the table is taken home."""
    page = visit()
    page.get_by_role("button", name="Predict", exact=True).click(timeout=PATIENT)
    expect(page.locator(".molecule")).to_have_count(3, timeout=PATIENT)
    expect(page.locator(".molecule").first).to_contain_text("name aspirin")
    page.screenshot(path=tmp_path / "toxicologist.png", full_page=True)
    page.get_by_label("Molecules").fill("c1ccccc1O phenol")
    page.keyboard.press("Control+Enter")
    expect(page.locator(".molecule")).to_have_count(1, timeout=PATIENT)
    expect(page.locator(".molecule")).to_contain_text("name phenol")
    with page.expect_download() as taken:
        page.get_by_role("button", name="Download CSV").locator("visible=true").click()
    assert "phenol" in taken.value.path().read_text()


def test_an_astronomer_ranks_candidates(visit, tmp_path) -> None:
    """A pulsar comes first, and is no alarm: nothing in the results is red."""
    page = visit()
    page.get_by_role("tab", name="htru2").click(timeout=PATIENT)
    page.get_by_role("button", name="Predict and rank").click()
    rows = page.locator("#panel-htru2 .results tbody tr")
    expect(rows).to_have_count(3, timeout=PATIENT)
    colours = """nodes => {
      const red = getComputedStyle(document.documentElement).getPropertyValue("--bad").trim();
      const probe = document.body.appendChild(document.createElement("i"));
      probe.style.color = red;
      const wanted = getComputedStyle(probe).color;
      probe.remove();
      return nodes.filter((node) => {
        const style = getComputedStyle(node);
        return style.color === wanted || style.fill === wanted;
      }).length;
    }"""
    assert page.locator("#panel-htru2 .results *").evaluate_all(colours) == 0
    page.screenshot(path=tmp_path / "astronomer.png", full_page=True)


def test_a_data_scientist_looks_inside(server: Server, visit, tmp_path) -> None:
    """Layers over time, one member, the theory, the numbers, and the versions below."""
    send(server, bundles.candidates(300))
    page = visit("/?model=htru2")
    page.get_by_text("Each layer over time").click(timeout=PATIENT)
    page.locator("#member").select_option(label="Member 1")
    expect(page.locator("#fold-over-time")).to_have_attribute("open", "", timeout=PATIENT)
    expect(page.locator("#layers-legend")).to_contain_text("member 1")
    page.get_by_text("The same as numbers").click()
    expect(page.locator("#fold-numbers tbody tr")).to_have_count(len(bundles.WIDTHS))
    first = page.locator("figure", has_text="Layer 1 · mean")
    expect(first.locator(".now")).to_contain_text("average", timeout=PATIENT)
    expect(page.locator("#releases-body tbody tr")).to_have_count(1)
    page.screenshot(path=tmp_path / "scientist.png", full_page=True)


def test_an_operator_is_called_and_finds_what_to_do(server: Server, visit, tmp_path) -> None:
    """From the phone: which model, what happened, since when, and one click to what to do."""
    send(server, bundles.candidates(600))
    send(server, 3 * bundles.candidates(800, seed=1))
    page = visit("/?model=htru2", viewport=PHONE)
    line = card(page, "htru2")
    expect(line).to_contain_text("Traffic unhealthy", timeout=PATIENT)
    expect(line).to_contain_text("Model intact")
    expect(page.locator("#events li").filter(has_text="→ Unhealthy").first).to_be_visible(
        timeout=PATIENT
    )
    page.get_by_role("button", name="Last day").click()
    expect(page.get_by_role("button", name="Last day")).to_have_attribute("aria-pressed", "true")
    expect(page.locator(".where .heat")).to_be_visible(timeout=PATIENT)
    page.screenshot(path=tmp_path / "operator.png", full_page=True)
    line.get_by_role("link", name="Runbook").click()
    expect(page.locator("section:target h2")).to_be_visible()
    expect(page.locator("section:target li").first).to_be_visible()


def test_a_newcomer_understands_the_words(visit, tmp_path) -> None:
    """Two questions in sight, a glossary, and the interface one click away."""
    page = visit()
    expect(page.get_by_role("heading", name="Ask", exact=True)).to_be_in_viewport()
    expect(page.get_by_role("heading", name="Is it well?")).to_be_in_viewport(timeout=PATIENT)
    page.get_by_text("The words of this page").click()
    for word in ("Effect", "Taps", "Baseline", "Origin", "Departure", "Margin"):
        expect(page.locator(".glossary dt", has_text=re.compile(f"^{word}$"))).to_be_visible()
    page.screenshot(path=tmp_path / "newcomer.png")
    page.get_by_role("link", name="API", exact=True).click()
    expect(page).to_have_title("SNN serving")
    expect(page.locator("#swagger-ui")).to_contain_text("/predict", timeout=PATIENT)
