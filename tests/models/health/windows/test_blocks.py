"""Blocks of the latest traffic: whole requests, few of them, and nothing lost that is still needed."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.health.windows.blocks import BLOCK_ROWS, BlockLog, Blocks, joined


def pieces(sizes: list[int], times: list[float]) -> Blocks:
    """Requests of so many rows, each a piece; their value is their number of rows."""
    counts = np.array([[size, 1, size**2] for size in sizes], float)
    return Blocks(np.array([[at, at] for at in times]), counts, counts[:, :1].astype(np.float32))


@settings(deadline=None, max_examples=60)
@given(
    sizes=st.lists(st.sampled_from([1, 3, 20, 32, 64, 300]), min_size=1, max_size=300),
    gap=st.floats(0.0, 90.0),
)
def test_blocks_are_in_order_and_lose_nothing_of_the_last_ten_minutes(
    sizes: list[int], gap: float
) -> None:
    """What is kept is a suffix of the traffic: all of ten minutes, or 1,024 rows if that is more."""
    log, times = BlockLog(1), [number * gap for number in range(len(sizes))]
    for size, at in zip(sizes, times, strict=True):
        log.add(pieces([size], [at]))
    blocks = log.blocks()
    begins, ends = blocks.times.T
    assert (np.diff(begins) >= 0).all()
    assert (ends[:-1] <= begins[1:]).all()
    kept = int(blocks.counts[:, 1].sum())
    assert blocks.counts[:, 0].sum() == sum(sizes[-kept:])
    assert blocks.values.sum() == pytest.approx(sum(sizes[-kept:]))
    assert begins[0] == pytest.approx(times[-kept])
    if kept < len(sizes):
        assert sum(sizes[-kept:]) >= 1024
        assert times[-1] - times[-kept - 1] > 600


def test_the_latest_requests_stand_alone_and_all_of_them_are_few_blocks() -> None:
    """Any point of a million rows is near the begin of a block, the nearer the later it is."""
    log = BlockLog(1)
    for second in range(600):
        log.add(pieces([64] * 25, [second + part / 25 for part in range(25)]))
    blocks = log.blocks()
    assert len(blocks) < 40
    assert blocks.counts[:, 0].sum() == 600 * 25 * 64
    assert (blocks.counts[-8:, 1] == 1).all()
    after = blocks.counts[::-1, 0].cumsum()
    assert (after[1:] <= 2.1 * after[:-1]).all()


def test_small_requests_join_until_they_are_enough() -> None:
    """Single rows make blocks of 32, unless they came more than a minute apart."""
    log = BlockLog(1)
    for number in range(64):
        log.add(pieces([1], [float(number)]))
    sizes = log.blocks().counts[:, 0]
    assert (sizes[:-1] >= BLOCK_ROWS).all()
    assert len(sizes) <= 3
    log = BlockLog(1)
    for number in range(6):
        log.add(pieces([1], [100.0 * number]))
    assert len(log.blocks()) == 6


def test_blocks_of_workers_are_put_in_order() -> None:
    """By when they began; no blocks at all and those of one worker are left as they are."""
    first, second = pieces([64, 64], [1.0, 3.0]), pieces([64, 64], [2.0, 4.0])
    both = joined([first, second])
    assert both.times[:, 0].tolist() == [1.0, 2.0, 3.0, 4.0]
    assert joined([first]) is first
    assert len(joined([BlockLog(1).blocks(), BlockLog(1).blocks()])) == 0
