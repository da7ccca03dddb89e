"""Whether the traffic looks like the training data."""
