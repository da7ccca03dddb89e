"""The certificates of gRPC's port, which are those of HTTPS."""

import ssl
from pathlib import Path

import grpc

from service.observability.logs import get_logger

_log = get_logger()


class Certificates:
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
