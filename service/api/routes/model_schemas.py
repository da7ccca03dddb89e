"""The shapes of what is told of models: what each takes and gives, and how good it is."""

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType


class Column(Struct):
    """One value of a record; ``values`` are those of a category, if the model names them."""

    name: str
    kind: Literal["number", "text"]
    optional: bool
    values: list[str] | None


class Figure(Struct):
    """A figure of rows left out, and its 95 % interval where it is known."""

    value: float
    interval: list[float] | None


class Rates(Struct):
    """What calls from ``threshold`` on are worth: cross-fitted, on rows that no member saw."""

    threshold: float
    precision: Figure
    recall: Figure
    false_positive_rate: Figure


class AboutAssay(Struct):
    """What an assay measures, which effect counts as active, and in which cells."""

    measures: str
    mode: str
    cells: str
    readout: str
    source: str


class AboutTarget(Struct, omit_defaults=True):
    """One output, and the probability from which it is called positive.

    ``call`` is what such calls are worth, ``elevated`` the same of an assay's lower cut-off. Of the
    ``measured`` rows ``positive`` were so. Older versions, and those made elsewhere, lack some.
    """

    name: str
    threshold: float
    measured: int | None = None
    positive: int | None = None
    prevalence: Figure | None = None
    auc: Figure | None = None
    call: Rates | None = None
    elevated: Rates | None = None
    assay: AboutAssay | None = None


class AboutQuantity(Struct, omit_defaults=True):
    """One output that is a number. Its interval holds the part ``coverage`` of new rows.

    ``spread`` is the standard deviation of the measured values. Figures are of rows left out, in
    ``unit`` but for R² and ``held``, the part of values that their intervals hold.
    """

    name: str
    coverage: float
    unit: str | None = None
    measured: int | None = None
    spread: float | None = None
    rmse: Figure | None = None
    mae: Figure | None = None
    r2: Figure | None = None
    held: Figure | None = None
    width: Figure | None = None


class Figures(Struct):
    """Figures over all targets; ``parts`` are of some of the rows, as of the leaderboard's.

    ``assays_a_record`` is the mean number of assays that a record is active in: by calls, by the lower
    cut-offs, as probabilities expect, and as measured.
    """

    rows: int
    mean_auc: Figure
    parts: dict[str, "PartFigures"] = {}
    assays_a_record: dict[str, float] | None = None


class PartFigures(Struct):
    """Figures of some of the rows."""

    rows: int
    mean_auc: Figure


class About(Struct):
    """One model. ``columns`` is null where a record is a SMILES."""

    model: str
    version: str
    task: str
    description: str
    created: str
    columns: list[Column] | None
    targets: list[AboutTarget]
    threshold_rule: str
    figures: Figures | None
    cut_offs: Annotated[
        list[Literal["threshold", "recall", "fpr"]],
        Meta(description="The ways in which a request may choose its own cut-off; of classes none."),
    ]
    intervals: Annotated[bool, Meta(description="Whether results can have intervals.")]
    members: int
    widths: Annotated[
        list[int],
        Meta(description="Units of each hidden layer; of the widest member where they differ."),
    ]
    quantities: Annotated[
        list[AboutQuantity] | UnsetType,
        Meta(description="The outputs of a regression, which has no targets that are called."),
    ] = UNSET


class AboutAnswer(Struct):
    """Every model that this worker serves now."""

    models: list[About]
