"""One training run, one evaluation, one search."""
