"""The figures of a served model, from its manifest: older ones lack some, and their intervals."""

from collections.abc import Mapping
from math import sqrt
from typing import Any

from models.bundle.manifest import Manifest
from models.bundle.targets import Quantity, Target
from service.api.routes.model_schemas import (
    AboutAssay,
    AboutQuantity,
    AboutTarget,
    Figure,
    Figures,
    PartFigures,
    Rates,
)


def figures_of(manifest: Manifest) -> Figures | None:
    """Return the figures over all targets; None if the manifest has none."""
    overall = _mapping(manifest.metrics.get("overall"))
    mean_auc = _figure(overall, "mean_auc")
    if mean_auc is None:
        return None
    parts = {
        name: PartFigures(int(part["rows"]), auc)
        for name, part in _mapping(overall.get("parts")).items()
        if (auc := _figure(part, "mean_auc")) is not None
    }
    return Figures(int(overall["rows"]), mean_auc, parts, overall.get("assays_a_record"))


def target_of(manifest: Manifest, target: Target) -> AboutTarget:
    """Return a target with its figures and its assay, as far as the manifest has them."""
    figures = _mapping(_mapping(manifest.metrics.get("targets")).get(target.name))
    about = AboutTarget(name=target.name, threshold=target.threshold)
    if target.assay is not None:
        about.assay = AboutAssay(**target.assay.model_dump())
    if "measured" in figures and "positive" in figures:
        about.measured, about.positive = int(figures["measured"]), int(figures["positive"])
        about.prevalence = _share(about.positive, about.measured)
    about.auc = _figure(figures, "auc")
    if not manifest.exclusive:
        about.call = _rates(figures, target.threshold)
    if target.elevated is not None:
        about.elevated = _rates(_mapping(figures.get("elevated")), target.elevated)
    return about


def quantity_of(manifest: Manifest, quantity: Quantity) -> AboutQuantity:
    """Return a quantity with its figures, as far as the manifest has them."""
    figures = _mapping(_mapping(manifest.metrics.get("targets")).get(quantity.name))
    about = AboutQuantity(quantity.name, quantity.coverage, quantity.unit)
    about.measured, about.spread = figures.get("measured"), figures.get("spread")
    for name in ("rmse", "mae", "r2", "width"):
        setattr(about, name, _figure(figures, name))
    about.held = _figure(figures, "coverage")
    return about


def _rates(figures: Mapping[str, Any], threshold: float) -> Rates | None:
    names = ("precision", "recall", "false_positive_rate")
    found = [figure for name in names if (figure := _figure(figures, name)) is not None]
    return Rates(threshold, *found) if len(found) == len(names) else None


def _figure(figures: Mapping[str, Any], name: str) -> Figure | None:
    value = figures.get(name)
    return None if value is None else Figure(float(value), figures.get(f"{name}_95_interval"))


def _share(hits: int, rows: int) -> Figure:
    """A share of rows and its Wilson interval (Wilson 1927)."""
    z, n = 1.959964, max(rows, 1)
    share = hits / n
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z * sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return Figure(share, [max(middle - half, 0.0), min(middle + half, 1.0)])


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
