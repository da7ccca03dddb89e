"""TLS of the listening socket: certificates that are read again when their files change.

What is offered is TLS 1.2 with forward secrecy and 1.3 (RFC 9325, section 3.1 and 4.2). A renewed
certificate counts for connections that are made from then on; those that exist keep theirs.
"""

import asyncio
import ssl
from dataclasses import dataclass
from pathlib import Path

from service.errors import SettingsError
from service.observability.logs import get_logger
from service.settings import Settings

#: How often the files are looked at.
_POLL_SECONDS = 1.0
#: Suites of TLS 1.2: an ephemeral key exchange and an authenticated cipher. Those of 1.3 all have both.
_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"

_log = get_logger()


@dataclass(frozen=True, slots=True)
class CertificateFiles:
    """The server's certificate with its chain, its private key, and who signs clients' certificates."""

    certificate: Path
    key: Path
    client_authorities: Path | None = None

    def context(self) -> ssl.SSLContext:
        """Read the files; raises ``OSError`` (``ssl.SSLError`` among them) or ``ValueError``."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(_CIPHERS)
        context.set_alpn_protocols(["http/1.1"])
        context.options |= ssl.OP_NO_RENEGOTIATION
        context.load_cert_chain(self.certificate, self.key, password=_no_password)
        if self.client_authorities is not None:
            context.load_verify_locations(self.client_authorities)
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    def versions(self) -> tuple[tuple[int, int, int] | None, ...]:
        """What tells one content of the files from the next; None for a file that is not there."""
        files = (self.certificate, self.key, self.client_authorities)
        return tuple(_version(file) for file in files if file is not None)


class Tls:
    """The context of new connections, which follows the files."""

    def __init__(self, files: CertificateFiles) -> None:
        """Read the files; raises as ``CertificateFiles.context``."""
        self._files = files
        self._versions = files.versions()
        self.context = files.context()

    async def follow(self) -> None:
        """Read the files again whenever they have changed, until cancelled."""
        while True:
            await asyncio.sleep(_POLL_SECONDS)
            self.look()

    def look(self) -> None:
        """Read the files again if they have changed; what cannot be used changes nothing.

        A certificate and its key are renewed one after the other, so that they may not fit for a
        moment. The next look reads them again.
        """
        versions = self._files.versions()
        if versions == self._versions:
            return
        try:
            self.context = self._files.context()
        except (OSError, ValueError) as error:
            _log.error(
                "certificate not renewed", reason=_reason(error), file=str(self._files.certificate)
            )
            return
        self._versions = versions
        _log.info("certificate renewed", file=str(self._files.certificate))


def open_tls(settings: Settings) -> Tls | None:
    """Return the TLS that the settings ask for, None for none; raises ``SettingsError``."""
    certificate, key = settings.tls_certificate_file, settings.tls_key_file
    if certificate is None or key is None:
        for name, file in (
            ("CERTIFICATE", certificate),
            ("KEY", key),
            ("CLIENT_CA", settings.tls_client_ca_file),
        ):
            if file is not None:
                raise SettingsError(
                    f"SNN_TLS_{name}_FILE={file}: TLS needs both SNN_TLS_CERTIFICATE_FILE and"
                    " SNN_TLS_KEY_FILE"
                )
        return None
    try:
        return Tls(CertificateFiles(certificate, key, settings.tls_client_ca_file))
    except (OSError, ValueError) as error:
        names = [certificate, key, settings.tls_client_ca_file]
        shown = ", ".join(str(name) for name in names if name is not None)
        raise SettingsError(f"SNN_TLS_CERTIFICATE_FILE: {_reason(error)} ({shown})") from error


def _no_password() -> str:
    """Refuse an encrypted key: OpenSSL would ask for its password on the terminal."""
    raise ValueError("the key is encrypted; decrypt it into a file that only the service can read")


def _version(file: Path) -> tuple[int, int, int] | None:
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return {
            "KEY_VALUES_MISMATCH": "certificate and key do not belong together",
            "NO_START_LINE": "not a certificate or key in PEM",
            "PEM_LIB": "not a certificate or key in PEM",
            "NO_CERTIFICATE_OR_CRL_FOUND": "no certificate in PEM",
        }.get(error.reason or "PEM_LIB", f"not usable: {error.reason}")
    if isinstance(error, OSError):
        return f"{error.filename or 'a file'}: {error.strerror}"
    return str(error)
