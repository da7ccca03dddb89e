"""Whether a model is intact (question 1): in session, memory and on disk; asked for, and by itself."""

from pathlib import Path

import numpy as np
import pytest

from models.bundle.golden import FLOAT32
from models.bundle.loading import open_bundle
from models.errors import BundleRefused, NotReproduced, Place
from service.inference.backend.device import CPU, Device
from service.inference.backend.onnx_session import open_session
from service.inference.integrity import Integrity
from tests.service.conftest import App
from tests.support import bundles

Outputs = dict[str, np.ndarray]


class Drifting:
    """A session that can be made to err by a little."""

    def __init__(self, model: bytes) -> None:
        self._run = open_session(model, Device(CPU)).run
        self.drift: dict[str, float] = {}

    def run(self, rows: np.ndarray) -> Outputs:
        """Compute, and add what is wrong."""
        outputs = self._run(rows)
        return {name: array + np.float32(self.drift.get(name, 0)) for name, array in outputs.items()}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A sound bundle's folder."""
    bundles.publish(tmp_path)
    return tmp_path / "htru2" / "1"


def test_a_session_that_drifts_is_found_long_before_the_published_tolerance(folder: Path) -> None:
    """What the session itself said is compared to the last bits, where it repeats itself."""
    bundle, session = open_bundle(folder), Drifting(bundles.graph())
    exact = Integrity(bundle, folder, session.run, tolerance=FLOAT32, exact=True)
    loose = Integrity(bundle, folder, session.run, tolerance=FLOAT32, exact=False)
    exact.check(session.run)
    session.drift = {"member_logit": 2e-5}
    loose.check(session.run)
    with pytest.raises(NotReproduced) as found:
        exact.check(session.run)
    assert found.value.place == Place("output", 0)
    session.drift = {"member_logit": 1e-2}
    with pytest.raises(NotReproduced, match="output layer of member 0"):
        loose.check(session.run)


def test_what_is_kept_in_memory_is_hashed(folder: Path) -> None:
    """A number of the golden rows or of the reference that changes in memory is found."""
    bundle, session = open_bundle(folder), open_session(bundles.graph(), Device(CPU))
    for array in (bundle.golden.taps, bundle.reference.centre):
        integrity = Integrity(bundle, folder, session.run, tolerance=FLOAT32, exact=True)
        integrity.check(session.run)
        array.setflags(write=True)
        array.reshape(-1)[0] += 1e-6
        with pytest.raises(BundleRefused, match="this process's memory"):
            integrity.check(session.run)
        array.reshape(-1)[0] -= 1e-6


def test_a_file_that_changes_on_disk_is_named_and_the_model_serves_on(with_app, tmp_path: Path) -> None:
    """The memory is none the worse for it: the check says so, and so does the health document."""

    async def work(app: App) -> None:
        card = tmp_path / "htru2" / "1" / "MODEL_CARD.md"
        card.write_text(card.read_text().replace("small", "large"))
        await app.reloader.check("htru2")
        document = (await app.client.get("/health/activations/htru2")).json()["integrity"]
        assert document["ok"]
        assert document["fault"] is None
        assert document["files"]["ok"] is False
        assert "MODEL_CARD.md was altered" in document["files"]["error"]
        text = (await app.client.get("/metrics")).text
        assert 'snn_model_files_intact{model="htru2"} 0.0' in text
        answer = await app.predict(model="htru2", inputs=bundles.candidates(1).tolist())
        assert answer.status_code == 200

    with_app(work)
