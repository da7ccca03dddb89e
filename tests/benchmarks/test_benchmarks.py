"""The benchmarks' own arithmetic: a figure is worth no more than what computes it."""

from importlib import import_module

import numpy as np
import onnxruntime
import pytest

from models.bundle.loading import open_bundle
from models.features import Accepted, create
from models.features.tabular.candidate_tables import table_warnings
from models.features.tabular.pulsar import NAMES
from models.registry.store import Repository
from tests.benchmarks.__main__ import BENCHMARKS
from tests.benchmarks.client import Sample, percentile, require_answers
from tests.benchmarks.parity import evaluate
from tests.benchmarks.records import made_candidates
from tests.benchmarks.report import Table, ratio, shown, spread
from tests.benchmarks.server import ROOT
from tests.support import bundles


@pytest.mark.parametrize("name", BENCHMARKS)
def test_every_benchmark_can_be_run_by_name(name: str) -> None:
    """Each name that the command lists is a module with a ``run``."""
    assert callable(import_module(f"tests.benchmarks.{name}").run)


def test_percentiles_are_values_that_occurred() -> None:
    """The nearest rank: of a hundred values the 99th is the last but one."""
    values = list(range(100, 0, -1))
    assert [percentile(values, percent) for percent in (1, 50, 99, 100)] == [1, 50, 99, 100]
    assert percentile([7.0], 50) == percentile([7.0], 99) == 7.0
    assert percentile([], 99) == 0.0


def test_ratios_are_taken_within_a_repetition() -> None:
    """A machine that slows down in one repetition slows both sides of its ratio."""
    assert ratio([10, 5, 10], [20, 10, 20]) == 0.5


def test_tables_are_markdown() -> None:
    """Three significant digits, thousands apart, medians with their range."""
    assert [shown(cell) for cell in (None, "x", 12_345, 0.01234, 99.96, 1234.5)] == [
        "–", "x", "12,345", "0.0123", "100", "1,234"
    ]  # fmt: skip
    assert spread([3, 1, 2]) == "2 (1–3)"
    assert spread([2.0]) == "2"
    table = Table("A", ["x", "y"], [["a", 1.0]], ["n"])
    assert table.markdown() == "### A\n\n| x | y |\n|---|---|\n| a | 1 |\n\nn\n"


def test_errors_are_not_counted_as_speed() -> None:
    """A run in which anything but a 200 came back is no measurement."""
    require_answers([Sample(0.0, 0.1, 200)])
    with pytest.raises(RuntimeError, match=r"\{503: 1\}"):
        require_answers([Sample(0.0, 0.1, 200), Sample(0.0, 0.1, 503)])


def test_torch_computes_a_graph_as_onnxruntime_does() -> None:
    """The evaluator behind the parity figure knows every operator of a bundle's graph."""
    model, rows = bundles.graph(), bundles.candidates(100)
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    tensors = evaluate(model, rows)
    for name, expected in zip(names, session.run(names, {"features": rows}), strict=True):
        np.testing.assert_allclose(tensors[name], expected, atol=1e-5, err_msg=name)


@pytest.mark.parametrize("name", ["htru2", "tox21"])
def test_torch_computes_the_committed_graphs(name: str) -> None:
    """So does it for what the export writes: every output on the golden rows."""
    repository = Repository(ROOT / "models/repository")
    bundle = open_bundle(repository.bundle(name, repository.serving(name).champion))
    session = onnxruntime.InferenceSession(bundle.model, providers=["CPUExecutionProvider"])
    tensors = evaluate(bundle.model, bundle.golden.features)
    expected = session.run(["probability", "logit"], {"features": bundle.golden.features})
    np.testing.assert_allclose(tensors["probability"], expected[0], atol=1e-5)
    np.testing.assert_allclose(tensors["logit"], expected[1], atol=1e-4)


def test_made_up_candidates_are_such_as_a_survey_sends() -> None:
    """Every one can be read, and blocks of them have no warning: those would take another path."""
    rows = made_candidates(1024)
    outcomes = create("pulsar-2", {}).featurize(rows).outcomes
    assert {type(outcome) for outcome in outcomes} == {Accepted}
    assert [table_warnings(NAMES, block) for block in np.split(rows, 4)] == [[]] * 4
