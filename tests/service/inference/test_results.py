"""What is said of each record: probabilities as they are shown, and calls at their thresholds."""

import json

import numpy as np
import pytest

from models.bundle.cutoffs import CutOffs
from models.features import Accepted, Rejected
from models.networks.outputs import MEMBER_LOGIT
from service.errors import InvalidRequest
from service.inference.answers.decision import Decision, cut_offs_of
from service.inference.answers.json_writing import Writing, is_plain
from service.inference.answers.repetitions import without_repetitions
from service.inference.results import intervals_of, results_of, shown

TARGETS = ("a", "b")


def test_only_texts_are_taken_once() -> None:
    """Rows of numbers cannot be looked up by their value, and are left as they are."""
    assert without_repetitions(["C", "CC", "C"]) == ["C", "CC"]
    mixed = ["C", [1.0], "C"]
    assert without_repetitions(mixed) == mixed


def said(probability: list[float], thresholds: list[float], *, exclusive: bool) -> list[object]:
    """The calls of one row, by each of the two ways of writing it."""
    outputs = {"probability": np.array([probability], np.float32), "p_value": np.array([0.5])}
    limits = np.array(thresholds)
    writing = Writing(TARGETS, exclusive)
    pieces = writing.pieces(outputs, limits)
    assert pieces is not None
    quick = json.loads(writing.joined(pieces, 0, 1))
    accepted = [Accepted({})]
    decision = Decision(limits)
    slow = results_of([[1.0]], accepted, outputs, TARGETS, decision, echo=False, exclusive=exclusive)
    assert quick == slow
    return [result["call"] for result in slow]


@pytest.mark.parametrize("threshold", [0.5, 0.1, 0.123456789, 0.0, 1.0])
def test_a_probability_at_its_threshold_is_a_call(threshold: float) -> None:
    """Also where the network's float32 is a little less than the threshold, but is shown as it."""
    below = round(threshold - 1e-7, 9)
    assert said([threshold, below], [threshold, threshold], exclusive=False) == [{"a": True, "b": False}]


@pytest.mark.parametrize("exclusive", [False, True])
def test_rows_are_written_as_results_of_has_them(exclusive: bool) -> None:
    """Any part of a batch, at least a row, is a JSON array of the same results."""
    probability = np.random.default_rng(0).random((4, 2)).astype(np.float32)
    outputs = {"probability": probability, "p_value": np.linspace(0.1, 0.9, 4)}
    writing, limits = Writing(TARGETS, exclusive), np.array([0.5, 0.5])
    pieces = writing.pieces(outputs, limits)
    assert pieces is not None
    rows = [[float(row)] for row in range(4)]
    slow = results_of(
        rows, [Accepted({})] * 4, outputs, TARGETS, Decision(limits), echo=False, exclusive=exclusive
    )
    for start, stop in ((0, 4), (1, 3), (3, 4)):
        assert json.loads(writing.joined(pieces, start, stop)) == slow[start:stop]


def test_calls_follow_what_is_shown() -> None:
    """Nine places of the shortest decimal, whatever lies behind them."""
    probability = np.array([[0.1, 0.30000001]], np.float32)
    rounded, calls = shown(probability, np.array([0.100000001, 0.300000012]), False)
    assert rounded.tolist() == [[0.100000001, 0.300000012]]
    assert calls.tolist() == [[True, True]]
    assert shown(probability, np.array([0.100000002, 0.300000013]), False)[1].tolist() == [
        [False, False]
    ]


def test_of_equally_probable_classes_the_first_is_called() -> None:
    """Thresholds mean nothing to classes."""
    assert said([0.5, 0.5], [0.9, 0.1], exclusive=True) == ["a"]
    assert said([0.4, 0.6], [0.1, 0.9], exclusive=True) == ["b"]


@pytest.mark.parametrize("p_value", [None, np.nan])
def test_a_number_that_is_none_for_json_is_an_error_of_its_row(p_value: float | None) -> None:
    """The quick way declines what the other says in its place."""
    probability = np.array([[0.5, 0.5], [np.nan, 0.5]], np.float32)
    outputs = {"probability": probability}
    if p_value is not None:
        outputs = {"probability": probability[:1], "p_value": np.array([p_value])}
    limits = np.array([0.5, 0.5])
    assert Writing(TARGETS, False).pieces(outputs, limits) is None
    if p_value is None:
        first, second = results_of(
            [1, 2], [Accepted({})] * 2, outputs, TARGETS, Decision(limits), echo=False
        )
        assert (first["status"], second["status"]) == ("ok", "error")
        assert first["p_value"] is None
        assert "no finite number" in str(second["message"])


@pytest.mark.parametrize("exclusive", [False, True])
def test_a_single_row_is_written_as_one_of_several(exclusive: bool) -> None:
    """To the last byte, whatever its numbers are, with a p-value and without."""
    random, writing = np.random.default_rng(0), Writing(TARGETS, exclusive)
    limits = np.array([0.5, 1e-4])
    for number in range(2000):
        row = (random.random((1, 2)) ** random.integers(1, 40)).astype(np.float32)
        one: dict[str, np.ndarray] = {"probability": row}
        if number % 3:
            one["p_value"] = random.random(1).round(6)
        if number % 5:
            one["suspect"] = np.array([number % 2], np.float32)
        single = writing.pieces(one, limits)
        several = writing.pieces({name: np.concatenate([v, v]) for name, v in one.items()}, limits)
        assert single is not None
        assert several is not None
        assert writing.joined(single, 0, 1) == writing.joined(several, 1, 2)


def test_records_are_plain_where_none_has_anything_to_tell() -> None:
    """Neither an error nor a detail, in whatever place."""
    plain, told, bad = Accepted({}), Accepted({"parent": "C"}), Rejected("no")
    assert is_plain([plain, plain])
    for other in (told, bad):
        assert not is_plain([other, other])
        assert not is_plain([plain, other])
        assert not is_plain([other, plain])


@pytest.mark.parametrize("exclusive", [False, True])
def test_only_suspect_rows_say_so(exclusive: bool) -> None:
    """By either way of writing; the others have no such field."""
    outputs = {
        "probability": np.array([[0.1, 0.9], [0.2, 0.8]], np.float32),
        "p_value": np.array([0.5, 0.5]),
        "suspect": np.array([0.0, 1.0], np.float32),
    }
    limits, accepted = np.array([0.5, 0.5]), [Accepted({})] * 2
    decision = Decision(limits)
    found = results_of(
        [[1.0]] * 2, accepted, outputs, TARGETS, decision, echo=False, exclusive=exclusive
    )
    assert "suspect" not in found[0]
    assert found[1]["suspect"] is True
    writing = Writing(TARGETS, exclusive)
    pieces = writing.pieces(outputs, limits)
    assert pieces is not None
    assert json.loads(writing.joined(pieces, 0, 2)) == found
    assert json.loads(writing.joined(pieces, 1, 2)) == found[1:]


def test_levels_begin_at_their_cut_offs() -> None:
    """Elevated from the first on, active from the second on, of what is shown."""
    probability = np.array([[0.125, 0.25], [0.25, 0.75]], np.float32)
    decision = Decision(np.array([0.5, 0.5]), np.array([[0.25, 0.25], [0.3, 0.75]]))
    outputs = {"probability": probability}
    rows = results_of([1, 2], [Accepted({})] * 2, outputs, TARGETS, decision, echo=False)
    assert [row["level"] for row in rows] == [
        {"a": "low", "b": "elevated"},
        {"a": "elevated", "b": "active"},
    ]


def test_an_interval_is_about_the_calibrated_logit() -> None:
    """Half of it is the factor times the root of the mean of both variances (``Spread``)."""
    members = np.array([[[0.0, 1.0], [2.0, 1.0]]], np.float32)  # deviations of sqrt(2) and 0
    outputs = {
        "probability": np.array([[0.5, 0.5]], np.float32),
        "logit": np.array([[0.0, 1.0]], np.float32),
        MEMBER_LOGIT: members,
    }
    spread = np.array([[1.5, 2.0], [1.0, 0.5]])
    halves = 1.5 * np.sqrt((2 + 1) / 2), 2.0 * np.sqrt((0 + 0.25) / 2)
    (row,) = results_of(
        [1], [Accepted({})], outputs, TARGETS, Decision(np.full(2, 0.5), spread=spread), echo=False
    )
    for name, logit, half in zip(TARGETS, (0.0, 1.0), halves, strict=True):
        expected = [round(1 / (1 + np.exp(-end)), 9) for end in (logit - half, logit + half)]
        assert row["interval"][name] == pytest.approx(expected, abs=2e-9)


def test_a_graph_without_members_logits_has_no_intervals() -> None:
    """What is asked for and not there is refused."""
    with pytest.raises(InvalidRequest, match="no members' logits"):
        intervals_of({"logit": np.zeros((1, 2))}, np.ones((2, 2)))


@pytest.mark.parametrize(
    ("said", "names"),
    [
        ([{"recall": 0.9, "fpr": 0.1}], "recall and fpr"),
        ([{"recall": 0.9}, {"recall": "0.8"}], "recall twice"),
        ([{"threshold": 0.9}, {"recall": "0.9"}], "recall and threshold|threshold and recall"),
    ],
)
def test_two_cut_offs_are_refused(said: list[dict[str, object]], names: str) -> None:
    """Of body and query together; the same one twice is one."""
    with pytest.raises(InvalidRequest, match=names):
        cut_offs_of(*said)
    assert cut_offs_of({"recall": 0.9}, {"recall": "0.9"}) == cut_offs_of({"recall": 0.9})


def test_a_text_may_hold_a_cut_off_for_each_target() -> None:
    """As the query and a form send it; spaces around it change nothing."""
    asked = cut_offs_of({"recall": ' {"NR-AR": 0.9, "SR-p53": 1}'})
    assert asked == CutOffs("recall", (("NR-AR", 0.9), ("SR-p53", 1.0)))


def test_a_cut_off_that_is_no_number_is_quoted() -> None:
    """The message repeats what was sent."""
    with pytest.raises(InvalidRequest, match=r"recall is '\[1, 2\]'"):
        cut_offs_of({"recall": [1, 2]})
