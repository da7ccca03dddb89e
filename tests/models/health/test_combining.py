"""P-values of several members: uniform on new rows, where plain averages of ranks are not."""

from dataclasses import replace

import numpy as np
import pytest

from models.health import combining
from models.health.combining import asked_rows, combined
from models.health.conformal import Ranks
from models.health.detector import Detector
from models.health.fitting import MemberRows, fit_reference
from models.health.reference import Reference
from tests.models.health.test_reference import FEATURES, made

ROWS = 3000


def fit(inputs: np.ndarray, taps: np.ndarray) -> Reference:
    """Each member's reference from rows of its own, with the averages of all rows."""
    parts = np.array_split(np.arange(len(taps)), taps.shape[1])
    members = [MemberRows(taps[own, number], own) for number, own in enumerate(parts)]
    asked = asked_rows(len(inputs))
    return combined(fit_reference(members, inputs), members, inputs, taps[asked])


@pytest.fixture(scope="module")
def reference() -> Reference:
    """A reference of several members with averages."""
    return fit(*made(1, ROWS))


def new_p_values(reference: Reference) -> np.ndarray:
    """P-values of rows outside fit and tuning."""
    inputs, taps = made(9, 6000)
    return Detector(reference).p_values({"taps": taps, "squashed": inputs})


@pytest.mark.parametrize("level", [0.01, 0.05, 0.2, 0.5])
def test_new_rows_of_several_members_have_uniform_p_values(reference: Reference, level: float) -> None:
    """As many are at a level or below as it says, within the error of both samples."""
    error = 4 * np.sqrt(level * (1 - level) * (1 / ROWS + 1 / 6000))
    assert (new_p_values(reference) <= level).mean() == pytest.approx(level, abs=error)


def test_plain_averages_are_too_seldom_small(reference: Reference) -> None:
    """What older bundles give, whose reference has no averages: conservative."""
    assert (new_p_values(replace(reference, averaged=None)) <= 0.05).mean() < 0.035


def test_rows_beside_those_that_are_asked_are_uniform_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of many rows some are asked, by the reference itself."""
    monkeypatch.setattr(combining, "MOST_ROWS", 1500)
    reference = fit(*made(1, ROWS))
    assert reference.averaged is not None
    assert len(reference.averaged) == 1500
    error = 4 * np.sqrt(0.05 * 0.95 * (1 / 1500 + 1 / 6000))
    assert (new_p_values(reference) <= 0.05).mean() == pytest.approx(0.05, abs=error)


def test_averages_are_ranked_by_counting() -> None:
    """Against counting by hand, with ties; the floor is 1 / (n + 1)."""
    rng = np.random.default_rng(5)
    scores = [np.sort(rng.integers(0, 30, n).astype(float)) for n in (50, 81, 7)]
    distances = rng.integers(0, 32, (200, 3)).astype(float)
    plain = Ranks.of(scores).p_values(distances.T).astype(np.float32)
    known = np.sort(np.concatenate([plain[:40], plain[:5]]))
    expected = [(1 + (known <= average).sum()) / (len(known) + 1) for average in plain]
    ranks = Ranks.of(scores, known)
    assert ranks.p_values(distances.T) == pytest.approx(expected)
    assert [ranks.p_value(row) for row in distances.tolist()] == pytest.approx(expected)
    strange = Ranks.of(scores, known + np.float32(0.2)).p_values(np.full((3, 1), np.inf))
    assert strange == pytest.approx([1 / (len(known) + 1)])


def test_a_single_member_needs_no_averages() -> None:
    """Its ranks are p-values already."""
    inputs, taps = made(2, 500)
    assert fit(inputs, taps[:, :1]).averaged is None


def test_averages_travel_as_bytes(reference: Reference) -> None:
    """The npz gives them again; what are no sorted shares is refused."""
    again = Reference.from_bytes(reference.to_bytes(), reference.members, FEATURES)
    assert again.averaged is not None
    np.testing.assert_array_equal(again.averaged, reference.averaged)
    wrong = [[0.5, 0.2], [0.0, 0.2], [0.2, 1.5], [np.nan], []]
    for values in wrong:
        broken = replace(reference, averaged=np.array(values, np.float32))
        with pytest.raises(ValueError, match="averaged"):
            Reference.from_bytes(broken.to_bytes(), reference.members, FEATURES)
