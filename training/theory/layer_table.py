"""The theory of a published bundle, layer by layer, as a table."""

import numpy as np

from models.bundle.loading import Bundle
from models.networks.outputs import SQUASHED
from models.networks.weights import read_weights
from training.data import Dataset
from training.pipeline.evaluate import run_graph
from training.pipeline.run import feature_rows
from training.theory.layers import LayerTheory, theory_of

#: Held-out rows of each member that are looked at: enough for statistics, soon computed.
_ROWS = 2000


def bundle_theory(bundle: Bundle, dataset: Dataset) -> str:
    """Markdown: for every layer, means over members, on rows that each member never saw."""
    inputs = run_graph(bundle, feature_rows(dataset, bundle.featurizer), SQUASHED)
    by_member = [
        theory_of(layers, inputs[dataset.folds == member.fold][:_ROWS])
        for layers, member in zip(read_weights(bundle.model), bundle.manifest.members, strict=True)
    ]
    lines = [
        "| layer | mean: measured | by g | by covariance | variance: measured | by g | by covariance"
        " | error of a unit's mean: g | covariance |",
        "|---|---|---|---|---|---|---|---|---|",
        *(
            _line(number, list(members))
            for number, members in enumerate(zip(*by_member, strict=True), 1)
        ),
    ]
    return "\n".join(lines)


def _line(number: int, members: list[LayerTheory]) -> str:
    told = [
        np.mean([getattr(getattr(member, who), what) for member in members])
        for what in ("mean", "variance")
        for who in ("measured", "by_map", "by_covariance")
    ]
    errors = [
        np.mean([member.error(member.by_map) for member in members]),
        np.mean([member.error(member.by_covariance) for member in members]),
    ]
    return f"| {number} | {' | '.join(f'{value:.3f}' for value in (*told, *errors))} |"
