"""Clients of other projects, each in an environment of its own: their pins conflict with ours."""
