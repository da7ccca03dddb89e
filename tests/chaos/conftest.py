"""One real server for all that is done to it here; after every test it has to be well."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.wire import check_well, connected, head
from tests.support.both import serving_both
from tests.support.server import Server

MAX_BYTES, MAX_ROWS = 1_000_000, 5_000


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder starts a real server."""
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def chaos_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of the small htru2 and a small tox21."""
    folder = tmp_path_factory.mktemp("chaos")
    # Nothing is published here; a server that looks seldom idles cheaply until the session ends.
    with serving_both(folder, max_bytes=MAX_BYTES, max_rows=MAX_ROWS, poll_seconds=2) as server:
        yield server


@pytest.fixture(scope="session", autouse=True)
def stalled(chaos_server: Server) -> Iterator[socket.socket]:
    """A connection whose body stops arriving before the first test: the last one looks at it."""
    with connected(chaos_server, patience=45) as connection:
        connection.sendall(head(1000) + b'{"model": ')
        yield connection


@pytest.fixture
def server(chaos_server: Server) -> Iterator[Server]:
    """The same; whatever a test did, it still answers right afterwards."""
    before = len(chaos_server.lines())
    yield chaos_server
    check_well(chaos_server, before)
