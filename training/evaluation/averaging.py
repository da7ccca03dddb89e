"""From the mean of the few members that did not see a row to the mean of all, which is served.

A row of the data is judged by the members of its own fold, a new row by those of all F folds. Members
differ by chance (other rows, another seed), and a mean of fewer of them scatters more, so that a map
from logits to probabilities that was fitted to it is too flat for the served mean. The difference is
known: if the fold means of a new row's logits have variance v about what they share, the mean of one
fold has v, the mean of all v / F. The logits of the data are brought to that spread class by class,
where they keep their mean. For normal logits this makes the slope of the served mean exact: it is the
distance of the classes' means over their variance.
"""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]

#: Members that learned a row agree on it more than on a new one. The ratio of variances is measured
#: between members of one fold; this one is taken where a fold has a single member. It was 1.14 to 1.19
#: on made-up tables.
_UNSEEN = 1.15
#: At most this part of a class's variance is taken away.
_MOST = 0.75


def fold_spread(
    member_logits: Array, member_folds: NDArray[np.integer], folds: NDArray[np.integer]
) -> NDArray[np.float64]:
    """Estimate, for each row, the variance ``(n, T)`` between folds of their mean logit if it were new.

    ``member_logits`` are of shape ``(n, M, T)``, ``member_folds`` ``(M,)`` the folds that members were
    trained without, ``folds`` ``(n,)`` the rows'. The folds whose members learned a row are compared.
    """
    numbers = np.unique(member_folds)
    if len(numbers) < 3:
        return np.zeros((len(folds), member_logits.shape[2]))
    of_fold = [member_logits[:, member_folds == number].astype(np.float64) for number in numbers]
    means = np.stack([members.mean(axis=1) for members in of_fold], axis=1)
    learned = (folds[:, None] != numbers)[:, :, None]
    count = learned.sum(axis=1)
    centre = np.sum(means * learned, axis=1) / count
    spread = np.sum(np.square(means - centre[:, None]) * learned, axis=1) / (count - 1)
    ratio = _UNSEEN
    if all(members.shape[1] > 1 for members in of_fold):
        within = np.stack([members.var(axis=1, ddof=1) for members in of_fold], axis=1)
        new = np.sum(within * ~learned) / (~learned).sum()
        ratio = float(np.clip(new / max(np.sum(within * learned) / learned.sum(), 1e-12), 1.0, 2.0))
    return np.asarray(ratio * spread)


def as_served(
    labels: Array, logits: Array, spread: Array, folds: NDArray[np.integer], *, exclusive: bool
) -> NDArray[np.float64]:
    """Bring out-of-fold logits ``(n, T)`` to the spread that the mean of all members has on new rows.

    ``labels`` ``(n, T)`` are NaN where nothing was measured; such logits stay what they are. ``spread``
    is what ``fold_spread`` gives. The means and variances of a row's class are those of other folds.
    """
    shares = 1 - 1 / max(len(np.unique(folds)), 1)
    served = np.array(logits, dtype=np.float64)
    if exclusive:  # shifts of all logits mean nothing
        served -= served.mean(axis=1, keepdims=True)
        blocks = [(labels.argmax(axis=1).astype(np.float64), slice(None))]
    else:
        blocks = [(labels[:, one], slice(one, one + 1)) for one in range(labels.shape[1])]
    for groups, columns in blocks:
        given = served[:, columns].copy()
        for group in np.unique(groups[np.isfinite(groups)]):
            for fold in np.unique(folds):
                own, rest = (groups == group) & (folds == fold), (groups == group) & (folds != fold)
                if not own.any() or rest.sum() < 2:
                    continue
                centre = given[rest].mean(axis=0)
                variance = np.maximum(given[rest].var(axis=0), 1e-12)
                taken = np.minimum(shares * spread[rest][:, columns].mean(axis=0) / variance, _MOST)
                served[own, columns] = centre + np.sqrt(1 - taken) * (given[own] - centre)
    return served
