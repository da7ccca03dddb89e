"""API keys: their scopes, expiry and rates.

A file has the keys' hashes, never the keys. It is read again when it changes, so that a key is issued,
rotated or revoked without a restart. If it cannot be read, the previous keys remain valid and the
reason is reported. This module knows no HTTP.

A key is ``snn_<id>_<secret>``. Its secret has 256 random bits, which nobody can guess: a slow hash with
salt, which protects passwords, would add no protection and cost every request milliseconds. The id is
no secret: it selects the entry, and the digests are compared in constant time.
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

Scope = Literal["predict", "admin", "metrics", "probe"]
SCOPES: tuple[Scope, ...] = ("predict", "admin", "metrics", "probe")

#: What a scope includes beside itself.
_INCLUDED: dict[Scope, tuple[Scope, ...]] = {"admin": ("metrics", "probe"), "probe": ("predict",)}

_PREFIX = "snn"
#: Bytes of the longest text that is hashed as a key.
_LONGEST = 256
#: Seconds between two checks of the file, while requests arrive.
_LOOK_SECONDS = 1.0
_MOST_BYTES = 4 * 1024 * 1024

_Rate = Annotated[float, msgspec.Meta(gt=0, le=1e9)]

_log = get_logger()


class Key(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One key's entry in the file. Rates are per second; times have an offset from UTC."""

    name: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$")]
    id: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{16}$")]
    sha256: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}$")]
    scopes: Annotated[tuple[Scope, ...], msgspec.Meta(min_length=1)]
    created: Annotated[datetime, msgspec.Meta(tz=True)]
    expires: Annotated[datetime, msgspec.Meta(tz=True)] | None = None
    requests_per_second: _Rate | None = None
    rows_per_second: _Rate | None = None

    def may(self, scope: Scope) -> bool:
        """Return whether the key has a scope.

        ``admin`` includes ``metrics`` and the mark of ``probe``; ``probe`` includes ``predict``.
        """
        return scope in self.scopes or any(scope in _INCLUDED.get(own, ()) for own in self.scopes)


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
    """Make a key; return it, to be shown once, and its entry for the file."""
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
    """Read a file of keys; raises ``SettingsError`` if it cannot be read or is malformed."""
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
    """A key's use of its rates in this worker: two token buckets of one second each.

    A request is counted when it begins, its rows when it is answered, since they are known only then:
    after a large request the next one waits until the bucket is no longer empty.
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
        """Count a request and return 0, or return the seconds until one may begin."""
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
    """The keys of one file in its present state. ``workers`` share each key's rates evenly."""

    def __init__(self, path: Path, workers: int = 1, clock: Callable[[], float] = monotonic) -> None:
        """Read the file; raises ``SettingsError``, since a service without its keys must not start."""
        self._path = path
        self._workers = workers
        self._clock = clock
        #: Why the present file was refused; None if it was not.
        self.trouble: str | None = None
        self._stamp = _stamp(path)
        self._keys: dict[str, tuple[Key, RateLimiter | None]] = {}
        self._take(read_keys(path))
        self._look_at = clock() + _LOOK_SECONDS

    @property
    def keys(self) -> list[Key]:
        """Return the entries, sorted by name."""
        self._look()
        return sorted((key for key, _ in self._keys.values()), key=lambda key: key.name)

    def find(self, presented: bytes) -> tuple[Key, RateLimiter | None] | None:
        """Return the entry of a key, which may have expired; None for an unknown key."""
        self._look()
        if len(presented) > _LONGEST:
            return None
        prefix, _, rest = presented.partition(b"_")
        identifier = rest.partition(b"_")[0].decode("ascii", "replace")
        entry = self._keys.get(identifier) if prefix == _PREFIX.encode() else None
        if entry is None:
            return None
        matches = hmac.compare_digest(sha256(presented).hexdigest(), entry[0].sha256)
        return entry if matches else None

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
            previous = old.get(key.id)
            # An unchanged key keeps its use of its rates when another key is added.
            same = previous is not None and previous[0] == key
            self._keys[key.id] = previous if previous is not None and same else (key, self._meter(key))

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
