"""One published version: its files, manifest, golden rows and graph."""
