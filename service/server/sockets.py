"""The listening sockets: TCP addresses, and sockets in the file system for a proxy on this machine."""

import contextlib
import os
import socket
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from service.errors import SettingsError
from service.settings import Settings

_BACKLOG = 2048
#: What the name of a socket in the file system begins with.
_UNIX = "unix:"


@contextlib.contextmanager
def listening(settings: Settings) -> Iterator[list[socket.socket]]:
    """Open a socket for every address of the settings; close them, and remove their files, at the end.

    Where any free port is asked for, all addresses have the same. Raises ``SettingsError``, which names
    the variable to change.
    """
    port = settings.port
    with contextlib.ExitStack() as stack:
        listeners: list[socket.socket] = []
        for host in settings.host:
            if host.startswith(_UNIX):
                path = Path(host.removeprefix(_UNIX))
                listeners.append(stack.enter_context(_open_unix(path)))
                stack.callback(_remove, path, path.stat().st_ino)
            else:
                listeners.append(stack.enter_context(_open_tcp(host, port)))
                port = listeners[-1].getsockname()[1]
        for listener in listeners:
            listener.setblocking(False)
        yield listeners


def inherited(descriptors: Sequence[int]) -> list[socket.socket]:
    """Return the listening sockets that the parent process opened."""
    listeners = [socket.socket(fileno=descriptor) for descriptor in descriptors]
    for listener in listeners:
        os.set_inheritable(listener.fileno(), False)
        listener.setblocking(False)
    return listeners


def address_of(listener: socket.socket) -> dict[str, object]:
    """Return ``host`` and ``port`` of a listening socket, as the log has them; no port of a file."""
    name = listener.getsockname()
    if listener.family == socket.AF_UNIX:
        return {"host": f"{_UNIX}{name}"}
    return {"host": name[0], "port": name[1]}


def _open_tcp(host: str, port: int) -> socket.socket:
    try:
        family, *_, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except OSError as error:
        raise SettingsError(f"SNN_HOST={host}: {error.strerror}") from error
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:  # so that the same port is free for IPv4
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, host != "::")
        listener.bind(address)
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise SettingsError(f"SNN_PORT={port}: cannot listen on {host}: {error.strerror}") from error
    return listener


def _open_unix(path: Path) -> socket.socket:
    """Listen on a file, in place of one that another service has left."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _make_room(path)
        listener.bind(str(path))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        reason = error.strerror or str(error)  # a path that is too long has no number
        raise SettingsError(f"SNN_HOST={_UNIX}{path}: cannot listen: {reason}") from error
    return listener


def _make_room(path: Path) -> None:
    """Remove a socket on which nobody listens any more; raises ``OSError`` for anything else."""
    try:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise FileExistsError(0, "the file is there and is no socket")
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        try:
            client.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
            return
    raise OSError(0, "another service listens there")


def _remove(path: Path, number: int) -> None:
    """Remove the file of a socket, unless a successor has put its own there."""
    with contextlib.suppress(OSError):
        if path.lstat().st_ino == number:
            path.unlink()
