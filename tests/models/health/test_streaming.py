"""Batches judged one after the other, in single precision, against ``Detector`` in double."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.health.detector import Detector
from models.health.fitting import MemberRows, fit_reference
from models.health.reference import MemberReference, Reference
from models.health.streaming import StreamingDetector

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
def test_it_judges_as_the_detector_does(case: tuple, far: int, sizes: list[int], seed: int) -> None:
    """P-values are within a rank of each member's, statistics within rounding, however rows are cut."""
    held = _CASES[case]
    detector, stream = Detector.of(held), StreamingDetector(Detector.of(held))
    inputs, taps = data(seed, sum(sizes), *case[:2])
    taps[::far] *= 3.0
    squashed = None if held.inputs is None else inputs[:, : case[2]]
    expected = np.zeros((len(taps), detector.layout.width))
    centred = None if squashed is None else squashed - held.inputs.centre
    wanted = detector.judge(taps, centred, expected)
    batches, found = [], []
    for stop, size in zip(np.cumsum(sizes), sizes, strict=True):
        rows = slice(stop - size, stop)
        p_values, judged = stream.judge(taps[rows], None if squashed is None else squashed[rows])
        found.append(p_values)
        batches.append(judged)
    rank = 2 / (min(len(own) for own in held.scores) + 1)
    assert np.concatenate(found) == pytest.approx(wanted, abs=1.01 * rank)
    assert np.mean(np.concatenate(found) == wanted) > 0.8
    statistics = stream.statistics(batches).T
    assert statistics == pytest.approx(expected, rel=1e-3, abs=1e-3)


@pytest.mark.parametrize("case", sorted(_CASES, key=str), ids=str)
def test_what_is_no_number_gets_the_floor_and_the_largest_stays_finite(case: tuple) -> None:
    """NaN and infinity end at the lowest p-value whoever has them; what is merely huge can be summed."""
    held = _CASES[case]
    stream = StreamingDetector(Detector.of(held))
    inputs, taps = data(3, 6, *case[:2])
    taps[1, -1, 0, 0], taps[2, 0, -1, 1], taps[3, 0, 0, 0] = np.nan, np.inf, 1e38
    with np.errstate(invalid="ignore", over="ignore"):
        p_values, judged = stream.judge(taps, None if held.inputs is None else inputs[:, : case[2]])
        outputs = {"taps": taps, "squashed": inputs[:, : case[2]]}
        wanted = Detector.of(held).p_values(outputs)
    floor = np.mean([2 / (len(own) + 1) for own in held.scores])
    assert p_values[1:3] == pytest.approx(floor)
    assert p_values[3] == pytest.approx(wanted[3], abs=floor)
    assert (p_values[[0, 4, 5]] > floor).all()
    finite = np.isfinite(stream.statistics([judged])).all(axis=0)
    assert finite.tolist() == [True, False, False, True, True, True]


def test_without_squashed_features_layers_alone_are_judged() -> None:
    """A graph that does not give them is judged as if its inputs were in the middle."""
    held = _CASES[(3, 2, 5)]
    _, taps = data(4, 20, 3, 2)
    expected = np.zeros((20, Detector.of(held).layout.width))
    Detector.of(held).judge(taps, np.zeros((20, 5), np.float32), expected)
    _, judged = StreamingDetector(Detector.of(held)).judge(taps, None)
    statistics = StreamingDetector(Detector.of(held)).statistics([judged]).T
    assert statistics == pytest.approx(expected, abs=1e-3)


def test_a_reference_from_before_there_were_inputs() -> None:
    """Layers alone, by the manifest's covariances."""
    member = MemberReference(
        mean=[0.0], variance=[1.0], saturated=[0.0], centre=[0.0] * 3,
        covariance=np.eye(3).tolist(), scores=np.linspace(0, 9, 50).tolist(),
    )  # fmt: skip
    detector = Detector.of(Reference.of([member]))
    _, taps = data(5, 30, 1, 1)
    wanted = detector.judge(taps, None, np.zeros((30, detector.layout.width)))
    assert StreamingDetector(detector).judge(taps, None)[0] == pytest.approx(wanted, abs=2 / 51)
