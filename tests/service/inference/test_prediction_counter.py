"""What a model predicts, summed up."""

import numpy as np

from service.health.row_owner import RowOwner
from service.inference.measurements.prediction_counter import PredictionCounter
from service.observability.counters import Traffic


def test_batches_are_summed_up_when_enough_rows_wait() -> None:
    """Nobody need look: three batches of four hundred rows are more than may wait."""
    traffic = Traffic()
    counter = PredictionCounter(traffic, np.array([0.5]))
    batch = {"probability": np.full((400, 1), 0.75), "p_value": np.full(400, 0.5)}
    for _ in range(2):
        counter.add(batch, [RowOwner(None, 400)])
        assert traffic.predicted is None
    counter.add(batch, [RowOwner(None, 400)])
    assert traffic.predicted is not None
    assert traffic.predicted.rows == 1200
    assert traffic.predicted.called.tolist() == [1200.0]
    assert traffic.predicted.p_values.tolist() == [0, 0, 0, 0, 0, 1200, 0]
