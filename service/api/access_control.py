"""Access control: which API key may use which path, by the key's scopes.

It wraps the applications inside ``RequestMiddleware``, so that a refusal has a request id, and is
counted and logged as any answer. The log has a key's name, never the key. Without
``SNN_API_KEYS_FILE`` this layer is absent: all is open but administration, which is refused.
"""

import re
from datetime import UTC, datetime
from functools import lru_cache
from math import ceil
from typing import NamedTuple, Protocol

from fastapi import Request
from starlette.types import ASGIApp, Receive, Send
from starlette.types import Scope as Connection

from service.api.auth.headers import KEY_HEADERS, key_of
from service.api.auth.keys import Key, KeyStore, RateLimiter, Scope
from service.api.context import context_of
from service.api.error_codes import Code
from service.api.problems import Problem


class Control(Protocol):
    """What loads, unloads and checks models on request."""

    async def load(self, name: str, by: str = ...) -> None:
        """Serve what is promoted now; raises ``ModelNotFound`` or ``ModelNotReady``."""

    async def unload(self, name: str, by: str = ...) -> None:
        """Stop serving a model until it is loaded; raises ``ModelNotFound``."""

    async def retire(self, name: str) -> None:
        """Forget a model that is no longer promoted; raises ``ModelNotFound``."""

    async def examine(self, name: str) -> None:
        """Check a model in all workers; raises ``ModelNotFound`` or ``ModelNotReady``."""


class Rule(NamedTuple):
    """The scope that reading (GET, HEAD) and sending need on the paths of a pattern; None for none."""

    path: str
    read: Scope | None
    send: Scope | None


#: The first rule that fits applies. A path without a rule needs ``admin``, so that a forgotten path is
#: closed. Pages are open: they have no data, and request it with a key.
RULES = (
    Rule(r"/health/(live|ready)|/healthz|/v2/health/(live|ready)", None, None),
    Rule(r"/|/docs|/openapi\.json|/swagger/.*|/web/.*|/favicon\.(ico|svg)", None, None),
    Rule(r"/admin/key", None, "admin"),  # it tells of the keys that are presented, and of no other
    Rule(
        r"/predict|/invocations|/explain|/metadata|/models(/[^/]+/card)?|/molecule\.svg",
        "predict",
        "predict",
    ),
    Rule(r"/v2/models/[^/]+(/versions/[^/]+)?/stats|/v2/models/stats", "metrics", "metrics"),
    Rule(r"/v2/repository/index", "metrics", "metrics"),
    Rule(r"/v2/repository/models/[^/]+/(load|unload)", "admin", "admin"),
    Rule(r"/v2|/v2/models(/.*)?", "predict", "predict"),
    Rule(r"/metrics|/health/(activations|integrity|trials)(/.*)?|/admin(/.*)?", "metrics", "admin"),
)
_COMPILED = [(re.compile(rule.path), rule) for rule in RULES]

#: Keys of one request that are looked up.
_MOST_PRESENTED = 4
_CHALLENGE = (b"www-authenticate", b'Bearer realm="snn-serving"')
_NO_KEY = "this takes an API key: 'Authorization: Bearer KEY' or 'X-API-Key: KEY'"
_WITHOUT_KEYS = (
    "this changes the service, which takes an API key of scope 'admin', and the service runs without"
    " keys; make one by 'python -m service keys new NAME --scope admin' and start it with"
    " SNN_API_KEYS_FILE set to that file"
)


@lru_cache(maxsize=1024)
def scope_of(method: str, path: str) -> Scope | None:
    """Return the scope that a request needs, None where it needs none."""
    for pattern, rule in _COMPILED:
        if pattern.fullmatch(path):
            return rule.read if method in ("GET", "HEAD") else rule.send
    return "admin"


class AccessControl:
    """Passes a request to an application, or refuses it."""

    def __init__(self, app: ASGIApp, key_store: KeyStore) -> None:
        self._app = app
        self._key_store = key_store

    async def __call__(self, scope: Connection, receive: Receive, send: Send) -> None:
        """Check the key, then its scope, then its rates.

        Raises ``Problem`` 401, 403 or 429. A request that is refused as a whole has no rows to charge.
        """
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        needed = scope_of(scope["method"], scope["path"])
        if needed is None:
            await self._app(scope, receive, send)
            return
        context = context_of(scope)
        key, meter = self._choose(_presented(scope), needed)
        context.key = key
        if _expired(key):
            raise _unauthorized(f"the API key {key.name!r} expired at {key.expires}", Code.EXPIRED_KEY)
        if not key.may(needed):
            raise Problem(
                403,
                f"the API key {key.name!r} has no scope {needed!r}, only {', '.join(key.scopes)};"
                " ask whoever runs the service for another",
            )
        if meter is None:
            await self._app(scope, receive, send)
            return
        wait = meter.enter()
        if wait > 0:
            after = str(max(1, ceil(wait))).encode()
            raise Problem(
                429,
                f"the API key {key.name!r} is over its rate; come back in {wait:.3g} s",
                [(b"retry-after", after)],
                Code.RATE_LIMITED,
            )
        try:
            await self._app(scope, receive, send)
        finally:
            meter.charge(context.rows)

    def _choose(self, presented: list[bytes], needed: Scope) -> tuple[Key, RateLimiter | None]:
        """Return the first key that is known and sufficient, or else the first that is known.

        A proxy, or a browser, may add a header of its own. Raises ``Problem`` 401 for unknown keys.
        """
        entries = [entry for key in presented if (entry := self._key_store.find(key)) is not None]
        if not entries:
            if not presented:
                raise _unauthorized(_NO_KEY, Code.NO_KEY)
            raise _unauthorized("this API key is not known here, or was revoked", Code.UNKNOWN_KEY)
        sufficient = (entry for entry in entries if entry[0].may(needed) and not _expired(entry[0]))
        return next(sufficient, entries[0])


def unlimited(key_store: KeyStore, presented: bytes | None, scope: Scope) -> Key | None:
    """Return a request's key if it has the scope, has not expired and has no rate; otherwise None."""
    entry = None if presented is None else key_store.find(presented)
    if entry is None:
        return None
    key, meter = entry
    if meter is not None or not key.may(scope) or _expired(key):
        return None
    return key


def _expired(key: Key) -> bool:
    return key.expires is not None and key.expires <= datetime.now(UTC)


def administrator(request: Request) -> Key:
    """Return the key of a request for a change; raises ``Problem`` 403 without the scope ``admin``.

    Every route that changes the service calls it, independently of ``RULES``.
    """
    key = context_of(request.scope).key
    if key is None:
        raise Problem(403, _WITHOUT_KEYS, code=Code.CLOSED_TO_ALL)
    if not key.may("admin"):
        raise Problem(403, f"the API key {key.name!r} has no scope 'admin'")
    return key


def valid_keys(key_store: KeyStore, scope: Connection) -> list[Key]:
    """Return the keys of a request that are known and have not expired."""
    entries = (key_store.find(key) for key in _presented(scope))
    return [entry[0] for entry in entries if entry is not None and not _expired(entry[0])]


def _presented(scope: Connection) -> list[bytes]:
    """Return the keys of all headers that may have one; not all of them need be this service's."""
    keys = (key_of(name, value) for name, value in scope["headers"] if name in KEY_HEADERS)
    return [key for key in keys if key][:_MOST_PRESENTED]


def _unauthorized(message: str, code: Code) -> Problem:
    return Problem(401, message, [_CHALLENGE], code)
