"""Tox21: the paper's table by depth and method, and the served version beside rivals of other kinds."""
