"""Who sets no port for gRPC never meets it; who sets one that cannot be had is told."""

import subprocess
import sys

import pytest
from fastapi import FastAPI

from service.errors import SettingsError
from service.inference.predictor import Predictor
from service.inference.served_models import ServedModels
from service.observability.counters import Telemetry
from service.server.grpc_port import open_grpc
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


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"SNN_HOST": "unix:/run/snn.sock", "SNN_GRPC_PORT": "8001"}, "SNN_HOST has none"),
        ({"SNN_WORKERS": "2", "SNN_GRPC_PORT": "0"}, "another port in each worker"),
    ],
)
def test_a_port_that_nobody_could_reach_is_refused(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], said: str
) -> None:
    """A service does not start with gRPC that listens nowhere, or on ports that differ by worker."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    served_models, telemetry = ServedModels(), Telemetry()
    predictor = Predictor(served_models, 1)
    with pytest.raises(SettingsError, match=said):
        open_grpc(load_settings(), FastAPI(), served_models, predictor, telemetry, None, None)
    predictor.close()
