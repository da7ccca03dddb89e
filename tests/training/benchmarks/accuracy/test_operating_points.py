"""The comparison at a survey's cut-offs: figures against scikit-learn, and what pairing shows."""

import re
from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from training.benchmarks.accuracy import operating_points
from training.benchmarks.accuracy.operating_points import RATES, compared
from training.data.dataset import Dataset
from training.evaluation.calibration import sigmoid
from training.networks.ensemble import OutOfFold


def cells(line: str) -> list[str]:
    """The cells of a line of a table."""
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_figures_are_of_cut_offs_from_other_rows_and_differences_paired() -> None:
    """A method beside itself differs by nothing; the interval of a worse one is below either's own."""
    rng = np.random.default_rng(0)
    labels = (rng.random(8000) < 0.1).astype(np.float64)
    logits = 3 * labels + rng.normal(size=8000) - 3
    scores = {"a": sigmoid(logits), "a again": sigmoid(logits)}
    scores["worse"] = sigmoid(logits + rng.normal(scale=0.3, size=8000))
    lines = compared(labels, scores, draws=60).splitlines()
    own, gaps = [cells(line) for line in lines[2:5]], [cells(line) for line in lines[-2:]]
    assert own[0][1].startswith(f"{roc_auc_score(labels, logits):.4f} (")
    assert own[0][2].startswith(f"{average_precision_score(labels, logits):.4f} (")
    reached = [float(rate.strip("%")) / 100 for rate in own[0][-1].split(" / ")]
    assert reached == pytest.approx(RATES, abs=0.0008)
    for rate, cell in zip(RATES, own[0][3:5], strict=True):
        best = np.quantile(logits[labels == 0], 1 - rate)
        assert float(cell.split()[0]) == pytest.approx((logits[labels == 1] >= best).mean(), abs=0.01)
    assert gaps[0] == ["a again", *["+0.0000 (+0.0000 to +0.0000)"] * 5]
    value, low, high = map(float, re.findall(r"[+-][.\d]+", gaps[1][1]))
    assert 0 < low < value < high
    a, b = map(float, re.findall(r"[.\d]+", own[0][1])[1:])
    assert high - low < b - a


def test_rivals_never_learn_the_rows_that_judge_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each fold's rows are judged by a rival of the other folds, whose inner part is one of these."""
    rng = np.random.default_rng(1)
    folds = np.repeat(np.arange(5), 300).astype(np.int8)
    labels = (rng.random((1500, 1)) < 0.3).astype(np.float32)
    logits = 2 * labels + rng.normal(size=(1500, 1))
    dataset = Dataset("htru2", "pulsar-2", tuple(range(1500)), labels, ("pulsar",), folds, {}, {})
    own = OutOfFold(logits, 0 * logits)
    for name, value in (
        ("load_htru2", lambda: dataset),
        ("open_bundle", lambda _: None),
        ("bundle_folds", lambda *_: folds),
        ("bundle_out_of_fold", lambda *_: own),
        ("_DRAWS", 20),
    ):
        monkeypatch.setattr(operating_points, name, value)
    served = SimpleNamespace(serving=lambda _: SimpleNamespace(champion=3), bundle=lambda *_: None)
    judged = np.zeros(1500, dtype=int)

    def fit(method: str, fold: int, learn: np.ndarray, inner: np.ndarray) -> np.ndarray:
        assert method == "guess"
        assert sorted({*folds[learn].tolist(), fold}) == [0, 1, 2, 3, 4]
        assert not set(learn) & set(np.flatnonzero(folds == fold))
        assert set(inner) < set(learn)
        judged[folds == fold] += 1
        return np.asarray(sigmoid(logits[:, 0] + rng.normal(size=1500)))

    said: list[str] = []
    text = operating_points.champion_section(served, ["guess"], fit, said.append)  # type: ignore[arg-type]
    assert (judged == 1).all()
    assert text.startswith("# htru2 version 3, where a survey works")
    assert "htru2 version 3 minus each other method:" in text
    assert any("guess" in line for line in said)
