"""The network, its training loop, the ensemble and its export."""
