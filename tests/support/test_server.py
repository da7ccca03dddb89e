"""The server that tests run in a process of its own."""

from pathlib import Path

from tests.support.server import Server


def test_a_line_that_is_still_being_written_is_not_read(tmp_path: Path) -> None:
    """It is read once its end has come, be the cut within a character or not."""
    server, log = object.__new__(Server), tmp_path / "stdout.log"
    server._log = log
    content = '{"event": "a"}\n{"event": "π"}\n'.encode()
    counts = []
    for end in range(len(content) + 1):
        log.write_bytes(content[:end])
        counts.append(len(server.lines()))
    assert counts == [0] * 15 + [1] * 16 + [2]
