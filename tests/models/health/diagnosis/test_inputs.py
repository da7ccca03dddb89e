"""What happened to columns, by means and spreads, under a squashing that bends and clips."""

from collections.abc import Callable

import numpy as np
import pytest

from models.health.diagnosis.inputs import FeatureScales, Happened, recognise
from models.health.inputs import Inputs

FEATURES = 6
CENTRE = np.array([100.0, 40.0, 5.0, 0.5, 1000.0, 20.0])
SPREAD = np.array([20.0, 6.0, 1.0, 0.1, 300.0, 4.0])


def squash(raw: np.ndarray) -> np.ndarray:
    """Standardise, bend and clip each column, as a graph does."""
    scores = np.clip((raw - CENTRE) / SPREAD, -8, 8)
    return np.clip(2 * np.sinh(scores / 2), -6, 6).astype(np.float32)


def rows(number: int, seed: int) -> np.ndarray:
    """Rows like those of training."""
    return CENTRE + SPREAD * np.random.default_rng(seed).standard_normal((number, FEATURES))


def inputs() -> Inputs:
    """Their reference: only what the features' own moments need."""
    squashed = squash(rows(20_000, 0)).astype(float)
    spread = squashed.std(axis=0)
    scores = (squashed - squashed.mean(axis=0)) / spread
    square = np.square(scores)
    return Inputs(
        centre=squashed.mean(axis=0).astype(np.float32),
        spread=spread,
        square=square.mean(axis=0),
        square_spread=square.std(axis=0),
        projection=np.eye(FEATURES, dtype=np.float32),
        weights=np.ones(FEATURES),
        energy=np.array([0.0, 1.0]),
        scale=np.array([0.0, 1.0]),
        crosses=0,
    )


INPUTS = inputs()
SCALES = FeatureScales.of(INPUTS, squash)


def happened(raw: np.ndarray, scales: FeatureScales | None = SCALES) -> Happened:
    """What is recognised in raw rows."""
    scores = (squash(raw) - INPUTS.centre) / INPUTS.spread
    return recognise(INPUTS, np.stack([scores.mean(axis=0), np.square(scores).mean(axis=0)]), scales)


def column(at: int, change: Callable[[np.ndarray], np.ndarray]) -> Callable[[np.ndarray], np.ndarray]:
    """A change of one column."""

    def apply(raw: np.ndarray) -> np.ndarray:
        raw = raw.copy()
        raw[:, at] = change(raw[:, at])
        return raw

    return apply


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("at", range(FEATURES))
@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("shifted", lambda spread: lambda values: values + 2 * spread),
        ("shifted", lambda spread: lambda values: values - 1.5 * spread),
        ("constant", lambda spread: lambda values: np.full_like(values, values[0])),
    ],
)
def test_one_column_is_named_with_its_kind(seed: int, at: int, kind: str, change: Callable) -> None:
    """A shift is told from a lost column whatever the column's scale."""
    found = happened(column(at, change(SPREAD[at]))(rows(256, seed + 1)))
    assert (found.kind, found.features) == (kind, (at,))


@pytest.mark.parametrize("factor", [0.5, 0.7, 1.4, 2.0])
@pytest.mark.parametrize("at", [1, 2, 5])
def test_a_factor_is_told(factor: float, at: int) -> None:
    """Other units: about the factor is named, where values stay within the squashing's range."""
    wide = column(at, lambda values: CENTRE[at] * factor + (values - CENTRE[at]) * factor)
    found = happened(wide(rows(400, 3)))
    assert found.kind in ("rescaled", "shifted")
    if found.kind == "rescaled" and found.factor is not None:
        assert found.factor == pytest.approx(factor, rel=0.25)


def test_a_column_out_of_all_range_counts_as_rescaled() -> None:
    """Nothing is left of its spread, and no factor can be told."""
    found = happened(column(0, lambda values: 1000 * values)(rows(256, 4)))
    assert (found.kind, found.features, found.factor) == ("rescaled", (0,), None)


@pytest.mark.parametrize("pair", [(0, 1), (2, 5), (3, 4)])
def test_two_columns_that_are_exchanged_are_both_named(pair: tuple[int, int]) -> None:
    """Each has the other's place, even where both are then out of range."""
    first, second = pair
    raw = rows(256, 5)
    raw[:, [first, second]] = raw[:, [second, first]]
    found = happened(raw)
    if found.kind == "swapped":
        assert set(found.pairs) == {(first, second), (second, first)}
    else:  # all that is left is that both are out of range
        assert found.kind in ("rescaled", "shuffled")
        assert set(found.features) >= {first, second}


def test_the_ends_of_a_range_need_not_be_alike() -> None:
    """A column that is shifted to three below, where values reach three above, is not out of range."""

    def bent(raw: np.ndarray) -> np.ndarray:
        return np.clip((raw - CENTRE) / SPREAD, -8, 3).astype(np.float32)

    scales = FeatureScales.of(INPUTS, lambda raw: bent(raw) * INPUTS.spread + INPUTS.centre)
    scores = bent(column(2, lambda values: values - 3 * SPREAD[2])(rows(400, 11)))
    found = recognise(INPUTS, np.stack([scores.mean(axis=0), np.square(scores).mean(axis=0)]), scales)
    assert (found.kind, found.features) == ("shifted", (2,))


def test_columns_in_another_order_are_shuffled() -> None:
    """Three columns in a ring are no exchange of two."""
    raw = rows(256, 6)
    raw[:, [1, 5, 2]] = raw[:, [5, 2, 1]]
    found = happened(raw)
    assert found.kind == "shuffled"
    assert set(found.features) == {1, 2, 5}


def test_what_no_single_column_explains_is_another_population() -> None:
    """All columns have moved together, by about a standard deviation."""
    signs = np.array([1, -1, 1, 1, -1, 1])
    found = happened(CENTRE + SPREAD * signs + 1.3 * (rows(256, 7) - CENTRE))
    assert found.kind == "population"


def test_without_scales_only_lost_columns_are_told() -> None:
    """A model of many features, or of molecules, has none."""
    assert happened(column(2, lambda values: values * 0 + 9.0)(rows(256, 8)), None).kind == "constant"
    assert happened(rows(256, 9)[:, ::-1], None).kind == "population"


def test_many_features_have_no_scales() -> None:
    """They would be too many to try against each other."""
    many = Inputs(**{
        field: np.ones((65, 2) if field == "projection" else 65)
        for field in ("centre", "spread", "square", "square_spread", "projection", "weights")
    }, energy=np.ones(2), scale=np.ones(2), crosses=0)  # fmt: skip
    assert FeatureScales.of(many, lambda raw: raw) is None
