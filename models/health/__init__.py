"""What activations are compared with: reference, detector, effect size, p-values."""
