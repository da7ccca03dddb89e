"""From the graph's outputs to what a request is told: repetitions, cut-offs, nearest compounds."""
