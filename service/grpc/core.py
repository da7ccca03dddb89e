"""Calls straight from grpcio's core: one thread takes them from its queue, the event loop answers them.

grpcio's own servers are made for other handlers. Its asyncio server accepts one call for each turn of
the loop, so that rows of many calls never meet in a batch; its threaded one keeps a thread for each call
in flight. Both are built upon one binding of the core, ``grpc._cython.cygrpc``, and so is this: many
calls are accepted ahead, and those that have arrived are handed over together. The binding is not
public: the extra ``grpc`` names the versions that this was tested with.

Source: "core concepts" of gRPC's C core: a completion queue, and batches of operations on a call.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from threading import Lock, Thread
from typing import Any

import grpc
from grpc._cython import cygrpc

from service.observability.logs import get_logger, place_of

Metadata = Sequence[tuple[str, str]]

#: Calls that are accepted before anybody has looked at them.
_AHEAD = 64
#: Seconds that cancelled calls have to end in.
_END_SECONDS = 5.0

_NO_FLAGS = 0
_NOT_FOUND = "there is no such method"
_TOO_MANY = "too many calls are in flight; come back later"
_ONE_MESSAGE = "this takes one message"

_log = get_logger()


class Call:
    """A call in flight. What it tells by a callback it tells in the queue's thread."""

    __slots__ = ("_core", "_deadline", "_started", "cancelled", "metadata", "method", "on_gone")

    def __init__(self, event: Any) -> None:
        self._core = event.call
        self._deadline: float = event.call_details.deadline
        self._started = False
        #: As the client has sent it.
        self.metadata: Sequence[tuple[str, str | bytes]] = event.invocation_metadata
        #: The path of the method, as ``/inference.GRPCInferenceService/ModelInfer``.
        self.method: str = event.call_details.method.decode("latin-1")
        #: Whether the client has left, or its deadline has passed.
        self.cancelled = False
        #: Called once if the client leaves before the answer.
        self.on_gone: Callable[[], object] | None = None

    def peer(self) -> str:
        """Where the call comes from, as ``ipv4:127.0.0.1:50412``."""
        return str(self._core.peer().decode())

    def seconds_left(self) -> float | None:
        """Seconds until the client's deadline; None without one."""
        left = self._deadline - time.time()
        return left if left < float("inf") else None

    def answer(self, content: bytes, metadata: Metadata = ()) -> None:
        """Send the one message of an answer, and end the call."""
        self._start(
            *self._head(metadata),
            cygrpc.SendMessageOperation(content, _NO_FLAGS),
            _status(grpc.StatusCode.OK, ""),
        )

    def refuse(self, code: grpc.StatusCode, details: str, metadata: Metadata = ()) -> None:
        """End the call by an error."""
        self._start(*self._head(metadata), _status(code, details))

    def send(self, content: bytes, sent: Callable[[], object]) -> None:
        """Send one message of a stream; ``sent`` is called by the queue's thread, for the next one."""
        operations = (*self._head(()), cygrpc.SendMessageOperation(content, _NO_FLAGS))
        self._core.start_server_batch(operations, lambda event: event.success and sent())

    def end(self) -> None:
        """End a stream."""
        self._start(*self._head(()), _status(grpc.StatusCode.OK, ""))

    def receive(self, received: Callable[[bytes | None], object]) -> None:
        """Pass the next message on in the queue's thread, None where there is none."""
        operations = (cygrpc.ReceiveMessageOperation(_NO_FLAGS),)
        self._core.start_server_batch(
            operations, lambda event: received(event.batch_operations[0].message())
        )

    def watch(self, closed: Callable[[bool], object]) -> None:
        """Tell in the queue's thread of the call's end, and whether the client has left before it."""
        operations = (cygrpc.ReceiveCloseOnServerOperation(_NO_FLAGS),)
        self._core.start_server_batch(
            operations, lambda event: closed(bool(event.batch_operations[0].cancelled()))
        )

    def _head(self, metadata: Metadata) -> tuple[Any, ...]:
        if self._started:
            return ()
        self._started = True
        return (cygrpc.SendInitialMetadataOperation(tuple(metadata) or None, _NO_FLAGS),)

    def _start(self, *operations: Any) -> None:
        self.on_gone = None
        self._core.start_server_batch(operations, _nothing)


#: Answers a call, now or later, by its one message.
Unary = Callable[[bytes, Call], object]
#: Answers each message of a stream by one.
Stream = Callable[[bytes], bytes]


class CoreServer:
    """Listens on ports, and hands calls to the handlers of their methods."""

    def __init__(
        self,
        unary: Mapping[str, Unary],
        streams: Mapping[str, Stream],
        *,
        most_calls: int,
        refused: Callable[[Call], object],
        options: Sequence[tuple[str, object]] = (),
    ) -> None:
        """Both are by the path of a method; ``refused`` hears of calls beyond ``most_calls``."""
        self._unary, self._streams = unary, streams
        self._most_calls, self._refused = most_calls, refused
        self._queue = cygrpc.CompletionQueue()
        self._server = cygrpc.Server(tuple(options), False)
        self._server.register_completion_queue(self._queue)
        self._loop = asyncio.get_running_loop()
        self._stopping, self._lock = False, Lock()
        self._ended = asyncio.Event()
        self._thread = Thread(target=self._serve, name="grpc", daemon=True)
        #: Calls in flight; only the thread changes it.
        self._calls = 0
        #: What has arrived for the event loop, and whether it was told so.
        self._arrived: deque[Callable[[], object]] = deque()
        self._told = False

    def listen(self, place: str, credentials: grpc.ServerCredentials | None) -> int:
        """Listen at ``HOST:PORT``; return the port, 0 where it cannot be had."""
        own = None if credentials is None else credentials._credentials
        return int(self._server.add_http2_port(place.encode(), own))

    def start(self) -> None:
        """Begin to serve."""
        self._server.start()
        for _ in range(_AHEAD):
            self._accept()
        self._thread.start()

    async def stop(self, seconds: float) -> None:
        """Take no more calls; those in flight may go on for so long, and are cancelled then."""
        with self._lock:
            self._stopping = True
            self._server.shutdown(self._queue, self._shut_down)
        try:
            await asyncio.wait_for(self._ended.wait(), seconds)
        except TimeoutError:
            self._server.cancel_all_calls()
            await asyncio.wait_for(self._ended.wait(), _END_SECONDS)
        self._server.destroy()
        self._queue.shutdown()
        await asyncio.to_thread(self._thread.join)

    def _serve(self) -> None:
        """Take what has happened from the core's queue; the thread's own work."""
        while True:
            event = self._queue.poll()
            if event.completion_type == cygrpc.CompletionType.queue_shutdown:
                return
            _done(partial(event.tag, event))
            event = None  # it holds its call, and none is to be held while the thread waits

    def _accept(self) -> None:
        """Accept one more call; whoever calls holds no lock."""
        with self._lock:
            if not self._stopping:
                self._server.request_call(self._queue, self._queue, self._begun)

    def _begun(self, event: Any) -> None:
        """A call has begun."""
        if not event.success:  # the server is stopping
            return
        self._accept()
        call = Call(event)
        self._calls += 1
        call.watch(lambda left: self._closed(call, left))
        if self._calls > self._most_calls:
            self._hand_over(lambda: self._refused(call))
            call.refuse(grpc.StatusCode.RESOURCE_EXHAUSTED, _TOO_MANY)
        elif (unary := self._unary.get(call.method)) is not None:
            call.receive(lambda content: self._asked(unary, call, content))
        elif (stream := self._streams.get(call.method)) is not None:
            self._go_on(stream, call)
        else:
            call.refuse(grpc.StatusCode.UNIMPLEMENTED, _NOT_FOUND)

    def _asked(self, unary: Unary, call: Call, content: bytes | None) -> None:
        if content is not None:
            self._hand_over(lambda: call.cancelled or unary(content, call))
        elif not call.cancelled:  # a message that is too large ends the call in the core
            call.refuse(grpc.StatusCode.UNIMPLEMENTED, _ONE_MESSAGE)

    def _go_on(self, stream: Stream, call: Call) -> None:
        """Answer a stream's next message, and so on until there is none."""

        def received(content: bytes | None) -> None:
            if content is None:
                call.end()
            else:
                call.send(stream(content), lambda: self._go_on(stream, call))

        call.receive(received)

    def _closed(self, call: Call, left: bool) -> None:
        """A call has ended, or its client has left."""
        self._calls -= 1
        if left:
            call.cancelled = True
            self._hand_over(lambda: call.on_gone is not None and call.on_gone())

    def _shut_down(self, _: Any) -> None:
        self._hand_over(self._ended.set)

    def _hand_over(self, step: Callable[[], object]) -> None:
        """Let the event loop do something, together with all that has arrived by then."""
        self._arrived.append(step)
        if not self._told:
            self._told = True
            self._loop.call_soon_threadsafe(self._take_up)

    def _take_up(self) -> None:
        """Do what has arrived; what comes meanwhile waits for the loop's next turn."""
        self._told = False
        for _ in range(len(self._arrived)):
            _done(self._arrived.popleft())


def _status(code: grpc.StatusCode, details: str) -> Any:
    return cygrpc.SendStatusFromServerOperation(None, code.value[0], details.encode(), _NO_FLAGS)


def _done(step: Callable[[], object]) -> None:
    """Do a step; what is wrong with one call is no matter of the others."""
    try:
        step()
    except Exception as error:  # noqa: BLE001 - as said
        _log.error("a call of gRPC failed", kind=type(error).__name__, place=place_of(error))


def _nothing(_: Any) -> None:
    """Take note of nothing: the answer is on its way."""
