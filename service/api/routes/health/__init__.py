"""Health over HTTP: probes, activation statistics, their stream, and integrity checks."""
