"""What is said of each record: probabilities as they are shown, and calls at their thresholds."""

import json

import numpy as np
import pytest

from models.features import Accepted, Rejected
from service.inference.answers.decision import Decision
from service.inference.results import Writing, is_plain, results_of, shown

TARGETS = ("a", "b")


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
    """One is written row by row, with its mark; the others have no such field."""
    outputs = {
        "probability": np.array([[0.1, 0.9], [0.2, 0.8]], np.float32),
        "p_value": np.array([0.5, 0.5]),
        "suspect": np.array([0.0, 1.0], np.float32),
    }
    limits, accepted = np.array([0.5, 0.5]), [Accepted({})] * 2
    assert Writing(TARGETS, exclusive).pieces(outputs, limits) is None
    decision = Decision(limits)
    found = results_of(
        [[1.0]] * 2, accepted, outputs, TARGETS, decision, echo=False, exclusive=exclusive
    )
    assert "suspect" not in found[0]
    assert found[1]["suspect"] is True
    usual = outputs | {"suspect": np.zeros(2, np.float32)}
    assert Writing(TARGETS, exclusive).pieces(usual, limits) is not None
