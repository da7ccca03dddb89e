"""Row p-values and window effects on made-up layer statistics."""

import numpy as np
import pytest
from scipy.stats import kstest

from models.moments import Moments
from models.reference import Reference, _Ranks, comparable, fit_member

MEMBERS, LAYERS, ROWS = 2, 3, 1500


def taps(rng: np.random.Generator, rows: int, members: int = MEMBERS) -> np.ndarray:
    """Correlated made-up taps of shape (rows, members, layers, 3)."""
    shared = rng.standard_normal((rows, 1, 1))
    mean = 0.1 * (shared + rng.standard_normal((rows, members, LAYERS)))
    variance = np.exp(0.2 * (shared + rng.standard_normal((rows, members, LAYERS))))
    saturated = rng.binomial(64, 0.05, (rows, members, LAYERS)) / 64
    return np.stack([mean, variance, saturated], axis=-1).astype(np.float32)


@pytest.fixture(scope="module")
def reference() -> Reference:
    """A reference fitted to made-up rows."""
    data = taps(np.random.default_rng(0), ROWS)
    return Reference.of([fit_member(data[:, member]) for member in range(MEMBERS)])


def test_fresh_rows_of_one_member_have_uniform_p_values() -> None:
    """Rows outside the fit get p-values that are uniform, as conformal ones must be."""
    data = taps(np.random.default_rng(1), 6000, members=1)
    reference = Reference.of([fit_member(data[:3000, 0])])
    assert kstest(reference.p_values(data[3000:]), "uniform").pvalue > 0.01


def test_strange_rows_get_the_floor(reference: Reference) -> None:
    """A dead layer, and taps that are not finite, get a p-value of at most 2 / (n + 1)."""
    rows = taps(np.random.default_rng(2), 2)
    rows[0, :, 1] = 0
    rows[1, 0, 0, 0] = np.nan
    assert (reference.p_values(rows) <= 2 / (ROWS + 1)).all()


def test_p_values_are_the_members_ranks_averaged() -> None:
    """Against counting by hand, over members of different sizes, with ties and extremes."""
    rng = np.random.default_rng(5)
    scores = [np.sort(rng.integers(0, 30, n).astype(float)) for n in (50, 81, 7)]
    distances = rng.integers(0, 32, (200, 3)).astype(float)
    distances[0], distances[1] = np.inf, 0
    expected = []
    for row in distances:
        pairs = list(zip(row, scores, strict=True))
        above = np.mean([(1 + (own >= d).sum()) / (len(own) + 1) for d, own in pairs])
        below = np.mean([(1 + (own <= d).sum()) / (len(own) + 1) for d, own in pairs])
        expected.append(min(1.0, 2 * min(above, below)))
    assert _Ranks.of(scores).p_values(distances) == pytest.approx(expected)


def test_too_quiet_is_strange_too(reference: Reference) -> None:
    """A row at the exact centre of the reference is as suspicious as one far out."""
    centre = reference.centre.reshape(MEMBERS, LAYERS, 3).copy()
    centre[..., 1] = np.exp(centre[..., 1])
    assert reference.p_values(centre[None])[0] < 0.01


def test_a_clean_window_shows_no_effect(reference: Reference) -> None:
    """Rows like the reference stay within the margin of chance."""
    effects = reference.effects(Moments.of(comparable(taps(np.random.default_rng(3), 500))))
    assert effects.largest == 0
    assert effects.first_departing is None


def test_a_moved_layer_is_named(reference: Reference) -> None:
    """The shallowest layer that moved by more than its spread is the first departing."""
    rows = taps(np.random.default_rng(4), 500)
    rows[:, 1, 1:, 0] += 1.0
    effects = reference.effects(Moments.of(comparable(rows)))
    assert effects.largest > 1
    assert effects.first_departing == (1, 1)


def test_a_reference_needs_rows() -> None:
    """One row has no spread."""
    with pytest.raises(ValueError, match="at least 2"):
        fit_member(np.zeros((1, 3, 3)))
