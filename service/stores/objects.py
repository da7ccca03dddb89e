"""A prefix of an object store: list its folders, read small objects, fetch files.

The store's own library finds credentials and endpoints in the usual variables (``AWS_…``,
``GOOGLE_…``, ``AZURE_…``).
"""

import os
import re
from pathlib import Path
from typing import Any

from service.errors import SettingsError, StoreFailed

#: A dead store is noticed by the connection; a slow one may take this long for one object.
_CLIENT: Any = {"connect_timeout": "5s", "timeout": "300s"}
_RETRY: Any = {"max_retries": 2}
_PIECE = 1 << 20
_TOOK = re.compile(
    r" in [0-9.]+(ns|µs|ms|s)\b|, after \d+ retries, max_retries: \d+, retry_timeout: \w+"
)


class ObjectPrefix:
    """What an object store has below one URL."""

    def __init__(self, url: str) -> None:
        """Open the store; nothing is asked of it yet.

        Raises ``SettingsError`` for a URL that no store has, and where the extra is not installed.
        """
        try:
            import obstore
            from obstore.store import from_url
        except ImportError as error:
            raise SettingsError(
                f"SNN_MODELS={url}: obstore is not installed; pip install 'snn-serving[stores]'"
            ) from error
        self._obstore = obstore
        #: The base of the library's errors; a path that is none is a ``ValueError`` too.
        self._errors = (obstore.exceptions.BaseError, OSError, ValueError)
        try:
            if url.startswith("file:"):
                self._store = from_url(url)
            else:
                # The library reads this variable only where it is given no options.
                plain = os.environ.get("AWS_ALLOW_HTTP", "").lower() in ("1", "true")
                options: Any = {**_CLIENT, "allow_http": plain}
                self._store = from_url(url, client_options=options, retry_config=_RETRY)
        except self._errors as error:
            raise SettingsError(f"SNN_MODELS={url}: {_reason(error)}") from error

    def folders(self) -> list[str]:
        """Return the names of the folders, sorted; raises ``StoreFailed``."""
        try:
            listed = self._obstore.list_with_delimiter(self._store)
        except self._errors as error:
            raise StoreFailed(f"the store cannot be listed: {_reason(error)}") from error
        return sorted(prefix.rstrip("/").rpartition("/")[2] for prefix in listed["common_prefixes"])

    def read(self, path: str, most: int) -> bytes | None:
        """Return an object of at most ``most`` bytes, None if there is none; raises ``StoreFailed``."""
        try:
            found = self._obstore.get(self._store, path)
            size = found.meta["size"]
            if size > most:
                raise StoreFailed(f"{path} has {size:,} bytes, of {most:,} at most")
            return bytes(found.bytes())
        except FileNotFoundError:
            return None
        except self._errors as error:
            raise StoreFailed(f"{path} cannot be read: {_reason(error)}") from error

    def fetch(self, path: str, target: Path, size: int) -> None:
        """Write an object that has to have ``size`` bytes to a file; raises ``StoreFailed``."""
        try:
            found = self._obstore.get(self._store, path)
            if found.meta["size"] != size:
                raise StoreFailed(f"{path} has {found.meta['size']:,} bytes, its manifest says {size:,}")
            with target.open("wb") as file:
                for piece in found.stream(min_chunk_size=_PIECE):
                    file.write(piece)
        except FileNotFoundError as error:
            raise StoreFailed(f"{path} is not in the store") from error
        except self._errors as error:
            raise StoreFailed(f"{path} cannot be fetched: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    """The first line of a library's error without its times, by which equal errors would differ."""
    return _TOOK.sub("", str(error).strip().partition("\n")[0])[:300]
