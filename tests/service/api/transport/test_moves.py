"""How many of the project's files a ``POST /predict`` passes, and how often it moves between them.

A reader who follows one request opens each of these files. ``pytest -s`` prints the counts and the way.
"""

import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from types import FrameType

import pytest

from service.api.transport.protocol import HttpProtocol
from service.api.transport.write_coalescing import CoalescingTransport
from tests.service.api.transport.conftest import GOOD, body_of
from tests.service.conftest import App

ROOT = Path(__file__).resolve().parents[4]
PACKAGES = (f"{ROOT}/service/", f"{ROOT}/models/")

#: From the parser's callback to the written answer, by content type. One file of each is
#: ``prediction_counter``, since the history of a model has what it predicts. The wing's own files are
#: counted apart, as only they are its to keep.
BOUNDS = {
    "application/json": {"files": 20, "moves": 40, "files of the API": 3},
    "application/json; charset=utf-8": {"files": 30, "moves": 80, "files of the API": 12},
}


async def way_of(ask: Callable) -> list[tuple[str, str]]:
    """The project's functions that a request calls, as file and name, until its answer is written."""
    ends = {HttpProtocol.deliver.__code__, CoalescingTransport.flush.__code__}
    calls: list[tuple[str, str]] = []
    state = {"on": False}

    def profile(frame: FrameType, event: str, _: object) -> None:
        code = frame.f_code
        if event == "call" and code is HttpProtocol.data_received.__code__:
            state["on"] = True
        if state["on"] and event == "call" and code.co_filename.startswith(PACKAGES):
            calls.append((code.co_filename.removeprefix(f"{ROOT}/"), code.co_name))
        if event == "return" and code in ends:
            state["on"] = False

    sys.setprofile(profile)
    try:
        await ask()
    finally:
        sys.setprofile(None)
    return calls


@pytest.mark.parametrize("content_type", BOUNDS)
def test_a_request_passes_few_files(with_server, content_type: str) -> None:
    """The files, and the moves between them, stay within their bounds on both paths."""

    async def work(app: App, server: object) -> None:
        async with server.client() as client:

            async def ask() -> None:
                assert (await client.ask(body_of(GOOD[0]), content_type=content_type))[0] == 200

            for _ in range(5):
                await ask()
            # A batch runs in a thread, and a request takes the usual path, if the machine is busy.
            ways = [await way_of(ask) for _ in range(5)]
        way = min(ways, key=len)
        files = [file for file, _ in way]
        found = {
            "files": len(set(files)),
            "moves": sum(one != two for one, two in pairwise(files)),
            "files of the API": len({file for file in files if file.startswith("service/api/")}),
        }
        print(content_type, found, *(f"  {step}" for step in way), sep="\n")  # noqa: T201
        assert way[0] == ("service/api/transport/protocol.py", "data_received")
        assert {
            name: found[name] <= most for name, most in BOUNDS[content_type].items()
        } == dict.fromkeys(found, True)

    with_server(work)
