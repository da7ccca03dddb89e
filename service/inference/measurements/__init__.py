"""What is measured of batches: how long they take, a sample of their rows, sums of predictions."""
