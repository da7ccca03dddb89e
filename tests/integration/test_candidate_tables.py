"""Tables of pulsar candidates as surveys and their tools write them, in training and in service."""

import gzip
import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from models.features import create
from models.features.tabular.candidate_tables import positional, table_warnings
from models.features.tabular.pulsar import NAMES
from service.errors import InvalidRequest
from service.tables import RecordSchema, kind_of, open_file, open_source
from training.data import load_candidates
from training.errors import DataError

CANDIDATES = create("pulsar-2", {})
SCHEMA = RecordSchema.of(CANDIDATES)


def made_up(rows: int = 60) -> list[list[float]]:
    """Candidates of moments that a sample can have, most of them of noise."""
    rng = np.random.default_rng(1)
    values = rng.lognormal(1, 1, (rows, 8))
    values[:, [2, 6]] = rng.normal(0, 1, (rows, 2))
    values[:, [3, 7]] = np.square(values[:, [2, 6]]) - 2 + rng.gamma(2, 0.7, (rows, 2))
    return values.round(4).tolist()


ROWS = made_up()
#: UCI's description, and Kaggle's pulsar_stars.csv, which begins each name with a blank.
KAGGLE = [
    f" {moment} of the {curve}"
    for curve in ("integrated profile", "DM-SNR curve")
    for moment in ("Mean", "Standard deviation", "Excess kurtosis", "Skewness")
] + ["target_class"]
#: Kaggle's playground series s3e10.
PLAYGROUND = ["Mean_Integrated", "SD", "EK", "Skewness", "Mean_DMSNR_Curve", "SD_DMSNR_Curve"]
PLAYGROUND += ["EK_DMSNR_Curve", "Skewness_DMSNR_Curve", "Class"]
#: PulsarFeatureLab's DataProcessor.py, and the official HTRU_2.arff.
ARFF = ["Profile_mean", "Profile_stdev", "Profile_skewness", "Profile_kurtosis"]
ARFF += ["DM_mean", "DM_stdev", "DM_skewness", "DM_kurtosis"]
ARFF_HEAD = "@relation PulsarCandidates\n" + "".join(f"@attribute {name} numeric\n" for name in ARFF)
ARFF_HEAD += "@attribute class {0,1}\n@data\n"


def text_of(header: list[str], words: tuple[str, str] = ("0", "1"), end: str = "\n") -> str:
    """CSV of all candidates with their class, with a header if it is not empty."""
    lines = [",".join(header)] if header else []
    lines += [",".join([*map(str, row), words[number % 2]]) for number, row in enumerate(ROWS)]
    return end.join(lines)


FILES = {
    "headerless.csv": text_of([]),
    "official.csv": text_of([], end="\r"),
    "kaggle.csv": text_of(KAGGLE),
    "playground.csv": text_of(PLAYGROUND),
    "own.csv": text_of([*NAMES, "class"]),
    "upper.csv": text_of([*(name.upper() for name in NAMES), "Label"]),
    "words.csv": text_of([*NAMES, "class"], ("Non-pulsar", "Pulsar")),
    "rfi.tsv": text_of([*NAMES, "class"], ("RFI", "pulsar")).replace(",", "\t"),
    "table.arff": ARFF_HEAD + text_of([]),
    "mac.arff": (ARFF_HEAD + text_of([])).replace("\n", "\r"),
    "named.arff": ARFF_HEAD
    + "".join(f"{line}%/data/cand_{at}.phcx\n" for at, line in enumerate(text_of([]).split("\n"))),
    "scores.csv": "".join(f"{line},%cand_{at}\n" for at, line in enumerate(text_of([]).split("\n"))),
    "first.csv": "".join(f"/data/c{at}.pfd,{line}\n" for at, line in enumerate(text_of([]).split("\n"))),
}


@pytest.mark.parametrize("name", FILES)
def test_candidates_are_the_same_in_every_file(tmp_path: Path, name: str) -> None:
    """For training with their class, and for the service with what else is in the file."""
    path = tmp_path / name
    path.write_text(FILES[name], newline="")
    dataset = load_candidates(path, instead=True)
    assert dataset.records == tuple(map(tuple, ROWS))
    assert dataset.labels[:, 0].tolist() == [number % 2 for number in range(len(ROWS))]
    assert dataset.notices == ()
    with open_file(path) as file:
        source, parser = open_source(kind_of(path), file, SCHEMA)
        piece = parser.parse(source.take(1000))
    assert not piece.faults
    assert [list(record) for record in piece.records] == ROWS


@pytest.mark.parametrize(
    ("name", "column"),
    [("named.arff", "/data/cand_3.phcx"), ("scores.csv", "cand_3"), ("first.csv", "/data/c3.pfd")],
)
def test_the_name_of_a_candidate_is_carried(name: str, column: str) -> None:
    """PulsarFeatureLab writes it as a comment at the end of a row, or as the first cell."""
    kind = "arff" if name.endswith("arff") else "csv"
    source, parser = open_source(kind, io.BytesIO(FILES[name].encode()), SCHEMA)
    assert "candidate" in source.columns()
    assert parser.parse(source.take(1000)).carried[3]["candidate"] == column


def test_candidates_without_a_class_are_read() -> None:
    """``?`` as PulsarFeatureLab writes it, or no ninth column at all."""
    for content in (ARFF_HEAD + "1,2,0,0,1,2,0,0,?%x.pfd\n", "1,2,0,0,1,2,0,0\n"):
        kind = "arff" if content.startswith("@") else "csv"
        source, parser = open_source(kind, io.BytesIO(content.encode()), SCHEMA)
        assert parser.parse(source.take(9)).records == [[1, 2, 0, 0, 1, 2, 0, 0]]


@pytest.mark.parametrize(
    ("record", "words"),
    [
        ([1, -1, 0, 0, 1, 1, 0, 0], "profile_stdev is -1; a standard deviation is not negative"),
        ([1, 1, 0, 0, 1, -0.5, 0, 0], "dm_stdev is -0.5"),
        ([1, 1, 3, 1, 1, 1, 0, 0], "no profile has skewness 3 and excess kurtosis 1"),
        ([1, 1, 0, 0, 1, 1, 10, 74], "no DM-SNR curve has skewness 10 and excess kurtosis 74"),
        ([1, 1, 0, -2.5, 1, 1, 0, 0], "no profile has skewness 0 and excess kurtosis -2.5"),
        ([9, 0, 1.5, 4.1, 1, 1, 0, 0], "profile_stdev is 0, but a constant profile has"),
        ([1, 1, 0, 0, 9, 0, 0, 1], "dm_stdev is 0, but a constant DM-SNR curve has"),
    ],
)
def test_moments_that_no_sample_can_have_are_an_error_of_their_row(
    record: list[float], words: str
) -> None:
    """Excess kurtosis ≥ skewness² - 2 (K. Pearson 1916); two-point samples, rounded, reach it."""
    sound = [1, 1, 1, -1, 1, 1, 20.003, 398.0]
    found = CANDIDATES.featurize([sound, record, sound])
    assert found.rows.shape == (2, 8)
    assert words in found.outcomes[1].message  # type: ignore[union-attr]
    assert create("pulsar-1", {}).featurize([record]).rows.shape == (
        1,
        8,
    )  # older bundles answer as ever


def test_moments_that_are_mixed_up_are_named_over_a_table(tmp_path: Path) -> None:
    """Skewness and kurtosis exchanged, as UCI names them; kurtosis not in excess, as in LOTAAS's."""
    rows = np.array(ROWS)
    exchanged, whole = rows[:, [0, 1, 3, 2, 4, 5, 7, 6]], rows + 3 * np.isin(np.arange(8), (3, 7))
    codes = [[each.code for each in table_warnings(NAMES, table)] for table in (rows, exchanged, whole)]
    assert codes == [[], ["moments_exchanged"], ["kurtosis_not_in_excess"]]
    assert table_warnings(NAMES, whole[:19]) == []
    assert table_warnings(("a", "b"), whole) == []
    path = tmp_path / "t.csv"
    path.write_text(
        "\n".join(",".join(map(str, [*row, at % 2])) for at, row in enumerate(whole.tolist()))
    )
    assert "subtract 3" in load_candidates(path, instead=True).notices[0]
    path.write_text("\n".join(",".join(map(str, [*row, 0])) for row in exchanged.tolist()))
    with pytest.raises(DataError, match="seem to be exchanged"):
        load_candidates(path, instead=True)


def like_htru2() -> np.ndarray:
    """Candidates of noise with the spreads and shapes of HTRU2's."""
    rng = np.random.default_rng(2)
    skewness = np.stack([rng.gamma(2, 0.5, 200), rng.normal(8, 2, 200)], axis=1)
    kurtosis = np.square(skewness) - 2 + rng.gamma(2, 0.7, (200, 2))
    profile = [rng.normal(115, 10, 200), rng.normal(47, 3, 200), skewness[:, 0], kurtosis[:, 0]]
    curve = [rng.lognormal(1, 0.5, 200), rng.normal(17, 2, 200), skewness[:, 1], kurtosis[:, 1]]
    return np.stack([*profile, *curve], axis=1)


@pytest.mark.parametrize(
    ("order", "code", "words"),
    [
        ((0, 1, 3, 2, 4, 5, 6, 7), "moments_exchanged", "kurtosis of the profile seem to be exchanged"),
        ((0, 1, 2, 3, 4, 5, 7, 6), "moments_exchanged", "of the DM-SNR curve seem to be exchanged"),
        ((0, 1, 3, 2, 4, 5, 7, 6), "moments_exchanged", "of the profile and of the DM-SNR curve seem"),
        ((4, 5, 6, 7, 0, 1, 2, 3), "curves_exchanged", "give the profile's four values first"),
    ],
)
def test_each_exchange_of_columns_is_named(
    tmp_path: Path, order: tuple[int, ...], code: str, words: str
) -> None:
    """One curve's skewness and kurtosis, both curves', or the curves; training refuses each."""
    sound = like_htru2()
    assert table_warnings(NAMES, sound) == []
    (warning,) = table_warnings(NAMES, sound[:, order])
    assert warning.code == code
    assert words in warning.message
    path = tmp_path / "t.csv"
    lines = [",".join(map(str, [*row, at % 2])) for at, row in enumerate(sound[:, order].tolist())]
    path.write_text("\n".join(lines))
    with pytest.raises(DataError, match=words):
        load_candidates(path, instead=True)


def test_some_faulty_candidates_are_not_an_exchange() -> None:
    """Where other rows are possible in the given order only, a tenth that is not is no exchange."""
    rows = like_htru2()
    rows[::10, [2, 3]] = 3, 0
    assert table_warnings(NAMES, rows) == []


def test_a_missing_column_is_told_with_the_names_of_the_file(tmp_path: Path) -> None:
    """The header as it is written, not as it is understood, and what names are read."""
    header = [*KAGGLE[:3], "peak", *KAGGLE[4:]]
    with pytest.raises(InvalidRequest) as refused:
        open_source("csv", io.BytesIO(text_of(header).encode()), SCHEMA)
    path = tmp_path / "t.csv"
    path.write_text(text_of(header))
    with pytest.raises(DataError) as left:
        load_candidates(path, instead=True)
    for message in map(str, (refused.value, left.value)):
        assert "profile_kurtosis" in message.split(";")[0]
        assert "Mean of the integrated profile', " in message
        assert "'peak'" in message
        assert "or their names in HTRU2's ARFF file (Profile_mean …)" in message
        assert "in UCI's and Kaggle's tables (Mean of the integrated profile …" in message
    twice = ",".join([*NAMES[:7], "DM_Kurtosis", "dm_KURTOSIS"])
    with pytest.raises(InvalidRequest, match="column 'DM_Kurtosis' is there twice"):
        open_source("csv", io.BytesIO(f"{twice}\n".encode()), SCHEMA)


@pytest.mark.parametrize(
    ("first", "after", "words"),
    [
        ("0,", "", "shifted by one: the first line begins with 0"),
        ("1,", "", "shifted by one: the first line begins with 1"),
        ("17,", ",1", "shifted by one: the first line begins with 17"),
        ("0,1,2,3,4,5,6,7\n", "", "the first line counts the columns from 0"),
        (",0,1,2,3,4,5,6,7,8\n0,", ",0", "the first line counts the columns from 0"),
        ("1,2,3,4,5,6,7,8,9\n", ",0", "the first line counts the columns from 1"),
    ],
)
def test_numbers_before_candidates_are_told_apart(
    tmp_path: Path, first: str, after: str, words: str
) -> None:
    """A row's number or class before the eight, and pandas' count of columns, are not judged."""
    text = f"{first}140.56,55.68,-0.23,-0.7,3.2,19.11,7.97,74.24{after}\n"
    path = tmp_path / "t.csv"
    path.write_text(text)
    with pytest.raises(InvalidRequest, match=words):
        open_source("csv", io.BytesIO(text.encode()), SCHEMA)
    with pytest.raises(DataError, match=words):
        load_candidates(path, instead=True)


def test_a_faulty_first_candidate_is_no_shift() -> None:
    """Only a whole number before moments that a sample can have is taken for a row's number."""
    assert positional([]) is None
    for line in ("0.5,140.56,55.68,-0.23,-0.7,3.2,19.11,7.97,74.24", "7,-1,0,0,1,1,0,0,1"):
        source, parser = open_source("csv", io.BytesIO(line.encode()), SCHEMA)
        assert parser.parse(source.take(1)).records == [list(map(float, line.split(",")[:8]))]


def test_names_that_agree_with_their_values_have_a_way_in(tmp_path: Path) -> None:
    """Kaggle's names over values in the order that they say: the error names what helps, and it does."""
    exchanged = like_htru2()[:, [0, 1, 3, 2, 4, 5, 7, 6]]
    rows = [",".join(map(str, [*row, at % 2])) for at, row in enumerate(exchanged.tolist())]
    path = tmp_path / "t.csv"
    path.write_text("\n".join([",".join(KAGGLE), *rows]))
    with pytest.raises(DataError, match="or name them profile_skewness, profile_kurtosis") as refused:
        load_candidates(path, instead=True)
    assert refused.match("where the column named excess kurtosis holds the skewness")
    own = [NAMES[at] for at in (0, 1, 3, 2, 4, 5, 7, 6)]
    path.write_text("\n".join([",".join([*own, "class"]), *rows]))
    assert load_candidates(path, instead=True).records == tuple(map(tuple, like_htru2().tolist()))


def workbook(path: Path) -> None:
    """Candidates as a workbook."""
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    for row in [KAGGLE, *([*row, at % 2] for at, row in enumerate(ROWS))]:
        book.active.append(row)
    book.save(path)


def packed(path: Path) -> None:
    """A zip archive of one table, a text and what macOS adds."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("HTRU/candidates.csv", FILES["kaggle.csv"])
        archive.writestr("__MACOSX/HTRU/._candidates.csv", "x")
        archive.writestr("Readme.pdf", "x")


MAKERS = {
    "t.xlsx": workbook,
    "t.zip": packed,
    "t.csv.gz": lambda path: path.write_bytes(gzip.compress(FILES["kaggle.csv"].encode())),
    "t.arff.gz": lambda path: path.write_bytes(gzip.compress(FILES["mac.arff"].encode())),
}


@pytest.mark.parametrize("name", MAKERS)
def test_packed_files_are_read(tmp_path: Path, name: str) -> None:
    """gzip, zip and workbooks, by training and by ``score``."""
    path = tmp_path / name
    MAKERS[name](path)
    assert load_candidates(path, instead=True).records == tuple(map(tuple, ROWS))
    with open_file(path) as file:
        source, parser = open_source(kind_of(path), file, SCHEMA)
        assert [list(record) for record in parser.parse(source.take(1000)).records] == ROWS


def test_a_record_of_json_may_have_the_names_of_a_table() -> None:
    """Kaggle's names in an object, beside a field that is carried."""
    line = json.dumps(dict(zip(KAGGLE, ROWS[0], strict=False)) | {"id": 7}).encode()
    source, parser = open_source("ndjson", io.BytesIO(line), SCHEMA)
    piece = parser.parse(source.take(1))
    assert CANDIDATES.featurize(piece.records).rows.tolist() == [np.float32(ROWS[0]).tolist()]
    assert piece.carried[0]["id"] == 7
