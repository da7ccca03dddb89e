"""The theory of a published bundle, layer by layer, as a table."""

import numpy as np

from models.bundle.loading import Bundle
from models.networks.outputs import SQUASHED
from models.networks.theory import LayerTheory, member_theory
from models.networks.weights import read_weights
from training.data import Dataset
from training.pipeline.evaluate import run_graph
from training.pipeline.run import feature_rows

#: Held-out rows of each member that are looked at: enough for statistics, soon computed.
_ROWS = 2000

#: The table's columns, and the field of ``LayerTheory`` that each shows.
_COLUMNS = (
    ("mean: measured", "mean"),
    ("by the map", "map_mean"),
    ("by the covariance", "covariance_mean"),
    ("variance: measured", "variance"),
    ("by the map", "map_variance"),
    ("by the covariance", "covariance_variance"),
    ("units' means: correlation with those by the covariance", "correlation"),
)


def bundle_theory(bundle: Bundle, dataset: Dataset) -> str:
    """Return Markdown: for every layer, means over members, on rows that each member never saw."""
    inputs = run_graph(bundle, feature_rows(dataset, bundle.featurizer), SQUASHED)
    members = [
        member_theory(layers, inputs[dataset.folds == member.fold][:_ROWS]).layers
        for layers, member in zip(read_weights(bundle.model), bundle.manifest.members, strict=True)
    ]
    lines = [
        f"| layer | {' | '.join(title for title, _ in _COLUMNS)} |",
        f"|---|{'---|' * len(_COLUMNS)}",
    ]
    lines += [_line(number, layers) for number, layers in enumerate(zip(*members, strict=True), 1)]
    return "\n".join(lines)


def _line(number: int, layers: tuple[LayerTheory, ...]) -> str:
    """One layer's line; a correlation that a member does not have makes the mean ``nan``."""
    columns = [[getattr(layer, field) for layer in layers] for _, field in _COLUMNS]
    means = np.array(columns, np.float64).mean(axis=1)
    return f"| {number} | {' | '.join(f'{value:.3f}' for value in means)} |"
