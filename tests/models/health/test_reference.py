"""Row p-values, departures and window effects on made-up layer statistics."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kstest

from models.health.conformal import Ranks
from models.health.detector import Detector
from models.health.effect_size import DEGRADED_AT
from models.health.evidence import CELLS, Sums, values_width
from models.health.fitting import MemberRows, comparable, fit_reference, summary
from models.health.layout import Layout
from models.health.reference import SHARE_FLOOR, MemberReference, Reference
from models.health.windows.shifts import assess

MEMBERS, LAYERS, ROWS, FEATURES = 3, 4, 2000, 6


def made(seed: int, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Made-up squashed inputs (rows, F), and taps that follow from them but for a little."""
    rng = np.random.default_rng(seed)
    inputs = np.tanh(rng.standard_normal((rows, FEATURES)) @ _MIX).astype(np.float32)
    taps = np.empty((rows, MEMBERS, LAYERS, 3), np.float32)
    for member in range(MEMBERS):
        signal = inputs @ _WEIGHTS[member]
        noise = 0.05 * rng.standard_normal((rows, LAYERS, 3))
        taps[:, member, :, 0] = signal + noise[..., 0]
        taps[:, member, :, 1] = np.exp(0.3 * signal**2 + noise[..., 1])
        taps[:, member, :, 2] = np.clip(0.1 + 0.02 * signal + 0.1 * noise[..., 2], 0, 1)
    return inputs, taps


_MIX = np.random.default_rng(100).standard_normal((FEATURES, FEATURES)) / 2
_WEIGHTS = np.random.default_rng(101).standard_normal((MEMBERS, FEATURES, LAYERS))


def fitted(inputs: np.ndarray | None, taps: np.ndarray) -> Reference:
    """Each member's reference from rows of its own."""
    parts = np.array_split(np.arange(len(taps)), taps.shape[1])
    return fit_reference([MemberRows(taps[own, n], own) for n, own in enumerate(parts)], inputs)


@pytest.fixture(scope="module")
def reference() -> Reference:
    """A reference with inputs."""
    return fitted(*made(0, ROWS * MEMBERS))


def test_the_variance_of_a_layer_has_that_between_rows() -> None:
    """Of two rows at -1 and 3, each with a variance of 2 and a share of saturated units, it is 2 + 4."""
    taps = np.array([[[-1.0, 2.0, 0.5]], [[3.0, 2.0, 0.1]]], np.float32)
    found = summary(taps)
    assert np.ravel(found.mean).tolist() == [1.0]
    assert np.ravel(found.variance).tolist() == [6.0]
    assert np.ravel(found.saturated) == pytest.approx([0.3])


def statistics(reference: Reference, inputs: np.ndarray, taps: np.ndarray) -> np.ndarray:
    """The detector's columns for rows."""
    detector = Detector(reference)
    _, judged = detector.judge(taps, None if reference.inputs is None else inputs)
    return detector.statistics([judged]).T.astype(float)


def window(reference: Reference, rows: np.ndarray, requests: np.ndarray | None = None) -> Sums:
    """A window's sums by counting; ``requests`` numbers each row's request."""
    layout = Layout.of(reference)
    requests = np.arange(len(rows)) if requests is None else requests
    evidence = rows[:, layout.evidence]
    groups = [evidence[requests == one] for one in np.unique(requests)]
    sizes = np.array([len(group) for group in groups])
    within = sum(np.square(group - group.mean(axis=0)).sum(axis=0) for group in groups)
    means = sum(np.stack([group.mean(axis=0), np.square(group).mean(axis=0)]) for group in groups)
    cells = np.full(CELLS, len(rows) / CELLS)  # as of rows that all are distinct
    counts = np.array([len(rows), len(groups), np.square(sizes).sum()], float)
    return Sums(counts, rows.sum(axis=0), np.square(rows).sum(axis=0), within, means, cells)


def test_fresh_rows_of_one_member_have_uniform_p_values() -> None:
    """Rows outside fit and tuning get uniform p-values, as conformal ones must be."""
    inputs, taps = made(1, 6000)
    rows = np.arange(3000)
    reference = fit_reference([MemberRows(taps[:3000, 0], rows)], inputs[:3000])
    outputs = {"taps": taps[3000:, :1], "squashed": inputs[3000:]}
    p_values = Detector(reference).p_values(outputs)
    assert kstest(p_values, "uniform").pvalue > 0.001
    for level in (0.01, 0.05, 0.2):
        expected = pytest.approx(level, abs=4 * np.sqrt(level / 3000))
        assert (p_values <= level).mean() == expected


def test_strange_rows_get_the_floor(reference: Reference) -> None:
    """A dead layer, and what is not finite, get a p-value of at most 2 / (n + 1)."""
    inputs, taps = made(2, 4)
    taps[0, :, 1] = 0
    taps[1, 0, 0, 0] = np.nan
    inputs[2, 0] = np.inf
    inputs[3] = 50
    with np.errstate(invalid="ignore"):
        p_values = Detector(reference).p_values({"taps": taps, "squashed": inputs})
    assert (p_values <= 2 / (ROWS + 1) + 1e-6).all()


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
    assert Ranks.of(scores).p_values(distances.T) == pytest.approx(expected)


def test_departures_have_unit_variance_on_fresh_rows(reference: Reference) -> None:
    """Evidence is in standard deviations of rows outside the fit."""
    rows = statistics(reference, *made(3, 4000))
    layout = Layout.of(reference)
    assert rows[:, layout.departures].std(axis=0) == pytest.approx(1.0, abs=0.15)
    assert rows[:, layout.directions].std(axis=0) == pytest.approx(1.0, abs=0.1)


def test_arrays_travel_as_bytes(reference: Reference) -> None:
    """The npz gives the same statistics again, to float32."""
    again = Reference.from_bytes(reference.to_bytes(), reference.members, FEATURES)
    data = made(4, 50)
    assert statistics(again, *data) == pytest.approx(statistics(reference, *data), rel=1e-2, abs=1e-2)
    with pytest.raises(ValueError, match="inputs_centre"):
        Reference.from_bytes(reference.to_bytes(), reference.members, FEATURES + 1)
    with pytest.raises(ValueError, match="centre"):
        Reference.from_bytes(reference.to_bytes(), reference.members[:2], FEATURES)
    with pytest.raises(ValueError, match="npz"):
        Reference.from_bytes(b"PK", reference.members, FEATURES)


def test_a_bundle_from_before_judges_by_its_layers_alone() -> None:
    """Covariances and scores of the manifest give p-values that are uniform, and no input effects."""
    _, taps = made(6, 4000)
    flat = comparable(taps[:2000, 0]).reshape(2000, -1)
    covariance = np.cov(flat.T)
    centred = flat - flat.mean(axis=0)
    scores = np.einsum("ij,jk,ik->i", centred, np.linalg.inv(covariance), centred)
    layers = [0.0] * LAYERS
    member = MemberReference(
        mean=layers, variance=[1.0] * LAYERS, saturated=layers, centre=flat.mean(axis=0).tolist(),
        covariance=covariance.tolist(), scores=np.sort(scores).tolist(),
    )  # fmt: skip
    detector = Detector(Reference.of([member]))
    p_values = detector.p_values({"taps": taps[2000:, :1]})
    assert kstest(p_values, "uniform").pvalue > 0.001
    assert not detector.layout.has_inputs


def test_a_clean_window_shows_no_effect(reference: Reference) -> None:
    """Rows like the reference stay within what chance may contribute."""
    rows = statistics(reference, *made(7, 500))
    effects = assess(reference, Layout.of(reference), window(reference, rows))
    assert effects.largest < 0.1
    assert effects.first_departing is None


def test_a_layer_that_computes_otherwise_is_named_though_inputs_are_rare(reference: Reference) -> None:
    """Rare inputs depart as inputs; a layer of one member that was altered departs as that layer."""
    inputs, taps = made(8, 4000)
    chosen = inputs[:, 0] > np.quantile(inputs[:, 0], 0.7)
    layout = Layout.of(reference)
    rare = assess(
        reference, layout, window(reference, statistics(reference, inputs[chosen], taps[chosen]))
    )
    assert rare.inputs is not None
    assert rare.inputs.sure > DEGRADED_AT
    assert max(member.sure for member in rare.members) < DEGRADED_AT
    taps[:, 1, 2:, 0] += 0.2
    altered = assess(reference, layout, window(reference, statistics(reference, inputs, taps)))
    assert altered.first_departing == (1, 2)
    assert altered.inputs is not None
    assert altered.inputs.sure < 0.1


def test_a_request_of_alike_rows_is_one_piece_of_evidence(reference: Reference) -> None:
    """256 copies of a row tell as much as the row; 256 unlike rows of one request tell more."""
    inputs, taps = made(9, 256)
    layout = Layout.of(reference)
    rows = statistics(reference, inputs, taps)
    one = assess(reference, layout, window(reference, rows[:1]))
    alike = assess(reference, layout, window(reference, np.repeat(rows[:1], 256, 0), np.zeros(256)))
    unlike = assess(reference, layout, window(reference, rows, np.zeros(256)))
    assert alike.error == pytest.approx(one.error)
    assert unlike.error < 0.3 * one.error
    assert alike.largest == pytest.approx(one.largest)


def test_clean_traffic_in_requests_of_alike_rows_never_degrades(reference: Reference) -> None:
    """Windows of few requests, each of many neighbours, stay healthy although their means stray."""
    inputs, taps = made(10, 4000)
    rows = statistics(reference, inputs, taps)
    order = np.argsort(inputs[:, 0])
    rng = np.random.default_rng(0)
    layout = Layout.of(reference)
    for _ in range(100):
        starts = rng.integers(0, 4000 - 64, 6)
        chosen = np.concatenate([order[at : at + 64] for at in starts])
        effects = assess(reference, layout, window(reference, rows[chosen], np.repeat(range(6), 64)))
        assert effects.largest < DEGRADED_AT


def test_values_are_put_together_and_taken_apart(reference: Reference) -> None:
    """``Sums`` travel as one array."""
    layout = Layout.of(reference)
    sums = window(reference, statistics(reference, *made(11, 20)))
    assert len(sums.values) == values_width(layout)
    again = Sums.of(sums.counts, sums.values, layout)
    assert again.by_request == pytest.approx(sums.by_request)
    assert again.cells == pytest.approx(sums.cells)
    assert again.within == pytest.approx(sums.within)


@settings(deadline=None, max_examples=30)
@given(st.integers(2, 40), st.integers(1, 5), st.integers(0, 5))
def test_a_reference_of_any_size_judges_any_rows(rows: int, layers: int, seed: int) -> None:
    """Few rows, constant columns and collinear layers leave everything finite."""
    rng = np.random.default_rng(seed)
    inputs = rng.standard_normal((rows, 3)).astype(np.float32)
    inputs[:, 1] = 0
    taps = np.repeat(rng.standard_normal((rows, 1, 1, 3)), layers, axis=2).astype(np.float32)
    reference = fit_reference([MemberRows(taps[:, 0], np.arange(rows))], inputs)
    detector = Detector(reference)
    p_values, judged = detector.judge(taps, inputs)
    assert np.isfinite(detector.statistics([judged])).all()
    assert ((p_values > 0) & (p_values <= 1)).all()


def test_a_reference_needs_rows() -> None:
    """One row has no spread."""
    with pytest.raises(ValueError, match="at least 2"):
        fit_reference([MemberRows(np.zeros((1, 3, 3)), np.zeros(1, int))], None)


def test_a_layer_that_hardly_ever_saturates_does_not_shout_when_one_row_does() -> None:
    """Its share's unit has a floor, in the fit and for files from before there was one."""
    inputs, taps = made(5, ROWS * MEMBERS)
    taps[:, :, 0, 2] = 0
    taps[::500, :, 0, 2] = 0.004
    reference = fitted(inputs, taps)
    row = taps[:1].copy()
    row[:, :, 0, 2] = 0.2
    layout = Layout.of(reference)
    first = slice(layout.departures.start, layout.departures.start + 3)
    found = statistics(reference, inputs[:1], row)[0, first]
    assert 10 < np.abs(found).max() <= 1.01 * 0.2 / SHARE_FLOOR
    members, features = reference.members, inputs.shape[1]
    kept = Reference.from_bytes(reference.to_bytes(), members, features)
    np.testing.assert_allclose(statistics(kept, inputs[:1], row)[0, first], found, rtol=1e-3)
    columns = np.ones(3 * LAYERS)
    columns[2] = 1000.0
    before = replace(
        reference,
        whitening=reference.whitening * columns,
        coefficients=reference.coefficients * np.tile(columns, MEMBERS),
    )
    kept = Reference.from_bytes(before.to_bytes(), members, features)
    np.testing.assert_allclose(statistics(kept, inputs[:1], row)[0, first], found, rtol=1e-3)


def test_inputs_that_are_of_few_directions_have_no_more() -> None:
    """Copies of columns add no direction: what is only rounding would be divided by its spread."""
    inputs, taps = made(3, ROWS)
    copies = np.concatenate([inputs[:, :2]] * 3, axis=1)
    reference = fitted(copies, taps)
    assert reference.inputs is not None
    assert reference.inputs.projection.shape == (FEATURES, 2)
    fresh = np.concatenate([made(4, 500)[0][:, :2]] * 3, axis=1)
    p_values = Detector(reference).p_values({"taps": made(4, 500)[1], "squashed": fresh})
    assert (p_values <= 0.05).mean() < 0.1
