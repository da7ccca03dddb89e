"""A model of somebody's own table gets a playground from its schema, and its releases are shown."""

import numpy as np
import pytest

from models.features import create
from tests.support import bundles
from tests.support.server import Server

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
expect = sync_api.expect

PATIENT = 20_000
SCHEMA = {
    "columns": [
        {"name": "age", "kind": "number", "optional": True},
        {
            "name": "job",
            "kind": "category",
            "optional": False,
            "other": False,
            "values": ["clerk", "driver"],
        },
    ]
}
RECORDS = [{"age": 20 + 3 * n, "job": "clerk" if n % 3 else "driver"} for n in range(60)]


class TableKind(bundles.Kind):
    """A small model of the schema above."""

    def featurizer(self):
        """Read by the schema, which is no part of a kind that is remembered by its fields."""
        return create(self.identifier, SCHEMA)


def rows() -> np.ndarray:
    """The records' features."""
    return create("tables-1", SCHEMA).featurize(RECORDS).rows


JOBS = TableKind(
    "tables-1",
    (),
    ("retires",),
    centre=lambda: rows().mean(axis=0),
    spread=lambda: rows().std(axis=0) + 1,
    golden=lambda: RECORDS[:4],
    ordinary=rows,
)


@pytest.fixture(scope="module", autouse=True)
def jobs(server: Server) -> None:
    """The model is published while the service runs."""
    bundles.publish(server.repository, name="jobs", kind=JOBS)
    server.wait_for_line("model serving", model="jobs@1")


def test_a_form_has_the_table_s_own_columns(server: Server, visit) -> None:
    """A category is chosen from its values, a number typed, and one that may be missing left out."""
    page = visit()
    page.get_by_role("tab", name="jobs").click(timeout=PATIENT)
    panel = page.locator("#panel-jobs")
    panel.get_by_text("Type one record").click()
    panel.get_by_label("job").select_option("driver")
    panel.get_by_role("button", name="Predict this one").click()
    body = {"model": "jobs", "inputs": [{"age": None, "job": "driver"}]}
    answer = server.client.post("/predict", json=body).json()
    probability = answer["results"][0]["probability"]["retires"]
    expect(panel.locator(".single")).to_contain_text(f"{probability:.3f}", timeout=PATIENT)


def test_a_table_with_categories_is_ranked(visit) -> None:
    """Its CSV is taken as it is; an unknown category is told beside its line."""
    page = visit()
    page.get_by_role("tab", name="jobs").click(timeout=PATIENT)
    panel = page.locator("#panel-jobs")
    panel.get_by_label("Records").fill("id,age,job\na,31,clerk\nb,,driver\nc,50,pilot\n")
    panel.get_by_role("button", name="Predict and rank").click()
    rows = panel.locator(".results tbody tr")
    expect(rows).to_have_count(3, timeout=PATIENT)
    expect(rows.nth(2)).to_contain_text("pilot")
    expect(rows.nth(2).locator(".fault")).to_be_visible()


def test_releases_list_versions_and_who_had_them_served(server: Server, visit) -> None:
    """Versions of the chosen model with their state, and the log's steps."""
    page = visit()
    page.get_by_role("button", name="jobs", exact=True).click(timeout=PATIENT)
    panel = page.locator("#releases-body")
    expect(panel.locator("tbody tr")).to_have_count(1, timeout=PATIENT)
    expect(panel.locator("tbody tr")).to_contain_text("champion")
    expect(panel.locator(".log")).to_contain_text("Version 1 served", timeout=PATIENT)
