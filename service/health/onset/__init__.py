"""The latest traffic in blocks, and when in it a change began and ended."""
