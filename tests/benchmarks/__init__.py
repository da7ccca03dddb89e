"""The figures that the README states, from real servers: ``python -m tests.benchmarks``."""
