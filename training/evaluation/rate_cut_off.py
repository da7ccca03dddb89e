"""A cut-off for a small rate of false positives, from few negative rows.

Of 150 negative rows one is a rate of .0067: the ranks alone hardly tell where a hundredth begins.
Above their upper fifth, logits of negative rows are taken to fall off exponentially, which uses thirty
of them.
"""

import numpy as np
from numpy.typing import NDArray

from training.evaluation.calibration import parts_of

Array = NDArray[np.floating]

#: The share of the negative rows whose logits are the tail.
_TAIL = 0.2
#: The part of the rate that is aimed at. On HTRU2 (200 rows, 20 to 60 of them pulsars, 150 draws),
#: aiming at .01 gave .0148 on the other rows, at .005 gave .0096: real tails are heavier.
_AIM = 0.5
_SMALLEST = 1e-9


def cut_off(labels: Array, probability: Array, rate: float) -> float:
    """The probability from which about ``rate`` of the negative rows are called.

    ``labels`` (NaN: left out) and ``probability`` are of shape ``(n,)``. Where thirty
    negative rows are above it, their ranks tell.
    """
    p = np.clip(probability[labels == 0], _SMALLEST, 1 - _SMALLEST)
    logits = np.log(p) - np.log1p(-p)
    if len(logits) * rate >= 30:
        return float(_sigmoid(np.quantile(logits, 1 - rate)))
    start = float(np.quantile(logits, 1 - _TAIL))
    above = logits[logits > start]
    scale = float((above - start).mean()) if len(above) else 0.0
    return float(_sigmoid(start + scale * np.log(max(_TAIL / (_AIM * rate), 1.0))))


def cut_off_calls(labels: Array, probability: Array, rate: float) -> NDArray[np.bool_]:
    """Calls ``(n,)``: each part's rows by the cut-off of the other parts; False where not measured."""
    calls = np.zeros(len(labels), dtype=np.bool_)
    measured = np.flatnonzero(~np.isnan(labels))
    y, p = labels[measured], probability[measured]
    parts = parts_of(y)
    for part in np.unique(parts):
        own = parts == part
        calls[measured[own]] = p[own] >= cut_off(y[~own], p[~own], rate)
    return calls


def _sigmoid(logit: Array | float) -> float:
    return float(1 / (1 + np.exp(-np.float64(logit))))
