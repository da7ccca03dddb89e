"""The comparison itself, without servers: what it must see, and what it must not."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.answers.commands import commands
from tests.answers.compare import Pair, Verdict, explain, read_expected
from tests.answers.corpus import corpus
from tests.answers.request import HOST_LINE, Request, post_json
from tests.answers.volatile import Volatile

_NOW, _EARLIER = (
    (datetime.now(UTC) - timedelta(seconds=seconds)).isoformat(timespec="milliseconds").encode()
    for seconds in (0, 7)
)


def _volatile(**more: bool) -> Volatile:
    return Volatile.of(folder="/tmp/x/one", checkout="/home/old", **more)


def test_corpus_is_the_same_every_time_and_large_enough() -> None:
    """Two builds of the corpus are equal, and have 400 distinct requests or more."""
    first, second = corpus(), corpus()
    assert first == second
    assert len({each.pieces for each in first}) >= 400


def test_commands_are_the_same_every_time() -> None:
    """Two builds of the list of commands are equal."""
    assert commands("score") == commands("score")


def test_one_byte_is_a_difference() -> None:
    """A single other byte, a header more, or keys in another order make a pair different."""
    body = b'{"a":1,"b":2}'
    for other in (b'{"a":1,"b":3}', b'{"b":2,"a":1}', b'{"a":1, "b":2}', b'{"a":1,"b":2}\n'):
        assert not Pair("x", "r", body, _volatile().body("/predict", other)).equal
    headers = [(b"content-type", b"application/json")]
    kept = _volatile().headers("/predict", headers, 0)
    assert kept != _volatile().headers("/predict", [*headers, (b"allow", b"GET")], 0)


@pytest.mark.parametrize(
    ("path", "one", "two"),
    [
        ("/x", b'{"request_id":"0123456789ab-00000001"}', b'{"request_id":"ba9876543210-0000000f"}'),
        ("/x", b'{"at":"%b"}' % _NOW, b'{"at":"%b"}' % _EARLIER),
        ("/v2/models/a/stats", b'{"ns":5,"last_inference":7}', b'{"ns":66,"last_inference":8}'),
        ("/metrics", b"process_resident_memory_bytes 5.0", b"process_resident_memory_bytes 6.0"),
        (
            "/metrics",
            b'snn_request_seconds_sum{route="/x"} 0.5',
            b'snn_request_seconds_sum{route="/x"} 0.6',
        ),
    ],
    ids=["request id", "time", "durations of v2", "memory", "seconds of metrics"],  # a time is no name
)
def test_what_must_differ_is_replaced(path: str, one: bytes, two: bytes) -> None:
    """Request ids, times of the run, durations and memory are no difference."""
    assert _volatile().body(path, one) == _volatile().body(path, two)


@pytest.mark.parametrize(
    ("path", "one", "two"),
    [
        ("/x", b'{"created":"2020-01-01T00:00:00Z"}', b'{"created":"2020-01-01T00:00:01Z"}'),
        ("/v2/models/a/stats", b'{"ns":0,"count":1}', b'{"ns":0,"count":2}'),
        ("/predict", b'{"ns":5}', b'{"ns":6}'),
        ("/metrics", b'snn_rows_total{model="a"} 5.0', b'snn_rows_total{model="a"} 6.0'),
        ("/metrics", b"# HELP snn_rows Rows", b"# HELP snn_rows Records"),
        (
            "/metrics",
            b'snn_request_seconds_sum{route="/x"} 1.0',
            b'snn_request_seconds_sum{path="/x"} 1.0',
        ),
        ("/metrics", b"process_open_fds 5.0", b""),
        ("/health/activations", b'{"verdict":"healthy"}', b'{"verdict":"degraded"}'),
    ],
)
def test_nothing_else_is_replaced(path: str, one: bytes, two: bytes) -> None:
    """Times of models, counts, names, helps, labels and the existence of series are compared."""
    assert _volatile().body(path, one) != _volatile().body(path, two)


def test_last_digits_are_compared_where_they_are_exact() -> None:
    """Figures of activations differ in an exact answer, and are replaced in any other."""
    one, two = b'{"mean":0.5,"reference":1}', b'{"mean":0.6,"reference":1}'
    path = "/health/activations/htru2"
    assert _volatile().body(path, one, exact=True) != _volatile().body(path, two, exact=True)
    assert _volatile().body(path, one) == _volatile().body(path, two)


def test_wrong_content_length_is_a_difference() -> None:
    """A right length says no more than the body does; a wrong one is kept."""
    right = _volatile().headers("/x", [(b"content-length", b"7")], 7)
    assert right == _volatile().headers("/x", [(b"content-length", b"9")], 9)
    assert right != _volatile().headers("/x", [(b"content-length", b"8")], 7)


def test_folders_stand_for_themselves() -> None:
    """Each side's own folders are replaced, in whatever text they stand."""
    new = Volatile.of(folder="/tmp/x/two", checkout="/home/new")
    assert _volatile().text(b"no /tmp/x/one/a in /home/old") == new.text(b"no /tmp/x/two/a in /home/new")


def test_exit_status_and_expected_differences(tmp_path: Path) -> None:
    """Differences fail unless a file names them; names without a difference are told."""
    pairs = [Pair("one", "r", b"a", b"a"), Pair("two", "r", b"a", b"b")]
    assert Verdict(pairs[:1], frozenset()).status == 0
    assert Verdict(pairs, frozenset()).status == 1
    file = tmp_path / "expected"
    file.write_text("# words were improved\n\ntwo\nthree\n")
    verdict = Verdict(pairs, read_expected(file))
    assert (verdict.status, verdict.idle, len(verdict.meant)) == (0, ["three"], 1)
    assert verdict.table().splitlines()[-1].split() == ["all", "2", "1", "1", "0"]


def test_statuses_are_counted() -> None:
    """Answers are counted by their status; a command has none."""
    contents = (
        b"HTTP/1.1 200 OK\n\n",
        b"HTTP/1.1 404 Not Found\n\n",
        b"HTTP/1.1 200 OK\n\n",
        b"exit status 0",
    )
    pairs = [Pair(str(number), "r", content, content) for number, content in enumerate(contents)]
    assert Verdict(pairs, frozenset()).statuses() == "200: 2, 404: 1"


def test_explanation_shows_where_a_long_line_differs() -> None:
    """The first difference of a long line is within what is shown, on both sides."""
    old, new = b"x" * 5000 + b"old" + b"y" * 5000, b"x" * 5000 + b"new" + b"y" * 5000
    text = explain(Pair("a name", "r", old, new))
    assert "a name" in text
    assert "xold" in text
    assert "xnew" in text
    assert len(text) < 1000


def test_keys_are_written_into_requests() -> None:
    """A keyed request carries the default key; others carry what their headers name."""
    asked: Request = post_json("n", "/predict", {"smiles": ["{reader}"]})
    keys = {"": "snn_default", "reader": "snn_reader"}
    (sent,) = asked.bytes_with(keys)
    assert HOST_LINE + b"authorization: Bearer snn_default\r\n" in sent
    assert b"{reader}" in sent
    named = post_json("n", "/predict", {}, ("x-api-key", "{reader}")).but(keyed=False)
    assert b"x-api-key: snn_reader\r\n" in named.bytes_with(keys)[0]
    assert b"snn_default" not in named.bytes_with(keys)[0]
