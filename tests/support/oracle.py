"""The detector's arithmetic a second time: row by row, in double precision, as slowly as it reads."""

import numpy as np

from models.health.reference import CROSS_LIMIT, SCORE_SHIFT, VARIANCE_OFFSET, Reference


def judged(
    reference: Reference, taps: np.ndarray, squashed: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """P-values (n,) and statistics (n, W) of rows with taps (n, M, L, 3) and inputs (n, F)."""
    with np.errstate(invalid="ignore", over="ignore"):
        rows = [
            _row(reference, own.astype(float), None if squashed is None else squashed[number])
            for number, own in enumerate(taps)
        ]
    return np.array([p_value for p_value, _ in rows]), np.array([columns for _, columns in rows])


def _row(
    reference: Reference, taps: np.ndarray, squashed: np.ndarray | None
) -> tuple[float, np.ndarray]:
    terms, of_inputs, input_score = [1.0], [], -np.inf
    if squashed is not None and reference.inputs is not None:
        terms, of_inputs, input_score = _inputs(reference, squashed.astype(float))
    plain, variances, departures, distances = [], [], [], []
    for member, record in enumerate(reference.members):
        statistics = taps[member].copy()
        statistics[:, 1] = np.log(np.maximum(statistics[:, 1], 0) + VARIANCE_OFFSET)
        centred = statistics.ravel() - reference.centre[member]
        own = slice(member * len(centred), (member + 1) * len(centred))
        expected = np.array(terms) @ reference.coefficients[:, own]
        departure = centred @ reference.whitening[member] - expected
        mean, spread = reference.scale[:, member]
        plain.append(centred)
        variances.append(taps[member, :, 1] - record.variance)
        departures.append(departure)
        distances.append((np.log(1 + sum(departure**2)) - mean) / spread)
    p_value = _p_value(reference, [np.maximum(distance, input_score) for distance in distances])
    return p_value, np.concatenate([*plain, *variances, *departures, distances, of_inputs])


def _inputs(reference: Reference, squashed: np.ndarray) -> tuple[list[float], list[float], float]:
    """Terms by which the layers are predicted, columns, and how strange the inputs are."""
    inputs = reference.inputs
    assert inputs is not None
    centred = squashed - inputs.centre
    scores = [float(centred @ direction) for direction in inputs.projection.T.astype(float)]
    first = [max(-CROSS_LIMIT, min(score, CROSS_LIMIT)) for score in scores[: inputs.crosses]]
    products = [one * other for n, one in enumerate(first) for other in first[n:]]
    terms = [1.0, *scores, *products, *map(abs, first)]
    squares = np.square(scores)
    along = float((np.log(1 + sum(squares)) - inputs.scale[0]) / inputs.scale[1])
    if len(scores) == len(centred):
        return terms, [*scores, 0.0, along], along
    energy = np.maximum(centred @ centred - squares @ inputs.weights, 0)
    beside = float((np.log(energy + 1e-6) - inputs.energy[0]) / inputs.energy[1])
    return terms, [*scores, beside, along], np.maximum(along, beside)


def _p_value(reference: Reference, scores: list[float]) -> float:
    """The members' ranks among their held-out scores, averaged; the smaller tail counts twice.

    Where averages of rows of the data are known, the average's own rank among them.
    """
    if not np.isfinite(scores).all():
        scores = [np.inf] * len(scores)
    tails = []
    for score, own in zip(scores, reference.scores, strict=True):
        place = np.float32(max(score + SCORE_SHIFT, 0.0))
        tails.append(
            [(1 + (own >= place).sum()) / (len(own) + 1), (1 + (own <= place).sum()) / (len(own) + 1)]
        )
    average = min(1.0, 2 * min(np.mean(tails, axis=0)))
    if reference.averaged is None or len(reference.scores) == 1:
        return average
    known = reference.averaged
    return float((1 + (known <= np.float32(average)).sum()) / (len(known) + 1))
