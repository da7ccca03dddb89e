"""Cut-offs that requests ask for: which probability they mean, and what is refused with which reason."""

import numpy as np
import pytest
from pydantic import ValidationError

from models.bundle.cutoffs import Curve, CutOffs, curves_of_bytes, curves_to_bytes, thresholds_of
from models.bundle.manifest import Manifest
from models.bundle.targets import Target
from models.errors import BundleRefused, CutOffRefused
from tests.support import bundles

CURVES = {"pulsar": bundles.CURVE}


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """Of the small model with one target, called from a half on."""
    folder = tmp_path_factory.mktemp("bundle")
    bundles.write_bundle(folder, 1)
    return Manifest.model_validate_json((folder / "manifest.json").read_text())


@pytest.mark.parametrize(
    ("by", "value", "expected"),
    [
        ("threshold", 0.2, 0.2),
        ("threshold", 0.0, 0.0),
        ("recall", 0.8, 0.6),
        ("recall", 0.81, 0.3),
        ("recall", 1.0, 0.05),
        ("fpr", 0.005, 0.9),
        ("fpr", 0.01, 0.6),
        ("fpr", 0.0999, 0.6),
        ("fpr", 1.0, 0.05),
        ("recall", (("pulsar", 0.95),), 0.3),
    ],
)
def test_a_cut_off_is_that_of_the_curve(manifest: Manifest, by, value, expected: float) -> None:
    """The highest that finds enough, the lowest with few enough false alarms, or the number itself."""
    assert thresholds_of(manifest, CURVES, CutOffs(by, value)).tolist() == [expected]
    assert thresholds_of(manifest, CURVES).tolist() == [0.5]


@pytest.mark.parametrize(
    ("by", "value", "reason"),
    [
        ("recall", 99, "recall of pulsar is 99; it is a share above 0 and up to 1"),
        ("recall", 0, "above 0"),
        ("recall", float("nan"), "it is a share"),
        ("fpr", 0, "above 0"),
        ("fpr", -0.1, "it is a share"),
        ("fpr", 0.001, "pulsar: fpr 0.001 cannot be told from none: of 200 negative rows one is 0.005"),
        ("threshold", 1.5, "it is a probability from 0 to 1"),
        ("threshold", (("NR-AR", 0.5),), "model 'htru2' has pulsar"),
        ("threshold", (), "names no target"),
    ],
)
def test_what_is_no_cut_off_is_refused_with_a_reason(manifest: Manifest, by, value, reason) -> None:
    """A sentence says what was asked for and what may be."""
    with pytest.raises(CutOffRefused, match=reason):
        thresholds_of(manifest, CURVES, CutOffs(by, value))


def test_a_curve_that_ends_early_says_what_it_has(manifest: Manifest) -> None:
    """Neither a recall nor a rate beyond its points is made up."""
    short = {
        "pulsar": bundles.CURVE.model_copy(
            update={"threshold": [0.6], "hits": [16], "false_alarms": [2]}
        )
    }
    with pytest.raises(CutOffRefused, match=r"recall 0.9 is not reached: the most .* is 0.8"):
        thresholds_of(manifest, short, CutOffs("recall", 0.9))
    with pytest.raises(CutOffRefused, match=r"fpr 0.005 is not reached: the least .* is 0.01"):
        thresholds_of(manifest, short, CutOffs("fpr", 0.005))


def test_a_version_without_a_curve_takes_a_threshold_alone(manifest: Manifest) -> None:
    """Older bundles know no recalls; the refusal says what to do."""
    assert thresholds_of(manifest, None, CutOffs("threshold", 0.3)).tolist() == [0.3]
    with pytest.raises(CutOffRefused, match=r"published without; give a threshold, or train"):
        thresholds_of(manifest, None, CutOffs("recall", 0.9))


def test_classes_have_no_cut_off(manifest: Manifest) -> None:
    """The most probable class is called."""
    classes = manifest.model_copy(update={"exclusive": True})
    with pytest.raises(CutOffRefused, match="classes: the most probable is called"):
        thresholds_of(classes, CURVES, CutOffs("threshold", 0.3))


def test_curves_of_other_targets_or_another_shape_are_refused() -> None:
    """A bundle's curves are its own."""
    content = curves_to_bytes(CURVES)
    assert curves_of_bytes(content, ["pulsar"]) == CURVES
    for altered, targets in ((content, ["other"]), (b"[]", ["pulsar"]), (content[:-5], ["pulsar"])):
        with pytest.raises(BundleRefused, match=r"curves\.json"):
            curves_of_bytes(altered, targets)
    for change in ({"hits": [1]}, {"threshold": [0.1, 0.6, 0.3, 0.05]}, {"positive": 19}):
        with pytest.raises(ValidationError):
            Curve(**(bundles.CURVE.model_dump() | change))


def test_an_assay_is_not_active_below_elevated() -> None:
    """The manifest's cut-offs are in order."""
    Target(name="t", threshold=0.3, elevated=0.1, slope=1, intercept=0)
    with pytest.raises(ValidationError, match="below the cut-off of elevated"):
        Target(name="t", threshold=0.1, elevated=0.3, slope=1, intercept=0)


def test_precision_is_of_what_is_called() -> None:
    """Where nothing is called it is 1."""
    none = bundles.CURVE.model_copy(update={"hits": [0, 16, 19, 20]})
    assert none.precision == pytest.approx(np.array([1, 16 / 18, 19 / 39, 20 / 220]))
