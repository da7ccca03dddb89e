"""The service without taps and monitor, for ``watching``: ``python -m tests.benchmarks.unwatched``.

The same program in every other respect: a bundle is verified with the statistics that it has, then
served by its graph with everything cut off that only the statistics need, and nobody observes.
"""

from collections.abc import Sequence

import numpy as np
import onnx
from onnx.utils import Extractor

import service.cli.main
import service.lifecycle.loader
import service.server.assembly
from models.networks.outputs import INPUT
from service.health.row_owner import RowOwner
from service.inference.backend.device import Device
from service.inference.backend.onnx_session import Rows, Session, open_session
from service.inference.batcher import Compute

_KEPT = ["probability", "logit"]


class _Cut:
    """A session for the verification, and one of the cut graph for serving."""

    def __init__(self, model: bytes, device: Device) -> None:
        self._whole = open_session(model, device)
        cut = Extractor(onnx.load_model_from_string(model)).extract_model([INPUT], _KEPT)
        self._run = open_session(cut.SerializeToString(), device)._run
        self.provider, self.may_block = self._whole.provider, self._whole.may_block
        self.run = self._whole.run

    def compute(self, rows: Rows, _: Sequence[RowOwner]) -> dict[str, np.ndarray]:
        """What a batch needs, and a p-value that says nothing."""
        probability, logit = self._run(_KEPT, {INPUT: rows})
        return {"probability": probability, "logit": logit, "p_value": np.zeros(len(rows))}


class _Loader(service.lifecycle.loader.Loader):
    def __init__(self, *arguments, **named) -> None:
        super().__init__(*arguments, **named)
        self._open_session = _Cut


def _unwatched(session: Session, *_: object) -> Compute:
    assert isinstance(session, _Cut)
    return session.compute


if __name__ == "__main__":
    service.server.assembly.Loader = _Loader
    service.lifecycle.loader.watched = _unwatched
    service.cli.main.cli()
