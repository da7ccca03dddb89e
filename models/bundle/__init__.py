"""Bundles, the published versions of a model: files, manifest, golden rows and graph."""
