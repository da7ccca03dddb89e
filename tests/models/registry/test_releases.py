"""Releasing: verified promotion, rollback with and without a writable repository, and the log."""

import errno
import json
import multiprocessing
import os
from pathlib import Path

import pytest

from models.errors import BundleRefused, ReadOnly, RepositoryError
from models.registry.release_log import LOG_FILE, ReleaseLog
from models.registry.releases import Releases
from models.registry.store import Repository
from tests.support import bundles


@pytest.fixture
def releases(tmp_path: Path) -> Releases:
    """Three versions, promoted one after the other."""
    for seed in range(3):
        bundles.publish(tmp_path / "models", seed=seed)
    return Releases(Repository(tmp_path / "models"), tmp_path / "state")


def steps(releases: Releases) -> list[tuple]:
    """The log, short."""
    return [(step.action, step.before, step.after, step.by) for step in releases.log.entries()]


def read_only(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Let a step of the repository fail as on a read-only file system (root may write anywhere)."""

    def refuse(*_: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(Repository, name, refuse)


def test_every_step_is_in_the_log(releases: Releases) -> None:
    """Promote and roll back, by whom; a rollback of what is served no more is refused."""
    releases.promote("htru2", 1, "key:operator", "try the first again")
    releases.roll_back("htru2", "cli:me", "no", expected=1)
    with pytest.raises(RepositoryError, match="not what is served"):
        releases.roll_back("htru2", "cli:me", "no", expected=1)
    assert releases.serving("htru2").champion == 3
    assert steps(releases) == [("promote", 3, 1, "key:operator"), ("rollback", 1, 3, "cli:me")]


@pytest.mark.parametrize("name", ["model.onnx", "golden.npz", "MODEL_CARD.md"])
def test_what_is_not_whole_is_not_promoted(releases: Releases, name: str) -> None:
    """A flipped bit in any file, and a link instead of the file, are refused and logged."""
    folder = releases.repository.bundle("htru2", 1)
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(BundleRefused, match=f"{name} was altered"):
        releases.promote("htru2", 1, "cli:me", "")
    (folder / name).unlink()
    (folder / name).symlink_to(releases.repository.bundle("htru2", 2) / name)
    with pytest.raises(BundleRefused, match="is a link"):
        releases.promote("htru2", 1, "cli:me", "")
    assert releases.serving("htru2").champion == 3
    assert [step[:3] for step in steps(releases)] == [("refuse", 3, 1)]  # once, for the same step


def test_a_copy_of_another_version_is_not_promoted(releases: Releases) -> None:
    """A bundle is valid only as the version that it was published as."""
    folder = releases.repository.root / "htru2"
    (folder / "2").rename(folder / "7")
    with pytest.raises(BundleRefused, match="copied there, not published"):
        releases.promote("htru2", 7, "cli:me", "")


def test_a_read_only_repository_is_rolled_back_by_an_exemption(
    releases: Releases, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It outlives a restart, goes one further if asked again, and ends with the next promotion."""
    with monkeypatch.context() as patch:
        read_only(patch, "roll_back")
        read_only(patch, "promote")
        with pytest.raises(ReadOnly, match="read-only from here"):
            releases.promote("htru2", 2, "key:operator", "")
        assert releases.roll_back("htru2", "service", "unhealthy").champion == 2
    again = Releases(releases.repository, releases.state)
    assert again.serving("htru2").champion == 2
    assert again.repository.serving("htru2").champion == 3
    assert again.describe("htru2")["exemption"] == "unhealthy"
    assert again.roll_back("htru2", "cli:me", "further").champion == 1
    with pytest.raises(RepositoryError, match="no earlier champion"):
        again.roll_back("htru2", "cli:me", "further")
    again.promote("htru2", 3, "cli:me", "I insist")
    assert again.serving("htru2").champion == 3
    assert [step[:3] for step in steps(again)] == [
        ("rollback", 3, 2),
        ("rollback", 2, 1),
        ("promote", 1, 3),
    ]


def test_an_exemption_that_cannot_be_read_is_said(releases: Releases) -> None:
    """It must not be passed over: what it kept out of service would come back."""
    releases.state.mkdir()
    (releases.state / "exemptions.json").write_text("[1]")
    with pytest.raises(RepositoryError, match=r"exemptions\.json is malformed"):
        releases.serving("htru2")


def test_versions_are_compared_and_described(releases: Releases) -> None:
    """A damaged version is listed with its error, and the others as usual."""
    document = releases.compare("htru2", 1, 2)
    assert [version["version"] for version in document["versions"]] == [1, 2]
    assert document["bytes"][0] == document["bytes"][1]
    (releases.repository.bundle("htru2", 2) / "manifest.json").write_text("{")
    found = releases.describe("htru2")["versions"]
    assert [("error" in version) for version in found] == [False, True, False]
    assert json.dumps(found)


def test_figures_of_two_versions_stand_side_by_side(releases: Releases) -> None:
    """Nested numbers have dotted names, those of both versions come first, and a bool is no figure."""
    metrics = [
        {"overall": {"mean_auc": 0.8, "old": 3}, "targets": {"pulsar": {"auc": {"value": 0.7}}}},
        {"new": 1, "targets": {"pulsar": {"auc": {"value": 0.9}, "exact": True, "note": "x"}}},
    ]
    for version, figures in enumerate(metrics, 1):
        path = releases.repository.bundle("htru2", version) / "manifest.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"metrics": figures}))
    document = releases.compare("htru2", 1, 2)
    assert list(document["metrics"].items()) == [
        ("targets.pulsar.auc.value", [0.7, 0.9]),
        ("overall.mean_auc", [0.8, None]),
        ("overall.old", [3, None]),
        ("new", [None, 1]),
    ]
    described = releases.describe("htru2")["versions"]
    assert [version["mean_auc"] for version in described] == [0.8, None, None]
    assert [version["gate"] for version in described] == [None, None, None]


def test_a_version_tells_whether_its_gate_let_it_pass(tmp_path: Path) -> None:
    """As the report in its bundle says; the committed champion has one."""
    committed = Releases(Repository(Path("models/repository")), tmp_path)
    assert [version["gate"] for version in committed.describe("htru2")["versions"]] == [True]


def test_lines_follow_each_other_without_gaps(tmp_path: Path) -> None:
    """The log has one line a step, and no empty one."""
    log = ReleaseLog(tmp_path)
    for step in range(3):
        log.add("m", "promote", step, step + 1, "cli:me", "")
    lines = (tmp_path / LOG_FILE).read_text().split("\n")
    assert [bool(line) for line in lines] == [True, True, True, False]


def test_only_a_refusal_that_repeats_the_last_step_is_left_out(tmp_path: Path) -> None:
    """Another version, another teller and another step between are steps of their own."""
    log = ReleaseLog(tmp_path)
    refusals = [
        (1, 2, "service"),
        (1, 2, "service"),
        (1, 3, "service"),
        (1, 3, "cli:me"),
        (2, 3, "cli:me"),
    ]
    for before, after, by in refusals:
        log.add("m", "refuse", before, after, by, "")
    log.add("m", "promote", 2, 3, "cli:me", "")
    log.add("m", "promote", 2, 3, "cli:me", "")
    log.add("m", "refuse", 2, 3, "cli:me", "")
    log.add("n", "refuse", 2, 3, "cli:me", "")
    log.add("m", "refuse", 2, 3, "cli:me", "")
    found = [(step.model, step.action, step.before, step.after, step.by) for step in log.entries()]
    assert found == [
        ("m", "refuse", 1, 2, "service"),
        ("m", "refuse", 1, 3, "service"),
        ("m", "refuse", 1, 3, "cli:me"),
        ("m", "refuse", 2, 3, "cli:me"),
        ("m", "promote", 2, 3, "cli:me"),
        ("m", "promote", 2, 3, "cli:me"),
        ("m", "refuse", 2, 3, "cli:me"),
        ("n", "refuse", 2, 3, "cli:me"),
    ]


def test_a_reason_is_kept_to_a_thousand_characters(tmp_path: Path) -> None:
    """A longer one is cut, whoever gives it."""
    log = ReleaseLog(tmp_path)
    assert log.add("m", "hold", None, 1, "cli:me", "x" * 1001).why == "x" * 1000
    assert log.entries()[0].why == "x" * 1000


@pytest.mark.parametrize("kept", range(0, 120, 7))
def test_a_torn_line_costs_no_other(tmp_path: Path, kept: int) -> None:
    """Whatever part of the last line a crash left, those before and after it are read."""
    log = ReleaseLog(tmp_path)
    log.add("m", "promote", None, 1, "cli:me", "first")
    whole = (tmp_path / LOG_FILE).read_bytes()
    (tmp_path / LOG_FILE).write_bytes(whole + whole[: min(kept, len(whole) - 2)])
    log.add("m", "promote", 1, 2, "cli:me", "ein \u2028 zweites\nmal")
    assert [step.after for step in log.entries("m")] == [1, 2]
    assert log.entries("m", limit=1)[0].why == "ein \u2028 zweites\nmal"
    assert log.entries("other") == []


def _write(state: Path, number: int) -> None:
    for step in range(50):
        ReleaseLog(state).add("m", "promote", number, step, "cli:me", "x" * 500)


@pytest.mark.slow
def test_writers_do_not_tear_each_others_lines(tmp_path: Path) -> None:
    """Four processes write at once: every line is there and complete."""
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_write, args=(tmp_path, number)) for number in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    found = ReleaseLog(tmp_path).entries(limit=1000)
    for number in range(4):
        assert [step.after for step in found if step.before == number] == list(range(50))


@pytest.mark.parametrize("kind", ["link", "folder", "pipe", "large"])
def test_serving_json_is_a_plain_file(releases: Releases, kind: str) -> None:
    """What points out of the repository, or is no file, is not followed."""
    path = releases.repository.root / "htru2" / "serving.json"
    path.unlink()
    elsewhere = releases.repository.root.parent / "elsewhere.json"
    elsewhere.write_text('{"champion": 1}')
    match kind:
        case "link":
            path.symlink_to(elsewhere)
        case "folder":
            path.mkdir()
        case "pipe":
            os.mkfifo(path)
        case "large":
            path.write_text('{"champion": 1}' + " " * (1 << 20))
    with pytest.raises((RepositoryError, OSError), match=r"link|plain|larger"):
        releases.serving("htru2")


def test_a_model_folder_that_is_a_link_is_not_followed(releases: Releases) -> None:
    """Neither for what is promoted nor for a version."""
    root = releases.repository.root
    (root / "htru2").rename(root.parent / "outside")
    (root / "htru2").symlink_to(root.parent / "outside")
    for read in (lambda: releases.serving("htru2"), lambda: releases.repository.bundle("htru2", 1)):
        with pytest.raises(RepositoryError, match="is a link"):
            read()
    for name in ("..", "../models/htru2", "htru2/..", ".", "", "HTRU2", "a\0b"):
        with pytest.raises(RepositoryError, match="is not a model name"):
            releases.serving(name)
