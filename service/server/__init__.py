"""Processes: the supervisor, its workers, the listening socket that they share, uvicorn."""
