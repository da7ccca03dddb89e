"""Bounds on one row's numbers: how they are fitted, kept, and asked."""

import dataclasses

import numpy as np
import pytest

from models.health.detector import Detector
from models.health.fitting import MemberRows, fit_reference
from models.health.reference import Reference
from models.health.rows.bounds import RowBounds
from models.health.rows.fitting import fit_row_bounds, tail_quantile

ROWS, MEMBERS, LAYERS, TARGETS = 4000, 3, 2, 2


def taps_of(rows: int, seed: int) -> np.ndarray:
    """Made-up taps (rows, members, layers, 3) with skewed variances and small shares."""
    rng = np.random.default_rng(seed)
    taps = rng.standard_normal((rows, MEMBERS, LAYERS, 3)).astype(np.float32)
    taps[..., 1] = rng.gamma(4.0, 0.5, taps.shape[:-1])
    taps[..., 2] = rng.beta(1.0, 30.0, taps.shape[:-1])
    return taps


def logits_of(rows: int, seed: int) -> np.ndarray:
    """Members' logits (rows, members, targets) that mostly agree."""
    rng = np.random.default_rng(seed)
    common = 3 * rng.standard_normal((rows, 1, TARGETS))
    return (common + 0.4 * rng.standard_normal((rows, MEMBERS, TARGETS))).astype(np.float32)


def reference_of() -> Reference:
    """A reference with bounds, fitted to rows of which each member never learned a third."""
    taps, folds = taps_of(ROWS, 0), np.arange(ROWS) % MEMBERS
    held_out = [np.flatnonzero(folds == member) for member in range(MEMBERS)]
    members = [MemberRows(taps[rows, member], rows) for member, rows in enumerate(held_out)]
    return fit_reference(members, None, logits_of(ROWS, 1))


@pytest.fixture(scope="module")
def reference() -> Reference:
    """One reference for all tests."""
    return reference_of()


def suspects(reference: Reference, taps: np.ndarray, logits: np.ndarray) -> np.ndarray:
    """Which rows are suspect."""
    return Detector(reference).marks({"taps": taps, "member_logit": logits})[1] > 0


def test_new_rows_are_beyond_their_bounds_no_more_often_than_declared(reference: Reference) -> None:
    """Of 100,000 new rows of the same kind at most twice the declared share is suspect."""
    number = 100_000
    marked = suspects(reference, taps_of(number, 5), logits_of(number, 6)).mean()
    assert marked <= 2 * reference.rows.rate


@pytest.mark.parametrize("statistic", [0, 1, 2])
@pytest.mark.parametrize("layer", range(LAYERS))
@pytest.mark.parametrize("member", range(MEMBERS))
def test_every_tap_has_a_bound_of_its_own(
    reference: Reference, member: int, layer: int, statistic: int
) -> None:
    """A row whose one tap is just beyond its upper bound is suspect, and just within is not."""
    taps, logits = taps_of(2, 7), logits_of(2, 8)
    upper = reference.rows.upper[member, layer, statistic]
    taps[0, member, layer, statistic] = upper + 1e-3
    taps[1, member, layer, statistic] = upper - 1e-3
    assert suspects(reference, taps, logits).tolist() == [True, False]


def test_both_sides_have_bounds(reference: Reference) -> None:
    """A layer whose mean is too small is suspect too."""
    taps, logits = taps_of(2, 7), logits_of(2, 8)
    taps[1, 2, 1, 0] = reference.rows.lower[2, 1, 0] - 1e-3
    assert suspects(reference, taps, logits).tolist() == [False, True]


@pytest.mark.parametrize("far", [40.0, -40.0, np.inf, -np.inf])
def test_a_member_that_disagrees_is_suspect(reference: Reference, far: float) -> None:
    """One member's logit of one target far from the others', infinity too, is beyond its bounds."""
    taps, logits = taps_of(2, 7), logits_of(2, 8)
    logits[1, 0, 1] = far
    assert suspects(reference, taps, logits).tolist() == [False, True]


@pytest.mark.parametrize("value", [np.inf, np.nan, 1e30])
def test_taps_that_are_no_usual_numbers_are_suspect(reference: Reference, value: float) -> None:
    """Infinite, undefined and enormous variances are beyond their bounds, and the row beside is not."""
    taps, logits = taps_of(2, 7), logits_of(2, 8)
    taps[0, 1, 0, 1] = value
    assert suspects(reference, taps, logits).tolist() == [True, False]


def test_a_batch_without_suspects_has_no_marks(reference: Reference) -> None:
    """What costs nothing in ordinary traffic: no array is made."""
    _, judged = Detector(reference).judge(taps_of(5, 7), None, logits_of(5, 8))
    assert judged.suspect is None


def test_p_values_are_those_of_a_reference_without_bounds(reference: Reference) -> None:
    """Bounds change nothing else."""
    taps, logits = taps_of(50, 9), logits_of(50, 10)
    plain = Detector(dataclasses.replace(reference, rows=None))
    assert plain.judge(taps, None)[1].suspect is None
    expected = plain.p_values({"taps": taps})
    assert Detector(reference).p_values({"taps": taps, "member_logit": logits}).tolist() == (
        expected.tolist()
    )


def test_bounds_outlast_the_file(reference: Reference) -> None:
    """What is written is read again, to the last bit; a file without bounds has none."""
    again = Reference.from_bytes(reference.to_bytes(), reference.members, 0)
    for field in dataclasses.fields(RowBounds):
        assert np.array_equal(getattr(again.rows, field.name), getattr(reference.rows, field.name))
    older = dataclasses.replace(reference, rows=None)
    assert Reference.from_bytes(older.to_bytes(), reference.members, 0).rows is None


@pytest.mark.parametrize(
    "change",
    [
        lambda arrays: arrays.update(rows_lower=arrays["rows_upper"]),
        lambda arrays: arrays.update(rows_upper=arrays["rows_upper"][:, :1]),
        lambda arrays: arrays.update(rows_above=arrays["rows_below"]),
        lambda arrays: arrays.update(rows_below=arrays["rows_below"][:1]),
        lambda arrays: arrays.update(rows_rate=np.array(np.nan)),
        lambda arrays: arrays.pop("rows_rate"),
    ],
)
def test_malformed_bounds_are_refused(reference: Reference, change) -> None:
    """Bounds of another shape, in the wrong order, or no numbers, are an error."""
    arrays = reference.rows.arrays()
    change(arrays)
    with pytest.raises(ValueError, match="rows"):
        RowBounds.of(arrays, MEMBERS, LAYERS)


def test_one_member_has_nothing_to_be_compared_with() -> None:
    """A single network is bounded by its taps alone, whatever its logits."""
    taps, rows = taps_of(ROWS, 0)[:, :1], np.arange(ROWS)
    reference = fit_reference([MemberRows(taps[:, 0], rows)], None, logits_of(ROWS, 1)[:, :1])
    wild = 100 * logits_of(4, 2)[:, :1]
    assert not suspects(reference, taps_of(4, 3)[:, :1], wild).any()


def test_few_rows_give_wide_bounds() -> None:
    """Twelve rows tell nothing of a tail: bounds are three times as far out as any of them."""
    taps, logits = taps_of(12, 0), logits_of(12, 1)
    bounds = fit_row_bounds([taps[:, member] for member in range(3)], [np.arange(12)] * 3, logits)
    furthest = np.abs(taps - np.median(taps, axis=0)).max(axis=0)
    assert (bounds.upper - bounds.lower > 2 * furthest).all()


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        # -log(rate) of a unit exponential, and rate ** -0.2 of a Pareto distribution of shape 0.2.
        (np.random.default_rng(0).exponential(size=100_000), 9.21),
        (np.random.default_rng(1).pareto(5.0, size=100_000) + 1, 6.31),
    ],
)
def test_the_quantile_of_a_known_tail(scores: np.ndarray, expected: float) -> None:
    """The number that one in 10,000 is beyond, within a tenth where no row was seen further out."""
    inner = scores[scores < np.quantile(scores, 0.9997)]
    assert tail_quantile(inner, 1e-4) == pytest.approx(expected, rel=0.25)
    assert tail_quantile(scores, 1e-4) >= 1.25 * scores.max()


def test_the_quantile_of_a_tail_of_another_unit() -> None:
    """Five times the scores have five times the quantile, heavy tail or not."""
    inner = np.random.default_rng(1).pareto(5.0, size=100_000) + 1
    inner = inner[inner < np.quantile(inner, 0.9997)]
    assert tail_quantile(5 * inner, 1e-4) == pytest.approx(5 * tail_quantile(inner, 1e-4))


def test_a_row_that_one_of_two_members_judges_counts_as_half() -> None:
    """The rate is that of new rows, which both judge: of halves, each is bounded at half the rate."""
    values = np.random.default_rng(3).standard_normal((8000, 1, 1, 1))
    taps = np.concatenate([values, values, values], axis=-1)
    halves = [np.arange(0, 8000, 2), np.arange(1, 8000, 2)]
    logits = np.zeros((8000, 2, 1))
    bounds = fit_row_bounds([taps[rows, 0] for rows in halves], halves, logits, rate=1e-2)
    furthest = np.zeros(8000)
    centres, units = [], []
    for rows in halves:
        own = values[rows, 0, 0, 0]
        centre, (low, high) = np.median(own), np.quantile(own, (0.005, 0.995))
        down, up = centre - low, high - centre
        furthest[rows] = np.where(own > centre, (own - centre) / up, (centre - own) / down)
        centres.append(centre)
        units.append(up)
    cut = 1.4 * tail_quantile(furthest, 1e-2 / 2 / 2)
    assert bounds.upper[:, 0, 0] == pytest.approx(np.array(centres) + cut * np.array(units))
