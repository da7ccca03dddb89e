"""API keys: who may ask for what, and how much of it.

A file holds the keys' hashes, never the keys. It is read again when it changes, so that a key is
given out, rotated or revoked without a restart; a file that cannot be read leaves the keys as they
were, and says so. Nothing here knows HTTP.

A key is ``snn_<id>_<secret>``. Its secret has 256 random bits, so that nobody finds it by trying: a
slow hash with salt, which protects what people think up, would protect nothing here and cost every
request milliseconds. The id, which is no secret, finds the entry, and the digests are compared in
constant time.
"""

import hmac
import json
import os
import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from time import monotonic
from typing import Annotated, Literal

import msgspec

from service.errors import SettingsError
from service.observability.logs import get_logger

Scope = Literal["predict", "admin", "metrics"]
SCOPES: tuple[Scope, ...] = ("predict", "admin", "metrics")

_PREFIX = "snn"
#: Nothing that a client sends as a key is hashed beyond this.
_LONGEST = 256
#: How often the file is looked at, while requests come.
_LOOK_SECONDS = 1.0
_MOST_BYTES = 4 * 1024 * 1024

_Rate = Annotated[float, msgspec.Meta(gt=0, le=1e9)]

_log = get_logger()


class Key(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One key as the file has it. Rates are per second; times have an offset from UTC."""

    name: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$")]
    id: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{16}$")]
    sha256: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}$")]
    scopes: Annotated[tuple[Scope, ...], msgspec.Meta(min_length=1)]
    created: Annotated[datetime, msgspec.Meta(tz=True)]
    expires: Annotated[datetime, msgspec.Meta(tz=True)] | None = None
    requests_per_second: _Rate | None = None
    rows_per_second: _Rate | None = None

    def may(self, scope: Scope) -> bool:
        """Whether the key has a scope; who may change things may also look at them."""
        return scope in self.scopes or (scope == "metrics" and "admin" in self.scopes)


class KeyFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file: ``{"keys": [...]}``."""

    keys: tuple[Key, ...] = ()


def new_key(
    name: str,
    scopes: tuple[Scope, ...],
    expires: datetime | None = None,
    requests_per_second: float | None = None,
    rows_per_second: float | None = None,
) -> tuple[str, Key]:
    """Make a key; return it, to be shown once, and the entry that the file keeps of it."""
    identifier, secret = secrets.token_hex(8), secrets.token_urlsafe(32)
    key = f"{_PREFIX}_{identifier}_{secret}"
    return key, Key(
        name=name,
        id=identifier,
        sha256=sha256(key.encode()).hexdigest(),
        scopes=scopes,
        created=datetime.now(UTC).replace(microsecond=0),
        expires=expires,
        requests_per_second=requests_per_second,
        rows_per_second=rows_per_second,
    )


def read_keys(path: Path) -> KeyFile:
    """Read a file of keys; raises ``SettingsError`` with what is wrong with it."""
    try:
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
        if len(content) > _MOST_BYTES:
            raise ValueError(f"it is larger than {_MOST_BYTES} bytes")
        # Through json first: it refuses what msgspec would not, such as text that is no UTF-8.
        keys = msgspec.convert(json.loads(content), KeyFile)
        for what in ("id", "name"):
            values = [getattr(key, what) for key in keys.keys]
            if len(set(values)) < len(values):
                raise ValueError(f"two keys have the same {what}")
    except OSError as error:
        raise SettingsError(f"the keys in {path} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise SettingsError(
            f"the keys in {path} are malformed: {error}; python -m service keys writes this file"
        ) from error
    return keys


class RateLimiter:
    """How much of its rates a key has used in this worker: two token buckets of one second each.

    A request is counted when it begins and its rows when it is answered, for only then they are
    known: a large request is let through and then paid off before the next.
    """

    def __init__(
        self, requests: float | None, rows: float | None, clock: Callable[[], float] = monotonic
    ) -> None:
        self._requests, self._rows = requests, rows
        self._clock = clock
        self._then = clock()
        self._request_tokens = max(1.0, requests or 0.0)
        self._row_tokens = max(1.0, rows or 0.0)

    def enter(self) -> float:
        """Begin a request and return 0, or return the seconds after which one may begin."""
        now = self._clock()
        passed, self._then = now - self._then, now
        wait = 0.0
        if self._requests is not None:
            most = max(1.0, self._requests)
            self._request_tokens = min(most, self._request_tokens + passed * self._requests)
            wait = max(0.0, (1 - self._request_tokens) / self._requests)
        if self._rows is not None:
            most = max(1.0, self._rows)
            self._row_tokens = min(most, self._row_tokens + passed * self._rows)
            if self._row_tokens <= 0:
                wait = max(wait, (1 - self._row_tokens) / self._rows)
        if wait == 0 and self._requests is not None:
            self._request_tokens -= 1
        return wait

    def charge(self, rows: int) -> None:
        """Count the rows of an answered request."""
        self._row_tokens -= rows


class KeyStore:
    """The keys of one file, as they are now. ``workers`` share each key's rates evenly."""

    def __init__(self, path: Path, workers: int = 1, clock: Callable[[], float] = monotonic) -> None:
        """Read the file; raises ``SettingsError``: a service whose door has no lock must not start."""
        self._path = path
        self._workers = workers
        self._clock = clock
        #: Why the file as it is now was not taken over, if so.
        self.trouble: str | None = None
        self._stamp = _stamp(path)
        self._keys: dict[str, tuple[Key, RateLimiter | None]] = {}
        self._take(read_keys(path))
        self._look_at = clock() + _LOOK_SECONDS

    @property
    def keys(self) -> list[Key]:
        """The entries, by name."""
        self._look()
        return sorted((key for key, _ in self._keys.values()), key=lambda key: key.name)

    def find(self, presented: bytes) -> tuple[Key, RateLimiter | None] | None:
        """The entry of a presented key, which may have expired, or None for no key of ours."""
        self._look()
        if len(presented) > _LONGEST:
            return None
        prefix, _, rest = presented.partition(b"_")
        identifier = rest.partition(b"_")[0].decode("ascii", "replace")
        found = self._keys.get(identifier) if prefix == _PREFIX.encode() else None
        if found is None:
            return None
        matches = hmac.compare_digest(sha256(presented).hexdigest(), found[0].sha256)
        return found if matches else None

    def _look(self) -> None:
        if self._clock() < self._look_at:
            return
        self._look_at = self._clock() + _LOOK_SECONDS
        stamp = _stamp(self._path)
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self._take(read_keys(self._path))
        except SettingsError as error:
            self.trouble = f"{error}; the keys that were read before still hold"
            _log.error("keys refused", reason=self.trouble)
        else:
            self.trouble = None
            _log.info("keys read", keys=sorted(key.name for key, _ in self._keys.values()))

    def _take(self, file: KeyFile) -> None:
        old = self._keys
        self._keys = {}
        for key in file.keys:
            held = old.get(key.id)
            # What a key has used is not forgiven because another key was added.
            same = held is not None and held[0] == key
            self._keys[key.id] = held if held is not None and same else (key, self._meter(key))

    def _meter(self, key: Key) -> RateLimiter | None:
        requests, rows = key.requests_per_second, key.rows_per_second
        if requests is None and rows is None:
            return None
        share = self._workers
        return RateLimiter(
            None if requests is None else requests / share,
            None if rows is None else rows / share,
            self._clock,
        )


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        status = os.stat(path)  # noqa: PTH116 - on the path of requests, and a third of Path.stat's time
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size
