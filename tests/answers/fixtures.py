"""What both checkouts are given: model repositories, API keys and files to score."""

import io
import json
import shutil
from collections.abc import Mapping
from pathlib import Path

from tests.answers.checkout import Checkout
from tests.answers.corpus.tables import CSV, NDJSON

#: The options that each key is made with.
_KEYS: dict[str, list[str]] = {
    "operator": ["--scope", "admin", "--scope", "predict", "--scope", "metrics"],
    "reader": ["--scope", "predict"],
    "watcher": ["--scope", "metrics"],
    "expired": ["--scope", "predict", "--days", "0"],
    "slow": ["--scope", "predict", "--requests-per-second", "0.001"],
    "rows": ["--scope", "predict", "--rows-per-second", "0.001"],
}

_MOLFILE = """{title}
  made

  3  2  0  0  0  0  0  0  0  0999 V2000
    0.0000    0.0000    0.0000 C   0  0
    1.5000    0.0000    0.0000 {atom}   0  0
    3.0000    0.0000    0.0000 O   0  0
  1  2  1  0
  2  3  1  0
M  END
> <note>
{title} of SDF

$$$$
"""


def make_repository(committed: Path, target: Path, *, broken: bool) -> None:
    """Copy the committed models, with more versions of ``htru2``; ``broken`` adds a model that fails.

    Versions 1 and 4 are the champion under other numbers; 4 went through no gate.
    """
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(committed, target)
    serving = json.loads((target / "htru2" / "serving.json").read_text())
    champion = serving["champion"]
    for number in (1, 4):
        twin = target / "htru2" / str(number)
        shutil.copytree(target / "htru2" / str(champion), twin)
        for file in (twin / "manifest.json", twin / "gate.json"):
            text = file.read_text()
            file.write_text(text.replace(f'"version": {champion},', f'"version": {number},', 1))
    (twin / "gate.json").unlink()
    if broken:
        folder = target / "broken" / "7"
        folder.mkdir(parents=True)
        (folder / "manifest.json").write_text('{"schema_version": 1}')
        (folder.parent / "serving.json").write_text('{"champion": 7, "previous": [], "generation": 0}')


def make_keys(checkout: Checkout, file: Path) -> dict[str, str]:
    """Have a checkout make a file of API keys, and return them by name."""
    made: dict[str, str] = {}
    for name, options in _KEYS.items():
        done = checkout.run(["service", "keys", "new", name, *options], {"SNN_API_KEYS_FILE": str(file)})
        if done.returncode:
            raise RuntimeError(f"no key was made: {done.stderr.decode()}")
        made[name] = done.stdout.decode().strip()
    return made


def files_to_score() -> Mapping[str, bytes]:
    """Return small files of every kind, good and bad, by name."""
    files = {f"{name}.csv": body for name, (_, body) in CSV.items() if name in _SCORED}
    files |= {f"{name}.ndjson": body for name, (_, body) in NDJSON.items() if name in _SCORED}
    titles = [("ethanol", "C"), ("peroxide", "O"), ("unknown", "Qq")]
    sdf = "".join(_MOLFILE.format(title=title, atom=atom) for title, atom in titles)
    files |= {"structures.sdf": sdf.encode(), "cut.sdf": sdf[:400].encode(), "none.sdf": b""}
    files |= {"molecules.parquet": _parquet({"id": [1, 2, 3], "smiles": ["CCO", "CC[Na", None]})}
    files |= {"other.parquet": _parquet({"id": [1]}), "damaged.parquet": b"PAR1 nothing PAR1"}
    return files | {"molecules.txt": b"CCO\n"}


_SCORED = ("molecules", "candidates", "ragged", "quoted", "not-utf8", "no-smiles")


def _parquet(columns: dict[str, list[object]]) -> bytes:
    import pyarrow
    import pyarrow.parquet

    target = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table(columns), target)
    return target.getvalue()
