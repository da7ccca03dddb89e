"""What has happened to a model between two looks, as events with their times."""

from collections.abc import Iterator
from datetime import datetime

from service.coordination.history import Event, Known
from service.health.change import Health

_LEVELS = {"healthy": "ok", "degraded": "warn", "unhealthy": "bad"}


def events_between(
    before: Known | None, known: Known, health: Health, since: datetime, now: float
) -> list[Event]:
    """Return what differs from ``before``, in the order of time.

    ``since`` is when the verdict began, ``now`` the time in seconds since 1970.
    """
    found = list(_events(before, known, health, since, now))
    return sorted(found, key=lambda event: event.at)


def _events(
    before: Known | None, known: Known, health: Health, since: datetime, now: float
) -> Iterator[Event]:
    version, judgement = known.version, health.judgement

    def event(at: float, kind: str, level: str, text: str, detail: str | None = None) -> Event:
        return Event(min(at, now), kind, level, text, detail, version)

    if before is None:
        yield event(now, "version", "info", f"Version {version} serves")
    elif before.version != version:
        yield event(now, "version", "info", f"Version {version} serves in place of {before.version}")
    same = before if before is not None and before.version == version else None
    begun = same.verdict if same is not None else "warming_up"
    if known.verdict != begun:
        text = f"{_words(begun)} → {_words(known.verdict)}"
        level = _LEVELS.get(known.verdict, "info")
        yield event(since.timestamp(), "verdict", level, text, judgement.headline or judgement.reason)
    alarming = known.verdict in ("degraded", "unhealthy")
    if alarming and known.change is not None and known.verdict != begun and begun in _CALM:
        yield event(known.change, "change", "info", "The change began, as estimated")
    if known.baseline != (None if same is None else same.baseline):
        if known.baseline is None:
            yield event(now, "baseline", "info", "Judged against the training reference again")
        else:
            yield event(known.baseline, "baseline", "info", "A live baseline was taken")
    if known.alarm is not None and (same is None or same.alarm is None):  # one that lasts is one
        yield event(known.alarm, "alarm", "warn", "The sequential detector raised an alarm")
    if known.intact is False and (same is None or same.intact is not False):
        yield event(now, "integrity", "bad", "Golden rows are not reproduced")
    if same is not None and same.intact is False and known.intact:
        yield event(now, "integrity", "ok", "Golden rows are reproduced again")


_CALM = ("warming_up", "healthy", "unwatched")


def _words(verdict: str) -> str:
    return verdict.replace("_", " ").capitalize()
