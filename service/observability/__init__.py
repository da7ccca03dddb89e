"""Counters, logs and the use of the process."""
