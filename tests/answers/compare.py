"""Two sides' answers, side by side: what differs, where, and whether that was meant."""

import difflib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

#: Characters on either side of the first difference within a long line, and lines of a difference.
_AROUND, _MOST_LINES = 60, 16
_LONG = 160


@dataclass(frozen=True)
class Pair:
    """What the old and the new said to one request, with what must differ replaced."""

    name: str
    route: str
    old: bytes
    new: bytes

    @property
    def equal(self) -> bool:
        """Whether they are the same bytes."""
        return self.old == self.new


@dataclass(frozen=True)
class Verdict:
    """All pairs, and the names of those whose difference is meant."""

    pairs: Sequence[Pair]
    expected: frozenset[str]

    @property
    def different(self) -> list[Pair]:
        """Those that differ and were not expected to."""
        return [pair for pair in self.pairs if not pair.equal and pair.name not in self.expected]

    @property
    def meant(self) -> list[Pair]:
        """Those that differ as expected."""
        return [pair for pair in self.pairs if not pair.equal and pair.name in self.expected]

    @property
    def idle(self) -> list[str]:
        """Expected names that were equal after all, or are no request's."""
        differing = {pair.name for pair in self.meant}
        return sorted(self.expected - differing)

    @property
    def status(self) -> int:
        """The exit status: 1 on any difference that is not expected."""
        return 1 if self.different else 0

    def table(self) -> str:
        """Return requests, equal ones and different ones by route."""
        asked = Counter(pair.route for pair in self.pairs)
        equal = Counter(pair.route for pair in self.pairs if pair.equal)
        meant = Counter(pair.route for pair in self.meant)
        width = max(map(len, asked), default=5)
        lines = [f"{'':{width}}  requests  equal  expected  different"]
        for name, number in [*asked.items(), ("all", len(self.pairs))]:
            same = sum(equal.values()) if name == "all" else equal[name]
            known = sum(meant.values()) if name == "all" else meant[name]
            lines.append(f"{name:{width}}  {number:8}  {same:5}  {known:8}  {number - same - known:9}")
        return "\n".join(lines)

    def statuses(self) -> str:
        """Return how often the old answered by each status, as a line."""
        first = (pair.old.split(b" ", 2) for pair in self.pairs if pair.old.startswith(b"HTTP/"))
        counted = Counter(words[1].decode() for words in first)
        return ", ".join(f"{status}: {number}" for status, number in sorted(counted.items()))


def read_expected(file: Path | None) -> frozenset[str]:
    """Read the names of differences that are meant, one a line; ``#`` begins a comment line."""
    if file is None:
        return frozenset()
    lines = (line.strip() for line in file.read_text().splitlines())
    return frozenset(line for line in lines if line and not line.startswith("#"))


def explain(pair: Pair) -> str:
    """Return a difference as lines of old and new, long ones cut to where they differ."""
    old, new = _lines(pair.old), _lines(pair.new)
    shown: list[str] = []
    for kind, first, last, start, end in difflib.SequenceMatcher(None, old, new, False).get_opcodes():
        if kind == "equal":
            continue
        before, after = old[first:last], new[start:end]
        for number in range(max(len(before), len(after))):
            one = before[number] if number < len(before) else None
            two = after[number] if number < len(after) else None
            shown += _cut(one, two)
    more = len(shown) - _MOST_LINES
    if more > 0:
        shown[_MOST_LINES:] = [f"  … {more} lines more"]
    return "\n".join([f"DIFFERENT  {pair.name}", *shown])


def _lines(content: bytes) -> list[str]:
    return content.decode("utf-8", "backslashreplace").split("\n")


def _cut(old: str | None, new: str | None) -> Iterable[str]:
    if old is None or new is None:
        yield from (
            f"  {sign} {text[:_LONG]}" for sign, text in (("-", old), ("+", new)) if text is not None
        )
        return
    at = next(
        (n for n, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), min(len(old), len(new))
    )
    start = max(0, at - _AROUND) if max(len(old), len(new)) > _LONG else 0
    for sign, text in (("-", old), ("+", new)):
        end = max(start + _LONG, at + _AROUND)
        head, tail = "…" if start else "", "…" if end < len(text) else ""
        yield f"  {sign} {head}{text[start:end]!r}{tail}"
