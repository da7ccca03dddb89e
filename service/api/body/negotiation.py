"""The format of a request's body, and the format that its client wants the answer in."""

from collections.abc import Iterable, Mapping

from starlette.types import Scope

from service.api.problems import Problem
from service.tables import Packing

#: Formats by their media types.
MEDIA_TYPES = {
    "application/json": "json",
    "text/csv": "csv",
    "text/tab-separated-values": "tsv",
    "application/x-ndjson": "ndjson",
    "application/ndjson": "ndjson",
    "application/jsonl": "ndjson",
    "application/x-jsonlines": "ndjson",
}
#: Formats of bodies alone.
_BODY_TYPES = {
    "chemical/x-daylight-smiles": "smi",
    "chemical/x-mdl-sdfile": "sdf",
    "chemical/x-mdl-molfile": "sdf",
    "application/vnd.apache.parquet": "parquet",
    "application/x-arff": "arff",
    "text/x-arff": "arff",
}
#: How a file of these types is packed.
PACKED_TYPES: dict[str, Packing] = {
    "application/gzip": "gzip",
    "application/x-gzip": "gzip",
    "application/zip": "zip",
    "application/x-zip-compressed": "zip",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "workbook",
}
#: The format of a body of such a type before it is unpacked; gzip alone does not tell what is in it.
UNKNOWN = "packed"
_PACKED_BODIES = {media: UNKNOWN for media, packing in PACKED_TYPES.items() if packing != "gzip"}
#: The format of a form, whose file has a format of its own.
FORM = "form"
_FILE_TYPES = {media: kind for media, kind in MEDIA_TYPES.items() if kind != "json"} | _BODY_TYPES
#: The media type of an answer in each format.
ANSWERS = {
    "json": b"application/json",
    "csv": b"text/csv; charset=utf-8",
    "tsv": b"text/tab-separated-values; charset=utf-8",
    "ndjson": b"application/x-ndjson",
}
_JSON = b"application/json"
_UTF8 = ("utf-8", "utf8")
#: Character sets that a table's rows may be in besides, and the kinds that are read so.
_LATIN_1 = ("iso-8859-1", "latin-1", "latin1", "windows-1252", "cp1252", "us-ascii")
_LATIN_1_KINDS = ("arff", "csv", "tsv", "smi", "sdf")


def body_format(scope: Scope) -> str:
    """Return the body's format by its content type, which is JSON by default.

    Raises ``Problem`` 415 for another type, another charset than UTF-8, and a content encoding.
    """
    content_type = _JSON
    for name, value in scope["headers"]:
        if name == b"content-type":
            content_type = value
        elif name == b"content-encoding" and value.lower() != b"identity":
            raise Problem(415, "compressed bodies are not taken here; send it as it is")
    if content_type == _JSON:
        return "json"
    kinds = MEDIA_TYPES | _BODY_TYPES | _PACKED_BODIES | {"multipart/form-data": FORM}
    kind = _format(content_type, kinds)
    if kind is None:
        shown = media_type(content_type)[:80]
        raise Problem(415, f"the content type is {shown!r}; send one of {', '.join(kinds)}")
    return kind


def packing_of_body(scope: Scope) -> Packing:
    """Return how a body is packed by its content type."""
    content_type = next((value for name, value in scope["headers"] if name == b"content-type"), b"")
    return PACKED_TYPES.get(media_type(content_type), "")


def file_format(content_type: bytes) -> str | None:
    """Return the format of a form's file by its content type; None for a type that is no table's.

    Raises ``Problem`` 415 for a charset that the format is not read in.
    """
    return _format(content_type, _FILE_TYPES)


def media_type(content_type: bytes) -> str:
    """Return a content type without its parameters, in lower case."""
    return content_type.decode("latin-1").partition(";")[0].strip().lower()


def _format(content_type: bytes, kinds: Mapping[str, str]) -> str | None:
    kind = kinds.get(media_type(content_type))
    if kind is None:
        return None
    _, *parameters = content_type.decode("latin-1").lower().replace('"', "").split(";")
    for parameter in parameters:
        key, _, charset = parameter.replace(" ", "").partition("=")
        known = (*_UTF8, *_LATIN_1) if kind in _LATIN_1_KINDS else _UTF8
        if key == "charset" and charset not in known:
            raise Problem(415, f"the content type says {charset[:80]!r}; send it in UTF-8")
    return kind


def answer_format(scope: Scope, sent: str) -> str:
    """Return the format that all ``Accept`` headers want most; raises ``Problem`` 406 for none of ours.

    The body's own format comes first among equals, and is the default; of a list of SMILES, an
    SD file or Parquet it is CSV.
    """
    sent = sent if sent in ANSWERS else "csv"
    accepted = [value for name, value in scope["headers"] if name == b"accept" and value.strip()]
    if not accepted or accepted == [b"*/*"]:
        return sent
    wanted = dict(_weights(b",".join(accepted).decode("latin-1").lower().split(",")))
    weights = {kind: _weight(kind, wanted) for kind in (sent, *ANSWERS)}
    best = max(weights, key=lambda kind: weights[kind])  # the first of equals
    if not weights[best]:
        types = "application/json, text/csv, text/tab-separated-values or application/x-ndjson"
        raise Problem(406, f"answers are {types}")
    return best


def accepts(scope: Scope, *kinds: str) -> bool:
    """Return whether the ``Accept`` headers, if there are any, name one of these media types."""
    accepted = [value for name, value in scope["headers"] if name == b"accept" and value.strip()]
    if not accepted or accepted == [b"*/*"]:
        return True
    wanted = dict(_weights(b",".join(accepted).decode("latin-1").lower().split(",")))
    return any(
        wanted.get(kind, wanted.get(kind.partition("/")[0] + "/*", wanted.get("*/*", 0.0))) > 0
        for kind in kinds
    )


def _weights(parts: Iterable[str]) -> Iterable[tuple[str, float]]:
    for part in parts:
        media, *parameters = (piece.strip() for piece in part.split(";"))
        weight = 1.0
        for parameter in parameters:
            if parameter.startswith("q="):
                try:
                    weight = min(1.0, max(0.0, float(parameter[2:])))
                except ValueError:
                    weight = 0.0
        yield media, weight


def _weight(kind: str, wanted: dict[str, float]) -> float:
    """Return a format's weight by its most specific mention (RFC 9110, section 12.5.1)."""
    for media, its_kind in MEDIA_TYPES.items():
        if its_kind == kind and media in wanted:
            return wanted[media]
    group = ANSWERS[kind].decode().partition("/")[0] + "/*"
    return wanted.get(group, wanted.get("*/*", 0.0))
