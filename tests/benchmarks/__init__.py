"""The figures of the documents, from real servers: ``python -m tests.benchmarks``."""
