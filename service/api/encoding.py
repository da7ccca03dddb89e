"""Answers of ``/predict`` as JSON, whichever way the request came."""

from collections.abc import Sequence

import msgspec

from models.features import Outcome
from service.inference.predictor import Prediction
from service.inference.queue import Outputs
from service.inference.results import is_plain, results_of, writing
from service.inference.served_models import ServedModel

#: From so many records on, the answer is written in a thread, for the loop's other requests.
MANY = 512

_encode = msgspec.json.Encoder().encode


def keyed(prediction: Prediction, records: Sequence[object]) -> bytes:
    """The Tox21 leaderboard's form, and beside it every record in its own place."""
    manifest = prediction.served.manifest
    results = _results(prediction.served, records, prediction.outcomes, prediction.outputs)
    pairs = zip(records, results, strict=True)
    return _encode(
        {
            "predictions": {
                record: result.get("probability") for record, result in pairs if isinstance(record, str)
            },
            "model_info": {"name": manifest.name, "version": str(manifest.version)},
            "results": results,
        }
    )


def listed(
    served: ServedModel, records: Sequence[object], outcomes: Sequence[Outcome], outputs: Outputs
) -> bytes:
    """Every record in its own place, as JSON, with the model that says so."""
    if not served.takes_smiles and is_plain(outcomes):
        to = writing(served.targets, served.manifest.exclusive)
        pieces = to.pieces(outputs, served.thresholds)
        if pieces is not None:
            return enveloped(served, to.joined(pieces, 0, len(outcomes)))
    return enveloped(served, _encode(_results(served, records, outcomes, outputs)))


def enveloped(served: ServedModel, results: bytes) -> bytes:
    """Results, a JSON array, with the model that says so."""
    manifest = served.manifest  # a name and a version have nothing that JSON would escape
    return b'{"model":"%s","version":"%d","results":%s}' % (
        manifest.name.encode(), manifest.version, results,
    )  # fmt: skip


def _results(
    served: ServedModel, records: Sequence[object], outcomes: Sequence[Outcome], outputs: Outputs
) -> list[dict[str, object]]:
    """One result per record, in order."""
    return results_of(
        records,
        outcomes,
        outputs,
        served.targets,
        served.thresholds,
        echo=served.takes_smiles,
        exclusive=served.manifest.exclusive,
    )
