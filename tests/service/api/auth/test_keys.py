"""API keys: what the file holds, what is found in it, and how a key's rates are metered."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from service.api.auth.keys import KeyStore, RateLimiter, new_key, read_keys
from service.cli.main import cli
from service.errors import SettingsError


class Clock:
    """A clock that is moved by hand."""

    now = 100.0

    def __call__(self) -> float:
        """The time."""
        return self.now


def run(*arguments: str, file: Path):
    """Run ``python -m service keys``."""
    return CliRunner().invoke(cli, ["keys", *arguments, "--file", str(file)])


def test_a_new_key_is_printed_once_and_only_its_hash_is_kept(tmp_path: Path) -> None:
    """The file holds no part of the secret, is nobody else's to read, and finds the key."""
    file = tmp_path / "keys.json"
    made = run("new", "alice", "--scope", "predict", "--scope", "metrics", "--days", "30", file=file)
    assert made.exit_code == 0, made.output
    key = made.stdout.strip()
    assert len(key.split("_", 2)[2]) >= 43  # 256 bits in base64
    assert key.split("_", 2)[2] not in file.read_text()
    assert file.stat().st_mode & 0o777 == 0o600
    found = KeyStore(file).find(key.encode())
    assert found is not None
    assert found[0].name == "alice"
    assert found[0].scopes == ("predict", "metrics")
    assert 29 < (found[0].expires - datetime.now(UTC)).days + 1 < 31


def test_what_differs_in_one_character_is_no_key(tmp_path: Path) -> None:
    """The whole key counts, whichever part of it is wrong, and nothing sent as one raises."""
    file = tmp_path / "keys.json"
    key = run("new", "alice", "--scope", "predict", file=file).stdout.strip().encode()
    key_store = KeyStore(file)
    assert key_store.find(key) is not None
    for place in range(len(key)):
        other = b"A" if key[place : place + 1] != b"A" else b"B"
        assert key_store.find(key[:place] + other + key[place + 1 :]) is None
    for odd in (b"", b"_", b"snn_", b"snn__", b"snn_\xff\xfe_x", key + b"x", key * 10, b"\0" * 5000):
        assert key_store.find(odd) is None


def test_commands_refuse_what_would_spoil_the_file(tmp_path: Path) -> None:
    """An unknown scope, a second key of one name, a name that no log should have: nothing is written."""
    file = tmp_path / "keys.json"
    assert run("new", "a", "--scope", "admin", file=file).exit_code == 0
    before = file.read_bytes()
    for arguments in (
        ["b", "--scope", "root"],
        ["a", "--scope", "admin"],
        ["b c\n", "--scope", "admin"],
    ):
        refused = run("new", *arguments, file=file)
        assert refused.exit_code == 1
        assert refused.stderr.startswith("error: ")
    assert run("revoke", "nobody", file=file).exit_code == 1
    assert file.read_bytes() == before
    assert "admin" in run("list", file=file).stdout
    assert run("revoke", "a", file=file).exit_code == 0
    assert read_keys(file).keys == ()


def test_keys_rotate_without_a_restart_and_a_broken_file_changes_nothing(tmp_path: Path) -> None:
    """A ring follows its file; what it cannot read it names, and the keys from before still hold."""
    file, clock = tmp_path / "keys.json", Clock()
    first = run("new", "first", "--scope", "predict", file=file).stdout.strip().encode()
    key_store = KeyStore(file, clock=clock)
    second = run("new", "second", "--scope", "predict", file=file).stdout.strip().encode()
    assert key_store.find(second) is None  # not looked at yet
    clock.now += 2
    assert key_store.find(second) is not None
    file.write_text('{"keys": [')
    clock.now += 2
    assert key_store.find(first) is not None
    assert "malformed" in key_store.trouble
    file.unlink()
    clock.now += 2
    assert key_store.find(first) is not None
    assert "cannot be read" in key_store.trouble
    third = run("new", "third", "--scope", "predict", file=file).stdout.strip().encode()
    clock.now += 2
    assert (key_store.find(first), key_store.trouble) == (None, None)
    assert key_store.find(third) is not None


@pytest.mark.parametrize(
    "change",
    [
        {"scopes": ["root"]},
        {"scopes": []},
        {"sha256": "abc"},
        {"name": "a\nb"},
        {"expires": "2026-01-01T00:00:00"},
        {"requests_per_second": 0},
        {"more": 1},
    ],
)
def test_a_malformed_entry_is_refused_as_a_whole(tmp_path: Path, change: dict) -> None:
    """No entry is half understood: a limit that was misspelt must not be no limit."""
    entry = {
        "name": "a",
        "id": "0" * 16,
        "sha256": "0" * 64,
        "scopes": ["predict"],
        "created": "2026-01-01T00:00:00Z",
    }
    file = tmp_path / "keys.json"
    file.write_text(json.dumps({"keys": [entry]}))
    assert len(read_keys(file).keys) == 1
    file.write_text(json.dumps({"keys": [entry | change]}))
    with pytest.raises(SettingsError, match="malformed"):
        KeyStore(file)
    file.write_text(json.dumps({"keys": [entry, entry]}))
    with pytest.raises(SettingsError, match="same id"):
        KeyStore(file)


@given(
    rate=st.floats(0.5, 500),
    steps=st.lists(st.tuples(st.floats(0, 0.5), st.integers(0, 300)), min_size=20, max_size=100),
)
def test_a_meter_lets_through_its_rate_and_no_more(rate: float, steps: list[tuple[float, int]]) -> None:
    """Over any arrivals, requests admitted are at most a burst and the rate times the time passed."""
    clock = Clock()
    meter, admitted, start = RateLimiter(rate, None, clock), 0, clock.now
    for pause, _ in steps:
        clock.now += pause
        wait = meter.enter()
        if wait == 0:
            admitted += 1
        assert admitted <= max(1.0, rate) + rate * (clock.now - start) + 1e-6
    while (wait := meter.enter()) == 0:
        pass
    clock.now += wait + 1e-9
    assert meter.enter() == 0  # what it says of the wait is true


@given(rate=st.floats(1, 1e5), sizes=st.lists(st.integers(1, 20_000), min_size=1, max_size=50))
def test_rows_are_paid_off_before_the_next_request(rate: float, sizes: list[int]) -> None:
    """Rows answered exceed the rate times the time by at most one burst and one request."""
    clock = Clock()
    meter, answered, start = RateLimiter(None, rate, clock), 0, clock.now
    for size in sizes:
        clock.now += (wait := meter.enter()) + (1e-6 if wait else 0)
        if wait:
            assert meter.enter() == 0
        meter.charge(size)
        answered += size
        assert answered <= rate * (clock.now - start) + max(1.0, rate) + size + 1e-3 * rate


def test_workers_share_a_rate_and_what_was_used_is_not_forgiven(tmp_path: Path) -> None:
    """Each of four workers gives a quarter; another key's arrival resets no meter."""
    file, clock = tmp_path / "keys.json", Clock()
    limit = ("--requests-per-second", "8")
    key = run("new", "a", "--scope", "predict", *limit, file=file).stdout.strip().encode()
    key_store = KeyStore(file, workers=4, clock=clock)
    meter = key_store.find(key)[1]
    assert [meter.enter() == 0 for _ in range(3)] == [True, True, False]
    run("new", "b", "--scope", "predict", file=file)
    clock.now += 0.01
    key_store._look_at = clock.now
    assert key_store.find(key)[1] is meter


def test_a_secret_is_never_made_twice() -> None:
    """Two keys of one name differ in id and secret."""
    assert len({new_key("a", ("predict",))[0] for _ in range(100)}) == 100
