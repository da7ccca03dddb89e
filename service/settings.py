"""Configuration: environment variables with the prefix ``SNN_``, each with a working default."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from service.errors import SettingsError

_PREFIX = "SNN_"

#: The bundles that are committed with the code.
COMMITTED_MODELS = Path(__file__).resolve().parent.parent / "models" / "repository"


def _is_folder(path: Path) -> Path:
    if not path.is_dir():
        raise ValueError(f"{path} is not a folder")
    return path


def _split(value: object) -> object:
    """A list as it is written in a variable: by commas."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


Count = Annotated[int, Field(ge=1)]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Settings(BaseSettings):
    """The service's settings; the environment variable of a field is ``SNN_`` and its name."""

    model_config = SettingsConfigDict(
        env_prefix=_PREFIX, env_ignore_empty=True, extra="ignore", frozen=True, validate_default=True
    )

    #: The model repository.
    models: Annotated[Path, AfterValidator(_is_folder)] = COMMITTED_MODELS
    #: The one folder that the service may write to: what it must remember across restarts.
    state: Path = Path("state")
    #: ``auto`` takes CUDA where it really works, ``cuda`` refuses to start where it does not.
    device: Literal["auto", "cpu", "cuda"] = "auto"
    #: Bytes of the GPU's memory that each model may take; no limit if not set.
    cuda_memory_bytes: Count | None = None
    #: Whether a GPU may round factors to 10 bits of mantissa, which is quicker and less exact.
    cuda_tf32: bool = False
    #: Loopback unless told otherwise; a container sets 0.0.0.0.
    host: str = "127.0.0.1"
    #: 0 takes any free port and says which in the log.
    port: Annotated[int, Field(ge=0, le=65535)] = 8000
    #: Processes that answer requests; each has the models in its own memory.
    workers: Annotated[int, Field(ge=1, le=256)] = 1
    #: Records in one request.
    max_rows: Count = 16_384
    #: Bytes in one request's body.
    max_bytes: Count = 16 * 1024 * 1024
    #: Bytes in one request's table of CSV or NDJSON, which is answered in pieces.
    max_stream_bytes: Count = 256 * 1024 * 1024
    #: Processes of a worker that featurize large requests; its share of the cores if not set. 0: none.
    featurize_processes: Annotated[int, Field(ge=0, le=256)] | None = None
    #: Bytes of feature rows that a worker remembers, by SMILES; 0 for none.
    cache_bytes: Annotated[int, Field(ge=0)] = 64 * 1024 * 1024
    #: Rows that may wait for a model before more are turned away.
    max_queue_rows: Count = 32_768
    #: How long after its arrival a request is still begun, unless it says so itself.
    deadline_seconds: Seconds = 120.0
    #: How often the repository is looked at for a newly promoted version.
    poll_seconds: Seconds = 1.0
    #: How often every model re-runs its golden rows.
    golden_seconds: Seconds = 60.0
    #: How long after a promotion a version that does worse than its predecessor is taken back; 0: never.
    probation_seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 600.0
    #: The hashes of the API keys; without it everything is open but what administrates.
    api_keys_file: Path | None = None
    #: Origins whose pages may ask this service from a browser; none by default.
    cors_origins: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)] = ()
    #: Whether requests of the v2 protocol may load and unload models without an API key.
    repository_control: bool = False
    #: Whether the health document shows the features of rows that departed; they are somebody's data.
    show_departing_features: bool = False
    #: How long a stopping service still answers while its readiness already says no, so that
    #: whoever balances the load has seen it.
    drain_wait_seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 1.0
    #: How long a stopping service waits for requests in flight.
    drain_seconds: Seconds = 20.0
    log_level: Literal["debug", "info", "warning", "error"] = "info"


def load_settings() -> Settings:
    """Read the environment; raises ``SettingsError`` with one line that names the variable."""
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = f"{_PREFIX}{str(first['loc'][0]).upper()}"
        message = first["msg"].removeprefix("Value error, ")
        raise SettingsError(f"{name}={first['input']}: {message}") from error
