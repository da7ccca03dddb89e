"""Chance in windows of few requests, few distinct rows, and few pieces of evidence."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.health.evidence import CELLS
from models.health.windows.uncertainty import (
    MARGIN,
    Evidence,
    coincidence,
    distinct,
    errors_of,
    widening,
)


def evidence(rows: np.ndarray, size: int, cells: np.ndarray | None = None) -> Evidence:
    """Sums of one window of rows (n, E) in requests of one size."""
    groups = rows.reshape(-1, size, rows.shape[1])
    cells = np.random.default_rng(9).integers(0, CELLS, len(rows)) if cells is None else cells
    return Evidence(
        np.array([[len(rows), len(groups), len(groups) * size**2]], float),
        rows.sum(axis=0)[None],
        np.square(rows).sum(axis=0)[None],
        np.square(groups - groups.mean(axis=1, keepdims=True)).sum(axis=(0, 1))[None],
        np.bincount(cells, minlength=CELLS).astype(float)[None],
    )


def test_many_pieces_have_the_plain_margin_and_few_a_wider_one() -> None:
    """A kind of rows that fills all of m pieces with odds exp(-MARGIN²) stays within the margin."""
    for pieces in (2, 4, 8, 16, 64, 256, 100_000):
        share = np.exp(-(MARGIN**2)) ** (1 / pieces)
        off = np.sqrt((1 - share) / share)
        margin = MARGIN * np.sqrt(widening(np.array(float(pieces))) / pieces)
        assert margin == pytest.approx(off, rel=1e-6)
    assert widening(np.array(1e6)) == pytest.approx(1.0, abs=1e-4)


@settings(deadline=None, max_examples=40)
@given(number=st.integers(20, 600), kinds=st.integers(1, 600), seed=st.integers(0, 99))
def test_rows_that_come_again_are_told_by_how_often(number: int, kinds: int, seed: int) -> None:
    """Of n rows of so many kinds about as many count as are distinct; all distinct ones count fully."""
    rng = np.random.default_rng(seed)
    kind = np.arange(number) % kinds
    window = evidence(rng.standard_normal((number, 2)), 1, rng.integers(0, CELLS, kinds)[kind])
    count = min(kinds, number)
    found = float(distinct(window)[0])
    if count <= 8:
        assert found <= 2.0 * count + 2
    if count == number:
        assert coincidence(window)[0] < 0.02
        assert found > 0.2 * number


def test_requests_that_were_unlike_each_other_are_expected_to_be_so() -> None:
    """Four requests that happen to be alike are no more certain than those before them were."""
    rng = np.random.default_rng(0)
    clustered = rng.standard_normal((64, 1, 3)) + 0.3 * rng.standard_normal((64, 20, 3))
    before = evidence(clustered.reshape(-1, 3), 20)
    independent = evidence(rng.standard_normal((1280, 3)), 20)
    now = evidence(rng.standard_normal((80, 3)), 20)
    assert (errors_of(now, before).plain > 4 * errors_of(now, independent).plain).all()
    assert (errors_of(now, before).plain > 0.19).all()
    assert (errors_of(now, independent).plain < 0.05).all()


def test_columns_with_little_evidence_do_not_count_in_suffixes() -> None:
    """Requests of alike rows are few pieces, whatever their number of rows."""
    rng = np.random.default_rng(0)
    before = evidence(rng.standard_normal((2000, 3)), 20)
    alike = np.repeat(rng.standard_normal((4, 3)), 50, axis=0)
    assert not errors_of(evidence(alike, 50), before).counted.any()
    assert errors_of(evidence(alike, 50)).counted.all()
    assert errors_of(evidence(rng.standard_normal((200, 3)), 50), before).counted.any()


@settings(deadline=None, max_examples=40)
@given(size=st.sampled_from([1, 4, 16, 64]), requests=st.integers(1, 40), seed=st.integers(0, 99))
def test_errors_are_finite_and_no_window_is_surer_than_its_rows(
    size: int, requests: int, seed: int
) -> None:
    """Neither plain nor widened errors are below the variance over the rows."""
    rng = np.random.default_rng(seed)
    window = evidence(rng.standard_normal((size * requests, 2)), size)
    for before in (None, evidence(rng.standard_normal((640, 2)), 16)):
        errors = errors_of(window, before)
        assert np.isfinite(errors.widened).all()
        assert (errors.plain >= 0.999 * errors.unit / (size * requests)).all()
        assert (errors.widened >= 0.999 * errors.plain).all()


@pytest.mark.parametrize(("requests", "told"), [(40, False), (200, False), (1500, True)])
def test_many_earlier_requests_tell_how_rare_alike_rows_are(requests: int, told: bool) -> None:
    """Rows that spread less than usual are one client's, unless no client was so in a long time."""
    rng = np.random.default_rng(0)
    before = evidence(rng.standard_normal((64 * requests, 3)), 64)
    narrow = evidence(0.3 * rng.standard_normal((256, 3)) + 2.0, 64)
    errors = errors_of(narrow, before)
    assert errors.counted.any() == told
    if told:
        assert (MARGIN * np.sqrt(errors.widened[errors.counted]) < 1.5).all()
    # Three requests are one client's, whatever came before.
    assert not errors_of(evidence(0.3 * rng.standard_normal((192, 3)) + 2.0, 64), before).counted.any()


def test_among_clients_of_alike_rows_four_more_are_no_news() -> None:
    """However many came before: they differ from each other by as much."""
    rng = np.random.default_rng(1)
    clustered = rng.standard_normal((1500, 1, 3)) + 0.3 * rng.standard_normal((1500, 64, 3))
    before = evidence(clustered.reshape(-1, 3), 64)
    narrow = evidence(0.3 * rng.standard_normal((256, 3)) + 2.0, 64)
    errors = errors_of(narrow, before)
    assert not (errors.counted & (MARGIN * np.sqrt(errors.widened) < 2.0)).any()
