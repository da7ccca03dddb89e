"""Answers of ``POST /predict``: JSON for the fast and the usual path, and tables for JSON requests."""

from collections.abc import Sequence
from itertools import chain
from typing import Any

import msgspec

from models.features import Outcome
from models.features.tabular.candidate_tables import FEWEST_ROWS, table_warnings
from service.inference.answers.decision import Decision
from service.inference.answers.json_writing import is_plain, writing
from service.inference.predictor import Prediction
from service.inference.queue import Outputs
from service.inference.results import results_of
from service.inference.served_models import ServedModel
from service.tables import JsonWriter, OutputLayout, ParsedRows, ResultColumns, writer

#: An answer with more records than this is written in a thread, since the loop has other requests.
MANY = 512
#: The answer to ``inputs``: the model's name and version, which have nothing that JSON would escape,
#: and the results.
ENVELOPE = b'{"model":"%s","version":"%d","results":%s}'

_encode = msgspec.json.Encoder().encode


def results(
    served: ServedModel,
    records: Sequence[object],
    outcomes: Sequence[Outcome],
    outputs: Outputs,
    decision: Decision | None = None,
) -> list[dict[str, object]]:
    """Return one result per record, in order, by a request's ``decision`` or the model's."""
    return results_of(
        records,
        outcomes,
        outputs,
        served.targets,
        decision or served.decision,
        echo=served.takes_smiles,
        exclusive=served.manifest.exclusive,
    )


def stated(served: ServedModel, decision: Decision) -> dict[str, float] | None:
    """Return the thresholds by which a request is called that asked for its own; else None."""
    if not decision.asked:
        return None
    return dict(zip(served.targets, decision.thresholds.tolist(), strict=True))


def listed(
    served: ServedModel,
    records: Sequence[object],
    outcomes: Sequence[Outcome],
    outputs: Outputs,
    decision: Decision | None = None,
) -> bytes:
    """Return the answer to ``inputs``: the model's name and version, and one result per record."""
    by = decision or served.decision
    if by.is_plain and not served.takes_smiles and is_plain(outcomes):
        to = writing(served.targets, served.manifest.exclusive)
        pieces = to.pieces(outputs, by.thresholds)
        if pieces is not None:
            return _enveloped(served, records, to.joined(pieces, 0, len(outcomes)), by)
    content = _encode(results(served, records, outcomes, outputs, by))
    return _enveloped(served, records, content, by)


def _enveloped(
    served: ServedModel, records: Sequence[object], results: bytes, decision: Decision
) -> bytes:
    manifest, thresholds = served.manifest, stated(served, decision)
    if thresholds is not None:
        results += b',"thresholds":' + _encode(thresholds)
    odd: Sequence[object] = ()
    if len(records) >= FEWEST_ROWS and not served.takes_smiles:
        odd = table_warnings(served.bundle.featurizer.fields, records)
    if odd:
        results += b',"warnings":' + _encode(odd)
    return ENVELOPE % (manifest.name.encode(), manifest.version, results)


def keyed(
    prediction: Prediction,
    records: Sequence[object],
    rows: ParsedRows | None,
    decision: Decision,
) -> bytes:
    """Return the answer to ``smiles``: the Tox21 leaderboard's form, and one result per record.

    ``rows`` are the records with the fields that their results carry, if they have any.
    """
    manifest = prediction.served.manifest
    found = results(prediction.served, records, prediction.outcomes, prediction.outputs, decision)
    pairs = zip(records, found, strict=True)
    unread = [] if rows is None else [rows.carried[place].get("smiles") for place in rows.faults]
    document: dict[str, Any] = {
        "predictions": {record: None for record in unread if isinstance(record, str)}
        | {record: result.get("probability") for record, result in pairs if isinstance(record, str)},
        "model_info": {"name": manifest.name, "version": str(manifest.version)},
        "results": found
        if rows is None
        else msgspec.Raw(b"[" + _carrying(prediction, rows, decision) + b"]"),
    }
    thresholds = stated(prediction.served, decision)
    if thresholds is not None:
        document["thresholds"] = thresholds
    return _encode(document)


def with_fields(prediction: Prediction, rows: ParsedRows, decision: Decision) -> bytes:
    """Return the answer to ``inputs`` whose objects have fields that the model does not take."""
    content = b"[" + _carrying(prediction, rows, decision) + b"]"
    return _enveloped(prediction.served, rows.records, content, decision)


def predictions(prediction: Prediction, rows: ParsedRows, decision: Decision) -> bytes:
    """Return the answer of MLflow's form: one result per record after the fields that it carries."""
    return b'{"predictions":[' + _carrying(prediction, rows, decision) + b"]}"


def table(prediction: Prediction, rows: ParsedRows, kind: str, decision: Decision) -> bytes:
    """Return the answer to a JSON request as CSV or NDJSON."""
    columns = tuple(dict.fromkeys(chain(*rows.carried)))
    to = writer(kind, layout_of(prediction.served, columns, decision))
    found = _in_place(prediction, rows, decision)
    return to.head() + to.rows(rows.carried, found, first=True) + to.tail()


def layout_of(
    served: ServedModel,
    columns: tuple[str, ...],
    decision: Decision,
    result_columns: ResultColumns = "refuse",
) -> OutputLayout:
    """Return what a table of a model's results holds beside the ``columns`` that its rows bring.

    ``result_columns`` says what becomes of those that are named as a result's.
    """
    return OutputLayout(
        served.manifest.name,
        str(served.manifest.version),
        served.targets,
        served.takes_smiles,
        columns,
        exclusive=served.manifest.exclusive,
        judges=served.bundle.featurizer.judges_applicability,
        has_levels=decision.levels is not None,
        has_intervals=decision.gives_intervals,
        quantities=served.manifest.is_regression,
        has_bounds=served.bundle.marks_rows,
        thresholds=stated(served, decision),
        has_domain=served.bundle.featurizer.domain is not None,
        result_columns=result_columns,
        features=frozenset(served.bundle.featurizer.fields),
    )


def _carrying(prediction: Prediction, rows: ParsedRows, decision: Decision) -> bytes:
    """Return results after the fields of their records that the model does not take."""
    known = frozenset(prediction.served.bundle.featurizer.fields)
    carried = [{k: v for k, v in row.items() if k not in known} for row in rows.carried]
    to = JsonWriter(layout_of(prediction.served, (), decision))
    return to.rows(carried, _in_place(prediction, rows, decision), first=True)


def _in_place(prediction: Prediction, rows: ParsedRows, decision: Decision) -> list[dict[str, object]]:
    served = prediction.served
    found = results(served, rows.records, prediction.outcomes, prediction.outputs, decision)
    for place, fault in rows.faults.items():
        found[place]["message"] = fault
    return found
