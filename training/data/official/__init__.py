"""The official data sets, by address and hash."""
