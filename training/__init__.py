"""From data to a published bundle; the only package that imports torch."""
