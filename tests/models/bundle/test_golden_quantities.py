"""Golden rows of quantities: values in any unit are compared by their range."""

import numpy as np
import pytest

from models.bundle.golden import FLOAT32, Golden
from models.bundle.manifest import Manifest
from models.bundle.targets import Quantity
from models.errors import BundleRefused, NotReproduced
from tests.support import bundles

NAMES = ("a", "b")


def golden(centre: float, scale: float, rows: int = 6) -> Golden:
    """Golden rows with values of this centre and scale."""
    rng = np.random.default_rng(0)
    value = centre + scale * rng.normal(size=(rows, 1))
    ends = value[:, :, None] + scale * np.array([-1.0, 1.0])
    features = rng.normal(size=(rows, 2)).astype(np.float32)
    return Golden(tuple([0.0, 0.0] for _ in range(rows)), features, value=value, interval=ends)


@pytest.mark.parametrize(("centre", "scale"), [(0.0, 1.0), (1.7e12, 10.0), (3e-9, 1e-10), (-5e20, 1e18)])
def test_values_are_kept_and_compared_by_their_range(centre: float, scale: float) -> None:
    """Double precision survives the file; a thousandth of the scale is noticed, rounding is not."""
    made = golden(centre, scale)
    again = Golden.from_bytes(made.to_bytes())
    assert again.is_regression
    assert again.value is not None
    assert again.interval is not None
    assert (again.value == made.value).all()
    assert again.value.dtype == np.float64
    outputs = again.arrays()
    again.check_outputs(outputs, NAMES, FLOAT32)
    again.check_outputs(outputs | {"value": again.value + 1e-5 * scale}, NAMES, FLOAT32)
    for name, values in (("value", again.value), ("interval", again.interval)):
        with pytest.raises(NotReproduced, match=f"a {name} is off by"):
            again.check_outputs(outputs | {name: values + 0.005 * scale}, NAMES, FLOAT32)
        with pytest.raises(NotReproduced, match=f"a {name} is off by"):
            again.check_outputs(outputs | {name: values * np.nan}, NAMES, FLOAT32)


def test_half_an_answer_is_refused() -> None:
    """A file needs probabilities and logits, or values and intervals, and nothing between."""
    made = golden(0.0, 1.0)
    half = Golden(made.records, made.features, value=made.value)
    with pytest.raises(BundleRefused, match="neither probabilities and logits, nor values"):
        Golden.from_bytes(half.to_bytes())
    mixed = Golden(made.records, made.features, logit=made.features, value=made.value)
    with pytest.raises(BundleRefused, match="neither probabilities and logits, nor values"):
        Golden.from_bytes(mixed.to_bytes())


def test_a_manifest_has_targets_or_quantities(tmp_path) -> None:
    """One kind of them, and not none; classes and trees are no matter of quantities."""
    version = bundles.publish(tmp_path)
    text = (tmp_path / "htru2" / str(version) / "manifest.json").read_text()
    manifest = Manifest.model_validate_json(text)
    quantity = Quantity(
        name="price",
        unit=None,
        centre=0.0,
        scale=2.0,
        slope=1.0,
        intercept=0.0,
        margin=0.1,
        coverage=0.9,
    )
    plain = manifest.model_dump()
    for changed in ({"targets": []}, {"quantities": [quantity.model_dump()]}):
        with pytest.raises(ValueError, match="it needs targets or quantities, and not both"):
            Manifest.model_validate(plain | changed)
    regression = plain | {"targets": [], "quantities": [quantity.model_dump()]}
    made = Manifest.model_validate(regression)
    assert (made.is_regression, made.are_assays, made.has_intervals) == (True, False, True)
    assert (made.target_names, made.network_outputs) == (["price"], 3)
    with pytest.raises(ValueError, match="quantities are no classes"):
        Manifest.model_validate(regression | {"exclusive": True})
    for bad in ({"scale": 0.0}, {"centre": float("inf")}, {"coverage": 1.0}):
        with pytest.raises(ValueError, match=next(iter(bad))):
            Quantity.model_validate(quantity.model_dump() | bad)
