"""A model of a quantity gets a playground that shows values and intervals in place of calls."""

import itertools

import numpy as np
import pytest

from tests.browser.conftest import PHONE
from tests.support.server import Server

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytest.importorskip("torch", reason="the model is trained here")
expect = sync_api.expect

PATIENT = 20_000
SMALL = {"units": 8, "layers": 2, "epochs": 30, "learning_rate": 0.02}


@pytest.fixture(scope="module", autouse=True)
def depth(server: Server, tmp_path_factory: pytest.TempPathFactory, one_process: None) -> None:
    """The model is published while the service runs; its unit is metres."""
    from training import SnnRegressor

    rng = np.random.default_rng(0)
    rows = rng.normal(size=(200, 2))
    values = 40 + 5 * rows[:, 0] + rng.normal(size=200)
    state = tmp_path_factory.mktemp("state")
    SnnRegressor(recipe=SMALL).fit(rows, values).publish(
        "depth", server.repository, state, promote="always"
    )
    server.wait_for_line("model serving", model="depth@1")


def predicted(page):
    """The model's panel, after one record was typed and asked for."""
    page.get_by_role("tab", name="depth").click(timeout=PATIENT)
    panel = page.locator("#panel-depth")
    panel.get_by_text("Type one record").click()
    panel.get_by_label("x0").fill("0.5")
    panel.get_by_label("x1").fill("0")
    panel.get_by_role("button", name="Predict this one").click()
    return panel


def test_one_record_has_a_value_and_an_interval(server: Server, visit) -> None:
    """As ``/predict`` gives them, and no bar, threshold or call."""
    panel = predicted(visit())
    body = {"model": "depth", "inputs": [[0.5, 0]]}
    (result,) = server.client.post("/predict", json=body).json()["results"]
    single = panel.locator(".single")
    expect(single).to_contain_text(f"{result['value']['y']:.3f}", timeout=PATIENT)
    low, high = result["interval"]["y"]
    expect(single).to_contain_text(f"{low:.3f} to {high:.3f}")
    expect(single).to_contain_text("the interval of y holds 90 % of new values")
    expect(single).not_to_contain_text("called from")


def test_long_values_do_not_overlap_on_a_phone(visit) -> None:
    """A value and its interval of ten digits and more stand below each other, within the screen."""
    page = visit(viewport=PHONE)
    panel = predicted(page)
    parts = panel.locator(".one-target > *")
    expect(parts).to_have_count(3, timeout=PATIENT)
    for place, text in enumerate(
        ("y", "123456789012.345 metres", "-123456789012.345 to 123456789012.345")
    ):
        parts.nth(place).evaluate("(node, text) => { node.textContent = text; }", text)
    boxes = [parts.nth(place).bounding_box() for place in range(3)]
    for one, other in itertools.combinations(boxes, 2):
        apart = one["x"] + one["width"] <= other["x"] + 1 or one["y"] + one["height"] <= other["y"] + 1
        assert apart, (one, other)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


def test_records_are_ranked_by_value(visit) -> None:
    """The highest first, below zero as well, and what cannot be read last."""
    page = visit()
    page.get_by_role("tab", name="depth").click(timeout=PATIENT)
    panel = page.locator("#panel-depth")
    panel.get_by_label("Records").fill("id,x0,x1\na,-20,0\nb,2,0\nc,much,0\n")
    panel.get_by_role("button", name="Predict and rank").click()
    rows = panel.locator(".results tbody tr")
    expect(rows).to_have_count(3, timeout=PATIENT)
    for place, line in enumerate(("2", "1", "3")):
        expect(rows.nth(place).locator("td").nth(1)).to_have_text(line)
    expect(rows.nth(2).locator(".fault")).to_be_visible()
    expect(panel.locator(".results thead")).to_contain_text("90 % interval")
    expect(panel).to_contain_text("ranked by y, 1 could not be read")
