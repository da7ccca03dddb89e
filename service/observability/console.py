"""Log lines for people: short, coloured, one event a line. Programs read the JSON lines instead."""

import os
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

Event = Mapping[str, Any]

_RESET, _DIM = "\x1b[0m", "\x1b[2m"
_COLOURS = {
    "debug": "\x1b[2m",
    "info": "",
    "warning": "\x1b[33m",
    "error": "\x1b[31m",
    "critical": "\x1b[31m",
}
_GOOD = "\x1b[32m"
#: Said by every line, or by the line's own beginning.
_LEFT_OUT = frozenset({"event", "level", "timestamp", "worker"})


def _listening(event: Event) -> str:
    host = event["host"]
    name = "localhost" if host in ("127.0.0.1", "::1", "0.0.0.0", "::") else host  # noqa: S104 - compared
    name = f"[{name}]" if ":" in name else name
    workers = f", {event['workers']} workers" if "workers" in event else ""
    return f"open http://{name}:{event['port']}   (API: /docs{workers}; models from {event['models']})"


def _request(event: Event) -> str:
    rows = f"  {event['model']}, rows: {event['rows']}" if "model" in event else ""
    milliseconds = 1000 * event["seconds"]
    return f"{event['method']} {event['route']} {event['status']}{rows}  {milliseconds:.1f} ms"


#: What is said in words. Of all others the event and its fields are shown.
_WORDS: dict[str, Callable[[Event], str]] = {
    "listening": _listening,
    "request": _request,
    "model serving": lambda event: (
        f"{event['model']} serves, loaded in {event['seconds']:.1f} s on"
        f" {str(event['provider']).removesuffix('ExecutionProvider')}"
    ),
    "no CUDA": lambda _: "computes on the processor: no CUDA device was found (snn doctor tells more)",
    "no API keys: open to all": lambda _: "no API keys: whoever reaches this address may ask (snn keys)",
    "draining": lambda _: "stopping: answers what is in flight",
}
#: Warnings to programs that are news of no fault to who has just started the service.
_NO_NEWS = frozenset({"no API keys: open to all"})


def coloured() -> bool:
    """Return whether colours are wanted, by the variables ``NO_COLOR`` and ``TERM``."""
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def text_line(event: Event, *, colour: bool) -> bytes:
    """Return one line of text, without its end, of an event with ``event``, ``level``, ``timestamp``."""
    name = str(event["event"])
    words = _WORDS.get(name)
    fields = "  ".join(f"{key}={value}" for key, value in event.items() if key not in _LEFT_OUT)
    text = f"{name}  {fields}".rstrip() if words is None or "kind" in event else words(event)
    level = "info" if name in _NO_NEWS else str(event["level"])
    mark = "" if level in ("debug", "info") else f"{level}: "
    stamp = datetime.fromisoformat(str(event["timestamp"])).astimezone().strftime("%H:%M:%S")
    if "worker" in event:
        stamp += f" {event['worker']}"
    if not colour:
        return f"{stamp}  {mark}{text}".encode()
    paint = _GOOD if name in ("listening", "model serving") else _COLOURS.get(level, "")
    return f"{_DIM}{stamp}{_RESET}  {paint}{mark}{text}{_RESET}".encode()
