"""``snn doctor``: what is wrong with this machine, and what to do about it."""

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import typer

from models.bundle.loading import open_bundle
from models.errors import ModelError
from models.registry.store import Repository
from service.errors import DeviceUnavailable, ServiceError, SettingsError
from service.server.sockets import address_of, listening
from service.settings import Settings, load_settings

_MARKS = {"ok": "✓", "note": "·", "problem": "✗"}
#: Packages that an extra brings, and what they are for.
_EXTRAS = {
    "torch": ("train", "training"),
    "pyarrow": ("parquet", "Parquet files"),
    "ray": ("ray", "Ray"),
}
_SHARED_BYTES = 16 << 20
_FEW_FILES = 1024


class Finding(msgspec.Struct, frozen=True):
    """One thing that was looked at; a ``note`` is worth knowing and keeps nothing from working."""

    about: str
    status: Literal["ok", "note", "problem"]
    text: str


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="The findings as JSON.")] = False,
) -> None:
    """Look at settings, device, port, repository, state, keys and data; status 1 for a problem."""
    findings = list(examine())
    if as_json:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(findings)).decode() + "\n")
    else:
        for finding in findings:
            sys.stdout.write(f"{_MARKS[finding.status]} {finding.about}: {finding.text}\n")
    if any(finding.status == "problem" for finding in findings):
        raise typer.Exit(1)


def examine() -> Iterator[Finding]:
    """Yield what is found, the settings first: the others are looked at as they say."""
    yield Finding("python", "ok", f"{sys.version.split()[0]} on {sys.platform}")
    try:
        settings = load_settings()
    except SettingsError as error:
        yield Finding("settings", "problem", str(error))
        return
    yield Finding("settings", "ok", "every SNN_ variable is known and well-formed")
    checks: tuple[Callable[[Settings], Iterator[Finding]], ...] = (
        _device, _port, _repository, _state, _keys, _data, _packages, _limits,
    )  # fmt: skip
    for check in checks:
        yield from check(settings)


def _device(settings: Settings) -> Iterator[Finding]:
    from service.inference.backend.device import CUDA, choose_device

    try:
        device = choose_device(settings.device)
    except DeviceUnavailable as error:
        yield Finding("device", "problem", str(error))
        return
    if device.provider == CUDA:
        yield Finding("device", "ok", "CUDA works")
    elif device.fallback is None:
        yield Finding("device", "ok", "the processor, as SNN_DEVICE=cpu says")
    else:
        text = f"the processor; a GPU is not needed, and none can be used: {device.fallback}"
        yield Finding("device", "note", text)


def _port(settings: Settings) -> Iterator[Finding]:
    try:
        with listening(settings) as listeners:
            places = [address_of(listener) for listener in listeners]
    except SettingsError as error:
        yield Finding("port", "problem", str(error))
        return
    shown = ", ".join(":".join(str(part) for part in place.values()) for place in places)
    yield Finding("port", "ok", f"{shown} can be listened on")


def _repository(settings: Settings) -> Iterator[Finding]:
    from service.inference.backend.device import Device, choose_device
    from service.inference.backend.onnx_session import open_session

    repository = Repository(settings.repository)
    names = repository.models()
    try:
        device = choose_device(settings.device)
    except DeviceUnavailable:  # the device's own finding says so
        device = Device("CPUExecutionProvider")
    if not names:
        text = f"{settings.models} has no promoted model; `snn models pull` or `snn train` brings one"
        yield Finding("repository", "problem", text)
    for name in names:
        try:
            champion = repository.serving(name).champion
            bundle = open_bundle(repository.bundle(name, champion))
            # All of it is computed here, which finds other versions of RDKit, too.
            bundle.check_golden(open_session(bundle.model, device).run, device.tolerance)
        except (ModelError, ServiceError, OSError) as error:
            yield Finding(f"model {name}", "problem", str(error))
        else:
            text = f"version {champion}: files are whole, golden rows are reproduced on this machine"
            yield Finding(f"model {name}", "ok", text)
    for folder, reason in repository.strays().items():
        yield Finding(f"folder {folder}", "note", f"skipped: {reason}")


def _state(settings: Settings) -> Iterator[Finding]:
    place = settings.state.absolute()
    try:
        place.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as error:
        text = f"{place} cannot be written to ({error.strerror}): the release log is not kept; SNN_STATE"
        yield Finding("state", "problem", text)
        return
    free = shutil.disk_usage(place).free >> 20
    yield Finding(
        "state", "ok" if free > 1024 else "note", f"{place} can be written to, {free:,} MiB free"
    )


def _keys(settings: Settings) -> Iterator[Finding]:
    from service.api.auth.keys import read_keys

    if settings.api_keys_file is None:
        yield Finding(
            "keys", "note", "none: open to whoever reaches the address; `snn keys new` makes one"
        )
        return
    try:
        keys = read_keys(settings.api_keys_file).keys
    except (SettingsError, OSError) as error:
        yield Finding("keys", "problem", str(error))
        return
    now = datetime.now(UTC)
    expired = [key.name for key in keys if key.expires is not None and key.expires <= now]
    if not keys or len(expired) == len(keys):
        yield Finding("keys", "problem", f"{settings.api_keys_file} has no key that is valid now")
    elif expired:
        yield Finding("keys", "note", f"{len(keys)} keys, of which have expired: {', '.join(expired)}")
    else:
        yield Finding("keys", "ok", f"{len(keys)} in {settings.api_keys_file}")


def _data(_: Settings) -> Iterator[Finding]:
    folder = os.environ.get("SNN_DATA_DIR")
    if not folder:
        yield Finding(
            "data", "note", "SNN_DATA_DIR is not set: training downloads the official data sets"
        )
    elif not Path(folder).is_dir():
        yield Finding("data", "problem", f"SNN_DATA_DIR={folder} is not a folder")
    elif not os.access(folder, os.R_OK | os.X_OK):
        yield Finding("data", "problem", f"SNN_DATA_DIR={folder} cannot be read by this user")
    else:
        files = sum(1 for each in Path(folder).rglob("*") if each.is_file())
        yield Finding("data", "ok", f"{folder} has {files} files; training checks their hashes")


def _packages(_: Settings) -> Iterator[Finding]:
    for package, (extra, purpose) in _EXTRAS.items():
        if find_spec(package) is None:
            text = f"not installed, and only needed for {purpose}: pip install 'snn-serving[{extra}]'"
            yield Finding(package, "note", text)
    try:
        import_module("rdkit.Chem.Draw.rdMolDraw2D")
    except ImportError as error:
        text = f"molecules cannot be drawn on the page ({error}); Debian: libxrender1 libxext6 libexpat1"
        yield Finding("drawing", "note", text)


def _limits(settings: Settings) -> Iterator[Finding]:
    import resource

    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if 0 <= files <= _FEW_FILES:
        text = f"{files} may be open, so the service keeps fewer connections; raise it by `ulimit -n`"
        yield Finding("files", "note", text)
    if settings.workers > 1:
        place = Path("/dev/shm")  # noqa: S108 - the kernel's own, where workers meet
        if not place.is_dir() or shutil.disk_usage(place).free < _SHARED_BYTES:
            yield Finding(
                "shared memory", "note", f"{place} has little room; workers use temporary files"
            )
