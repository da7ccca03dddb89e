"""Opens the port of gRPC, where the settings name one."""

from typing import Protocol

from starlette.types import ASGIApp

from service.api.auth.keys import KeyStore
from service.api.body.decoding import Limits
from service.api.transport.client_address import ClientAddress
from service.errors import SettingsError
from service.inference.predictor import Predictor
from service.inference.served_models import ServedModels
from service.observability.counters import Telemetry
from service.observability.logs import get_logger
from service.observability.tracing import Tracing
from service.settings import Settings

_log = get_logger()


class GrpcPort(Protocol):
    """The server of gRPC, as the worker sees it."""

    async def start(self) -> int:
        """Begin to serve; return the port. Raises ``SettingsError``."""

    async def stop(self, seconds: float) -> None:
        """Take no more calls, and wait at most so long for those in flight."""


async def start_later(grpc: GrpcPort | None) -> None:
    """Begin in a worker that takes another's place; HTTP does not depend on it."""
    try:
        if grpc is not None:
            await grpc.start()
    except SettingsError as error:
        _log.error("no gRPC", reason=str(error))


def client_address_of(settings: Settings) -> ClientAddress | None:
    """Return what finds the address of the log; None where it is not to have one."""
    trusted, unix = settings.trusted_networks, "unix" in settings.trusted_proxies
    return ClientAddress(trusted, unix=unix) if settings.log_client else None


def open_grpc(
    settings: Settings,
    app: ASGIApp,
    served_models: ServedModels,
    predictor: Predictor,
    telemetry: Telemetry,
    key_store: KeyStore | None,
    tracing: Tracing | None,
) -> GrpcPort:
    """Make the server of gRPC.

    Raises ``SettingsError`` where the extra is not installed, or no port can be what the settings say.
    """
    try:
        from service.grpc.entrance import Entrance
        from service.grpc.inference import Inference
        from service.grpc.server import GrpcServer
    except ImportError as error:
        raise SettingsError(
            f"SNN_GRPC_PORT={settings.grpc_port} asks for gRPC, but {error.name} is not installed;"
            " pip install 'snn-serving[grpc]'"
        ) from error
    hosts = [host for host in settings.host if not host.startswith("unix:")]
    if not hosts:
        raise SettingsError(
            f"SNN_GRPC_PORT={settings.grpc_port} asks for gRPC, which takes a TCP address;"
            " SNN_HOST has none"
        )
    if settings.grpc_port == 0 and settings.workers > 1:
        raise SettingsError(
            "SNN_GRPC_PORT=0 would be another port in each worker; name a port, or set SNN_WORKERS=1"
        )
    client_address = client_address_of(settings)
    limits = Limits(settings.max_rows, settings.max_bytes, settings.max_stream_bytes)
    entrance = Entrance(
        served_models,
        predictor,
        telemetry,
        limits,
        settings.deadline_seconds,
        key_store,
        tracing,
        client_address,
    )
    certificate, key = settings.tls_certificate_file, settings.tls_key_file
    return GrpcServer(
        app,
        Inference(entrance),
        hosts=hosts,
        port=settings.grpc_port or 0,
        max_bytes=settings.max_bytes,
        most_calls=settings.max_connections,
        idle_seconds=settings.idle_seconds,
        client_address=client_address,
        certificates=None
        if certificate is None or key is None
        else (certificate, key, settings.tls_client_ca_file),
    )
