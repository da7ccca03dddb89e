"""Tables of methods and figures, with spread and paired differences."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray


def method_table(
    figures: Mapping[str, NDArray[np.float64]], columns: Sequence[str], reference: str
) -> str:
    """Markdown table of each method's mean ± sd over runs, ``figures[method]`` of shape (runs, columns).

    The last column is the paired difference of the first figure to ``reference``, over the same
    runs, with its standard deviation.
    """
    lines = [
        f"| method | {' | '.join(columns)} | {columns[0]} against {reference}, paired |",
        f"|---|{'---|' * (len(columns) + 1)}",
    ]
    for method, values in figures.items():
        cells = [
            f"{mean:.4f} ± {sd:.4f}"
            for mean, sd in zip(values.mean(axis=0), values.std(axis=0, ddof=1), strict=True)
        ]
        gap = values[:, 0] - figures[reference][:, 0]
        paired = "" if method == reference else f"{gap.mean():+.4f} ± {gap.std(ddof=1):.4f}"
        lines.append(f"| {method} | {' | '.join(cells)} | {paired} |")
    return "\n".join(lines)
