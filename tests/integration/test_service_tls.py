"""HTTPS: what is offered, clients' certificates, and certificates that are renewed under load."""

import contextlib
import socket
import ssl
import subprocess
import threading
import time
from pathlib import Path

import httpx
import pytest
import trustme

from tests.support import bundles
from tests.support.server import Server, refused_start, running


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """Who signs all certificates of these tests."""
    return trustme.CA()


def issue(authority: trustme.CA, folder: Path) -> dict[str, Path]:
    """Write a certificate of the loopback and its key; return the settings that name them."""
    issued = authority.issue_cert("127.0.0.1", "localhost")
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    for path, blob in ((key, issued.private_key_pem), (certificate, issued.cert_chain_pems[0])):
        blob.write_to_path(path.with_suffix(".new"))
        path.with_suffix(".new").rename(path)
    return {"tls_certificate_file": certificate, "tls_key_file": key}


def client_context(authority: trustme.CA) -> ssl.SSLContext:
    """What a client trusts."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


def serial(server: Server, context: ssl.SSLContext) -> str:
    """Connect and return the serial number of the server's certificate."""
    with (
        socket.create_connection(("127.0.0.1", httpx.URL(server.address).port), 10) as raw,
        context.wrap_socket(raw, server_hostname="127.0.0.1") as connection,
    ):
        certificate = connection.getpeercert()
        assert certificate is not None
        return str(certificate["serialNumber"])


def over_tls(server: Server, context: ssl.SSLContext) -> httpx.Client:
    """A client of the server by HTTPS."""
    address = server.address.replace("http://", "https://")
    return httpx.Client(verify=context, base_url=address, timeout=30)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_certificate_changes_under_load(tmp_path: Path, authority: trustme.CA, workers: int) -> None:
    """No request fails, on kept connections and on new ones; later ones get the new certificate."""
    bundles.publish(tmp_path / "models")
    files = issue(authority, tmp_path)
    context = client_context(authority)
    ended, answers, faults = threading.Event(), [0], []

    def load(server: Server, *, keep: bool) -> None:
        try:
            while not ended.is_set():
                with over_tls(server, context) as client:
                    for _ in range(10**6 if keep else 1):
                        answer = client.post("/predict", json={"model": "htru2", "inputs": [[1.0] * 8]})
                        answers[0] += 1
                        if answer.status_code != 200:
                            faults.append(answer.text)
                        if ended.is_set():
                            break
        except Exception as error:  # noqa: BLE001 - told by the assertion below
            faults.append(repr(error))

    with running(
        tmp_path, models=tmp_path / "models", state=tmp_path / "state", workers=workers, **files
    ) as server:
        with over_tls(server, context) as client:
            assert _ready(client) == 200
        threads = [
            threading.Thread(target=load, args=(server,), kwargs={"keep": keep})
            for keep in (True, False)
        ]
        for thread in threads:
            thread.start()
        before = serial(server, context)
        for _ in range(2):
            issue(authority, tmp_path)
            time.sleep(2.5)
        renewed = {serial(server, context) for _ in range(6)}
        ended.set()
        for thread in threads:
            thread.join()
        assert faults == []
        assert answers[0] > 20
        assert len(renewed) == 1
        assert before not in renewed
        assert server.stop() == 0
        assert server.errors() == ""


def _ready(client: httpx.Client) -> int:
    for _ in range(500):
        if (status := client.get("/health/ready").status_code) == 200:
            break
        time.sleep(0.02)
    return status


def test_a_pair_that_does_not_fit_changes_nothing(tmp_path: Path, authority: trustme.CA) -> None:
    """The old certificate serves on, and the log says why; a whole pair is taken up afterwards."""
    bundles.publish(tmp_path / "models")
    files = issue(authority, tmp_path)
    context = client_context(authority)
    with running(tmp_path, models=tmp_path / "models", state=tmp_path / "state", **files) as server:
        before = serial(server, context)
        good = files["tls_key_file"].read_bytes()
        authority.issue_cert("127.0.0.1").private_key_pem.write_to_path(files["tls_key_file"])
        server.wait_for_line(
            "certificate not renewed", reason="certificate and key do not belong together"
        )
        assert serial(server, context) == before
        files["tls_key_file"].write_bytes(good)
        server.wait_for_line("certificate renewed")
        assert serial(server, context) == before


def test_only_protocols_and_ciphers_of_today_are_offered(tmp_path: Path, authority: trustme.CA) -> None:
    """TLS 1.3 and 1.2 with forward secrecy; neither older versions nor static or CBC suites."""
    bundles.publish(tmp_path / "models")
    files = issue(authority, tmp_path)
    with running(tmp_path, models=tmp_path / "models", state=tmp_path / "state", **files) as server:
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            context = client_context(authority)
            context.minimum_version = context.maximum_version = version
            assert serial(server, context)
        refused = [
            (ssl.TLSVersion.TLSv1, "ALL:@SECLEVEL=0"),
            (ssl.TLSVersion.TLSv1_1, "ALL:@SECLEVEL=0"),
            *(
                (ssl.TLSVersion.TLSv1_2, name)
                for name in (
                    "kRSA:@SECLEVEL=0",
                    "AES128-SHA:@SECLEVEL=0",
                    "aNULL:@SECLEVEL=0",
                    "ECDHE+AES:!AESGCM:!AESCCM:@SECLEVEL=0",
                )
            ),
        ]
        for version, ciphers in refused:
            context = client_context(authority)
            with (
                pytest.warns(DeprecationWarning)
                if version < ssl.TLSVersion.TLSv1_2
                else contextlib.nullcontext()
            ):
                context.minimum_version = context.maximum_version = version
            context.set_ciphers(ciphers)
            with pytest.raises(ssl.SSLError):
                serial(server, context)
        # What is no TLS is dropped, and what is slow to begin does not keep others waiting.
        with pytest.raises(httpx.RemoteProtocolError):
            server.client.get("/health/live")
        with socket.create_connection(("127.0.0.1", httpx.URL(server.address).port)):
            assert serial(server, client_context(authority))
        assert server.errors() == ""


def test_clients_show_a_certificate_where_one_is_asked_for(
    tmp_path: Path, authority: trustme.CA
) -> None:
    """A client without one, or with another authority's, is refused."""
    bundles.publish(tmp_path / "models")
    files = issue(authority, tmp_path)
    authorities = tmp_path / "clients.pem"
    authority.cert_pem.write_to_path(authorities)
    files["tls_client_ca_file"] = authorities
    with running(tmp_path, models=tmp_path / "models", state=tmp_path / "state", **files) as server:
        context = client_context(authority)
        stranger = client_context(authority)
        trustme.CA().issue_cert("client").configure_cert(stranger)
        for refused in (context, stranger):
            with over_tls(server, refused) as client, pytest.raises(httpx.TransportError):
                client.get("/health/live")
        known = client_context(authority)
        authority.issue_cert("client").configure_cert(known)
        with over_tls(server, known) as client:
            assert _ready(client) == 200
            assert (
                client.post("/predict", json={"model": "htru2", "inputs": [[1.0] * 8]}).status_code
                == 200
            )


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"tls_certificate_file": "certificate.pem"}, "TLS needs both"),
        ({"tls_key_file": "key.pem"}, "TLS needs both"),
        ({"tls_certificate_file": "absent.pem", "tls_key_file": "key.pem"}, "No such file"),
        (
            {"tls_certificate_file": "key.pem", "tls_key_file": "key.pem"},
            "not a certificate or key in PEM",
        ),
        (
            {"tls_certificate_file": "certificate.pem", "tls_key_file": "other.pem"},
            "do not belong together",
        ),
        (
            {"tls_certificate_file": "certificate.pem", "tls_key_file": "secret.pem"},
            "the key is encrypted",
        ),
    ],
)
def test_files_that_cannot_be_used_end_the_start(
    tmp_path: Path, authority: trustme.CA, files: dict[str, str], message: str
) -> None:
    """One line says which file is wrong, and how; status 2."""
    issue(authority, tmp_path)
    authority.issue_cert("a").private_key_pem.write_to_path(tmp_path / "other.pem")
    subprocess.run(
        ["openssl", "pkey", "-aes256", "-passout", "pass:x", "-in", "key.pem", "-out", "secret.pem"],
        cwd=tmp_path,
        check=True,
    )
    done = refused_start(tmp_path, **files)
    assert (done.returncode, done.stdout.count("Traceback"), done.stderr.count("\n")) == (2, 0, 1)
    assert done.stderr.startswith("SNN_TLS_")
    assert message in done.stderr
