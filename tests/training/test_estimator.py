"""The estimators keep scikit-learn's rules, and publish what the commands would."""

import pickle
from decimal import Decimal
from pathlib import Path
from unittest import SkipTest

import numpy as np
import pyarrow as pa
import pytest
from sklearn.utils.estimator_checks import estimator_checks_generator

from models.bundle.loading import open_bundle
from models.registry.store import Repository
from tests.training.cli.test_train import people
from training import SnnClassifier, SnnRegressor
from training.pipeline.evaluate import run_graph

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_process")]

SMALL = {"units": 8, "layers": 2, "epochs": 12, "learning_rate": 0.05, "batch_size": 16}
#: Checks that cannot pass, and why.
EXPECTED = {
    "check_sample_weight_equivalence_on_dense_data": "weights are of the loss alone: a row of weight 2"
    " is one row to its fold and to calibration, two equal rows are two",
}
CHECKS = [
    (estimator, check)
    for tried in (SnnClassifier(recipe=SMALL), SnnRegressor(recipe=SMALL))
    for estimator, check in estimator_checks_generator(tried)
    if getattr(check, "func", check).__name__ not in EXPECTED
]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("number", range(len(CHECKS)))
def test_scikit_learns_checks(number: int) -> None:
    """Every check of scikit-learn's own suite but those that are expected to fail."""
    estimator, check = CHECKS[number]
    try:
        check(estimator)
    except SkipTest as reason:
        pytest.skip(str(reason))


def table(n: int = 300) -> tuple[np.ndarray, np.ndarray]:
    """Rows of a number that may be missing and a text, and words for their class."""
    rows = people(n)
    cells = [[np.nan if row["age"] == "" else float(str(row["age"])), row["town"]] for row in rows]
    return np.array(cells, dtype=object), np.array([row["ill"] for row in rows])


def test_what_is_published_answers_as_what_was_fitted(tmp_path: Path) -> None:
    """The first version passes the gate; its graph gives the estimator's probabilities."""
    rows, classes = table()
    fitted = SnnClassifier(recipe=SMALL).fit(rows, classes)
    assert (fitted.predict(rows) == classes).mean() > 0.7
    version = fitted.publish("people", tmp_path / "models", tmp_path / "state", promote="always")
    repository = Repository(tmp_path / "models")
    assert repository.serving("people").champion == version == 1
    bundle = open_bundle(repository.bundle("people", version))
    records = [[None if cell != cell else cell for cell in row] for row in rows.tolist()]
    served = run_graph(bundle, bundle.featurizer.featurize(records).rows, "probability")
    own = fitted.predict_proba(rows)
    assert np.allclose(own[:, 1:], served, atol=1e-4)
    assert np.allclose(own.sum(axis=1), 1)
    again = pickle.loads(pickle.dumps(fitted))
    assert np.array_equal(again.predict_proba(rows), own)


def test_rows_of_a_group_share_a_fold() -> None:
    """No member judges a row whose group it learned from."""
    rows, classes = table()
    groups = np.arange(len(rows)) // 10
    fitted = SnnClassifier(recipe=SMALL).fit(rows, classes, groups=groups)
    folds = fitted._fitted.dataset.folds
    assert all(len(set(folds[groups == group].tolist())) == 1 for group in np.unique(groups))
    assert len(set(folds.tolist())) == 5


def test_wrong_input_is_named() -> None:
    """An unknown metric, a column that is not there, an unknown category."""
    rows, classes = table()
    with pytest.raises(ValueError, match="metric is one of log_loss"):
        SnnClassifier(metric="luck").fit(rows, classes)
    with pytest.raises(ValueError, match="no column 'job'"):
        SnnClassifier(categorical_features=["job"]).fit(rows, classes)
    fitted = SnnClassifier(recipe=SMALL).fit(rows, classes)
    rows[3, 1] = "Mars"
    with pytest.raises(ValueError, match=r"row 3: .*Mars"):
        fitted.predict(rows)


def test_a_regressor_publishes_what_it_answers(tmp_path: Path) -> None:
    """The graph gives the estimator's values and intervals, all of them in the target's unit."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(300, 3))
    values = 1e6 + 40 * rows[:, 0] + rng.normal(size=300)
    fitted = SnnRegressor(recipe=SMALL | {"epochs": 40, "learning_rate": 0.01}).fit(rows, values)
    assert fitted.score(rows, values) > 0.8
    assert np.corrcoef(fitted.out_of_fold_, values)[0, 1] > 0.9
    assert abs(fitted.out_of_fold_.mean() - 1e6) < 20
    own, ends = fitted.predict(rows), fitted.predict_interval(rows)
    assert (ends[:, 0] <= own).all()
    assert (own <= ends[:, 1]).all()
    version = fitted.publish("drift", tmp_path / "models", tmp_path / "state", promote="always")
    bundle = open_bundle(Repository(tmp_path / "models").bundle("drift", version))
    features = bundle.featurizer.featurize(rows.tolist()).rows
    assert np.allclose(own, run_graph(bundle, features, "value")[:, 0], atol=0.01)
    assert np.allclose(ends, run_graph(bundle, features, "interval")[:, 0], atol=0.01)


@pytest.mark.parametrize("values", [np.full(120, 3.0), np.tile([-1e200, 1e200], 60)])
def test_values_that_cannot_be_standardised_are_refused(values: np.ndarray) -> None:
    """All one, or too far apart for double precision."""
    with pytest.raises(ValueError, match="all one, or beyond double precision"):
        SnnRegressor(recipe=SMALL).fit(np.arange(120.0)[:, None], values)
    with pytest.raises(ValueError, match="metric is one of rmse"):
        SnnRegressor(metric="log_loss").fit(np.arange(120.0)[:, None], np.arange(120.0))


def test_a_data_frames_own_kinds_are_read() -> None:
    """Missing values, dates and categories of pandas; a seed of scikit-learn's kinds."""
    pandas = pytest.importorskip("pandas")
    _, classes = table()
    n = len(classes)
    frame = pandas.DataFrame(
        {
            "count": pandas.array([None if at % 9 == 0 else at % 40 for at in range(n)], dtype="Int64"),
            "code": pandas.Categorical([3 + 2 * (at % 2) for at in range(n)]),
            "day": pandas.date_range("2020-01-01", periods=n),
            "word": pandas.array(
                [None if at % 7 == 0 else "pq"[at % 2] for at in range(n)], dtype="string"
            ),
        }
    )
    fitted = SnnClassifier(recipe=SMALL, random_state=np.random.RandomState(3)).fit(frame, classes)
    columns = fitted._fitted.dataset.parameters["columns"]
    kinds = {entry["name"]: entry["kind"] for entry in columns}
    assert kinds == {"count": "number", "code": "category", "day": "date", "word": "category"}
    assert fitted.predict(frame.head(9)).shape == (9,)


#: Fewer steps than ``SMALL`` takes: what is tested is how cells are read.
SHORT = SMALL | {"units": 4, "layers": 1, "epochs": 2}


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("times beside floats", "date"),  # numpy has no common type of both
        ("times in pyarrow", "date"),
        ("time spans", "number"),
        ("months", "date"),
        ("decimals", "number"),
        ("sparse", "number"),
        ("bins", "category"),
        ("codes of Arrow", "category"),
        ("nanoseconds in numpy", "date"),
    ],
)
def test_columns_that_numpy_has_no_common_type_for_are_read(kind: str, expected: str) -> None:
    """As data frames have them beside a column of floats, with missing times."""
    pandas = pytest.importorskip("pandas")
    rng, n = np.random.default_rng(0), 120
    x = rng.normal(size=n)
    days = pandas.Series(pandas.date_range("2020-01-01", periods=n, freq="13h"))
    if kind == "nanoseconds in numpy":
        rows: object = days.to_numpy(dtype="datetime64[ns]")[:, None]
    else:
        values = {
            "times beside floats": lambda: days.where(days.index % 9 > 0),
            "times in pyarrow": lambda: days.convert_dtypes(dtype_backend="pyarrow"),
            "time spans": lambda: days - days[0],
            "months": lambda: days.dt.to_period("M"),
            "decimals": lambda: [Decimal(f"{value:.3f}") for value in x],
            "sparse": lambda: pandas.arrays.SparseArray(np.maximum(x, 0).round(1)),
            "bins": lambda: pandas.cut(pandas.Series(x), 4),
            "codes of Arrow": lambda: pandas.array(
                pa.array([at % 3 for at in range(n)]).dictionary_encode(),
                dtype=pandas.ArrowDtype(pa.dictionary(pa.int32(), pa.int64())),
            ),
        }[kind]()
        rows = pandas.DataFrame({"x": x, "v": values})
    classes = pandas.Series(pandas.array(x + rng.normal(size=n) > 0, dtype="boolean"))
    fitted = SnnClassifier(recipe=SHORT).fit(rows, classes)
    assert fitted._fitted.dataset.parameters["columns"][-1]["kind"] == expected
    assert fitted.predict(rows).dtype == bool


def test_messages_of_arrays_name_no_option_of_the_command_line() -> None:
    """A class that is missing is named with its row, and so is a column that is no category."""
    x = np.arange(120.0)[:, None]
    words = np.array([f"word {at}" for at in range(120)], dtype=object)[:, None]
    with pytest.raises(ValueError, match="row 7; leave out the rows without a class"):
        SnnClassifier(recipe=SHORT).fit(x, [None if at == 7 else "ab"[at % 2] for at in range(120)])
    with pytest.raises(ValueError, match=r"120 rows are no categories; leave it out$"):
        SnnClassifier(recipe=SHORT).fit(words, np.arange(120) % 2)
