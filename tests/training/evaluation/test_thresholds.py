"""The two cut-offs of an assay, the curve that is published, and what is said of both."""

import json

import numpy as np
import pytest

from models.bundle.cutoffs import MOST_POINTS, curves_of_bytes, curves_to_bytes
from training.evaluation.calibration import calibrate, choose_cut_offs, sigmoid
from training.evaluation.figures import metrics
from training.evaluation.metrics import bootstrap
from training.evaluation.thresholds import active_from, curve_of


def drawn(n: int = 6000, seed: int = 0, strength: float = 1.5) -> tuple[np.ndarray, np.ndarray]:
    """Labels of a rare class, 8 %, and calibrated probabilities of them."""
    logits = -3.4 + strength * np.random.default_rng(seed).standard_normal(n)
    p = sigmoid(logits)
    return (np.random.default_rng(seed + 1).random(n) < p).astype(float), p


@pytest.mark.parametrize("seed", range(4))
def test_active_keeps_its_precision_on_other_rows(seed: int) -> None:
    """From active on at least half of new rows are positive, up to the chance of few of them."""
    labels, p = drawn(seed=seed)
    active, elevated = choose_cut_offs(labels, p, "levels")
    fresh, fresh_p = drawn(60_000, seed + 100)
    assert elevated is not None
    assert elevated < active
    assert fresh[fresh_p >= active].mean() >= 0.47
    assert fresh[fresh_p >= elevated].mean() < 0.4


def test_no_lower_cut_off_would_do() -> None:
    """Active finds what can be found at its precision: a cut-off far below has less."""
    labels, p = drawn(40_000)
    active, _ = choose_cut_offs(labels, p, "levels")
    assert labels[p >= active].mean() == pytest.approx(0.5, abs=0.03)
    assert labels[p >= 0.8 * active].mean() < 0.5


def test_where_half_is_not_reached_active_is_the_most_precise() -> None:
    """A weak assay gets its best cut-off with ten calls or more, and not the luck of one."""
    labels, p = drawn(4000, strength=0.3)
    labels[np.argmax(p)] = 1
    active, _ = choose_cut_offs(labels, p, "levels")
    called = p >= active
    assert called.sum() >= 10
    assert labels.mean() < labels[called].mean() < 0.5


def test_active_never_begins_below_elevated() -> None:
    """Where more than half are positive, screening's cut-off is already precise enough."""
    p = np.linspace(0.2, 0.98, 2000)
    labels = (np.random.default_rng(0).random(2000) < p).astype(float)
    active, elevated = choose_cut_offs(labels, p, "levels")
    assert active == elevated
    assert active_from(labels, p, 0.99) == 0.99


@pytest.mark.parametrize("n", [60, 700, 20_000])
def test_a_curve_counts_what_its_cut_offs_call(n: int) -> None:
    """At every point the numbers are those of the rows from its threshold on; points are few."""
    labels, p = drawn(n)
    p = p.round(3)  # with ties
    curve = curve_of(labels, p)
    assert len(curve.threshold) <= MOST_POINTS
    for threshold, hits, alarms in zip(curve.threshold, curve.hits, curve.false_alarms, strict=True):
        assert hits == (labels[p >= threshold] == 1).sum()
        assert alarms == (labels[p >= threshold] == 0).sum()
    assert curve_of(labels, p) == curves_of_bytes(curves_to_bytes({"t": curve}), ["t"])["t"]


@pytest.mark.parametrize("recall", [0.5, 0.9, 0.95, 0.99, 1.0])
def test_the_cut_off_for_a_recall_finds_it_and_hardly_more(recall: float) -> None:
    """On the rows of the curve the share is reached, within a step of it."""
    labels, p = drawn(20_000)
    found = (p[labels == 1] >= curve_of(labels, p).for_recall(recall)).mean()
    assert recall <= found <= recall + 0.01


@pytest.mark.parametrize("rate", [0.0005, 0.001, 0.005, 0.011, 0.1, 0.5])
def test_the_cut_off_for_a_rate_keeps_below_it(rate: float) -> None:
    """On the rows of the curve the rate is kept, and nearly used."""
    labels, p = drawn(20_000)
    made = (p[labels == 0] >= curve_of(labels, p).for_false_positive_rate(rate)).mean()
    assert 0.85 * rate <= made <= rate


def test_calibration_of_held_out_logits_has_all_that_a_version_needs() -> None:
    """Maps, both cut-offs, cross-fitted calls of both, and a curve for each target."""
    labels, p = drawn()
    logits = np.log(p / (1 - p))
    y, z = np.stack([labels, 1 - labels], axis=1), np.stack([logits, -logits], axis=1)
    y[::7, 1] = np.nan
    found = calibrate(y, z, z, "levels")
    assert found.elevated is not None
    assert (found.elevated <= found.thresholds).all()
    assert found.calls_elevated is not None
    assert (found.calls_elevated >= found.calls).all()
    assert not found.calls_elevated[::7, 1].any()
    counts = [int((column == 1).sum()) for column in y.T]
    assert [curve.positive for curve in found.curves] == counts
    assert labels[found.calls[:, 0]].mean() >= 0.48
    assert calibrate(y, z, z, "youden").elevated is None


def test_figures_tell_how_many_assays_a_record_has() -> None:
    """By cut-offs, by probabilities and as measured; and the rates of elevated beside those of calls."""
    labels, p = drawn()
    y, two = np.stack([labels, labels], axis=1), np.stack([p, p], axis=1)
    y[:3000, 1] = np.nan
    calls, elevated = two >= 0.3, two >= 0.05
    part = {"first": np.arange(6000) < 600}
    document = metrics(y, two, ("a", "b"), calls, elevated=elevated, parts=part)
    counted = document["overall"]["assays_a_record"]
    assert counted["measured"] == pytest.approx(labels.mean() + labels[3000:].mean())
    assert counted["expected"] == pytest.approx(p.mean() + p[3000:].mean())
    assert counted["active"] == pytest.approx(calls[:, 0].mean() + calls[3000:, 1].mean())
    assert counted["elevated_or_active"] > counted["expected"] > counted["active"]
    for name, values in (("measured", y), ("expected", two), ("active", calls)):
        known = np.where(np.isnan(y), np.nan, values)
        drawn_again = bootstrap(
            lambda rows, known=known: np.nanmean(known[rows], axis=0).sum(), len(y), draws=300
        )
        low, high = document["overall"]["assays_a_record_95_interval"][name]
        assert (low + high) / 2 == pytest.approx(counted[name])
        assert high - low == pytest.approx(2 * 1.96 * drawn_again.error, rel=0.2)
    first = document["targets"]["a"]
    assert first["elevated"]["recall"] > first["recall"]
    low, high = first["precision_95_interval"]
    assert low < first["precision"] < high
    assert document["overall"]["parts"]["first"]["rows"] == 600
    json.dumps(document, allow_nan=False)
