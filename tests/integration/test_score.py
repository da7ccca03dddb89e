"""``python -m service score`` in processes of its own: every kind of file, and kills at any moment."""

import csv
import gzip
import io
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rdkit import Chem

from tests.support import bundles
from tests.support.server import environment

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model repository with a small tox21 and a small htru2."""
    root = tmp_path_factory.mktemp("repository")
    bundles.publish(root)
    bundles.publish(root, name="tox21", kind=bundles.MOLECULES)
    return root


def begin(repository: Path, *arguments: object) -> subprocess.Popen[str]:
    """Start the command in a process group of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "service", "score", *map(str, arguments)],
        env=environment(models=repository),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def score(repository: Path, *arguments: object, status: int = 0) -> str:
    """Run the command to its end; return what it said."""
    process = begin(repository, *arguments)
    out, err = process.communicate(timeout=120)
    assert process.returncode == status, out + err
    return out if status == 0 else err


def library(path: Path, rows: int) -> Path:
    """Molecules as CSV, some of them none and some in quotes over two lines."""
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["id", "smiles", "note"])
        for place in range(rows):
            smiles = "C" * (place % 7 + 1) + bundles.SMILES[place % len(bundles.SMILES)]
            bad = place % 97 == 0
            table.writerow([place, "C[" if bad else smiles, "two\nlines" if place % 31 == 0 else "x"])
    return path


def rows_of(path: Path) -> list[dict[str, str]]:
    """A CSV's rows by name."""
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_every_kind_of_file_gets_the_same_results(repository: Path, tmp_path: Path) -> None:
    """CSV, NDJSON, SDF and Parquet in; CSV, NDJSON and Parquet out; the same numbers everywhere."""
    smiles = ["CCO", "C[", "c1ccccc1O", "CC(=O)Oc1ccccc1C(=O)O"]
    source = tmp_path / "a.csv"
    source.write_text("id,smiles\n" + "".join(f"{place},{text}\n" for place, text in enumerate(smiles)))
    said = score(repository, source, "--workers", 1)
    assert "a.scored.csv: 4 rows, 1 of them with errors" in said
    expected = rows_of(tmp_path / "a.scored.csv")
    assert [row["smiles"] for row in expected] == smiles
    assert "not a valid SMILES" in expected[1]["error"]

    lines = [json.dumps({"id": place, "smiles": text}) for place, text in enumerate(smiles)]
    (tmp_path / "b.jsonl").write_text("\n".join(lines))
    score(repository, tmp_path / "b.jsonl", "--output", tmp_path / "b.parquet", "--workers", 1)
    table = pq.read_table(tmp_path / "b.parquet")
    assert table.column("id").to_pylist() == ["0", "1", "2", "3"]
    shown = [
        None if value is None else str(value) for value in table.column("probability_NR-AR").to_pylist()
    ]
    assert shown == [row["probability_NR-AR"] or None for row in expected]

    made = pa.table({"id": pa.array([7, 8, 9, 10], pa.int32()), "smiles": smiles})
    pq.write_table(made, tmp_path / "c.parquet", row_group_size=3)
    score(repository, tmp_path / "c.parquet", "--workers", 1)
    again = pq.read_table(tmp_path / "c.scored.parquet")
    assert again.column("id").type == pa.int32()
    assert again.column("id").to_pylist() == [7, 8, 9, 10]
    assert again.column("p_value").to_pylist() == table.column("p_value").to_pylist()

    blocks = [Chem.MolToMolBlock(Chem.MolFromSmiles(text)) for text in smiles if text != "C["]
    (tmp_path / "d.sdf").write_text("".join(f"t{b}> <Q>\n5\n\n$$$$\n" for b in blocks))
    score(repository, tmp_path / "d.sdf", "--output", tmp_path / "d.ndjson", "--workers", 1)
    results = [json.loads(line) for line in (tmp_path / "d.ndjson").read_text().splitlines()]
    good = [row for row in expected if not row["error"]]
    assert [str(result["probability"]["NR-AR"]) for result in results] == [
        row["probability_NR-AR"] for row in good
    ]
    assert {result["Q"] for result in results} == {"5"}


def test_candidates_are_scored_as_the_network_does(repository: Path, tmp_path: Path) -> None:
    """By their names, in whatever order, over several pieces and two processes."""
    rows = bundles.candidates(10_000)
    names = bundles.CANDIDATES.featurizer().names
    lines = [",".join(map(repr, row)) for row in rows.tolist()]
    (tmp_path / "p.csv").write_text("\n".join([",".join(names), *lines]))
    score(repository, tmp_path / "p.csv", "--model", "htru2", "--workers", 2, "--quiet")
    expected = bundles.run(bundles.graph(), rows)["probability"][:, 0]
    shown = [float(row["probability_pulsar"]) for row in rows_of(tmp_path / "p.scored.csv")]
    assert shown == pytest.approx(expected.tolist(), abs=1e-6)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_killed_run_goes_on_without_losing_or_repeating_a_row(
    repository: Path, tmp_path: Path, suffix: str
) -> None:
    """Killed twice, the parent alone and the whole group; in the end, byte for byte the same file."""
    source = library(tmp_path / "library.csv", 6000)
    whole, out = tmp_path / f"whole{suffix}", tmp_path / f"out{suffix}"
    score(repository, source, "--output", whole, "--workers", 2)
    killed = 0
    rng = random.Random(suffix)
    while not out.exists():
        process = begin(repository, source, "--output", out, "--workers", 2)
        if killed < 2:
            journal = out.with_name(f"{out.name}.journal")
            marks = len(journal.read_bytes().splitlines()) if journal.exists() else 1
            end = time.monotonic() + 30
            while time.monotonic() < end and process.poll() is None:
                if journal.exists() and len(journal.read_bytes().splitlines()) > marks:
                    break
                time.sleep(0.02)
            time.sleep(rng.random() * 0.2)
            if process.poll() is None:
                killed += 1
                if killed % 2:
                    process.kill()
                else:
                    os.killpg(process.pid, signal.SIGKILL)
        out_text, err_text = process.communicate(timeout=120)
        assert process.returncode in (0, -signal.SIGKILL), out_text + err_text
    assert killed == 2
    assert out.read_bytes() == whole.read_bytes()
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == sorted(["library.csv", whole.name, out.name])


def _written(smiles: list[str], kind: str) -> bytes:
    """These molecules, with a number as name or id, as a file of one kind."""
    numbered = list(enumerate(smiles))
    if kind.endswith(".gz"):
        return gzip.compress(_written(smiles, kind.removesuffix(".gz")), 1, mtime=0)
    if kind == ".parquet":
        stream = io.BytesIO()
        table = pa.table({"id": range(len(smiles)), "smiles": smiles})
        column = table.column("smiles").dictionary_encode()
        pq.write_table(table.set_column(1, "smiles", column), stream, row_group_size=300)
        return stream.getvalue()
    if kind == ".sdf":
        blocks = {one: Chem.MolToMolBlock(Chem.MolFromSmiles(one)) for one in set(smiles)}
        text = "".join(f"{blocks[one]}> <id>\n{number}\n\n$$$$\n" for number, one in numbered)
    elif kind == ".ndjson":
        text = "".join(json.dumps({"id": number, "smiles": one}) + "\n" for number, one in numbered)
    elif kind == ".smi":
        text = "".join(f"{one} {number}\n" for number, one in numbered)
    else:
        text = "\t".join(("id", "smiles")) + "\n"
        text += "".join(f"{number}\t{one}\n" for number, one in numbered)
    return text.encode()


def _rows_marked(journal: Path) -> int:
    """How many rows the journal's last whole line says are done; its first line says what the run is."""
    lines = journal.read_bytes().split(b"\n")[1:-1] if journal.exists() else []
    return int(json.loads(lines[-1])["rows"]) if lines else 0


@pytest.mark.parametrize("kind", [".sdf", ".smi", ".tsv", ".ndjson", ".parquet", ".tsv.gz", ".sdf.gz"])
def test_a_run_of_any_kind_of_file_goes_on_where_it_was_killed(
    repository: Path, tmp_path: Path, kind: str
) -> None:
    """Killed with its processes in the middle, it ends with what an undisturbed run writes."""
    parts = [one for one in bundles.SMILES if not one.startswith("Cl")]
    smiles = ["C" * (place % 7 + 1) + parts[place % len(parts)] for place in range(6_000)]
    source = tmp_path / f"library{kind}"
    source.write_bytes(_written(smiles, kind))
    whole, out = tmp_path / "whole.csv", tmp_path / "out.csv"
    score(repository, source, "--output", whole, "--workers", 1)
    process = begin(repository, source, "--output", out, "--workers", 1)
    journal = out.with_name(f"{out.name}.journal")
    end = time.monotonic() + 30
    while time.monotonic() < end and process.poll() is None:
        if _rows_marked(journal):
            break
        time.sleep(0.005)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=120)
    assert 0 < _rows_marked(journal) < len(smiles)
    assert not out.exists()
    score(repository, source, "--output", out, "--workers", 1)
    assert out.read_bytes() == whole.read_bytes()
    assert len(rows_of(out)) == len(smiles)


def test_what_a_killed_run_was_of_must_not_change(repository: Path, tmp_path: Path) -> None:
    """Another input or model is refused with what to do; a finished output is not written over."""
    source = library(tmp_path / "library.csv", 3000)
    out = tmp_path / "out.csv"
    process = begin(repository, source, "--output", out, "--workers", 1)
    part = tmp_path / "out.csv.part"
    end = time.monotonic() + 30
    while not (part.exists() and part.stat().st_size) and time.monotonic() < end:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    content = source.read_bytes()
    source.write_bytes(content + b"3000,CCO,x\r\n")
    assert "the input is not the one" in score(repository, source, "--output", out, status=2)
    source.write_bytes(content)
    score(repository, source, "--output", out)
    assert len(rows_of(out)) == 3000
    assert "is there already" in score(repository, source, "--output", out, status=2)


@pytest.mark.parametrize(
    ("name", "content", "arguments", "words"),
    [
        ("a.docx", "x", [], "the name should end in one of .csv"),
        ("a.csv", "x\n", [], "need the column smiles"),
        ("a.csv", "smiles\n", ["--model", "none"], "no model named 'none'"),
        ("a.csv", "smiles\n", ["--version", "9"], "has no version 9"),
        ("a.csv", "smiles\n", ["--output", "b.sdf"], "results cannot be written as this"),
        ("a.parquet", "x", [], "not Parquet"),
        ("a.sdf", "x", ["--model", "htru2"], "holds molecules"),
        ("a.csv", 'smiles\nC\n"C\n', [], "record 2: a quoted field has no closing quote"),
    ],
)
def test_what_cannot_be_scored_says_why(
    repository: Path, tmp_path: Path, name: str, content: str, arguments: list[str], words: str
) -> None:
    """One line, status 2."""
    (tmp_path / name).write_text(content)
    said = score(repository, tmp_path / name, *arguments, status=2)
    assert words in said
    assert len(said.splitlines()) == 1


def test_without_pyarrow_parquet_says_what_to_install(tmp_path: Path) -> None:
    """And everything else works without it."""
    code = (
        "import sys; sys.modules['pyarrow'] = None\n"
        "import io\n"
        "from service.tables import RecordSchema, open_source\n"
        "open_source('csv', io.BytesIO(b'smiles'), RecordSchema())\n"
        "from service.errors import InvalidRequest\n"
        "try:\n    open_source('parquet', io.BytesIO(b''), RecordSchema())\n"
        "except InvalidRequest as error:\n    print(error)\n"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(
        command, env=environment(), capture_output=True, text=True, timeout=60, check=True, cwd=tmp_path
    )
    assert "pip install 'snn-serving[parquet]'" in done.stdout
