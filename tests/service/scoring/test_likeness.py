"""``score`` says at its end whether the file was like the training data."""

import csv
import io
from pathlib import Path

import pytest
from typer.testing import CliRunner

from service.cli.main import cli
from service.scoring.command import _likeness
from tests.support import bundles


@pytest.mark.parametrize(
    ("judged", "unlike", "like"),
    [(10_000, 100, True), (10_000, 302, True), (10_000, 303, False), (20, 2, True), (20, 3, False)],
)
def test_three_times_the_expected_share_is_not_like_the_training_data(
    judged: int, unlike: int, like: bool
) -> None:
    """One in a hundred is expected; of few rows, two more are chance."""
    text = _likeness(judged, unlike)
    assert text.startswith("like the training data: " if like else "not like the training data: ")
    assert ("snn adapt MODEL" in text) is not like
    assert f"{unlike:,} of {judged:,} rows have a p-value below 0.01" in text


@pytest.mark.slow
def test_the_counts_are_those_of_the_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sentence counts the file's own p-values."""
    bundles.publish(tmp_path / "models", promote=True)
    monkeypatch.setenv("SNN_MODELS", str(tmp_path / "models"))
    names = "profile_mean,profile_stdev,profile_skewness,profile_kurtosis,dm_mean,dm_stdev,dm_skewness,"
    rows = [",".join(map(repr, row)) for row in bundles.candidates(300, seed=5).tolist()]
    (tmp_path / "in.csv").write_text("\n".join([names + "dm_kurtosis", *rows, "1,2,x,4,5,6,7,8"]))
    output = tmp_path / "out.csv"
    arguments = ["score", str(tmp_path / "in.csv"), "--model", "htru2", "--workers", "1"]
    result = CliRunner().invoke(cli, [*arguments, "--output", str(output)])
    assert result.exit_code == 0, result.output
    table = list(csv.DictReader(io.StringIO(output.read_text(), newline="")))
    values = [float(row["p_value"]) for row in table if row["p_value"]]
    assert values
    assert _likeness(len(values), sum(value < 0.01 for value in values)) in result.output
