"""What two versions say of the same rows, by the kind of their targets."""

from types import SimpleNamespace

import numpy as np
import pytest

from models.bundle.targets import Quantity
from service.health.row_owner import RowOwner
from service.inference.trials.comparison import Comparison, Computed


def version(number: int, centre: float, scale: float) -> SimpleNamespace:
    """A served model of one quantity, without taps."""
    quantity = Quantity(
        name="vibration", unit="mm/s", centre=centre, scale=scale, slope=1.0, intercept=0.0,
        margin=0.1, coverage=0.9,
    )  # fmt: skip
    manifest = SimpleNamespace(version=number, quantities=[quantity], exclusive=False)
    return SimpleNamespace(manifest=manifest, targets=("vibration",), monitor=None)


def computed(values: np.ndarray) -> Computed:
    """Rows of as many requests, with a version's values ``(n, 1)``."""
    parts = [RowOwner(None, rows=1) for _ in values]
    ends = np.stack([values - 1, values + 1], axis=-1)
    return Computed(
        np.zeros((len(values), 2), np.float32), parts, {"value": values, "interval": ends}, 0.1
    )


@pytest.mark.parametrize("alike", [True, False])
def test_quantities_are_compared_by_their_values(alike: bool) -> None:
    """In their unit; versions that were learned from rows of another spread agree none the less."""
    random = np.random.default_rng(0)
    values = random.normal(40.0, 6.0, (400, 1))
    others = values + 0.5 if alike else random.normal(40.0, 6.0, (400, 1))
    comparison = Comparison(version(1, 40.0, 6.0), version(2, 50.0, 9.0))
    comparison.add(computed(values), computed(others))
    agreement = comparison.sums().agreement
    assert agreement.rows == 400
    assert agreement.called.tolist() == [0]
    concordance = agreement.concordance()
    if alike:
        assert agreement.gaps / 400 == pytest.approx(0.5)
        assert agreement.largest == pytest.approx(0.5)
        assert concordance.low > 0.98
    else:
        assert concordance.high < 0.5
