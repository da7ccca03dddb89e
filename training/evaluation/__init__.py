"""Metrics, calibration and the report of a run."""
