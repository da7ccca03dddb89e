"""Bounds on the numbers of one row, which a corrupted computation leaves."""
