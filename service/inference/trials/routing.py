"""Which requests a version on trial answers: a share of them, by a hash of what is told apart."""

from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Protocol

#: Hashes are spread evenly over so many numbers.
_SPACE = 1 << 64


class Named(Protocol):
    """An API key, as far as it decides which version answers."""

    @property
    def name(self) -> str:
        """Its name."""


class Asker(Protocol):
    """A request, as far as it decides which version answers."""

    @property
    def request_id(self) -> bytes:
        """Its id."""

    @property
    def key(self) -> Named | None:
        """Its API key; None without one."""


@dataclass(frozen=True, slots=True)
class Routing:
    """A canary's share of the requests, from 0 to 1.

    A request is chosen by its id, so that the same one, sent again, is answered by the same version;
    with ``sticky`` by the name of its API key, if it has one. ``salt`` is a trial's own: no client can
    tell from its id or key which version will answer.
    """

    share: float
    sticky: bool
    salt: str
    _below: int = field(init=False)
    _key: bytes = field(init=False)

    def __post_init__(self) -> None:
        """Work out what every request is compared with."""
        object.__setattr__(self, "_below", int(self.share * _SPACE))
        object.__setattr__(self, "_key", self.salt.encode()[:64])

    def takes(self, request_id: bytes, key: str | None = None) -> bool:
        """Return whether the version on trial answers a request; ``key`` is its API key's name."""
        told_apart = key.encode() if self.sticky and key is not None else request_id
        digest = blake2b(told_apart, digest_size=8, key=self._key).digest()
        return int.from_bytes(digest, "big") < self._below
