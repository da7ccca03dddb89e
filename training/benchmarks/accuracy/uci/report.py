"""The report: average ranks with signed-rank tests, and the tables' figures."""

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.stats import rankdata, wilcoxon

from training.benchmarks.accuracy.uci.methods import NETWORKS, REALMLP, RIVALS
from training.benchmarks.harness import Results
from training.evaluation.metrics import markdown_table
from training.networks.rivals import Method

#: Rows of the tables that the paper calls large.
LARGE = 1_000
#: Klambauer et al. 2017, table 1: by how much a method's rank differs from the average rank, mean over
#: 121 data sets.
_PAPER: dict[Method, float] = {
    "SNN": -0.756,
    "He ReLU": -0.240,
    "layer norm": -0.198,
    "highway": 0.021,
    "residual": 0.273,
    "weight norm": 0.397,
    "batch norm": 0.504,
}
_COLUMNS = ("tables", "method", "number", "average rank", "better/level/worse than SNN", "p")
#: Figures nearer than this are called level.
_LEVEL = 0.0005

Means = Mapping[str, Mapping[str, float]]


def report(results: Results, refused: Mapping[str, str]) -> str:
    """The tables' figures, average ranks of the methods and their tests against the SNN."""
    figures: dict[str, dict[str, list[float]]] = {}
    sizes: dict[str, float] = {}
    for (name, method, _), row in results.rows.items():
        figures.setdefault(name, {}).setdefault(method, []).append(row["figure"])
        sizes[name] = row["rows"]
    means = {
        name: {method: float(np.mean(values)) for method, values in own.items()}
        for name, own in figures.items()
    }
    order = sorted(means, key=lambda name: (sizes[name], name))
    parts = {
        "all": order,
        f"{LARGE:,} rows or more": [name for name in order if sizes[name] >= LARGE],
        f"fewer than {LARGE:,}": [name for name in order if sizes[name] < LARGE],
    }
    lines = [
        f"{len(order)} UCI tables, out-of-fold over five folds: AUC of two classes, accuracy of more."
        " Where fits are missing, the command goes on with them: first tables of 1,000 to 20,000 rows",
        "",
    ]
    ranks = [row for title, names in parts.items() for row in _ranks(title, names, means, list(RIVALS))]
    lines += markdown_table(_COLUMNS, ranks)
    lines += _beside_realmlp(parts, means) + _networks(order, means)
    shown = [m for m in (*RIVALS, REALMLP, *NETWORKS) if any(m in own for own in means.values())]
    table = [
        (name, f"{sizes[name]:,.0f}", *(_cell(means[name].get(method)) for method in shown))
        for name in order
    ]
    lines += ["", *markdown_table(("set", "rows", *shown), table)]
    if refused:
        lines += ["", "Not judged:", "", *(f"* {name}: {why}" for name, why in sorted(refused.items()))]
    return "\n".join(lines)


def _beside_realmlp(parts: Mapping[str, list[str]], means: Means) -> list[str]:
    """Ranks over the tables that RealMLP learned too."""
    methods = [*RIVALS, REALMLP]
    ranks = [row for title, names in parts.items() for row in _ranks(title, names, means, methods)]
    if not ranks:
        return []
    title = "With RealMLP (pytabkit, its tuned defaults), over the tables that it learned too:"
    return ["", title, "", *markdown_table(_COLUMNS, ranks)]


def _networks(order: Sequence[str], means: Means) -> list[str]:
    """Ranks of one network of each kind, beside the paper's."""
    names = [name for name in order if all(method in means[name] for method in NETWORKS)]
    if not names:
        return []
    values = np.array([[means[name][method] for method in NETWORKS] for name in names])
    ranks = rankdata(-values.round(6), axis=1)
    rows = []
    for at, (name, method) in enumerate(NETWORKS.items()):
        gap = values[:, at] - values[:, 0]
        mean = (ranks[:, at] - ranks.mean(axis=1)).mean()
        p = "–" if name == next(iter(NETWORKS)) else _signed_rank(gap)
        rows.append((method, f"{mean:+.2f}", f"{_PAPER[method]:+.3f}", p))
    title = (
        f"One network of each of the paper's kinds, by our short recipe, on {len(names)} tables: by how"
        " much its rank differs from the average rank, and a signed-rank test against the SNN:"
    )
    columns = ("network", "difference", "the paper's, 121 tables", "p")
    return ["", title, "", *markdown_table(columns, rows)]


def _ranks(
    title: str, names: Sequence[str], means: Means, methods: Sequence[str]
) -> list[tuple[object, ...]]:
    """Average ranks over the tables that all methods have; signed-rank tests against the SNN."""
    common = [name for name in names if all(method in means[name] for method in methods)]
    if not common:
        return []
    values = np.array([[means[name][method] for method in methods] for name in common])
    ranks = rankdata(-values.round(6), axis=1).mean(axis=0)
    rows: list[tuple[object, ...]] = [(title, methods[0], len(common), f"{ranks[0]:.2f}", "–", "–")]
    for at, method in enumerate(methods[1:], start=1):
        gap = values[:, at] - values[:, 0]
        counts = (gap > _LEVEL).sum(), (np.abs(gap) <= _LEVEL).sum(), (gap < -_LEVEL).sum()
        shown = "/".join(map(str, counts))
        rows.append((title, method, len(common), f"{ranks[at]:.2f}", shown, _signed_rank(gap)))
    return rows


def _signed_rank(gap: np.ndarray) -> str:
    """The p-value of Wilcoxon's signed-rank test; a dash where there is nothing to test."""
    if len(gap) < 2 or not np.abs(gap).max() > 0:
        return "–"
    return f"{wilcoxon(gap).pvalue:.2g}"


def _cell(figure: float | None) -> str:
    return "–" if figure is None else f"{figure:.4f}"
