"""What the README and docker-compose.yml say is so."""

import json
import re
import shlex
from pathlib import Path

import pytest

from models.registry.store import Repository
from service.settings import Settings
from tests.support.server import running

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMPOSE = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
COMMITTED = Repository(ROOT / "models" / "repository")

#: Folders and addresses, which the image and the published port settle.
SETTLED = {"models", "state", "host", "port"}


def requests() -> list[dict[str, object]]:
    """The bodies that the README posts to /predict."""
    blocks = re.findall(r"```sh\n(curl -s localhost:8000/predict .*?)```", README, flags=re.DOTALL)
    return [json.loads(shlex.split(block.replace("\\\n", " "))[-1]) for block in blocks]


@pytest.mark.parametrize("name", sorted(Settings.model_fields))
def test_every_setting_is_in_the_readme(name: str) -> None:
    """A setting that the README does not list cannot be found."""
    table = README.split("## Configuration")[1].split("\n## ")[0]
    assert f"`SNN_{name.upper()}`" in table


@pytest.mark.parametrize("name", sorted(set(Settings.model_fields) - SETTLED))
def test_every_setting_is_handed_to_the_container(name: str) -> None:
    """A setting that compose does not hand on has no effect there."""
    assert f"\n      SNN_{name.upper()}:" in COMPOSE


@pytest.mark.slow
@pytest.mark.parametrize("model", ["tox21", "htru2"])
def test_the_first_requests_are_answered(model: str, tmp_path: Path) -> None:
    """What a reader pastes first gets an answer from the committed bundle, bad records included."""
    if not COMMITTED.root.is_dir() or model not in COMMITTED.models():
        pytest.skip(f"no bundle of {model} is committed")
    (body,) = [body for body in requests() if body.get("model", "tox21") == model]
    sent = body["inputs"] if "inputs" in body else body["smiles"]
    with running(tmp_path, models=COMMITTED.root) as server:
        assert server.wait_until_ready().status_code == 200
        response = server.client.post("/predict", json=body)
    assert response.status_code == 200, response.text
    statuses = [result["status"] for result in response.json()["results"]]
    assert isinstance(sent, list)
    assert len(statuses) == len(sent)
    assert set(statuses) == {"ok", "error"}
