"""The server of gRPC in one worker: its port, its certificates, its methods."""

import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
from grpc_reflection.v1alpha import reflection
from starlette.types import ASGIApp

from service.errors import SettingsError
from service.grpc.forwarding import ROUTES, Forwarding
from service.grpc.inference import Inference
from service.grpc.messages import HEALTH, POOL, SERVICE, shapes
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
        certificates: tuple[Path, Path, Path | None] | None,
    ) -> None:
        """``app`` answers all but inference.

        ``certificates`` are the chain, the key, and who signs clients' certificates.
        """
        self._app, self._inference = app, inference
        self._hosts, self._port, self._max_bytes = hosts, port, max_bytes
        self._certificates = certificates
        self._server: grpc.aio.Server | None = None

    async def start(self) -> int:
        """Begin to serve; return the port. Raises ``SettingsError`` where it cannot be had."""
        server = grpc.aio.server(
            options=(
                ("grpc.max_receive_message_length", self._max_bytes + _ENVELOPE_BYTES),
                ("grpc.max_send_message_length", -1),
                ("grpc.so_reuseport", 1),
            )
        )
        server.add_generic_rpc_handlers((self._protocol(), self._health()))
        reflection.enable_server_reflection((SERVICE, HEALTH, reflection.SERVICE_NAME), server, POOL)
        port = self._port
        for host in self._hosts:
            place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
            try:
                port = self._open(server, place)
            except RuntimeError as error:
                raise SettingsError(f"SNN_GRPC_PORT={self._port}: cannot listen on {place}") from error
        await server.start()
        self._server = server
        _log.info("gRPC listening", hosts=list(self._hosts), port=port)
        return port

    async def stop(self, seconds: float) -> None:
        """Take no more calls, and wait at most so long for those in flight."""
        if self._server is not None:
            await self._server.stop(seconds)

    def _open(self, server: grpc.aio.Server, place: str) -> int:
        if self._certificates is None:
            return int(server.add_insecure_port(place))
        needs_client = self._certificates[2] is not None
        certificates = _Certificates(self._certificates)
        credentials = grpc.dynamic_ssl_server_credentials(
            certificates.read(), certificates.renewed, require_client_authentication=needs_client
        )
        return int(server.add_secure_port(place, credentials))

    def _protocol(self) -> grpc.GenericRpcHandler:
        forwarding, handlers = Forwarding(self._app), {}
        for method in (*ROUTES, "ModelInfer"):
            asked, answered = shapes(SERVICE, method)
            behaviour: Any = (
                forwarding.answering(method, answered) if method in ROUTES else self._inference.answer
            )
            handlers[method] = grpc.unary_unary_rpc_method_handler(
                behaviour,
                request_deserializer=asked.FromString,
                response_serializer=answered.SerializeToString,
            )
        return grpc.method_handlers_generic_handler(SERVICE, handlers)

    def _health(self) -> grpc.GenericRpcHandler:
        asked, answered = shapes(HEALTH, "Check")
        behaviour: Any = Forwarding(self._app).checking(answered)
        handler = grpc.unary_unary_rpc_method_handler(
            behaviour,
            request_deserializer=asked.FromString,
            response_serializer=answered.SerializeToString,
        )
        return grpc.method_handlers_generic_handler(HEALTH, {"Check": handler})


class _Certificates:
    """Certificate files that are read for every new connection, if they have changed."""

    def __init__(self, files: tuple[Path, Path, Path | None]) -> None:
        self._files = files
        self._content: tuple[bytes, ...] = ()
        #: What was wrong with the files when they were looked at last.
        self._trouble: str | None = None

    def read(self) -> grpc.ServerCertificateConfiguration:
        """Read the files; raises ``OSError``."""
        self._content = self._contents()
        return self._configuration()

    def renewed(self) -> grpc.ServerCertificateConfiguration | None:
        """Return the new configuration; None where nothing has changed, or nothing usable is there.

        A certificate and its key are renewed one after the other, so that they may not fit for a moment.
        """
        chain, key, _ = self._files
        try:
            content = self._contents()
            if content == self._content:
                return None
            # Do they fit? Without a password there is nobody to ask for one.
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(chain, key, password="")
            if self._contents() != content:
                return None
        except (OSError, ValueError) as error:
            if str(error) != self._trouble:  # every new connection looks at the files
                self._trouble = str(error)
                _log.error("certificate not renewed for gRPC", reason=str(error), file=str(chain))
            return None
        self._content, self._trouble = content, None
        return self._configuration()

    def _contents(self) -> tuple[bytes, ...]:
        return tuple(file.read_bytes() for file in self._files if file is not None)

    def _configuration(self) -> grpc.ServerCertificateConfiguration:
        clients = None if self._files[2] is None else self._content[2]
        pairs = [(self._content[1], self._content[0])]
        return grpc.ssl_server_certificate_configuration(pairs, root_certificates=clients)
