"""Describes ``POST /predict``, which the middleware answers before the router."""

from fastapi import APIRouter, Response

from service.api.body.decoding import DEFAULT_SMILES_MODEL
from service.api.openapi import SYNTHETIC_PARAMETER, TIMEOUT_PARAMETER, answers, content_of
from service.api.result_schemas import InputsAnswer, SmilesAnswer
from service.api.schemas import PredictRequest

_TABLE_CONTENT = {
    kind: {"schema": {"type": "string"}}
    for kind in ("text/csv", "text/tab-separated-values", "application/x-ndjson")
}
_LIST_CONTENT = {
    kind: {"schema": {"type": "string"}}
    for kind in ("chemical/x-daylight-smiles", "chemical/x-mdl-sdfile", "application/x-arff")
}
_BINARY = {"type": "string", "format": "binary"}
_PARQUET_CONTENT = {
    kind: {"schema": _BINARY}
    for kind in (
        "application/vnd.apache.parquet",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "application/zip",
    )
}
_TABLES = (
    "JSON, or a table of any length as CSV (with a header), TSV or NDJSON, a list of SMILES, an SD file"
    " or Parquet, for the model of the query's `model`. A form has one such file, compressed by gzip or"
    " not, and may have the query's parameters as fields. Molecules are in the column or field `smiles`,"
    " or in the one that is named like it; all others are carried to the answer, which is of the kind"
    " that `Accept` names, or else of the table's own, and CSV for lists, SD files and"
    " Parquet."
)
_MODEL_PARAMETER = {
    "name": "model",
    "in": "query",
    "required": False,
    "description": "Which model a table is for; a JSON body names it itself.",
    "schema": {"type": "string", "default": DEFAULT_SMILES_MODEL},
}
_APPLICABILITY_PARAMETER = {
    "name": "applicability",
    "in": "query",
    "required": False,
    "description": "With ignore, records that the model cannot judge get numbers, too.",
    "schema": {"type": "string", "enum": ["judge", "ignore"]},
}
_TABLE_PARAMETERS = (
    {
        "name": "smiles_column",
        "in": "query",
        "required": False,
        "description": "The column or field of SMILES, where its name does not tell.",
        "schema": {"type": "string"},
    },
    {
        "name": "result_columns",
        "in": "query",
        "required": False,
        "description": "What becomes of a table's columns that are named as a result's: they are an"
        " error, are left out, or get the prefix input_.",
        "schema": {"type": "string", "enum": ["refuse", "replace", "prefix"]},
    },
)
_VERSION_PARAMETER = {
    "name": "version",
    "in": "query",
    "required": False,
    "description": "The version that has to answer a table; a JSON body names it itself.",
    "schema": {"type": "string"},
}
_DECISION_PARAMETERS = tuple(
    {"name": name, "in": "query", "required": False, "description": text, "schema": {"type": kind}}
    for name, kind, text in (
        ("threshold", "string", "Call from this probability on; or JSON of one by target."),
        ("recall", "string", "Call so that this share of positives is found, on rows left out."),
        ("fpr", "string", "Call so that at most this share of negatives is called, on such rows."),
        ("interval", "boolean", "Add what nine of ten refits of the model would answer."),
    )
)
_FIELDS = (
    _MODEL_PARAMETER,
    _VERSION_PARAMETER,
    _APPLICABILITY_PARAMETER,
    *_TABLE_PARAMETERS,
    *_DECISION_PARAMETERS,
)
_FORM_CONTENT = {
    "multipart/form-data": {
        "schema": {
            "type": "object",
            "required": ["file"],
            "properties": {"file": _BINARY} | {field["name"]: field["schema"] for field in _FIELDS},
        }
    }
}


def predict_route() -> APIRouter:
    """Return the router that has it for OpenAPI alone."""
    router = APIRouter(tags=["predict"])
    described = answers(None, 400, 404, 406, 408, 413, 415, 422, 429, 503, 504)
    answer = content_of(SmilesAnswer, InputsAnswer)

    @router.post(
        "/predict",
        summary="Predict molecules or pulsar candidates",
        description=_TABLES,
        openapi_extra={
            "parameters": [
                *_FIELDS,
                TIMEOUT_PARAMETER,
                SYNTHETIC_PARAMETER,
            ],
            "requestBody": {
                "required": True,
                "content": content_of(PredictRequest)
                | _TABLE_CONTENT
                | _LIST_CONTENT
                | _PARQUET_CONTENT
                | _FORM_CONTENT,
            },
        },
        responses=described | {200: {"content": answer | _TABLE_CONTENT}},
    )
    async def predict() -> Response:
        raise NotImplementedError

    return router
