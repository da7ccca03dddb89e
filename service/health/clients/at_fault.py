"""What each API key's rows show since traffic moved, and whether one key's rows alone explain it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.health.effect_size import Effects
from models.health.layout import Layout
from models.health.reference import Reference
from models.health.windows.blocks import Blocks
from models.health.windows.pieces import evidence_of_blocks
from models.health.windows.sources import explained_alone
from service.health.baselines import Baseline
from service.health.clients.client_logs import OTHERS, joined_by_key

#: Times of the monotonic clock that differ by less are the same.
_SAME_SECONDS = 1e-3


@dataclass(frozen=True, slots=True)
class Client:
    """One key's rows since traffic moved or, where it has not, since it last had.

    ``key`` is its name, None for all keys that are not kept apart. ``departing`` are the rows that are
    outliers, and ``effects`` say how far all of its rows have moved.
    """

    key: str | None
    rows: int
    requests: int
    departing: int
    effects: Effects
    at_fault: bool


def clients_of(
    parts: Sequence[dict[str, Blocks]],
    stretch: tuple[float, float],
    reference: Reference,
    layout: Layout,
    baseline: Baseline | None,
) -> tuple[Client, ...]:
    """Return each key's part in a stretch of traffic, the one that has moved furthest first.

    ``parts`` are each worker's blocks, as ``ClientLogs`` has them; ``stretch`` is from the first
    request's time to the last one's. A block that began before is left out.
    """
    begin, end = stretch[0] - _SAME_SECONDS, stretch[1] + _SAME_SECONDS
    sums = {}
    for name, kept in joined_by_key(parts).items():
        inside = (kept.times[:, 0] >= begin) & (kept.times[:, 0] <= end)
        if inside.any():
            counts, values = (
                kept.counts[inside].sum(axis=0),
                kept.values[inside].sum(axis=0, dtype=float),
            )
            sums[name] = np.concatenate([counts, values])
    if not sums:
        return ()
    table = np.stack(list(sums.values()))
    counts, values, departing = np.split(table, [kept.counts.shape[1], table.shape[1] - 1], axis=1)
    evidence, features = evidence_of_blocks(counts, values, layout)
    offset = None if baseline is None else baseline.offset[layout.evidence]
    by_feature = None if baseline is None else baseline.features
    every, alone = explained_alone(reference, layout, evidence, features, offset, by_feature)
    found = [
        Client(
            key=name or None,
            rows=round(float(counts[number, 0])),
            requests=round(float(counts[number, 1])),
            departing=round(float(departing[number, 0])),
            effects=every.effects(number),
            at_fault=number == alone and name != OTHERS,
        )
        for number, name in enumerate(sums)
    ]
    return tuple(sorted(found, key=lambda client: (-client.effects.largest, -client.rows)))
