"""Rows judged by the graph, in single precision, against the slow oracle in double."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.bundle.loading import open_bundle
from models.health.detector import Detector
from models.health.evidence import own_sums
from models.health.fitting import MemberRows, fit_reference
from models.health.reference import MemberReference, Reference
from models.registry.store import Repository
from service.settings import COMMITTED_MODELS
from tests.support import oracle

_FEATURES = 12


def data(seed: int, rows: int, members: int, layers: int) -> tuple[np.ndarray, np.ndarray]:
    """Made-up squashed inputs, and taps that mostly follow from them."""
    rng = np.random.default_rng(seed)
    mix = np.random.default_rng(1).standard_normal((_FEATURES, members, layers, 3)) / 3
    inputs = np.tanh(rng.standard_normal((rows, _FEATURES))).astype(np.float32)
    taps = np.tensordot(inputs, mix, 1) + 0.1 * rng.standard_normal((rows, members, layers, 3))
    taps[..., 1] = np.exp(0.3 * taps[..., 1])
    return inputs, taps.astype(np.float32)


def reference(members: int, layers: int, features: int | None) -> Reference:
    """A reference of so many members, by the first ``features`` inputs."""
    inputs, taps = data(0, 400 * members, members, layers)
    parts = np.array_split(np.arange(len(taps)), members)
    rows = [MemberRows(taps[own, number], own) for number, own in enumerate(parts)]
    return fit_reference(rows, None if features is None else inputs[:, :features])


#: One member, several whose product is one, several with a product each; some, all, or no inputs, more
#: of them than directions.
_CASES = {
    case: reference(*case) for case in ((1, 3, _FEATURES), (3, 2, 5), (8, 4, _FEATURES), (2, 2, None))
}


@settings(deadline=None, max_examples=60)
@given(
    st.sampled_from(sorted(_CASES, key=str)),
    st.integers(1, 70),
    st.lists(st.integers(1, 40), min_size=1, max_size=4),
    st.integers(0, 9),
)
def test_it_judges_as_the_oracle_does(case: tuple, far: int, sizes: list[int], seed: int) -> None:
    """P-values are within a rank of each member's, statistics within rounding, however rows are cut."""
    detector = Detector(_CASES[case])
    inputs, taps = data(seed, sum(sizes), *case[:2])
    taps[::far] *= 3.0
    squashed = None if case[2] is None else inputs[:, : case[2]]
    expected, statistics = oracle.judged(detector.reference, taps, squashed)
    batches, p_values = [], []
    for stop, size in zip(np.cumsum(sizes), sizes, strict=True):
        rows = slice(stop - size, stop)
        own, judged = detector.judge(taps[rows], None if squashed is None else squashed[rows])
        p_values.append(own)
        batches.append(judged)
    rank = 2 / (min(len(own) for own in detector.reference.scores) + 1)
    assert np.concatenate(p_values) == pytest.approx(expected, abs=1.01 * rank)
    assert np.mean(np.isclose(np.concatenate(p_values), expected, rtol=0, atol=1e-9)) > 0.8
    assert pytest.approx(statistics, rel=1e-3, abs=1e-3) == detector.statistics(batches).T


@pytest.mark.parametrize("about", [None, 0.7])
@pytest.mark.parametrize("case", sorted(_CASES, key=str), ids=str)
def test_large_requests_are_summed_up_as_their_rows_are(case: tuple, about: float | None) -> None:
    """Sums of what was kept of each request are those of its rows' statistics, to float rounding."""
    detector = Detector(_CASES[case])
    layout, sizes = detector.layout, np.array([40, 256, 33])
    inputs, taps = data(5, 329, *case[:2])
    taps[50:200] *= 3.0
    judged = detector.judge(taps, None if case[2] is None else inputs[:, : case[2]])[1]
    centre = None
    if about is not None:
        centre = np.full(layout.width - layout.evidence.start, about)
        if layout.has_inputs and not detector.reference.inputs.has_beside:
            centre[-2] = 0.0  # there is no such evidence
    expected = own_sums(detector.statistics([judged]), sizes, layout, centre)
    found = detector.sums_of_requests(np.split(judged.kept, [40, 296]), centre)
    for name in ("plain", "squared", "capped", "total", "squares"):
        right = getattr(expected, name)
        np.testing.assert_allclose(getattr(found, name), right, rtol=2e-5, atol=2e-3)


@pytest.mark.parametrize("model", ["htru2", "tox21"])
def test_committed_bundles_judge_random_rows_as_the_oracle_does(model: str) -> None:
    """Rows about the reference's centre, some of them far out, by both committed references."""
    repository = Repository(COMMITTED_MODELS)
    reference = open_bundle(repository.bundle(model, repository.serving(model).champion)).reference
    assert reference is not None
    assert reference.inputs is not None
    rng = np.random.default_rng(0)
    inputs, shape = reference.inputs, (len(reference.members), reference.layers, 3)
    scores = rng.standard_normal((40, inputs.directions)) * np.geomspace(0.3, 3, 40)[:, None]
    away = (inputs.projection * inputs.weights).T
    squashed = inputs.centre + (scores @ away + 0.01 * rng.standard_normal((40, len(inputs.centre))))
    taps = reference.centre.reshape(shape) + reference.spread.reshape(shape) * rng.standard_normal(
        (40, *shape)
    )
    taps[..., 1] = np.exp(taps[..., 1])
    taps, squashed = taps.astype(np.float32), squashed.astype(np.float32)
    expected, statistics = oracle.judged(reference, taps, squashed)
    detector = Detector(reference)
    p_values, judged = detector.judge(taps, squashed)
    rank = 2 / (min(len(own) for own in reference.scores) + 1)
    assert p_values == pytest.approx(expected, abs=1.01 * rank)
    assert pytest.approx(statistics, rel=2e-3, abs=2e-3) == detector.statistics([judged]).T


@pytest.mark.parametrize("case", sorted(_CASES, key=str), ids=str)
def test_what_is_no_number_gets_the_floor_and_the_largest_stays_finite(case: tuple) -> None:
    """NaN and infinity end at the lowest p-value whoever has them; what is merely huge can be summed."""
    reference = _CASES[case]
    detector = Detector(reference)
    inputs, taps = data(3, 6, *case[:2])
    squashed = None if case[2] is None else inputs[:, : case[2]]
    taps[1, -1, 0, 0], taps[2, 0, -1, 1], taps[3, 0, 0, 0] = np.nan, np.inf, 1e38
    with np.errstate(invalid="ignore", over="ignore"):
        p_values, judged = detector.judge(taps, squashed)
    expected, statistics = oracle.judged(reference, taps, squashed)
    floor = np.mean([2 / (len(own) + 1) for own in reference.scores])
    assert p_values[1:3] == pytest.approx(floor)
    assert p_values[3] == pytest.approx(expected[3], abs=floor)
    assert (p_values[[0, 4, 5]] > floor).all()
    finite = np.isfinite(detector.statistics([judged])).all(axis=0)
    assert finite.tolist() == [True, False, False, True, True, True]
    ordinary = detector.statistics([judged]).T[[0, 4, 5]]
    assert ordinary == pytest.approx(statistics[[0, 4, 5]], rel=1e-3, abs=1e-3)


def test_without_squashed_features_layers_alone_are_judged() -> None:
    """A graph that does not give them is judged as if its inputs were in the middle."""
    detector = Detector(_CASES[(3, 2, 5)])
    _, taps = data(4, 20, 3, 2)
    assert detector.reference.inputs is not None
    _, expected = oracle.judged(
        detector.reference, taps, np.tile(detector.reference.inputs.centre, (20, 1))
    )
    _, judged = detector.judge(taps, None)
    assert pytest.approx(expected, abs=1e-3) == detector.statistics([judged]).T


def test_a_reference_from_before_there_were_inputs() -> None:
    """Layers alone, by the manifest's covariances."""
    member = MemberReference(
        mean=[0.0], variance=[1.0], saturated=[0.0], centre=[0.0] * 3,
        covariance=np.eye(3).tolist(), scores=np.linspace(0, 9, 50).tolist(),
    )  # fmt: skip
    reference = Reference.of([member])
    _, taps = data(5, 30, 1, 1)
    expected, _ = oracle.judged(reference, taps, None)
    assert Detector(reference).judge(taps, None)[0] == pytest.approx(expected, abs=2 / 51)
