"""A version on trial stands in ``serving.json``, and each step in the release log."""

import json
from pathlib import Path

import pytest

from models.errors import ReadOnly, RepositoryError, UnknownVersion
from models.registry.releases import Releases
from models.registry.serving_state import Challenger, parse_serving
from models.registry.store import Repository
from tests.support import bundles


@pytest.fixture
def releases(tmp_path: Path) -> Releases:
    """Three versions, of which the second is the champion."""
    for number in range(3):
        bundles.publish(tmp_path / "models", promote=number < 2)
    return Releases(Repository(tmp_path / "models"), tmp_path / "state")


def steps(releases: Releases) -> list[tuple]:
    """The log, short."""
    return [(step.action, step.before, step.after, step.by) for step in releases.log.entries()]


def test_a_trial_begins_and_ends_by_steps_of_the_log(releases: Releases) -> None:
    """The champion and its predecessors stay as they are."""
    before = releases.serving("htru2")
    begun = releases.challenge("htru2", Challenger(3, 0.05, sticky=True), "key:ops", "try it")
    assert (begun.champion, begun.previous) == (2, (1,))
    assert begun.generation == before.generation
    assert (begun.challenger.version, begun.challenger.share) == (3, 0.05)
    assert begun.challenger.salt
    assert releases.serving("htru2") == begun
    assert releases.describe("htru2")["challenger"] == 3
    assert releases.drop("htru2", "key:ops", "enough", expected=3) == before
    assert steps(releases) == [("trial", 2, 3, "key:ops"), ("drop", 3, 2, "key:ops")]


@pytest.mark.parametrize(
    ("challenger", "told"),
    [
        (Challenger(3), "in the shadow"),
        (Challenger(3, sticky=True), "in the shadow"),
        (Challenger(3, 0.5), "answers 50 % of the requests"),
        (Challenger(3, 0.07, sticky=True), "answers 7 % of the requests, by API key"),
        (Challenger(3, 0.0005), "answers 0.05 % of the requests"),
        (Challenger(3, 1 / 3, auto=True),
         "answers 33.3333 % of the requests, promoted or dropped by itself"),
    ],
)  # fmt: skip
def test_a_trial_is_told_in_words(releases: Releases, challenger: Challenger, told: str) -> None:
    """Shadow or share, with no more digits than it has."""
    assert challenger.how == told
    releases.challenge("htru2", challenger, "cli:me", "")
    assert releases.describe("htru2")["trial"] == told


def test_a_trial_that_takes_anothers_place_is_logged_so(releases: Releases) -> None:
    """Another share of the same version takes nobody's place."""
    releases.challenge("htru2", Challenger(3), "cli:me", "try it")
    releases.challenge("htru2", Challenger(3, 0.5), "cli:me", "more of it")
    releases.challenge("htru2", Challenger(1), "cli:me", "the old one")
    assert [step.why for step in releases.log.entries()] == [
        "try it", "more of it", "the old one; until now version 3 was on trial",
    ]  # fmt: skip


@pytest.mark.parametrize("step", ["promote", "roll_back"])
def test_the_next_promotion_or_rollback_ends_a_trial(releases: Releases, step: str) -> None:
    """By the same commands as ever."""
    releases.challenge("htru2", Challenger(3), "cli:me", "try it")
    if step == "promote":
        releases.promote("htru2", 3, "cli:me", "it is good")
    else:
        releases.roll_back("htru2", "cli:me", "both are bad")
    assert releases.serving("htru2").challenger is None


def test_what_cannot_be_tried_is_refused(releases: Releases) -> None:
    """The champion itself, an unknown version, and an end without a beginning."""
    with pytest.raises(RepositoryError, match="is the champion itself"):
        releases.challenge("htru2", Challenger(2), "cli:me", "")
    with pytest.raises(UnknownVersion):
        releases.challenge("htru2", Challenger(9), "cli:me", "")
    with pytest.raises(RepositoryError, match="no version of 'htru2' is on trial"):
        releases.drop("htru2", "cli:me", "")
    releases.challenge("htru2", Challenger(3), "cli:me", "")
    with pytest.raises(RepositoryError, match="version 1 of 'htru2' is not on trial any more"):
        releases.drop("htru2", "service", "", expected=1)


def test_a_read_only_repository_says_what_to_do(
    releases: Releases, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A trial is begun where the repository can be written."""

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Repository, "challenge", refuse)
    with pytest.raises(ReadOnly, match="try a version where it can be written"):
        releases.challenge("htru2", Challenger(3), "cli:me", "")


@pytest.mark.parametrize(
    "challenger",
    [{}, {"version": "3"}, {"version": 3, "share": 1.0}, {"version": 3, "share": -0.1},
     {"version": 3, "colour": "red"}, {"version": 3, "sticky": 1}, [3], 3],
)  # fmt: skip
def test_a_malformed_challenger_is_refused(challenger: object) -> None:
    """The file says what it should read."""
    text = json.dumps({"champion": 1, "challenger": challenger}).encode()
    with pytest.raises(RepositoryError, match="is malformed"):
        parse_serving(text, "serving.json")
