r"""Halves of surrogate pairs in JSON, such as ``"\ud800"``: no text, and nothing can send them again."""

import re
from typing import NamedTuple

_HALVES = re.compile(r"[\ud800-\udfff]")

#: What is wrong with such a record.
TORN = "the record has half of a surrogate pair, which is no character"


class TornRecord(NamedTuple):
    """A record with such a half; in its ``value`` they are replaced."""

    value: object

    def carried(self, *, is_smiles: bool) -> dict[str, object]:
        """Return what its result carries; ``is_smiles`` says that a record is a SMILES."""
        if isinstance(self.value, dict):
            return self.value
        return {"smiles": self.value} if is_smiles and isinstance(self.value, str) else {}


def whole_text(value: object) -> object:
    """Return a value of JSON with each half replaced by U+FFFD."""
    match value:
        case str():
            return _HALVES.sub("\ufffd", value)
        case list():
            return [whole_text(each) for each in value]
        case dict():
            return {str(whole_text(name)): whole_text(each) for name, each in value.items()}
    return value


def with_torn_records(document: object) -> object:
    """Return a document without halves; in its lists a ``TornRecord`` stands for what had any."""
    if not isinstance(document, dict):
        return whole_text(document)
    return {
        str(whole_text(name)): [_record(each) for each in value]
        if isinstance(value, list)
        else whole_text(value)
        for name, value in document.items()
    }


def _record(value: object) -> object:
    whole = whole_text(value)
    return value if whole == value else TornRecord(whole)
