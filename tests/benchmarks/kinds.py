"""Files of each kind, 20,000 and 100,000 rows: memory of reading them, and going on after an end.

A process of its own reads each file in pieces, as ``score`` does, without the model, whose memory does
not depend on the kind. A second one stops halfway, a third goes on from the position that was noted.
"""

import csv
import gzip
import hashlib
import io
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from rdkit import Chem

from service.tables import RecordSchema, kind_of, open_file, open_source
from tests.benchmarks.report import Options, Table
from tests.benchmarks.server import ROOT

_FEW, _MANY, _PIECE = 20_000, 100_000, 256
_SMILES = (
    "CCO", "CC(=O)Oc1ccccc1C(=O)O", "CC(=O)Nc1ccc(O)cc1", "Cn1cnc2c1c(=O)n(C)c(=O)n2C", "c1ccncc1",
    "CC(C)Cc1ccc(C(C)C(=O)O)cc1", "OC(=O)c1ccccc1O", "CCN(CC)CC", "C1CCOC1", "Oc1ccc(Cl)cc1",
)  # fmt: skip


def _rows(count: int) -> Iterator[tuple[int, str]]:
    return ((place, _SMILES[place % len(_SMILES)]) for place in range(count))


def _table(
    delimiter: str, header: str = "smiles", form: Callable[[str], str] = str
) -> Callable[[int], bytes]:
    def content(count: int) -> bytes:
        text = io.StringIO()
        write = csv.writer(text, delimiter=delimiter).writerow
        write(["id", header])
        for place, smiles in _rows(count):
            write([place, form(smiles)])
        return text.getvalue().encode()

    return content


def _lines(form: str) -> Callable[[int], bytes]:
    return lambda count: "".join(form.format(smiles, place) for place, smiles in _rows(count)).encode()


def _sdf(count: int) -> bytes:
    blocks = {smiles: Chem.MolToMolBlock(Chem.MolFromSmiles(smiles)) for smiles in _SMILES}
    return "".join(
        f"{blocks[smiles]}> <id>\n{place}\n\n$$$$\n" for place, smiles in _rows(count)
    ).encode()


def _parquet(count: int) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table({"id": range(count), "smiles": [smiles for _, smiles in _rows(count)]})
    column = table.column("smiles").dictionary_encode()
    stream = io.BytesIO()
    pq.write_table(table.set_column(1, "smiles", column), stream, row_group_size=5000)
    return stream.getvalue()


def _inchi(smiles: str) -> str:
    found: str = Chem.MolToInchi(Chem.MolFromSmiles(smiles))
    return found


_PLAIN: dict[str, Callable[[int], bytes]] = {
    "a.csv": _table(","),
    "semicolons.csv": _table(";"),
    "a.tsv": _table("\t"),
    "inchi.csv": _table(",", form={smiles: _inchi(smiles) for smiles in _SMILES}.__getitem__),
    "a.smi": _lines("{} {}\n"),
    "a.txt": _lines("{}\t{}\n"),
    "cxsmiles.smi": _lines("{} |c:0| {}\n"),
    "a.sdf": _sdf,
    "a.parquet": _parquet,
}
#: What is compressed besides.
_PACKED = ("semicolons.csv", "a.tsv", "a.smi", "a.txt", "a.sdf")


def run(options: Options) -> list[Table]:
    """Peak memory of reading each kind, and whether going on gives the same records."""
    rows = []
    with tempfile.TemporaryDirectory(prefix="snn-kinds-") as name:
        for kind in [*_PLAIN, *(f"{one}.gz" for one in _PACKED)]:
            found = [_measured(Path(name), kind, count) for count in (_FEW, _MANY)]
            rows.append((kind, *found, found[1] - found[0]))
            options.say(f"kinds: {rows[-1]}")
    note = "Every file was read to its half, and from there by another process: the same records."
    columns = ("file", f"{_FEW:,} rows, MiB", f"{_MANY:,} rows, MiB", "more")
    return [Table("Peak memory of a process that reads a file", columns, rows, (note,))]


def _measured(folder: Path, kind: str, count: int) -> int:
    path = folder / kind
    content = _PLAIN[kind.removesuffix(".gz")](count)
    path.write_bytes(gzip.compress(content, 1) if kind.endswith(".gz") else content)
    peak, records, whole, _ = _process(path, 0, 0)
    _, _, first, position = _process(path, 0, records // 2)
    _, _, second, _ = _process(path, position, 0)
    if records != count or first + second != whole:
        raise RuntimeError(f"{kind}: {records} records, or others after going on")
    path.unlink()
    return round(peak / 1024)


def _process(path: Path, start: int, most: int) -> list[int]:
    command = [sys.executable, "-m", "tests.benchmarks.kinds", str(path), str(start), str(most)]
    answer = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    return list(map(int, answer.stdout.split()))


def _read(path: Path, start: int, most: int) -> None:
    """Print peak memory in KiB, the number of records, the sum of their digests, and the position."""
    total = count = 0
    with open_file(path) as file:
        source, parser = open_source(kind_of(path), file, RecordSchema())
        if start:
            source.seek(start)
        while (not most or count < most) and (raw := source.take(_PIECE)):
            piece = parser.parse(raw)
            count += len(piece.carried)
            for record, carried in zip(piece.records, piece.carried, strict=True):
                digest = hashlib.blake2b(repr((record, carried)).encode(), digest_size=8).digest()
                total += int.from_bytes(digest)
        position = source.position
    # Not ru_maxrss, which a process takes over from the one that started it.
    status = Path("/proc/self/status").read_text()
    peak = int(status.partition("VmHWM:")[2].split()[0])
    sys.stdout.write(f"{peak} {count} {total} {position}\n")


if __name__ == "__main__":
    _read(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
