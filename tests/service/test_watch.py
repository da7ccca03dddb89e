"""How much is watched: all, some of dense traffic, or nothing, and that the service says so."""

import json
from pathlib import Path

import numpy as np
import pytest

from models.errors import NotReproduced
from models.networks.outputs import TAPS
from models.registry.store import Repository
from service.inference.backend.device import CPU, Device
from service.inference.backend.onnx_session import open_session, without_taps
from service.inference.batcher import Limits
from service.lifecycle.loader import Loader
from service.observability.counters import Telemetry
from tests.service.conftest import App
from tests.support import bundles

ROWS = bundles.candidates(5)


def loader(root: Path, **options: object) -> Loader:
    """A loader of a repository that watches so."""
    return Loader(Repository(root), Device(CPU), Telemetry(), Limits(), **options)


def test_a_graph_without_taps_gives_the_same_answers() -> None:
    """Probabilities, logits and members' logits are those of the whole graph, to the last bit."""
    whole = open_session(bundles.graph(), Device(CPU)).run(ROWS)
    cut = open_session(without_taps(bundles.graph()), Device(CPU)).run(ROWS)
    assert set(cut) == {"probability", "logit", "member_logit"}
    for name, values in cut.items():
        assert np.array_equal(values, whole[name])


@pytest.mark.parametrize(("mode", "watched"), [("full", True), ("sampled", True), ("off", False)])
def test_a_model_is_watched_as_it_is_asked(tmp_path: Path, mode: str, watched: bool) -> None:
    """Off, there is no monitor, and no taps are computed."""
    bundles.publish(tmp_path)
    served = loader(tmp_path, watch=mode).load("htru2", 1)
    assert served.watch == mode
    assert (served.monitor is not None) is watched
    assert (TAPS in served.session.run(ROWS)) is watched


def test_off_still_checks_the_layers_at_load(tmp_path: Path, monkeypatch) -> None:
    """A session whose layers differ is refused before the graph without taps takes over."""
    bundles.publish(tmp_path)

    def wrong(model: bytes, device: Device):
        session = open_session(model, device)
        run = session.run

        def altered(rows: np.ndarray):
            made = dict(run(rows))
            if TAPS in made:
                made[TAPS] = made[TAPS] * np.float32(1.5)
            return made

        monkeypatch.setattr(session, "run", altered)
        return session

    with pytest.raises(NotReproduced):
        Loader(Repository(tmp_path), Device(CPU), Telemetry(), Limits(), wrong, watch="off").load(
            "htru2", 1
        )


def test_health_says_how_much_is_watched(with_app) -> None:
    """The mode, and the share of rows that entered the windows."""

    async def work(app: App) -> None:
        for _ in range(3):
            await app.predict(model="htru2", inputs=ROWS.tolist())
        document = json.loads((await app.client.get("/health/activations/htru2")).content)
        assert document["watch"] == {"mode": "full", "share": 1.0}

    with_app(work)
