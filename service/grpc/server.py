"""The server of gRPC in one worker: its port, its certificates, its methods."""

from collections.abc import Sequence
from pathlib import Path

import grpc
from starlette.types import ASGIApp

from service.api.transport.client_address import ClientAddress
from service.errors import SettingsError
from service.grpc.certificates import Certificates
from service.grpc.core import CoreServer, Stream, Unary
from service.grpc.forwarding import ROUTES, Forwarding
from service.grpc.inference import Inference
from service.grpc.messages import HEALTH, SERVICE
from service.grpc.reflection import REFLECTION, reflecting
from service.observability.logs import get_logger

#: What a message has beside its tensors: names, shapes and parameters.
_ENVELOPE_BYTES = 65_536

_log = get_logger()


class GrpcServer:
    """Serves on one port of the hosts; workers share it by ``SO_REUSEPORT``."""

    def __init__(
        self,
        app: ASGIApp,
        inference: Inference,
        *,
        hosts: Sequence[str],
        port: int,
        max_bytes: int,
        most_calls: int,
        idle_seconds: float,
        certificates: tuple[Path, Path, Path | None] | None,
        client_address: ClientAddress | None = None,
    ) -> None:
        """``app`` answers all but inference.

        At most ``most_calls`` are in flight. A connection without a call is closed after
        ``idle_seconds``. ``certificates`` are the chain, the key, and who signs clients' certificates.
        ``client_address`` finds the address of the log; None where it is not to have one.
        """
        self._inference, self._forwarding = inference, Forwarding(app, client_address)
        self._hosts, self._port = hosts, port
        self._certificates = certificates
        self._most_calls = most_calls
        self._options = (
            ("grpc.max_receive_message_length", max_bytes + _ENVELOPE_BYTES),
            ("grpc.max_send_message_length", -1),
            ("grpc.max_concurrent_streams", most_calls),
            ("grpc.max_connection_idle_ms", int(1000 * idle_seconds)),
            ("grpc.so_reuseport", 1),
        )
        self._server: CoreServer | None = None

    async def start(self) -> int:
        """Begin to serve; return the port. Raises ``SettingsError`` where it cannot be had."""
        server = CoreServer(
            self._unary(),
            self._streams(),
            most_calls=self._most_calls,
            refused=self._inference.too_many,
            options=self._options,
        )
        port = self._port
        for host in self._hosts:
            place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
            port = server.listen(place, self._credentials())
            if not port:
                raise SettingsError(f"SNN_GRPC_PORT={self._port}: cannot listen on {place}")
        server.start()
        self._server = server
        _log.info("gRPC listening", hosts=list(self._hosts), port=port)
        return port

    async def stop(self, seconds: float) -> None:
        """Take no more calls, and wait at most so long for those in flight."""
        if self._server is not None:
            server, self._server = self._server, None
            await server.stop(seconds)

    def _credentials(self) -> grpc.ServerCredentials | None:
        if self._certificates is None:
            return None
        needs_client = self._certificates[2] is not None
        certificates = Certificates(self._certificates)
        return grpc.dynamic_ssl_server_credentials(
            certificates.read(), certificates.renewed, require_client_authentication=needs_client
        )

    def _unary(self) -> dict[str, Unary]:
        return {
            **{f"/{SERVICE}/{method}": self._forwarding.answering(method) for method in ROUTES},
            f"/{SERVICE}/ModelInfer": self._inference.begin,
            f"/{HEALTH}/Check": self._forwarding.checking(),
        }

    def _streams(self) -> dict[str, Stream]:
        reflect = reflecting()
        return {f"/{service}/ServerReflectionInfo": reflect for service in REFLECTION}
