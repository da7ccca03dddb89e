"""Scores of outliers, by what is used today: larger is stranger.

Three look at inputs alone, by distance, by isolation or by tails; two at distances to classes; two at
what a classifier answers.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp, softmax
from scipy.stats import skew
from sklearn.covariance import LedoitWolf
from sklearn.ensemble import IsolationForest
from sklearn.neighbors import NearestNeighbors

Array = NDArray[np.float64]

_NEIGHBOURS = 5


def isolation_forest(known: Array, asked: Array, seed: int) -> Array:
    """Liu, Ting and Zhou 2008: how few random cuts isolate a row."""
    scores: Array = -IsolationForest(n_estimators=100, random_state=seed).fit(known).score_samples(asked)
    return scores


def nearest(known: Array, asked: Array, _seed: int) -> Array:
    """Ramaswamy, Rastogi and Shim 2000: the distance to the fifth nearest known row."""
    neighbours = min(_NEIGHBOURS, len(known))
    distances, _ = NearestNeighbors(n_neighbors=neighbours).fit(known).kneighbors(asked)
    farthest: Array = distances[:, -1]
    return farthest


def ecod(known: Array, asked: Array, _seed: int) -> Array:
    """Li et al. 2022 (arXiv 2201.00382): how far out in the tails of each feature a row is.

    Each feature's empirical tails, left and right, give minus their logarithm. A row has three sums over
    its features: left tails, right tails, and for each feature the tail to which it is skewed. The
    largest is its score.
    """
    rows, number = np.concatenate([known, asked]), len(known) + len(asked)
    left, right = np.empty_like(asked), np.empty_like(asked)
    for feature, values in enumerate(rows.T):
        ordered = np.sort(values)
        own = asked[:, feature]
        left[:, feature] = -np.log(np.searchsorted(ordered, own, "right") / number)
        right[:, feature] = -np.log((number - np.searchsorted(ordered, own, "left")) / number)
    skewed = np.nan_to_num(skew(rows, axis=0))
    either = np.where(skewed < 0, left, right)
    scores: Array = np.max([part.sum(axis=1) for part in (left, right, either)], axis=0)
    return scores


def mahalanobis(known: Array, asked: Array, _seed: int) -> Array:
    """The distance from the known rows' mean, by their shrunk covariance."""
    scores: Array = LedoitWolf().fit(known).mahalanobis(asked)
    return scores


#: What looks at inputs alone, by name.
ON_INPUTS: dict[str, Callable[[Array, Array, int], Array]] = {
    "isolation forest": isolation_forest,
    "kNN": nearest,
    "ECOD": ecod,
    "Mahalanobis, inputs": mahalanobis,
}


def class_mahalanobis(known: Array, classes: NDArray[np.intp], asked: Array) -> Array:
    """Lee et al. 2018 (arXiv 1807.03888): the distance from the nearest class, by one covariance."""
    means = np.stack([known[classes == one].mean(axis=0) for one in np.unique(classes)])
    places = np.searchsorted(np.unique(classes), classes)
    precision = LedoitWolf(assume_centered=True).fit(known - means[places]).precision_
    gaps = asked[:, None] - means
    distances: Array = np.einsum("nci,ij,ncj->nc", gaps, precision, gaps).min(axis=1)
    return distances


def energy(logits: Array) -> Array:
    """Liu et al. 2020 (arXiv 2010.03759): minus the logarithm of the sum of the logits' exponentials."""
    scores: Array = -logsumexp(logits, axis=1)
    return scores


def lowest_probability(logits: Array) -> Array:
    """Hendrycks and Gimpel 2017 (arXiv 1610.02136): minus the largest probability of a class."""
    scores: Array = -softmax(logits, axis=1).max(axis=1)
    return scores
