"""The final evaluation set, on a made-up file of the published form."""

import gzip

import numpy as np
import pytest

from training.data.official import tox21_final
from training.data.official.tox21 import TARGETS
from training.data.official.tox21_final import parse
from training.errors import DataError

COMPOUNDS = b"#SMILES\tSample ID\nCCO\tNCGC1-01\nCCN\tNCGC2-01\n"
# JKU's order is another than ours, and has dots for hyphens.
NAMES = sorted(target.replace("-", ".") for target in TARGETS)


def labels_file(rows, first=('""',)):
    """A gzipped csv as R writes it."""
    header = ",".join([*first, *(f'"{name}"' for name in NAMES)])
    return gzip.compress("\n".join([header, *rows, ""]).encode(), mtime=0)


def row(sample, **values):
    """One line, NA but for the values given by target."""
    return ",".join([f'"{sample}"', *(values.get(name.replace(".", "_"), "NA") for name in NAMES)])


@pytest.mark.parametrize("first", [('""',), ()], ids=["write.csv", "write.table"])
def test_labels_are_joined_by_sample_and_name(first):
    """Neither the order of rows nor that of columns matters; extra samples are left out."""
    rows = [
        row("NCGC9-01", NR_AR="1"),
        row("NCGC2-01", SR_p53="1"),
        row("NCGC1-01", NR_AR="0", NR_PPAR_gamma="1"),
    ]
    final = parse(COMPOUNDS, labels_file(rows, first))
    assert final.smiles == ("CCO", "CCN")
    expected = np.full((2, 12), np.nan, dtype=np.float32)
    expected[0, TARGETS.index("NR-AR")] = 0
    expected[0, TARGETS.index("NR-PPAR-gamma")] = 1
    expected[1, TARGETS.index("SR-p53")] = 1
    np.testing.assert_array_equal(final.labels, expected)


GOOD = [row("NCGC1-01"), row("NCGC2-01")]


@pytest.mark.parametrize(
    ("compounds", "labels", "words"),
    [
        (COMPOUNDS, labels_file(GOOD[:1]), "no row for 1 compounds, first NCGC2-01"),
        (COMPOUNDS, labels_file([*GOOD, row("NCGC3-01", NR_AR="2")]), "0, 1 or NA"),
        (COMPOUNDS, labels_file([*GOOD, '"NCGC3-01",1']), "0, 1 or NA"),
        (COMPOUNDS, b"plain", "not a gzipped csv"),
        (COMPOUNDS, gzip.compress(b'"","a","b"\n', mtime=0), "not the twelve targets"),
        (b"smiles,id\nCCO,1\n", labels_file(GOOD), "not a table of #SMILES and Sample ID"),
        (b"#SMILES\tSample ID\nCCO\n", labels_file(GOOD), "not a table of #SMILES and Sample ID"),
    ],
)
def test_a_file_of_another_form_is_refused(compounds, labels, words):
    """The error says which file, and what is wrong with it."""
    with pytest.raises(DataError, match=words):
        parse(compounds, labels)


def test_counts_that_are_not_the_published_ones_are_refused(monkeypatch):
    """A file that slipped past its hash would still have to add up."""
    files = iter([COMPOUNDS, labels_file(GOOD)])
    monkeypatch.setattr(tox21_final, "read", lambda _: next(files))
    with pytest.raises(DataError, match="published are"):
        tox21_final.load()
