"""Settings: defaults that work, and one clear line where they cannot be honoured."""

import re
import subprocess
import sys

import pytest

from service.errors import SettingsError
from service.settings import COMMITTED_MODELS, Settings, load_settings
from tests.support import bundles
from tests.support.server import ROOT, environment, refused_start, running


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in environment():
        assert not name.startswith("SNN_")
    for name in ("MODELS", "PORT", "DEVICE", "HOST"):
        monkeypatch.delenv(f"SNN_{name}", raising=False)


def test_the_defaults_serve_the_committed_models_on_the_loopback(tmp_path, monkeypatch) -> None:
    """Without any variable: port 8000, this machine alone; an empty variable counts as none."""
    monkeypatch.setenv("SNN_MODELS", str(tmp_path))
    monkeypatch.setenv("SNN_PORT", "")
    settings = load_settings()
    assert (settings.host, settings.port, settings.device) == (("127.0.0.1",), 8000, "auto")
    assert COMMITTED_MODELS == ROOT / "models" / "repository"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "eighty"),
        ("PORT", "70000"),
        ("DEVICE", "tpu"),
        ("MAX_ROWS", "0"),
        ("POLL_SECONDS", "nan"),
        ("MODELS", "/nowhere/at/all"),
        ("LOG_LEVEL", "loud"),
        ("APPLICABILITY", "maybe"),
        ("ROOT_PATH", "snn"),
        ("ROOT_PATH", "/snn/"),
        ("ROOT_PATH", "/a?b"),
        ("MAX_CONNECTIONS", "0"),
        ("CLIENT_SECONDS", "0"),
    ],
)
def test_a_bad_value_is_one_line_that_names_the_variable(name, value, monkeypatch, tmp_path) -> None:
    """The error quotes the variable and its value, in one line."""
    monkeypatch.setenv("SNN_MODELS", str(tmp_path))
    monkeypatch.setenv(f"SNN_{name}", value)
    with pytest.raises(SettingsError) as refused:
        load_settings()
    assert str(refused.value).startswith(f"SNN_{name}={value}: ")
    assert "\n" not in str(refused.value)


def test_the_command_ends_with_status_2_and_no_traceback(tmp_path) -> None:
    """``python -m service`` with a bad port says so on one line of stderr."""
    done = refused_start(tmp_path, models=tmp_path, port="x")
    assert done.returncode == 2
    assert done.stderr.startswith("SNN_PORT=x: ")
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("SNN_API_KEY_FILE", "SNN_API_KEYS_FILE"),
        ("SNN_APIKEYS_FILE", "SNN_API_KEYS_FILE"),
        ("SNN_API_KEYS_FILES", "SNN_API_KEYS_FILE"),
        ("snn_api_key_file", "SNN_API_KEYS_FILE"),
        ("SNN_WORKER", "SNN_WORKERS"),
        ("SNN_MODLES", "SNN_MODELS"),
        ("SNN_MAXROWS", "SNN_MAX_ROWS"),
        ("SNN_LOGLEVEL", "SNN_LOG_LEVEL"),
        ("SNN_LISTEN_PORT", "SNN_PORT"),
        ("SNN_ZZZZZ", None),
    ],
)
def test_an_unknown_variable_stops_the_start(name, meant, monkeypatch, tmp_path) -> None:
    """A misspelled setting is named with the one that was meant, even if its value is empty."""
    monkeypatch.setenv("SNN_MODELS", str(tmp_path))
    for value in ("/run/keys.json", "", "9000"):
        monkeypatch.setenv(name, value)
        with pytest.raises(SettingsError) as refused:
            load_settings()
        assert str(refused.value).startswith(f"{name}: there is no such setting; ")
        assert meant is None or f"did you mean {meant}?" in str(refused.value)


def test_variables_of_other_parts_are_no_mistakes(monkeypatch, tmp_path) -> None:
    """Training, compose, clients and tests read variables of their own, which the service passes by."""
    monkeypatch.setenv("SNN_MODELS", str(tmp_path))
    places = [
        "service",
        "training",
        "models",
        "deploy",
        "tests",
        "docs",
        "docker-compose.yml",
        "README.md",
    ]
    files = [file for place in places for file in [ROOT / place, *(ROOT / place).rglob("*")]]
    texts = [
        file.read_text(encoding="utf-8")
        for file in files
        if file.suffix in (".py", ".yml", ".yaml", ".md", ".gpu", "") and file.is_file()
        if file.name != "test_settings.py"
    ]
    named = {
        name for text in texts for name in re.findall(r"(?:\$\{|environ\S*\W|`)(SNN_[A-Z0-9_]+)", text)
    }
    assert {"SNN_DATA_DIR", "SNN_SERVICE_MEMORY", "SNN_API_KEY", "SNN_TEST_CRASHES"} <= named
    settings = {f"SNN_{name.upper()}" for name in Settings.model_fields}
    for name in named - settings - {"SNN_SERVING_PORT"}:
        monkeypatch.setenv(name, "1")
    load_settings()


_KUBERNETES = {
    "SNN_SERVING_SERVICE_HOST": "10.0.0.7",
    "SNN_SERVING_SERVICE_PORT": "8000",
    "SNN_SERVING_SERVICE_PORT_HTTP": "8000",
    "SNN_SERVING_PORT": "tcp://10.0.0.7:8000",
    "SNN_SERVING_PORT_8000_TCP": "tcp://10.0.0.7:8000",
    "SNN_SERVING_PORT_8000_TCP_PROTO": "tcp",
    "SNN_SERVING_PORT_8000_TCP_PORT": "8000",
    "SNN_SERVING_PORT_8000_TCP_ADDR": "10.0.0.7",
    "SNN_SERVICE_HOST": "10.0.0.7",
    "SNN_SERVICE_PORT": "8000",
    "SNN_PORT": "tcp://10.0.0.7:8000",
    "SNN_PORT_8000_TCP": "tcp://10.0.0.7:8000",
}


@pytest.mark.slow
def test_what_kubernetes_sets_for_a_service_is_a_warning(tmp_path) -> None:
    """The real service starts, names each as ignored, and says that it is open to all."""
    root = tmp_path / "repository"
    root.mkdir()
    bundles.publish(root)
    injected = {name.removeprefix("SNN_").lower(): value for name, value in _KUBERNETES.items()}
    del injected["port"]  # 8000 may be taken on the machine of the tests
    with running(tmp_path, models=root, **injected) as server:
        server.wait_until_ready()
        ignored = {line["variable"] for line in server.lines() if line["event"] == "variable ignored"}
        server.wait_for_line("no API keys: open to all", level="warning")
    assert ignored == set(_KUBERNETES) - {"SNN_PORT"}


def test_the_port_of_a_service_named_snn_is_no_setting(monkeypatch, tmp_path) -> None:
    """Its address in SNN_PORT leaves the default; a number is the setting."""
    monkeypatch.setenv("SNN_MODELS", str(tmp_path))
    for value, port in (("tcp://10.0.0.7:8000", 8000), ("9000", 9000)):
        monkeypatch.setenv("SNN_PORT", value)
        assert load_settings().port == port


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_a_misspelled_key_file_starts_no_service(tmp_path, workers: int) -> None:
    """Status 2 and one line, before the port is opened."""
    done = subprocess.run(
        [sys.executable, "-m", "service"],
        cwd=ROOT,
        env=environment(models=tmp_path, port=0, workers=workers, api_key_file="keys.json"),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "SNN_API_KEY_FILE: there is no such setting; did you mean SNN_API_KEYS_FILE?\n"
    )


def test_trusted_proxies_are_networks(monkeypatch, tmp_path) -> None:
    """Addresses, networks and a star are read; anything else names the variable."""
    monkeypatch.setenv("SNN_MODELS", str(tmp_path))
    monkeypatch.setenv("SNN_TRUSTED_PROXIES", "10.0.0.0/8, 127.0.0.1,fd00::/8")
    assert [str(each) for each in load_settings().trusted_proxies] == [
        "10.0.0.0/8",
        "127.0.0.1/32",
        "fd00::/8",
    ]
    monkeypatch.setenv("SNN_TRUSTED_PROXIES", "*")
    assert len(load_settings().trusted_proxies) == 2
    monkeypatch.setenv("SNN_TRUSTED_PROXIES", "proxy.example")
    with pytest.raises(SettingsError, match=r"^SNN_TRUSTED_PROXIES="):
        load_settings()
