"""Five faults in the midst of good traffic: the page alone names what, where and since when."""

import re
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from tests.browser.conftest import DESKTOP, PHONE
from tests.browser.test_browser_health import card, send
from tests.support import bundles
from tests.support.server import Server, running

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
expect = sync_api.expect

PATIENT = 25_000
VIEWS = {
    "light": {"viewport": DESKTOP, "color_scheme": "light"},
    "dark": {"viewport": DESKTOP, "color_scheme": "dark"},
    "phone": {"viewport": PHONE, "color_scheme": "light"},
}
#: How often, and how long apart, rows are sent: the history has a value every five seconds.
REQUESTS, PAUSE = 12, 0.5


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """One worker with the small htru2; each fault has a service of its own."""
    repository = tmp_path / "repository"
    repository.mkdir()
    bundles.publish(repository)
    # A version that was just promoted would be rolled back before it is looked at.
    with running(tmp_path, models=repository, probation_seconds=0) as server:
        server.repository = repository
        assert server.wait_until_ready(60).status_code == 200
        yield server
        assert server.stop() == 0


def spread(server: Server, change: Callable[[np.ndarray], np.ndarray], seed: int) -> None:
    """Send some requests of changed rows, over some seconds."""
    for number in range(REQUESTS):
        send(server, change(bundles.candidates(64, seed=seed + number)))
        time.sleep(PAUSE)


def swapped(rows: np.ndarray) -> np.ndarray:
    """The four moments of the profile and of the DM curve are exchanged."""
    return rows[:, [4, 5, 6, 7, 0, 1, 2, 3]]


def in_other_units(rows: np.ndarray) -> np.ndarray:
    """One column is three times as large."""
    return rows * np.where(np.arange(8) == 4, 3, 1).astype(np.float32)


def of_another_survey(rows: np.ndarray) -> np.ndarray:
    """All columns are of other places and spreads."""
    scale = np.array([0.8, 1.3, 1.2, 0.7, 1.4, 0.8, 1.3, 0.7])
    move = np.array([0.8, -0.9, 0.7, 0.9, -0.7, 1.0, -0.8, 0.9])
    moved = (rows - bundles.CENTRE) * scale + bundles.CENTRE + move * bundles.SPREAD
    return moved.astype(np.float32)


#: Name: what happens, the words of the headline, the origin in the picture.
FAULTS = {
    "wrong columns": (swapped, r"columns (swapped|shuffled)\?", "Inputs"),
    "other units": (in_other_units, r"dm_mean.*(units|instrument)\?", "Inputs"),
    "another survey": (of_another_survey, r"Another population|shifted", "Inputs"),
    "stale model": ({"stale": 3}, r"another version's weights\?", "Network"),
    "altered layer": ({"ill": 3.0}, r"from layer 2 on.*altered weights\?", "Network, Layer 2"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_page_names_fault_place_and_start(fault: str, server: Server, visit, tmp_path) -> None:
    """Headline, badges, heat map and marks agree, in light, in dark and on a phone."""
    change, words, first = FAULTS[fault]
    spread(server, lambda rows: rows, 0)
    begun = time.time()
    if isinstance(change, dict):
        bundles.publish(server.repository, **change)
        server.wait_for_line("model serving", model="htru2@2")
        change = np.asarray
    spread(server, change, 100)
    for view, options in VIEWS.items():
        page = visit(**options)
        line = card(page, "htru2")
        expect(line.locator(".headline-words")).to_have_text(re.compile(words), timeout=PATIENT)
        expect(line).to_contain_text("What to do:")
        of_inputs = first == "Inputs"
        expect(line).to_contain_text("Model intact" if of_inputs else "Model suspect")
        expect(line).to_contain_text(
            re.compile("Traffic (unhealthy|degraded)" if of_inputs else "Traffic like training")
        )
        heat = page.locator(".where .heat")
        heat.scroll_into_view_if_needed()
        told = re.compile(rf"Where it departs: {first}.* first at (\d\d:\d\d:\d\d)")
        expect(heat).to_have_attribute("aria-label", told, timeout=PATIENT)
        found = told.search(heat.get_attribute("aria-label") or "")
        assert found is not None
        assert abs(_moment(found[1]) - begun) < 25, (found[1], begun)
        expect(page.locator("#events")).to_contain_text(
            "The change began" if of_inputs else "Version 2 serves in place of 1"
        )
        page.wait_for_timeout(700)
        page.screenshot(path=tmp_path / f"{view}.png", full_page=True)
        assert page.evaluate("document.documentElement.scrollWidth") <= options["viewport"]["width"]


def _moment(clock: str) -> float:
    """A time of this day as seconds since 1970."""
    now = datetime.now().astimezone()
    hours, minutes, seconds = map(int, clock.split(":"))
    return now.replace(hour=hours, minute=minutes, second=seconds, microsecond=0).timestamp()
