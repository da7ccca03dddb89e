"""Which of the kinds of tables a request is, and which its client wants back."""

from collections.abc import Iterable
from urllib.parse import parse_qs

from starlette.types import Scope

from service.api.problems import Problem

#: Kinds by their media types; the first of a kind is the one that answers carry.
MEDIA_TYPES = {
    "application/json": "json",
    "text/csv": "csv",
    "application/x-ndjson": "ndjson",
    "application/ndjson": "ndjson",
    "application/jsonl": "ndjson",
    "application/x-jsonlines": "ndjson",
}
ANSWERS = {
    "json": b"application/json",
    "csv": b"text/csv; charset=utf-8",
    "ndjson": b"application/x-ndjson",
}


def is_bulk(scope: Scope) -> bool:
    """Whether a request concerns any kind but JSON; as cheap as it must be for those that do not."""
    for name, value in scope["headers"]:
        if name == b"content-type":
            if value != b"application/json" and MEDIA_TYPES.get(_media(value), "json") != "json":
                return True
        elif name == b"accept" and (b"csv" in value or b"ndjson" in value or b"jsonl" in value):
            return True
    return False


def kinds(scope: Scope) -> tuple[str, str]:
    """The kinds of the body and of the answer; raises ``Problem`` 406 or 415.

    A client that does not say what it wants, or wants its own kind as much as any, gets that.
    """
    sent, accepted = "json", list[str]()
    for name, value in scope["headers"]:
        if name == b"content-type":
            media, _, parameters = value.decode("latin-1").lower().partition(";")
            sent = MEDIA_TYPES.get(media.strip(), "json")
            charset = parameters.replace('"', "").replace(" ", "")
            if (
                "charset=" in charset
                and "charset=utf-8" not in charset
                and "charset=utf8" not in charset
            ):
                raise Problem(415, f"the content type says {charset[:80]!r}; send it in UTF-8")
        elif name == b"accept":
            accepted += value.decode("latin-1").lower().split(",")
    wanted = dict(_weights(accepted or ["*/*"]))
    weights = {kind: _weight(kind, wanted) for kind in (sent, *ANSWERS)}
    best = max(weights, key=lambda kind: weights[kind])  # the first of equals, so the client's own
    if not weights[best]:
        raise Problem(406, "answers are application/json, text/csv or application/x-ndjson")
    return sent, best


def model_name(scope: Scope) -> str | None:
    """The query's ``model``; raises ``Problem`` 422 for parameters that are unknown or said twice."""
    query = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    unknown = sorted(set(query) - {"model"})
    if unknown:
        raise Problem(422, f"unknown parameter {unknown[0][:80]!r}; there is 'model'")
    names = query.get("model", [])
    if len(names) > 1:
        raise Problem(422, "the parameter 'model' is said twice")
    return names[0] if names else None


def _media(value: bytes) -> str:
    return value.decode("latin-1").partition(";")[0].strip().lower()


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
    """How much a kind is wanted: by its most specific mention (RFC 9110, 12.5.1)."""
    for media, its_kind in MEDIA_TYPES.items():
        if its_kind == kind and media in wanted:
            return wanted[media]
    group = ANSWERS[kind].decode().partition("/")[0] + "/*"
    return wanted.get(group, wanted.get("*/*", 0.0))
