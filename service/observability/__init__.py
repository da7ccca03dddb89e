"""Counters, logs, and what the process uses of the machine."""
