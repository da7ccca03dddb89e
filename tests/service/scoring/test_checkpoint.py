"""The journal of an output: what a kill leaves behind, and what is refused."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from service.errors import ScoreRefused
from service.scoring.checkpoint import Checkpoint, Mark

RUN = {"format": 1, "input": "abc", "model": "m", "version": 1}


@pytest.fixture
def output(tmp_path: Path) -> Iterator[Path]:
    """An output whose run was killed after its second mark, in the midst of a write."""
    path = tmp_path / "out.csv"
    journal = Checkpoint(path, RUN)
    journal.write(b"head\n")
    journal.mark(5, 0, 0)
    journal.write(b"one\n")
    journal.mark(9, 1, 0)
    journal.write(b"tw")
    journal.close()
    yield path


def test_a_run_goes_on_from_the_last_whole_mark(output: Path) -> None:
    """What nobody vouches for is cut off, then written again, and delivered in one step."""
    journal = Checkpoint(output, RUN)
    assert journal.last == Mark(9, 9, 1, 0)
    assert journal.part.read_bytes() == b"head\none\n"
    journal.write(b"two\n")
    journal.mark(13, 2, 1, done=True)
    assert not output.exists()
    journal.deliver(None)
    journal.close(remove=True)
    assert output.read_bytes() == b"head\none\ntwo\n"
    assert sorted(path.name for path in output.parent.iterdir()) == ["out.csv"]


@pytest.mark.parametrize("torn", range(1, 60))
def test_a_torn_last_line_is_not_believed(output: Path, torn: int) -> None:
    """Wherever the journal's last line was cut, the mark before it holds."""
    path = output.with_name("out.csv.journal")
    path.write_bytes(path.read_bytes()[:-torn])
    journal = Checkpoint(output, RUN)
    assert journal.last == Mark(5, 5, 0, 0)
    assert journal.part.read_bytes() == b"head\n"
    journal.close()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"input": "abd"}, "the input is not the one"),
        ({"model": "n"}, "begun with model m, not n"),
        ({"version": 2}, "--version 1 goes on"),
        ({"format": 2}, "its format is another"),
    ],
)
def test_another_run_is_refused_unless_it_overwrites(output: Path, change: dict, words: str) -> None:
    """The error says what differs and what to do; the first run can still go on."""
    with pytest.raises(ScoreRefused, match=words):
        Checkpoint(output, RUN | change)
    journal = Checkpoint(output, RUN)
    assert journal.last == Mark(9, 9, 1, 0)
    journal.close()
    journal = Checkpoint(output, RUN | change, overwrite=True)
    assert journal.last is None
    journal.close()


def test_two_runs_do_not_share_an_output(output: Path) -> None:
    """The second is told so."""
    first = Checkpoint(output, RUN)
    with pytest.raises(ScoreRefused, match="another run is writing"):
        Checkpoint(output, RUN)
    first.close()


def test_a_finished_output_is_not_written_over(tmp_path: Path) -> None:
    """Unless it is asked for, and then only when the new one is complete."""
    output = tmp_path / "out.csv"
    output.write_text("precious")
    with pytest.raises(ScoreRefused, match="is there already"):
        Checkpoint(output, RUN)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.csv"]
    journal = Checkpoint(output, RUN, overwrite=True)
    journal.write(b"new")
    journal.mark(1, 1, 0, done=True)
    assert output.read_text() == "precious"
    journal.deliver(None)
    journal.close(remove=True)
    assert output.read_text() == "new"


@pytest.mark.parametrize("moment", ["before", "made", "delivered"])
def test_a_kill_while_the_output_is_put_in_place_is_made_good(tmp_path: Path, moment: str) -> None:
    """By doing it again, or by seeing that it was done."""
    output = tmp_path / "out.parquet"

    def finish(part: Path, target: Path) -> None:
        target.write_bytes(b"<" + part.read_bytes() + b">")

    journal = Checkpoint(output, RUN)
    journal.write(b"rows")
    journal.mark(4, 1, 0, done=True)
    if moment == "made":
        output.with_name("out.parquet.making").write_bytes(b"<ro")
    if moment == "delivered":
        journal.deliver(finish)
    journal.close()
    again = Checkpoint(output, RUN)
    assert again.is_delivered == (moment == "delivered")
    if not again.is_delivered:
        assert again.last == Mark(4, 4, 1, 0, done=True)
        again.deliver(finish)
    again.close(remove=True)
    assert output.read_bytes() == b"<rows>"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.parquet"]


def test_a_part_that_lost_bytes_is_not_gone_on_with(output: Path) -> None:
    """What the journal vouches for must be there."""
    output.with_name("out.csv.part").write_bytes(b"head\n")
    with pytest.raises(ScoreRefused, match="shorter than its journal says"):
        Checkpoint(output, RUN)


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """With the system's reason."""
    with pytest.raises(ScoreRefused, match=r"nowhere/out\.csv: cannot be written there: No such file"):
        Checkpoint(tmp_path / "nowhere" / "out.csv", RUN)
