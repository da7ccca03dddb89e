"""Replaces what two runs of the same code must differ in, and nothing else.

Request ids, times of this run, durations, process ids, ports, memory, folders. Each rule says where it
holds, so that the same words elsewhere are still compared.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

_ID = re.compile(rb"\b[0-9a-f]{12}-[0-9a-f]{8}\b")
_TIME = re.compile(rb"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:\\u002b|Z|[+-]\d\d:?\d\d)?")
_SECONDS = re.compile(rb"\b\d+\.\d s\b")
#: A run's own times lie this near to its start; times in models are older.
_RUN = timedelta(hours=3)

#: Paths, and what is replaced in their bodies.
_BY_PATH: tuple[tuple[re.Pattern[str], tuple[tuple[re.Pattern[bytes], bytes], ...]], ...] = (
    (
        re.compile(r"/v2/models/.*stats"),
        ((re.compile(rb'"(ns|last_inference)":[1-9]\d*'), rb'"\1":<time>'),),
    ),
    (
        re.compile(r"/health/activations.*"),
        (
            # Buckets of five seconds are closed by the clock, not by requests.
            (
                re.compile(rb'("requests_per_false_alarm":[^,]+,"requests":)\d+(,"level":)[^,]+'),
                rb"\1<clock>\2<clock>",
            ),
            (re.compile(rb"^id: \d+$", re.MULTILINE), b"id: <time>"),
        ),
    ),
    (
        re.compile(r".*"),
        (
            (re.compile(rb"come back in [0-9.e+]+ s"), b"come back in <time> s"),
            (re.compile(rb"passed after \d+\.\d+ s of waiting"), b"passed after <time> s of waiting"),
        ),
    ),
)

#: What of activations depends on how sums were gathered in time, unless there is nothing to add up.
_BY_CLOCK: tuple[tuple[re.Pattern[bytes], bytes], ...] = (
    (re.compile(rb'"(1m|10m|1h)":\{"rows":[^}]*\}'), rb'"\1":{<clock>}'),
    (re.compile(rb'("start":\{"rows":\d+,"requests":\d+),[^}]*\}'), rb"\1,<clock>}"),
    (re.compile(rb'"departing":\[.*?\],"baseline":'), b'"departing":[<clock>],"baseline":'),
    (re.compile(rb'"inputs":\{.*?\},"sequential":'), b'"inputs":{<clock>},"sequential":'),
    (re.compile(rb'"alarms":\d+,"alarm":(?:null|\{[^}]*\})'), b'"alarms":<clock>'),
    # As many models as are served at that moment share the rate of false alarms.
    (re.compile(rb'"threshold":[^,]+,"alarms"'), b'"threshold":<clock>,"alarms"'),
    (re.compile(rb'"reason":"[^"]*"'), b'"reason":<clock>'),
    (re.compile(rb'"(first_departing|window)":(?:null|"[^"]*"|\{[^}]*\})'), rb'"\1":<clock>'),
    (
        re.compile(rb'"(mean|variance|saturated|effect|error|departure)":(?:null|[0-9.e+-]+)'),
        rb'"\1":<clock>',
    ),
)
_SERIES_BY_CLOCK = re.compile(rb"snn_activation_(?:effect|layer_effect|shifted\w*)\b|snn_alarms_total\b")

#: Series whose values are times, sizes or counts of what the machine did.
_MEASURED = re.compile(
    rb"(?:process_|python_|snn_\w*seconds_(?:sum|bucket)|snn_\w*timestamp_seconds|snn_\w+_created)"
)
_SERIES = re.compile(rb"^((?:process_|python_|snn_)\w*(?:\{.*\})?) ([^ {}]+)( [^{}]*)?$")
#: Series that are there for as long as there was traffic in the last minutes.
_EMPTYING = re.compile(rb'snn_activation_effect\{.*window="(?:1m|10m)"')
#: The route that is asked until the service is ready, however often that takes.
_POLLED = b'route="/v2/models/{model}/ready"'

_HEADERS: Mapping[bytes, re.Pattern[bytes]] = {
    b"date": re.compile(rb".+"),
    b"retry-after": re.compile(rb"\d+"),
}
#: Files of an installed package: their tags are made from when they were installed.
_INSTALLED = ("/swagger/",)
_INSTALLED_HEADERS = (b"etag", b"last-modified")


@dataclass(frozen=True)
class Volatile:
    """What one side of a run has of its own: the texts that stand for its folders and its port."""

    places: tuple[tuple[bytes, bytes], ...]
    started: datetime
    several: bool = False

    @classmethod
    def of(cls, *, several: bool = False, **places: object) -> "Volatile":
        """Take places by name; the longer are replaced first, as one may lie in another.

        ``several`` says that workers share the traffic by chance, and so decide the order of series.
        """
        named = [(str(place).encode(), f"<{name}>".encode()) for name, place in places.items()]
        return cls(tuple(sorted(named, key=lambda pair: -len(pair[0]))), datetime.now(UTC), several)

    def text(self, content: bytes) -> bytes:
        """Replace what may stand in any text."""
        for place, name in self.places:
            content = content.replace(place, name)
        return _TIME.sub(self._time, _ID.sub(b"<id>", content))

    def output(self, content: bytes) -> bytes:
        """Replace what a command's output may have."""
        return _SECONDS.sub(b"<seconds> s", self.text(content))

    def body(self, path: str, content: bytes, *, exact: bool = False) -> bytes:
        """Replace what the body of an answer may have.

        ``exact`` says that no model has had more than one request so far.
        """
        content = self.text(content)
        if path.startswith("/metrics"):
            return _metrics(content, exact=exact, several=self.several)
        if path.startswith("/health/activations") and not exact:
            for rule, new in _BY_CLOCK:
                content = rule.sub(new, content)
        for pattern, rules in _BY_PATH:
            if pattern.fullmatch(path.partition("?")[0]):
                for rule, new in rules:
                    content = rule.sub(new, content)
        if path.startswith("/admin/log") and self.several:
            # Two workers write down what they did at the same time, in the order of their turns.
            entries = content.removeprefix(b'{"entries":[{').removesuffix(b"}]}").split(b"},{")
            alone = "limit=1" in path and len(entries) == 1
            content = b"<one entry>" if alone else b"\n".join(sorted(entries))
        return content

    def headers(
        self, path: str, headers: Iterable[tuple[bytes, bytes]], size: int
    ) -> list[tuple[bytes, bytes]]:
        """Replace what headers may have; a right ``content-length`` says no more than the body does."""
        kept = []
        for name, value in headers:
            key = name.lower()
            if key in _HEADERS and _HEADERS[key].fullmatch(value):
                kept.append((name, b"<any>"))
            elif key == b"content-length" and value == b"%d" % size:
                kept.append((name, b"<right>"))
            elif key in _INSTALLED_HEADERS and path.startswith(_INSTALLED):
                kept.append((name, b"<any>"))
            else:
                kept.append((name, self.text(value)))
        return kept

    def _time(self, found: re.Match[bytes]) -> bytes:
        text = found[0].decode().replace(" ", "T").replace("\\u002b", "+")
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            return found[0]
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        shape = re.sub(r"\d", "0", found[0].decode())  # how it is written is part of an answer
        return f"<time {shape}>".encode() if abs(moment - self.started) < _RUN else found[0]


def _metrics(content: bytes, *, exact: bool, several: bool) -> bytes:
    """Keep names, labels, helps and order; keep the values that requests alone decide."""
    lines: list[bytes] = []
    family: list[bytes] = []
    for line in content.split(b"\n"):
        found = _SERIES.match(line)
        if found is None:
            lines += [*(sorted(family) if several else family), line]
            family = []
        elif _POLLED not in found[1] and (exact or not _EMPTYING.match(found[1])):
            measured = _MEASURED.match(found[1]) or (not exact and _SERIES_BY_CLOCK.match(found[1]))
            family.append(found[1] + (b" <measured>" if measured else b" " + found[2]))
    return b"\n".join([*lines, *family])
