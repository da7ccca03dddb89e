"""Who sets no port for gRPC never meets it."""

import subprocess
import sys

import pytest

from service.errors import SettingsError
from service.settings import load_settings

CHECK = "import sys, service.server.worker{more}; sys.exit('grpc' in sys.modules)"


@pytest.mark.parametrize(("more", "status"), [("", 0), (", service.grpc.server", 1)])
def test_a_worker_does_not_import_it(more: str, status: int) -> None:
    """Neither grpcio nor its memory is there; the test notices where it is."""
    command = [sys.executable, "-c", CHECK.format(more=more)]
    assert subprocess.run(command, check=False).returncode == status


def test_the_port_that_kubernetes_injects_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """A service named ``snn-grpc`` makes ``SNN_GRPC_PORT`` an address, which is no setting."""
    monkeypatch.setenv("SNN_GRPC_PORT", "tcp://10.0.0.1:8001")
    assert load_settings().grpc_port is None
    monkeypatch.setenv("SNN_GRPC_PORT", "8001")
    assert load_settings().grpc_port == 8001
    monkeypatch.setenv("SNN_GRPC_PORT", "70000")
    with pytest.raises(SettingsError, match="SNN_GRPC_PORT"):
        load_settings()
