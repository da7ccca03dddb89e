"""What docker-compose.yml hands to the service."""

from pathlib import Path

import pytest

from service.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")

#: Folders and addresses, which the image and the published port settle.
SETTLED = {"models", "state", "host", "port"}


@pytest.mark.parametrize("name", sorted(set(Settings.model_fields) - SETTLED))
def test_every_setting_is_handed_to_the_container(name: str) -> None:
    """A setting that compose does not hand on has no effect there."""
    assert f"\n      SNN_{name.upper()}:" in COMPOSE
