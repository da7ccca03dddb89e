"""What a bundle predicts: targets with their calibration and cut-offs, or quantities in a unit."""

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Fraction = Annotated[float, Field(ge=0, le=1)]


class Strict(BaseModel):
    """A part of a manifest: nothing beside its fields is allowed, and nothing changes."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Assay(Strict):
    """What an assay measures: the receptor or pathway, which effect counts, the cells, the readout."""

    measures: str
    mode: str
    cells: str
    readout: str
    source: str


class Spread(Strict):
    """How far nine of ten refits of the ensemble move a logit, by the members' standard deviation.

    With that of a row, s, half the interval is ``factor`` × √((s² + ``typical``²) / 2), times the slope:
    of few members s alone is a matter of chance.
    """

    factor: Annotated[float, Field(gt=0)]
    typical: Annotated[float, Field(ge=0)]


class Target(Strict):
    """One output column: its name, decision threshold and Platt calibration.

    The calibrated logit is ``slope`` × the mean of the members' logits + ``intercept``. The target is
    called if its probability is at least ``threshold``. An assay has a second cut-off: from
    ``elevated`` on its level is elevated, from ``threshold`` on active.
    """

    name: str
    threshold: Fraction
    slope: float
    intercept: float
    elevated: Fraction | None = None
    spread: Spread | None = None
    assay: Assay | None = None

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        """Check that active begins no lower than elevated."""
        if self.elevated is not None and self.elevated > self.threshold:
            raise ValueError(f"{self.name} is active from below the cut-off of elevated on")
        return self


class Quantity(Strict):
    """A target that is a number, and how the graph comes to its value and its interval.

    Of a mean m and quantiles l and h, averaged over the members, ``slope`` × m + ``intercept`` is the
    standardised value; the interval's ends are made of l and h likewise, and moved out by ``margin``. In
    ``unit`` each is ``centre`` + ``scale`` × the standardised number. The interval holds the value, and
    ``coverage`` of new rows.
    """

    name: str
    unit: str | None
    centre: Annotated[float, Field(allow_inf_nan=False)]
    scale: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    slope: float
    intercept: float
    margin: float
    coverage: Annotated[float, Field(gt=0, lt=1)]
