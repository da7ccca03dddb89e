"""Two drawings of compounds, compared by the committed model."""

from pathlib import Path

import numpy as np
import pytest

from models.bundle.loading import Bundle, open_bundle
from models.registry.store import Repository
from training.benchmarks.internals.round_trip import _pair, _report, compared
from training.errors import TrainingError

REPOSITORY = Repository(Path(__file__).parents[4] / "models" / "repository")


def bundle(model: str) -> Bundle:
    """The committed champion."""
    return open_bundle(REPOSITORY.bundle(model, REPOSITORY.serving(model).champion))


def test_what_changes_is_counted_and_what_does_not_is_not() -> None:
    """An imidic acid is its amide; estradiol is no ethanol; what is not judged is on no level."""
    tox21 = bundle("tox21")
    estradiol = "CC12CCC3c4ccc(O)cc4CCC3C1CCC2O"
    first = ["CC(=O)Nc1ccc(O)cc1", estradiol, "[Na+].[Cl-]", "CCO"]
    second = ["CC(O)=Nc1ccc(O)cc1", "CCO", "Cl", "C[CH]O"]
    found = compared(tox21, first, second)
    np.testing.assert_array_equal(found.parent, [False, True, True, True])
    np.testing.assert_array_equal(found.level, [False, True, False, True])
    np.testing.assert_array_equal(found.active, [False, True, False, False])
    report = _report(tox21, 4, found)
    assert "| another level in any assay, at either cut-off | 2 | 50.00% |" in report


def test_a_model_without_levels_is_refused() -> None:
    """Pulsars are called alone."""
    with pytest.raises(TrainingError, match="no levels"):
        compared(bundle("htru2"), [], [])


def test_an_export_moves_the_hydrogen_of_an_amide() -> None:
    """So the benchmark compares what it says."""
    pair = _pair("CC(=O)Nc1ccc(O)cc1")
    assert pair is not None
    assert pair[0] != pair[1]
    assert "=N" in pair[1]
