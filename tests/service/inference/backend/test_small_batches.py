"""The form of a graph for few rows says what the usual one says, and is checked as it is."""

import numpy as np
import pytest

from models.bundle.golden import FLOAT32
from models.bundle.loading import Bundle, open_bundle
from models.errors import BundleRefused
from models.health.detector import Detector
from models.health.onnx_detector import KEPT, SCORES
from models.registry.store import Repository
from service.inference.backend import small_batches
from service.inference.backend.device import CPU, Device
from service.inference.backend.onnx_session import Session, SizedSession, open_session
from service.inference.backend.small_batches import MOST_ROWS, small_batch_graph
from service.inference.integrity import Integrity
from tests.support import bundles
from tests.support.server import ROOT


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    """The committed model of candidates."""
    repository = Repository(ROOT / "models" / "repository")
    return open_bundle(repository.bundle("htru2", repository.serving("htru2").champion))


@pytest.fixture(scope="module")
def sessions(bundle: Bundle) -> tuple[Session, Session]:
    """Its graph, and that for few rows."""
    assert bundle.reference is not None
    graph = small_batch_graph(bundle.model, bundle.reference)
    assert graph is not None
    return open_session(bundle.model, Device(CPU)), open_session(graph, Device(CPU))


@pytest.mark.parametrize("count", [1, 3, MOST_ROWS])
def test_few_rows_are_computed_and_judged_as_by_the_usual_graph(
    bundle: Bundle, sessions: tuple[Session, Session], count: int
) -> None:
    """Every output, p-value, statistic and mark, of rows that are usual and of such as are not."""
    whole, few = sessions
    assert bundle.reference is not None
    detector = Detector(bundle.reference)
    for scale in (1.0, 1e3, 1e30, np.nan):
        rows = np.ascontiguousarray(np.resize(bundle.golden.features, (count, 8)), np.float32)
        rows[0] *= np.float32(scale)
        expected, made = whole.run(rows), few.run(rows)
        assert set(made) == {*expected, SCORES, KEPT}
        for name, values in expected.items():
            np.testing.assert_allclose(made[name], values, rtol=1e-5, atol=1e-6)
        p_values, judged = detector.judge_outputs(expected)
        ours, own = detector.judge_outputs(made)
        np.testing.assert_allclose(ours, p_values, atol=2e-4)
        np.testing.assert_allclose(own.kept, judged.kept, rtol=1e-3, atol=1e-3)
        assert (own.suspect is None) == (judged.suspect is None)


def test_what_is_no_number_is_judged_by_the_same_rules(
    bundle: Bundle, sessions: tuple[Session, Session]
) -> None:
    """Taps that are no numbers give the lowest p-value, and a row beyond its bounds."""
    assert bundle.reference is not None
    detector = Detector(bundle.reference)
    made = sessions[1].run(np.ascontiguousarray(bundle.golden.features[:2]))
    made["taps"][1, 2, 3] = np.nan
    made[SCORES][1] = np.nan
    p_values, judged = detector.judge_outputs(made)
    assert p_values[1] == p_values.min() < 0.001
    assert judged.suspect is not None
    assert judged.suspect.tolist() == [False, True]


def test_other_graphs_have_no_such_form(bundle: Bundle, monkeypatch) -> None:
    """Statistics that are made in another way, outputs that are missing, and too many bytes."""
    assert bundle.reference is not None
    assert small_batch_graph(bundles.graph(), bundles.reference()) is None
    assert small_batch_graph(bundles.graph(inner=False), bundles.reference()) is None
    monkeypatch.setattr(small_batches, "MOST_BYTES", len(bundle.model) - 1)
    assert small_batch_graph(bundle.model, bundle.reference) is None


def test_the_number_of_rows_chooses_the_form(sessions: tuple[Session, Session]) -> None:
    """One row more than the most takes the usual graph."""
    session = SizedSession(*sessions, 4)
    assert SCORES in session.run(np.zeros((4, 8), np.float32))
    assert SCORES not in session.run(np.zeros((5, 8), np.float32))


@pytest.mark.parametrize("form", [0, 1])
def test_golden_rows_check_both_forms(
    bundle: Bundle, sessions: tuple[Session, Session], form: int, tmp_path
) -> None:
    """Either has weights of its own, and a fault of either is found."""
    session = SizedSession(*sessions, MOST_ROWS)
    integrity = Integrity(bundle, tmp_path, *session.forms, tolerance=FLOAT32, exact=True)
    integrity.check(*session.forms)
    forms = session.forms
    sound = forms[form]

    def ill(rows):
        made = sound(rows)
        return made | {"logit": made["logit"] + np.float32(0.01)}

    forms[form] = ill
    with pytest.raises(BundleRefused):
        integrity.check(*forms)
