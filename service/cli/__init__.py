"""Subcommands of ``python -m service`` that administrate it."""
