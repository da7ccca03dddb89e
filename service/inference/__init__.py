"""Records to answers: served models, queue, batches, predictions."""
