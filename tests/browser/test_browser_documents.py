"""The page before documents of every kind: with all that a version may tell, and with next to none."""

import json

import pytest

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
expect = sync_api.expect

NOW = "2026-01-02T03:04:05.678+00:00"


def layer(number: int, **more: object) -> dict:
    """One layer as every version tells of it."""
    reference = {"mean": 0.0, "variance": 1.0, "saturated": 0.1}
    return {"layer": number, "mean": 0.1, "variance": 1.2, "saturated": 0.1, "effect": 0.2} | {
        "reference": reference,
        **more,
    }


def document(**more: object) -> dict:
    """One model's document, as little as it may be."""
    return {
        "model": "htru2",
        "version": "1",
        "verdict": "healthy",
        "reason": "no layer has moved",
        "since": NOW,
        "origin": None,
        "first_departing": None,
        "integrity": {"ok": True, "checked_at": NOW},
        "windows": {"start": {"rows": 10, "effect": 0.1}},
        "members": [],
        **more,
    }


@pytest.fixture
def shown(visit):
    """The page, told of this document and no other."""

    def show(told: dict, **options: object):
        page = visit("/docs", **options)
        body = f"retry: 60000\n\nid: 1\ndata: {json.dumps({'models': {'htru2': told}})}\n\n"
        page.route(
            "**/health/activations/stream",
            lambda route: route.fulfill(
                status=200, headers={"content-type": "text/event-stream"}, body=body
            ),
        )
        page.goto(page.url.removesuffix("/docs") + "/?model=htru2")
        expect(page.locator(".model").first).to_contain_text("version 1")
        return page

    return show


def test_a_version_that_tells_nothing_of_its_layers_says_so(shown) -> None:
    """Without members, inputs or a detector each panel says what is missing, and nothing breaks."""
    page = shown(document())
    expect(page.locator("#inside-body")).to_contain_text("tells nothing of its layers")
    expect(page.locator("#inputs-body")).to_contain_text("watches no inputs")
    expect(page.locator("#departing-body")).to_contain_text("neither of a detector")


def test_theory_is_switched_on_line_by_line(shown) -> None:
    """A box for each line that the version has; a line switched on is in the legend."""
    theory = {"fixed_point": {"mean": 0, "variance": 1}, "map": {"mean": 0.1, "variance": 0.9}}
    members = [{"layers": [layer(1, theory=theory), layer(2, theory=theory)]}]
    page = shown(document(members=members))
    page.get_by_text("What theory says").click()
    expect(page.get_by_role("checkbox")).to_have_count(2)
    page.get_by_label("Map g").check()
    expect(page.locator("#layers-legend")).to_contain_text("map g")
    expect(page.get_by_label("Map g")).to_be_checked()
    expect(page.get_by_label("Map g")).to_be_focused()


def test_features_detector_and_departing_requests_are_told(shown) -> None:
    """The features that moved most come first; alarms and request ids are there to be read."""
    features = [{"name": "dm_mean", "effect": 0.3}, {"name": "dm_stdev", "effect": 1.5}]
    alarm = {"at": NOW, "where": "member 1, layer 2"}
    sequential = {"delta": 0.5, "requests_per_false_alarm": 1000000, "requests": 7, "level": 12.5}
    page = shown(
        document(
            members=[{"layers": [layer(1)]}],
            inputs={"effect": 0.4, "features": features},
            sequential=sequential | {"threshold": 14.5, "alarms": 1, "alarm": alarm},
            departing=[{"request_id": "a-7", "p_value": 0.0004, "at": NOW}],
        )
    )
    expect(page.locator(".features li").first).to_contain_text("dm_stdev")
    expect(page.locator("#departing-body")).to_contain_text("member 1, layer 2")
    expect(page.locator("#departing-body tbody tr")).to_contain_text("a-7")


def test_a_fault_is_told_where_it_is(shown) -> None:
    """Golden rows that are not reproduced: the card says what differs, and where."""
    fault = {"message": "member 2, layer 3 differs", "at": NOW, "part": "taps", "member": 2, "layer": 3}
    told = {"ok": False, "checked_at": NOW, "fault": fault, "files": {"ok": False, "error": "a hash"}}
    page = shown(document(integrity=told, members=[{"layers": [layer(1)]}]))
    card = page.locator(".model").first
    expect(card.locator(".trouble")).to_contain_text("Member 2, layer 3 differs. A hash.")
    card.get_by_text("Numbers").click()
    expect(card).to_contain_text("failed")


def test_names_from_a_bundle_are_never_taken_for_markup(shown) -> None:
    """A reason and a feature's name that are HTML are shown as text."""
    name = "<img src=x onerror=document.title='taken'>"
    page = shown(
        document(
            reason=name,
            members=[{"layers": [layer(1)]}],
            inputs={"effect": 1, "features": [{"name": name, "effect": 1}]},
        )
    )
    expect(page.locator(".feature")).to_have_text(name)
    assert page.locator("main img").count() == 0
    assert page.title() != "taken"
