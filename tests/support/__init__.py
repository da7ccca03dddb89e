"""Helpers of the tests: a bundle made by hand, and a server in a process of its own."""
