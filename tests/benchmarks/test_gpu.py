"""The parts of the GPU's benchmark, in small and on the CPU in its place."""

from math import prod
from pathlib import Path

import numpy as np
import onnx
import pytest

from service.inference.backend.device import CPU, why_not_cuda
from tests.benchmarks import gpu
from tests.benchmarks.bundles import MOLECULES
from tests.benchmarks.gpu.half import halved
from tests.benchmarks.gpu.limit import count_work
from tests.benchmarks.gpu.place import FP16, MODELS, Place, on_core, p99, rows_like
from tests.benchmarks.report import Options, Skipped
from tests.benchmarks.server import ROOT


def small(folder: Path | None = None, parts: tuple[str, ...] = ()) -> Place:
    """Every part in a few runs on the CPU."""
    options = Options(ROOT / "models" / "repository", parts=parts, folder=folder)
    return Place(
        options, CPU, "cpu", sizes=(1, 8), largest_on_core=1, runs=3, seconds=0.1, rows=40, batches=12,
        memory_seconds=0.5,
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("part", gpu.PARTS)
def test_a_part_runs_alone_and_leaves_its_tables(part: str, tmp_path: Path) -> None:
    """Each part gives whole rows for both networks, and writes what it gives."""
    tables = gpu.run_parts(small(tmp_path, (part,)))
    written = (tmp_path / f"gpu-{part}.md").read_text()
    for table in tables:
        assert table.rows
        assert all(len(row) == len(table.columns) for row in table.rows)
        assert table.markdown() in written
    told = {row[0] for table in tables for row in table.rows}
    assert set(MODELS) <= told
    assert not any("Error" in note or "Fail" in note for table in tables for note in table.notes)


def test_a_part_that_fails_is_told_and_the_others_run(tmp_path: Path, monkeypatch) -> None:
    """The tables of the others are there; the failure comes at the end."""

    def broken(place: Place) -> None:
        raise ValueError("no")

    monkeypatch.setattr("tests.benchmarks.gpu.machine.run", broken)
    with pytest.raises(RuntimeError, match=r"^machine: ValueError: no$"):
        gpu.run_parts(small(tmp_path, ("machine", "binding")))
    assert [path.name for path in tmp_path.iterdir()] == ["gpu-binding.md"]


def test_without_cuda_it_is_skipped_with_the_reason() -> None:
    """No table of the CPU is passed off as a GPU's."""
    if why_not_cuda() is None:
        pytest.skip("CUDA works here")
    with pytest.raises(Skipped, match="CUDA does not work here: "):
        gpu.run(Options(ROOT / "models" / "repository"))
    with pytest.raises(Skipped, match="there is no part nonsense"):
        gpu.run(Options(ROOT / "models" / "repository", parts=("nonsense",)))


@pytest.mark.parametrize("model", MODELS)
def test_halving_rounds_the_networks_and_nothing_else(model: str) -> None:
    """Weights become FP16, squash and inputs stay float32, and probabilities stay within a percent."""
    bundle = small().bundle(model)
    graph = onnx.load_model_from_string(halved(bundle.model)).graph
    kinds = {tensor.name: tensor.data_type for tensor in graph.initializer}
    weights = {
        name for node in graph.node if node.op_type in ("Gemm", "MatMul") for name in node.input[:2]
    }
    assert {kinds[name] for name in weights & set(kinds)} == {onnx.TensorProto.FLOAT16}
    assert kinds["squash.median"] == onnx.TensorProto.FLOAT
    assert {output.type.tensor_type.elem_type for output in graph.output} == {onnx.TensorProto.FLOAT}
    rows = rows_like(bundle.golden.features, 100)
    whole, rounded = on_core(bundle.model).run(rows), small().open(bundle.model, FP16).run(rows)
    np.testing.assert_array_equal(rounded["squashed"], whole["squashed"])
    off = np.abs(rounded["probability"] - whole["probability"])
    assert 0 < off.max() < 0.01
    assert np.isfinite(rounded["taps"]).all()


@pytest.mark.parametrize("model", MODELS)
def test_the_work_of_a_network_is_counted_from_its_weights(model: str) -> None:
    """As many as the published graph's tensors of weights hold; constants are no nodes any more."""
    published = small().bundle(model).model
    graph = onnx.load_model_from_string(published).graph
    weights, nodes = count_work(published)
    assert weights == sum(
        prod(tensor.dims) for tensor in graph.initializer if tensor.name.startswith("weights.")
    )
    assert 0 < nodes < len(graph.node)


def test_made_rows_span_the_golden_ones() -> None:
    """Counts stay counts of golden rows, no row is golden, and the same seed gives the same rows."""
    golden = small().bundle(MOLECULES).golden.features
    rows = rows_like(golden, 500)
    counts = (golden == np.round(golden)).all(axis=0)
    assert counts.any()
    for column in np.flatnonzero(counts):
        assert np.isin(rows[:, column], golden[:, column]).all()
    assert len(np.unique(rows, axis=0)) == 500
    np.testing.assert_array_equal(rows, rows_like(golden, 500))
    assert rows.dtype == np.float32


def test_a_percentile_needs_enough_runs() -> None:
    """The 99th of fewer than a hundred is left out."""
    assert p99(np.full(99, 1e-6)) is None
    assert p99(np.full(100, 1e-6)) == pytest.approx(1.0)
