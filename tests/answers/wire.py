"""Sends requests as bytes, and reads answers as bytes: no library in between that tidies them."""

import contextlib
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass

from tests.answers.request import Request

_PATIENCE_SECONDS = 60.0
#: Between the pieces of a request that is sent in pieces.
_PAUSE_SECONDS = 0.05
#: Between two looks at whether a change has been taken up.
_LOOK_SECONDS = 0.3
#: What stands for an answer that never came.
NONE = b"<connection closed without an answer>"
#: What stands for one that did not end in time.
ENDLESS = b"<no end of the answer in time>"


@dataclass(frozen=True)
class Answer:
    """One answer: its first line, its headers in order as they were sent, its body without chunks."""

    status: bytes
    headers: tuple[tuple[bytes, bytes], ...] = ()
    body: bytes = b""

    def header(self, name: bytes) -> bytes | None:
        """Return the first value of a header."""
        return next((value for key, value in self.headers if key.lower() == name), None)


class _Closed(Exception):
    """The other side closed before the first byte of an answer."""


class Line:
    """A connection that is kept for as long as the server keeps it, and opened again after."""

    def __init__(self, port: int, patience: float = 0.0) -> None:
        """``patience`` is what requests' waiting times are multiplied by."""
        self._port, self._patience = port, patience
        self._socket: socket.socket | None = None
        self._held = b""
        self._end = 0.0
        self._granted = False

    def close(self) -> None:
        """Hang up."""
        if self._socket is not None:
            self._socket.close()
        self._socket, self._held = None, b""

    def exchange(self, request: Request, keys: Mapping[str, str]) -> list[Answer]:
        """Send one request and read its answers."""
        time.sleep(request.settle * self._patience)
        if request.fresh:
            own = Line(self._port)
            try:
                return own._exchange(request, keys)
            finally:
                own.close()
        answers = self._kept(request, keys)
        end = time.monotonic() + _PATIENCE_SECONDS
        while self._granted and request.until not in answers[-1].body and time.monotonic() < end:
            time.sleep(_LOOK_SECONDS)
            answers = self._kept(request, keys)
        if request.change:
            self._granted = answers[-1].status == b"HTTP/1.1 200 OK"
        return answers

    def _kept(self, request: Request, keys: Mapping[str, str]) -> list[Answer]:
        reused = self._socket is not None
        answers = self._exchange(request, keys)
        if reused and answers[0].status == NONE:  # it was idle for too long
            answers = self._exchange(request, keys)
        return answers

    def _exchange(self, request: Request, keys: Mapping[str, str]) -> list[Answer]:
        if self._socket is None:
            self._socket = socket.create_connection(("127.0.0.1", self._port), _PATIENCE_SECONDS)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        answers: list[Answer] = []
        self._end = time.monotonic() + _PATIENCE_SECONDS
        with contextlib.suppress(ConnectionError):  # refused early: the answer may lie there already
            for number, piece in enumerate(request.bytes_with(keys)):
                time.sleep(_PAUSE_SECONDS if number else 0)
                self._socket.sendall(piece)
        try:
            while len(answers) < request.answers:
                answers.append(self._answer(request))
        except (_Closed, ConnectionError):
            answers.append(Answer(NONE))
            self.close()
            return answers
        except TimeoutError:
            answers.append(Answer(ENDLESS))
            self.close()
            return answers
        closing = answers[-1].header(b"connection") == b"close"
        if closing or request.events or request.fresh:
            self.close()
        return answers

    def _answer(self, request: Request) -> Answer:
        status, headers = self._head()
        answer = Answer(status, headers)
        code = status.split(b" ")[1:2]
        if code == [b"100"]:
            following = self._answer(request)
            return Answer(status + b" then " + following.status, following.headers, following.body)
        if request.method == "HEAD" or code in ([b"204"], [b"304"]):
            return answer
        if request.events:
            return Answer(status, headers, self._events(request.events))
        if answer.header(b"transfer-encoding") == b"chunked":
            return Answer(status, headers, self._chunks())
        length = answer.header(b"content-length")
        return Answer(status, headers, self._rest() if length is None else self._take(int(length)))

    def _head(self) -> tuple[bytes, tuple[tuple[bytes, bytes], ...]]:
        lines = self._until(b"\r\n\r\n").split(b"\r\n")
        pairs = (line.partition(b":") for line in lines[1:] if line)
        return lines[0], tuple((name, value.strip()) for name, _, value in pairs)

    def _chunks(self) -> bytes:
        body = b""
        while size := int(self._until(b"\r\n").partition(b";")[0], 16):
            body += self._take(size)
            self._until(b"\r\n")
        self._until(b"\r\n")
        return body

    def _events(self, count: int) -> bytes:
        """Read so many server-sent blocks, each of which is one chunk or several of them."""
        body = b""
        while body.count(b"\n\n") < count:
            body += self._take(int(self._until(b"\r\n"), 16))
            self._until(b"\r\n")
        return body

    def _until(self, end: bytes) -> bytes:
        while end not in self._held:
            self._more()
        found, _, self._held = self._held.partition(end)
        return found

    def _take(self, size: int) -> bytes:
        while len(self._held) < size:
            self._more()
        taken, self._held = self._held[:size], self._held[size:]
        return taken

    def _rest(self) -> bytes:
        with contextlib.suppress(_Closed):
            while True:
                self._more()
        taken, self._held = self._held, b""
        return taken

    def _more(self) -> None:
        assert self._socket is not None
        if time.monotonic() > self._end:
            raise TimeoutError
        more = self._socket.recv(1 << 20)
        if not more:
            raise _Closed
        self._held += more
