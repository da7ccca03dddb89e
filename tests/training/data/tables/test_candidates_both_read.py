"""Pulsar candidates, in any file that surveys' programs write, are the same to train, adapt and score.

Sources: HTRU2's archive (CSV and ARFF), PulsarFeatureLab 1.0 (``PulsarFeatureLab.py``: its ARFF header,
scores ending in ``,%name``), UCI's and Kaggle's columns (``pulsar_stars.csv``, playground s3e10).
"""

from pathlib import Path

import numpy as np
import pytest

from models.features import Accepted, create
from models.features.tabular.pulsar import NAMES
from service.tables import RecordSchema, kind_of, open_file, open_source
from tests.training.data.tables.test_own_rows import lines
from training.data import load_candidates
from training.data.few_rows import FewRows, read_few
from training.errors import DataError

FEATURIZER = create("pulsar-2", {})
ROWS = lines(60)
PULSAR_STARS = (
    *(" Mean", " Standard deviation", " Excess kurtosis", " Skewness"),
    *("Mean", "Standard deviation", "Excess kurtosis", "Skewness"),
)
UCI = tuple(
    f"{moment} of the {'integrated profile' if place < 4 else 'DM-SNR curve'}"
    for place, moment in enumerate(PULSAR_STARS)
)
LAB = tuple(f"Feature_{place}" for place in range(1, 9))
HTRU2 = (
    *("Profile_mean", "Profile_stdev", "Profile_skewness", "Profile_kurtosis"),
    *("DM_mean", "DM_stdev", "DM_skewness", "DM_kurtosis"),
)


def table(header: tuple[str, ...] | None, sign: str = ",", row: str = "{values}{sign}{label}") -> str:
    """The candidates as text."""
    made = [] if header is None else [sign.join(header)]
    for number, (*values, label) in enumerate(ROWS):
        cells = sign.join(map(str, values))
        words = {"word": ("RFI", "Pulsar")[int(str(label))], "truth": label == 1}
        made.append(row.format(values=cells, sign=sign, label=label, number=number, **words))
    return "\n".join(made) + "\n"


def arff(names: tuple[str, ...], row: str = "{values},{label}", classes: str = "0,1") -> str:
    """The candidates as ARFF."""
    head = "".join(f"@attribute {name} numeric\n" for name in names)
    return f"@relation made_up\n{head}@attribute class {{{classes}}}\n@data\n" + table(None, row=row)


FILES = {
    "names.csv": table((*NAMES, "class")),
    "capitals.csv": table((*(name.upper() for name in NAMES), "CLASS")),
    "uci.csv": table((*UCI, "target_class")),
    "htru2.csv": table((*HTRU2, "label"), row="{values},{word}"),
    "truths.csv": table((*HTRU2, "is_pulsar"), row="{values},{truth}"),
    "bare.csv": table(None),
    "commas.csv": "# made by a pipeline, by hand\n" + table(None),
    "named.csv": table(None, row="cand_{number}.phcx,{values},{label}"),
    "remarked.csv": table(None, row="{values},{label}%cand_{number}.phcx"),
    "tabs.tsv": table(None, "\t"),
    "semicolons.csv": table(None, ";"),
    "told.csv": "sep=;\n" + table(None, ";"),
    "blanks.dat": table(None, "  "),
    "commented.txt": "# " + table((*HTRU2, "class"), " "),
    "htru2.arff": arff(HTRU2),
    "words.arff": arff(HTRU2, "{values},{word}", "RFI,Pulsar"),
    "arff.csv": "% by hand\n" + arff(HTRU2),
    "lab.arff": arff(LAB, "{values},{label}%/survey/cand_{number}.pfd"),
}


def few(path: Path) -> FewRows:
    """The rows as ``adapt`` reads them."""
    readers = dict(zip(NAMES, FEATURIZER.readers, strict=True))
    return read_few(path, NAMES, readers, ("pulsar",), exclusive=False, column=None)


@pytest.mark.parametrize("name", FILES)
def test_every_file_is_the_same_candidates(tmp_path: Path, name: str) -> None:
    """Features and classes, to training, to the command ``adapt``, and to the service."""
    path = tmp_path / name
    path.write_text(FILES[name])
    values = np.array([row[:8] for row in ROWS], dtype=np.float32)
    labels = [row[8] for row in ROWS]
    trained = load_candidates(path, instead=True)
    np.testing.assert_array_equal(np.array(trained.records, np.float32), values)
    assert trained.labels[:, 0].tolist() == labels
    adapted = few(path)
    assert [[record[field] for field in NAMES] for record in adapted.records] == [r[:8] for r in ROWS]
    assert adapted.labels[:, 0].tolist() == labels
    with open_file(path) as file:
        source, parser = open_source(kind_of(path), file, RecordSchema.of(FEATURIZER))
        piece = parser.parse(source.take(100))
    read = FEATURIZER.featurize(piece.records)
    assert all(isinstance(outcome, Accepted) for outcome in read.outcomes)
    np.testing.assert_array_equal(read.rows, values)
    if "{number}" in FILES[name] or "cand_" in FILES[name]:
        assert str(piece.carried[7]["candidate"]).endswith(("cand_7.phcx", "cand_7.pfd"))


def test_unlabelled_candidates_are_left_out_of_few(tmp_path: Path) -> None:
    """PulsarFeatureLab writes ? for the class of all; those that were looked at have one."""
    (tmp_path / "few.arff").write_text(arff(LAB).replace(",1\n", ",?\n", 9))
    assert len(few(tmp_path / "few.arff").records) == len(ROWS) - 9


def test_numbers_of_other_kinds_of_features_are_not_the_eight(tmp_path: Path) -> None:
    """PulsarFeatureLab's other kinds have twelve or twenty-two."""
    (tmp_path / "few.csv").write_text(table((*LAB, "class", "Feature_9"), row="{values},{label},0"))
    with pytest.raises(DataError, match=r"no column 'profile_mean', .*'Feature_1'.*; a candidate's"):
        few(tmp_path / "few.csv")


def test_exchanged_moments_are_told_before_they_are_adapted_to(tmp_path: Path) -> None:
    """Another survey's scale is no error, so that this is a warning; decimal commas are one."""
    exchanged = [[a, b, d, c, e, f, h, g, y] for a, b, c, d, e, f, g, h, y in ROWS]
    text = "\n".join(",".join(map(str, row)) for row in exchanged)
    (tmp_path / "few.csv").write_text(text)
    (notice,) = few(tmp_path / "few.csv").notices
    assert notice.startswith("warning: skewness and kurtosis of the profile and of the DM-SNR curve")
    (tmp_path / "commas.csv").write_text(table(None, ";").replace(".", ","))
    with pytest.raises(DataError, match="its numbers have decimal commas; write them with points"):
        few(tmp_path / "commas.csv")
