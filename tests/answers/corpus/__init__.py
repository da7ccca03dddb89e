"""Everything that is asked, good and bad, in the order in which it is asked."""

from tests.answers.corpus import (
    access,
    changes,
    health,
    pages,
    predict,
    protocol,
    records,
    routes,
    tables,
    tensors,
    v2,
)
from tests.answers.request import Request

_PARTS = (
    health.before, routes.all_, pages.all_, predict.all_, records.all_, tables.all_, tensors.all_,
    v2.all_,
    protocol.all_, access.all_, health.after, changes.all_,
)  # fmt: skip


def corpus() -> list[Request]:
    """Return all requests, in order; raises ``ValueError`` where two have one name."""
    asked = [each for part in _PARTS for each in part()]
    names = [each.name for each in asked]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise ValueError(f"two requests have the same name: {sorted(twice)}")
    return asked
