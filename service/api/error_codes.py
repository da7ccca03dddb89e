"""The codes of errors, for programs: a sentence may be worded anew, a code stays what it is."""

from enum import StrEnum


class Code(StrEnum):
    """What is wrong, as a client's program may ask; ``MEANINGS`` explains each."""

    MALFORMED_REQUEST = "malformed_request"
    ORIGIN_REFUSED = "origin_refused"
    NO_KEY = "no_key"
    UNKNOWN_KEY = "unknown_key"
    EXPIRED_KEY = "expired_key"
    MISSING_SCOPE = "missing_scope"
    CLOSED_TO_ALL = "closed_to_all"
    NOT_FOUND = "not_found"
    UNKNOWN_MODEL = "unknown_model"
    UNKNOWN_VERSION = "unknown_version"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    NOT_ACCEPTABLE = "not_acceptable"
    CLIENT_TIMEOUT = "client_timeout"
    CONFLICT = "conflict"
    TOO_LARGE = "too_large"
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type"
    INVALID_REQUEST = "invalid_request"
    UNKNOWN_FIELD = "unknown_field"
    OVERLOADED = "overloaded"
    RATE_LIMITED = "rate_limited"
    HEAD_TOO_LARGE = "head_too_large"
    INTERNAL_ERROR = "internal_error"
    NOT_IMPLEMENTED = "not_implemented"
    MODEL_NOT_READY = "model_not_ready"
    UNAVAILABLE = "unavailable"
    DEADLINE_EXCEEDED = "deadline_exceeded"


#: The status that each code comes with, and what it means.
MEANINGS: dict[Code, tuple[int, str]] = {
    Code.MALFORMED_REQUEST: (400, "not HTTP, not JSON, or a table or tensor that cannot be read"),
    Code.ORIGIN_REFUSED: (400, "pages of this origin may not send this (CORS)"),
    Code.NO_KEY: (401, "no API key was sent"),
    Code.UNKNOWN_KEY: (401, "no key that was sent is a key of this service"),
    Code.EXPIRED_KEY: (401, "the key has expired"),
    Code.MISSING_SCOPE: (403, "the key has not the scope that this takes"),
    Code.CLOSED_TO_ALL: (403, "a service without keys, or this setting, allows it to nobody"),
    Code.NOT_FOUND: (404, "nothing is at this address"),
    Code.UNKNOWN_MODEL: (404, "no model of this name is served"),
    Code.UNKNOWN_VERSION: (404, "this version of the model is not loaded, or does not exist"),
    Code.METHOD_NOT_ALLOWED: (405, "the address does not take this method; `Allow` lists what it takes"),
    Code.NOT_ACCEPTABLE: (406, "no format of the answer is one that `Accept` names"),
    Code.CLIENT_TIMEOUT: (408, "the head or the body did not arrive in time"),
    Code.CONFLICT: (409, "it cannot be done as things are"),
    Code.TOO_LARGE: (413, "more bytes or records than one request may have"),
    Code.UNSUPPORTED_MEDIA_TYPE: (415, "a content type or encoding that is not taken here"),
    Code.INVALID_REQUEST: (422, "JSON of another shape, or a request that makes no sense as a whole"),
    Code.UNKNOWN_FIELD: (422, "a field of the body, or a parameter, that does not exist"),
    Code.OVERLOADED: (429, "too much work is waiting; `Retry-After` says when to come back"),
    Code.RATE_LIMITED: (429, "the key is over its rate; `Retry-After` says when to come back"),
    Code.HEAD_TOO_LARGE: (431, "the request line and headers are too long"),
    Code.INTERNAL_ERROR: (500, "the service failed; its log says where, under the request id"),
    Code.NOT_IMPLEMENTED: (501, "a transfer coding other than chunked"),
    Code.MODEL_NOT_READY: (503, "the model is loading, was refused, or is unloaded"),
    Code.UNAVAILABLE: (503, "something that this takes, such as room on the disk, is missing now"),
    Code.DEADLINE_EXCEEDED: (504, "the request's time passed before it was computed"),
}

#: The code of a status where nothing more is known: the first of its codes, with two exceptions.
_USUAL = {status: code for code, (status, _) in reversed(MEANINGS.items())} | {
    401: Code.UNKNOWN_KEY,
    503: Code.UNAVAILABLE,
}


def code_of(status: int) -> Code:
    """Return the code of a status of which nothing more is known."""
    return _USUAL.get(status, Code.INTERNAL_ERROR if status >= 500 else Code.MALFORMED_REQUEST)
