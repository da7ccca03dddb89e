"""Trials of challengers: loaded beside the champion, compared with it, promoted or dropped."""
