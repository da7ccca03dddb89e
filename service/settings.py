"""Settings: environment variables with the prefix ``SNN_``, each with a default that works."""

import os
import re
from collections.abc import Mapping
from difflib import get_close_matches
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, IPvAnyNetwork, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from service.errors import SettingsError

_PREFIX = "SNN_"
#: What addresses of object stores begin with.
_STORES = ("s3", "gs", "az", "file")
_EVERYWHERE = ("0.0.0.0/0", "::/0")

#: Variables that other parts of the project read: training, clients, compose, tests and benchmarks.
_OF_OTHERS = frozenset(
    f"{_PREFIX}{name}"
    for name in (
        "API_KEY", "BASE_IMAGE", "DATA_DIR", "GPUS", "GRAFANA_IMAGE", "GRAFANA_MEMORY", "GRAFANA_PORT",
        "PEERS", "PEERS_MODEL", "PEERS_PATH", "PROMETHEUS_IMAGE", "PROMETHEUS_MEMORY", "PROMETHEUS_PORT",
        "PROMETHEUS_RETENTION", "RELEASE_URL", "SECRETS", "SERVICE_GPU_IMAGE", "SERVICE_IMAGE",
        "SERVICE_MEMORY", "URL",
        "TEST_CLIENTS", "TEST_CONTAINERS", "TEST_CRASHES", "TEST_SCHEDULES", "TEST_STREAMS",
        "TRAINING_IMAGE", "TRAINING_MEMORY",
    )
)  # fmt: skip
#: What Kubernetes tells every container about a service whose name begins with ``snn``. Of ``…_PORT``
#: the value decides: it is an address.
_INJECTED = re.compile(
    r"SNN_(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)"
)
_INJECTED_PORT, _ADDRESS = re.compile(r"SNN_(\w+_)?PORT"), re.compile(r"(tcp|udp|sctp)://.*")

#: The bundles that are committed with the code.
COMMITTED_MODELS = Path(__file__).resolve().parent.parent / "models" / "repository"


def _folder_or_store(value: object) -> Path | str:
    """Accept a folder, and the URL of an object store."""
    text = str(value)
    scheme, separator, rest = text.partition("://")
    if separator:
        if scheme not in _STORES or not rest:
            raise ValueError(f"a store's address begins with {', '.join(_STORES)} and ://")
        return text
    if not Path(text).is_dir():
        raise ValueError(f"{text} is not a folder")
    return Path(text)


def _may_be_folder(path: Path) -> Path:
    """Accept a folder, and a path where one can be made."""
    nearest = next(each for each in (path, *path.absolute().parents) if os.path.lexists(each))
    if not nearest.is_dir():
        raise ValueError(f"{nearest} is not a folder")
    return path


def _split(value: object) -> object:
    """Split a list at its commas."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


def _networks(value: object) -> object:
    """Split a list of networks; ``*`` stands for all."""
    parts = _split(value)
    if not isinstance(parts, tuple):
        return parts
    return tuple(network for part in parts for network in (_EVERYWHERE if part == "*" else (part,)))


Count = Annotated[int, Field(ge=1)]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Settings(BaseSettings):
    """The service's settings; a field's environment variable is ``SNN_`` and its name in capitals."""

    model_config = SettingsConfigDict(
        env_prefix=_PREFIX, env_ignore_empty=True, extra="ignore", frozen=True, validate_default=True
    )

    #: The model repository: a folder, or an object store's ``s3://``, ``gs://``, ``az://``, ``file://``.
    models: Annotated[Path | str, BeforeValidator(_folder_or_store)] = COMMITTED_MODELS
    #: The only folder that the service writes to, for what must outlast a restart.
    state: Annotated[Path, AfterValidator(_may_be_folder)] = Path("state")
    #: ``auto`` uses CUDA where it works; with ``cuda`` the service does not start where it does not.
    device: Literal["auto", "cpu", "cuda"] = "auto"
    #: Bytes of the GPU's memory that each model may use; no limit if not set.
    cuda_memory_bytes: Count | None = None
    #: Whether a GPU may round factors to 10 bits of mantissa (TF32), which is faster and less exact.
    cuda_tf32: bool = False
    #: The addresses to listen on, of which ``unix:/PATH`` is a socket in the file system.
    host: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split), Field(min_length=1)] = (
        "127.0.0.1",
    )
    #: 0 takes any free port; the log tells which.
    port: Annotated[int, Field(ge=0, le=65535)] = 8000
    #: The port of protocol v2 over gRPC, on the hosts above; without it there is no gRPC.
    grpc_port: Annotated[int, Field(ge=0, le=65535)] | None = None
    #: The prefix under which a proxy publishes the service, such as ``/snn``; it may stay in the path.
    root_path: Annotated[str, Field(pattern=r"^(/[A-Za-z0-9._~-]+)*$")] = ""
    #: Processes that answer requests; each holds the models in its own memory.
    workers: Annotated[int, Field(ge=1, le=256)] = 1
    #: The most records in one request.
    max_rows: Count = 16_384
    #: The most bytes in a request's body.
    max_bytes: Count = 16 * 1024 * 1024
    #: The most bytes in a request's CSV or NDJSON table, which is answered in pieces.
    max_stream_bytes: Count = 256 * 1024 * 1024
    #: Processes per worker that featurize large requests; 0 for none, if not set a share of the cores.
    featurize_processes: Annotated[int, Field(ge=0, le=256)] | None = None
    #: Whether records that a model cannot judge are answered so, or with numbers all the same.
    applicability: Literal["judge", "ignore"] = "judge"
    #: Bytes of a worker's cache of feature rows by SMILES; 0 for no cache.
    cache_bytes: Annotated[int, Field(ge=0)] = 64 * 1024 * 1024
    #: Rows that may wait for a model; requests beyond are refused.
    max_queue_rows: Count = 32_768
    #: Connections that each worker keeps open, fewer than the files that the process may open. Beyond
    #: them those that have waited longest for a request are closed; if none waits, none is accepted.
    max_connections: Count = 8192
    #: How long a client may take to send a request's head, may send nothing of its body, and may read
    #: nothing of the answer. A body has this time and a second for each 16 KiB of it.
    client_seconds: Seconds = 30.0
    #: How long a connection may wait for its next request.
    idle_seconds: Seconds = 75.0
    #: The deadline of a request that sets none, counted from its arrival.
    deadline_seconds: Seconds = 120.0
    #: How often the repository is polled for a newly promoted version.
    poll_seconds: Seconds = 1.0
    #: How often every model's golden rows are run.
    golden_seconds: Seconds = 60.0
    #: How long after a promotion a version that is worse than the last is rolled back; 0 for never.
    probation_seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 600.0
    #: The file of the API keys' hashes; without it all routes are open except administration.
    api_keys_file: Path | None = None
    #: The certificate with its chain, and its key, in PEM: with them the service speaks HTTPS alone.
    #: They are read again when they change.
    tls_certificate_file: Path | None = None
    tls_key_file: Path | None = None
    #: Who signs clients' certificates, in PEM; without it no client needs one.
    tls_client_ca_file: Path | None = None
    #: Whether answers are compressed for clients that accept it; those of protocol v2 always are.
    compress_answers: bool = False
    #: Origins whose pages may send requests from a browser (CORS).
    cors_origins: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)] = ()
    #: Whether the v2 protocol may load and unload models without an API key.
    repository_control: bool = False
    #: Whether the health document shows the features of outlying rows, which are clients' data.
    show_departing_features: bool = False
    #: How much of the traffic is watched: all; all rows, and some of dense traffic in windows; nothing.
    watch: Literal["full", "sampled", "off"] = "full"
    #: Whether rows whose activations are beyond all bounds are computed once more.
    recompute_suspect: bool = True
    #: How long a stopping service still answers although it is not ready any more, so that load
    #: balancers have noticed.
    drain_wait_seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 1.0
    #: How long a stopping service waits for requests in flight.
    drain_seconds: Seconds = 20.0
    #: Whether the log has the clients' addresses.
    log_client: bool = False
    #: Addresses and networks of proxies whose ``X-Forwarded-For`` says who the client is; ``*`` for all,
    #: ``unix`` for those on sockets in the file system.
    trusted_proxies: Annotated[
        tuple[IPvAnyNetwork | Literal["unix"], ...], NoDecode, BeforeValidator(_networks)
    ] = ()
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    #: JSON lines, short text, or ``auto``: text where standard output is a terminal.
    log_format: Literal["auto", "text", "json"] = "auto"

    @property
    def trusted_networks(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """The proxies that are trusted by their addresses."""
        return tuple(each for each in self.trusted_proxies if not isinstance(each, str))

    @property
    def repository(self) -> Path:
        """The folder of the model repository, which mirrors an object store if that is what is set."""
        return self.models if isinstance(self.models, Path) else self.state / "mirror"


def injected_names(environment: Mapping[str, str]) -> list[str]:
    """Return the variables that Kubernetes sets for a service whose name begins with ``snn``."""
    return [
        name
        for name, value in environment.items()
        if _INJECTED.fullmatch(name) or (_INJECTED_PORT.fullmatch(name) and _ADDRESS.fullmatch(value))
    ]


def load_settings() -> Settings:
    """Read the environment.

    Raises ``SettingsError``, one line that names the variable: one that is malformed, or one that no
    part of the project knows. A misspelled ``SNN_API_KEYS_FILE`` would open the service to all.
    """
    known = {f"{_PREFIX}{name.upper()}" for name in Settings.model_fields} | _OF_OTHERS
    injected = injected_names(os.environ)
    for name in sorted(os.environ):
        if name.upper().startswith(_PREFIX) and name not in injected and name.upper() not in known:
            close = get_close_matches(name.upper(), known - _OF_OTHERS, 1)
            hint = (
                f"did you mean {close[0]}?" if close else "docs/reference/settings.md lists all settings"
            )
            raise SettingsError(f"{name}: there is no such setting; {hint}")
    try:
        # Kubernetes' own SNN_PORT and SNN_GRPC_PORT are no settings.
        own: dict[str, Any] = {"SNN_PORT": ("port", 8000), "SNN_GRPC_PORT": ("grpc_port", None)}
        return Settings(**dict(own[name] for name in injected if name in own))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = f"{_PREFIX}{str(first['loc'][0]).upper()}"
        message = first["msg"].removeprefix("Value error, ")
        raise SettingsError(f"{name}={first['input']}: {message}") from error
