"""What a headline says of every kind of change, and where its advice leads."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.health.diagnosis.inputs import Happened, Kind
from models.health.effect_size import Effects, Shift
from service.health.words import (
    CORRUPTED,
    FAULTY,
    Words,
    moved_features,
    numbers,
    of_change,
    of_drift,
    refused,
)

NAMES = ("profile_mean", "profile_stdev", "dm_mean", "dm_stdev", "width")
SECTIONS = set(
    re.findall(r'<section id="([^"]+)"', Path("service/web/runbook.html").read_text(encoding="utf-8"))
)


def effects(inputs: float | None, layers: float = 0.0) -> Effects:
    """A window's effects: inputs and the one member have moved by so much for sure."""
    return Effects(
        by_layer=np.array([[layers, 0.0]]),
        error=0.1,
        departures=np.array([[layers, 0.0]]),
        departure_margins=np.zeros((1, 2)),
        members=(Shift(layers, 0.0),),
        inputs=None if inputs is None else Shift(inputs, 0.0),
        features=None,
        rows=256,
        requests=256,
    )


@pytest.mark.parametrize(
    ("happened", "said"),
    [
        (None, "Inputs changed; the model is intact."),
        (
            Happened("swapped", (0, 2), ((0, 2), (2, 0))),
            "profile_mean and dm_mean look exchanged: columns swapped?",
        ),
        (
            Happened("swapped", (0, 1, 2, 3), ((0, 2), (1, 3), (2, 0), (3, 1))),
            "profile_* look like dm_*: columns swapped?",
        ),
        (Happened("shuffled", (0, 1, 4), ((0, 1), (1, 4), (4, 0))), "and 2 more: columns shuffled?"),
        (Happened("constant", (4,)), "width is constant: is a field missing?"),
        (Happened("constant", (0, 4)), "profile_mean and width are constant: is a field missing?"),
        (Happened("rescaled", (4,), factor=1000.0), "width is rescaled by about 1,000: other units?"),
        (Happened("rescaled", (0, 4)), "profile_mean and width are rescaled: other units?"),
        (Happened("shifted", (2, 3, 0, 1)), "4 columns are shifted: another zero or instrument?"),
        (Happened("population", (4,)), "Another population, most in width?"),
    ],
)
def test_every_change_of_inputs_is_said_in_words(happened: Happened | None, said: str) -> None:
    """The headline says that the model is intact, and what happened."""
    words = of_change(effects(2.0), "input", None, NAMES, happened)
    assert words.headline.startswith("Inputs changed; the model is intact.")
    assert words.headline.endswith(said)
    leads_somewhere(words)


def leads_somewhere(words: Words) -> None:
    """A headline is short, and an advice is a sentence with a section of the page's runbook."""
    assert len(words.headline.split()) <= 20
    assert re.fullmatch(r"[A-Z].*\.", words.advice)
    assert words.section in SECTIONS


@pytest.mark.parametrize(
    ("departures", "said"),
    [
        ([[3.0, 0.1], [0.0, 0.0]], "Member 0 departs alone"),
        ([[3.0, 1.0, 0.1], [3.0, 1.0, 0.1]], "Layers depart from layer 1 on"),
        ([[1.0, 3.0, 3.0], [1.0, 3.0, 3.0]], "another version's weights?"),
    ],
)
def test_every_change_of_a_model_is_said_in_words(departures: list[list[float]], said: str) -> None:
    """One member, one layer, or all of another version."""
    made = np.array(departures)
    of = effects(0.0)
    of = Effects(
        by_layer=made,
        error=0.1,
        departures=made,
        departure_margins=np.zeros_like(made),
        members=tuple(Shift(size, 0.0) for size in made.max(axis=1)),
        inputs=of.inputs,
        features=None,
        rows=256,
        requests=256,
    )
    words = of_change(of, "model", (0, 0), NAMES, None)
    assert said in words.headline
    leads_somewhere(words)


def test_drift_and_refusals_lead_somewhere() -> None:
    """As all else that is said."""
    for words in (of_drift("input"), of_drift("model"), refused(100, 93), FAULTY, CORRUPTED):
        leads_somewhere(words)
    assert refused(100, 93).headline.startswith("93 % of the latest records were refused")


def test_numbers_are_those_of_the_inputs_where_there_are_any() -> None:
    """A model without a reference of inputs tells the largest effect instead."""
    of = effects(0.7, layers=2.0)
    assert "the inputs have moved by 0.70 standard deviations" in numbers(of, "input", (0, 0), NAMES)
    assert "layers depart by 2.00, first in member 0, layer 1" in numbers(of, "input", (0, 0), NAMES)
    alone = effects(None, layers=2.0)
    assert "the inputs have moved by 2.00" in numbers(alone, "input", None, NAMES)


def moved(*shifts: float) -> Effects:
    """Inputs of which the features have moved by so much."""
    return replace(effects(2.0), features=np.array(shifts))


def test_a_column_of_many_features_is_named_once() -> None:
    """Nineteen features of three columns are three columns, by the names that the table has."""
    names = ["age"] * 8 + ["city"] * 10 + ["price"]
    happened = Happened("rescaled", tuple(range(19)), factor=10.0)
    words = of_change(effects(2.0), "input", None, names, happened)
    assert "age, city and price are rescaled by about 10" in words.headline
    alone = of_change(effects(2.0), "input", None, names, Happened("constant", (3, 4)))
    assert "age is constant" in alone.headline
    within = of_change(effects(2.0), "input", None, names, Happened("swapped", (1, 2), ((1, 2), (2, 1))))
    assert "within age" in within.headline
    leads_somewhere(within)


def test_what_moved_most_is_told_once_for_each_column() -> None:
    """By the feature of it that has moved furthest; what chance may have moved is not named."""
    found = moved_features(moved(0.9, 2.0, 0.1, 1.5), ["age", "age", "city", "price"])
    assert found == [("age", 2.0), ("price", 1.5)]
    every = moved_features(moved(0.9, 2.0, 0.1, 1.5), ["age", "age", "city", "price"], 10, 0.0)
    assert every == [("age", 2.0), ("price", 1.5), ("city", 0.1)]


@pytest.mark.parametrize(
    "kind", ["swapped", "shuffled", "shifted", "rescaled", "constant", "population"]
)
def test_long_names_of_columns_keep_a_headline_short(kind: Kind) -> None:
    """Names of ten words are cut, or counted."""
    names = [f"{at} the mean of the integrated profile in units of counts" for at in range(3)]
    pairs = ((0, 1), (1, 0)) if kind in ("swapped", "shuffled") else ()
    for features in ((0,), (0, 1, 2)):
        happened = Happened(kind, features, pairs, 3.0 if kind == "rescaled" else None)
        leads_somewhere(of_change(effects(2.0), "input", None, names, happened))
