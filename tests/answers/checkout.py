"""A checkout: its interpreter, its folder for this run, its running service and its commands."""

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.answers.request import get
from tests.answers.wire import Line

_START_SECONDS = 120
_STOP_SECONDS = 30
_COMMAND_SECONDS = 300
#: What is asked until the service is ready; nothing else of these requests must show.
READY = ("/v2/models/htru2/ready", "/v2/models/tox21/ready")


@dataclass(frozen=True)
class Checkout:
    """Where the code is, what runs it, and the folder that it may write to."""

    root: Path
    python: Path
    folder: Path

    def within(self, part: str) -> "Checkout":
        """Return the same with a folder of its own for a part of the run."""
        folder = self.folder / part
        folder.mkdir()
        return Checkout(self.root, self.python, folder)

    def environment(self, settings: Mapping[str, str]) -> dict[str, str]:
        """Return the same environment for every checkout; ``{folder}`` is its own folder."""
        own = {name: value for name, value in os.environ.items() if not name.startswith("SNN_")}
        # Sets of words are written in the order of their hashes.
        fixed = {
            "PYTHONHASHSEED": "0",
            "COLUMNS": "160",
            "NO_COLOR": "1",
            "TERM": "dumb",
            "LOGNAME": "tester",
            "USER": "tester",
        }
        named = {name: value.format(folder=self.folder) for name, value in settings.items()}
        return own | fixed | {"PYTHONPATH": str(self.root), "SNN_DEVICE": "cpu"} | named

    def run(
        self, arguments: list[str], settings: Mapping[str, str]
    ) -> subprocess.CompletedProcess[bytes]:
        """Run a command of this checkout to its end."""
        filled = [argument.format(folder=self.folder) for argument in arguments]
        return subprocess.run(
            [self.python, "-m", *filled],
            cwd=self.root,
            env=self.environment(settings),
            capture_output=True,
            timeout=_COMMAND_SECONDS,
            check=False,
        )

    @contextlib.contextmanager
    def serving(self, settings: Mapping[str, str], keys: Mapping[str, str]) -> Iterator[int]:
        """Run the service, and yield its port once the models are ready."""
        port = _free_port()
        log = self.folder / f"service-{port}.log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                [self.python, "-m", "service"],
                cwd=self.root,
                env=self.environment(settings | {"SNN_PORT": str(port)}),
                stdout=out,
                stderr=subprocess.STDOUT,
            )
        try:
            _wait(process, port, keys, log)
            yield port
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
    return port


def _wait(process: subprocess.Popen[bytes], port: int, keys: Mapping[str, str], log: Path) -> None:
    end = time.monotonic() + _START_SECONDS
    for path in READY:
        while True:
            line = Line(port)
            with contextlib.suppress(OSError):
                (answer,) = line.exchange(get("ready", path), keys)
                if answer.status == b"HTTP/1.1 200 OK":
                    break
            line.close()
            if process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"the service did not start: {log.read_text()[-3000:]}")
            time.sleep(0.1)
        line.close()
