"""``python -m service keys``: make, list and revoke API keys."""

import fcntl
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from service.api.auth.keys import SCOPES, Key, KeyFile, new_key, read_keys
from service.errors import SettingsError

keys = typer.Typer(
    no_args_is_help=True, help="API keys: their hashes are kept in the file SNN_API_KEYS_FILE."
)

_File = Annotated[Path, typer.Option(envvar="SNN_API_KEYS_FILE", help="The file of the keys' hashes.")]


@contextmanager
def _errors_reported() -> Iterator[None]:
    """Turn a known error into one sentence on standard error and exit status 1."""
    try:
        yield
    except (SettingsError, OSError) as error:
        sys.stderr.write(f"error: {error}\n")
        raise typer.Exit(1) from None


@keys.command("new")
def new(
    name: Annotated[str, typer.Argument(help="Who or what it is for; logs name it by this.")],
    file: _File,
    scope: Annotated[
        list[str], typer.Option(metavar="[predict|admin|metrics|probe]", help="May be repeated.")
    ],
    days: Annotated[float | None, typer.Option(min=0, help="After how many days it expires.")] = None,
    requests_per_second: Annotated[float | None, typer.Option(min=0.001)] = None,
    rows_per_second: Annotated[float | None, typer.Option(min=0.001)] = None,
) -> None:
    """Make a key and print it, once; a running service knows it within a second."""
    with _errors_reported():
        scopes = tuple(allowed for allowed in SCOPES if allowed in scope)
        if len(scopes) < len(set(scope)):
            raise SettingsError(f"--scope takes {', '.join(SCOPES)}, not {', '.join(scope)}")
        expires = None if days is None else datetime.now(UTC) + timedelta(days=days)
        secret, entry = new_key(name, scopes, expires, requests_per_second, rows_per_second)

        def add(keys: tuple[Key, ...]) -> tuple[Key, ...]:
            if any(key.name == name for key in keys):
                raise SettingsError(
                    f"there is a key named {name!r}; revoke it first, or give the new one another name"
                )
            return (*keys, entry)

        _change(file, add)
    sys.stdout.write(f"{secret}\n")


@keys.command("list")
def list_(
    file: _File, as_json: Annotated[bool, typer.Option("--json", help="As JSON, for programs.")] = False
) -> None:
    """List the keys: name, scopes, expiry and rates."""
    with _errors_reported():
        keys = read_keys(file).keys
        if as_json:
            shown = [msgspec.to_builtins(key) for key in keys]
            for entry in shown:
                del entry["sha256"]
            sys.stdout.write(msgspec.json.format(msgspec.json.encode(shown)).decode() + "\n")
            return
        for key in keys:
            parts = [key.name, ",".join(key.scopes)]
            parts.append("never expires" if key.expires is None else f"until {key.expires.isoformat()}")
            if key.requests_per_second is not None:
                parts.append(f"{key.requests_per_second:g} requests/s")
            if key.rows_per_second is not None:
                parts.append(f"{key.rows_per_second:g} rows/s")
            sys.stdout.write("  ".join(parts) + "\n")


@keys.command("revoke")
def revoke(name: str, file: _File) -> None:
    """Revoke the key of that name; a running service refuses it within a second."""

    def remove(keys: tuple[Key, ...]) -> tuple[Key, ...]:
        others = tuple(key for key in keys if key.name != name)
        if len(others) == len(keys):
            raise SettingsError(f"there is no key named {name!r} in {file}")
        return others

    with _errors_reported():
        _change(file, remove)


def _change(path: Path, change: Callable[[tuple[Key, ...]], tuple[Key, ...]]) -> None:
    """Replace the file in one step, one writer at a time.

    Raises ``SettingsError`` for keys that the file's format does not allow, and ``OSError``.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_name(f".{path.name}.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        current, mode = KeyFile(), 0o600
        if path.exists():
            current, mode = read_keys(path), path.stat().st_mode & 0o777
        try:
            # Checked by the reader's rules, so that what is written can be read.
            document = msgspec.to_builtins(KeyFile(change(current.keys)))
            content = msgspec.json.format(msgspec.json.encode(msgspec.convert(document, KeyFile)))
        except msgspec.ValidationError as error:
            raise SettingsError(f"that would not be a key: {error}") from error
        staging = path.with_name(f".{path.name}.new")
        descriptor = os.open(staging, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
        with open(descriptor, "wb") as target:
            target.write(content + b"\n")
            target.flush()
            os.fsync(target.fileno())
        staging.replace(path)
