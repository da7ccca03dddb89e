"""Whose rows they are, by API key: a client at fault is named, and nobody where more than one is."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from models.health.diagnosis.inputs import FeatureScales
from models.health.windows.blocks import Blocks
from models.networks.outputs import SQUASHED
from service.coordination.window_sums import WindowSums, add_windows
from service.health.change import Health
from service.health.clients.client_logs import MOST_KEYS, OTHERS
from service.health.monitor import Monitor
from service.health.row_owner import RowOwner
from tests.service.health.test_monitor import Clock, Key, Request, monitor_of, outputs_of
from tests.service.health.test_pauses import REFERENCE
from tests.support import bundles

Change = Callable[[np.ndarray], np.ndarray]


def shuffled(rows: np.ndarray) -> np.ndarray:
    """Every column in the next one's place."""
    return np.roll(rows, 1, axis=1)


def elsewhere(rows: np.ndarray) -> np.ndarray:
    """Candidates of another survey."""
    return rows + 1.5 * bundles.SPREAD


def clean(rows: np.ndarray) -> np.ndarray:
    """Rows as they are."""
    return rows


def sent(
    monitors: Sequence[Monitor], clock: Clock, keys: dict[str, Change], size: int = 16, rows: int = 512
) -> None:
    """Send so many rows with each key in turn, in requests of one size, to the monitors in turn."""
    seed = int(clock.now * 10)
    outputs = {
        key: outputs_of(change(bundles.candidates(rows, seed + number)).astype(np.float32))
        for number, (key, change) in enumerate(keys.items())
    }
    turn = 0
    for start in range(0, rows, size):
        for key, of in outputs.items():
            part = {name: array[start : start + size] for name, array in of.items()}
            owner = RowOwner(Request(b"r", Key(key) if key else None), len(part["taps"]))
            monitors[turn // len(keys) % len(monitors)].observe(part, [owner])
            clock.now += 0.05
            turn += 1


def after_clean_traffic(keys: dict[str, Change], size: int = 16, rows: int = 512) -> Health:
    """What is said after 1,024 good rows of every key, and then some of another kind."""
    clock = Clock()
    monitor = monitor_of(REFERENCE, clock)
    sent([monitor], clock, dict.fromkeys(keys, clean), size, 1024)
    assert monitor.health().judgement.verdict == "healthy"
    sent([monitor], clock, keys, size, rows)
    return monitor.health()


@pytest.mark.parametrize(
    ("change", "size"), [(shuffled, 1), (shuffled, 16), (elsewhere, 16), (elsewhere, 64)]
)
def test_a_client_that_alone_is_at_fault_is_named(change: Change, size: int) -> None:
    """In the headline, in what to do, and in the numbers; the other's rows are told beside its own."""
    rows = max(512, 24 * size)
    health = after_clean_traffic({"alice": change, "bob": clean}, size, rows)
    judgement = health.judgement
    assert (judgement.verdict, judgement.model, judgement.client) == ("unhealthy", "intact", "alice")
    assert judgement.headline.startswith("Inputs of client alice changed; the model is intact.")
    assert len(judgement.headline.split()) <= 20
    assert "alice" in (judgement.advice or "")
    assert judgement.reason.endswith("; the rows of key alice alone explain it")
    found = {client.key: client for client in health.clients}
    assert set(found) == {"alice", "bob"}
    assert found["alice"].at_fault
    assert found["alice"].effects.shift.sure >= 1.0 > 0.5 > found["bob"].effects.shift.sure
    assert rows / 2 < found["alice"].rows < rows + 64  # but for the block in which it began
    assert found["alice"].departing > 10 * max(found["bob"].departing, 1)


def test_what_the_client_has_done_is_recognised_by_its_rows_alone() -> None:
    """A quarter of the traffic has two columns exchanged: what came between hides nothing."""

    def exchanged(rows: np.ndarray) -> np.ndarray:
        return rows[:, [7, 1, 2, 3, 4, 5, 6, 0]]

    clock, session = Clock(), bundles.graph()
    inputs = REFERENCE.inputs
    assert inputs is not None
    scales = FeatureScales.of(inputs, lambda rows: bundles.run_all(session, rows)[SQUASHED])
    monitor = monitor_of(REFERENCE, clock, scales=scales)
    keys = dict.fromkeys(("alice", "bob", "carol", "dave"), clean)
    sent([monitor], clock, keys, rows=512)
    sent([monitor], clock, keys | {"alice": exchanged}, rows=1024)
    judgement = monitor.health().judgement
    assert judgement.client == "alice"
    assert judgement.headline == (
        "Inputs of client alice changed; the model is intact. f0 and f7 look exchanged: columns swapped?"
    )
    assert judgement.advice == "Ask client alice to send columns by name, or in the model's order."


def test_where_both_are_at_fault_nobody_is_named() -> None:
    """Each has moved by itself, which is told of each."""
    health = after_clean_traffic({"alice": shuffled, "bob": shuffled})
    assert health.judgement.verdict == "unhealthy"
    assert health.judgement.client is None
    assert health.judgement.headline.startswith("Inputs changed; the model is intact.")
    assert not any(client.at_fault for client in health.clients)
    assert all(client.effects.shift.sure >= 1.0 for client in health.clients)


def test_two_of_many_at_fault_are_not_one() -> None:
    """Rows of a second client at fault do not drown in those of the others."""
    others = {f"other-{number}": clean for number in range(6)}
    health = after_clean_traffic(others | {"alice": elsewhere, "bob": elsewhere})
    assert health.judgement.verdict == "degraded"
    assert health.judgement.client is None


def test_one_of_many_at_fault_is_named() -> None:
    """A quarter of the traffic is enough to turn the verdict, and to be told."""
    others = {f"other-{number}": clean for number in range(3)}
    health = after_clean_traffic(others | {"alice": lambda rows: elsewhere(elsewhere(rows))})
    assert health.judgement.verdict != "healthy"
    assert health.judgement.client == "alice"


def test_the_only_client_is_named() -> None:
    """All of the change is of its rows."""
    assert after_clean_traffic({"alice": elsewhere}).judgement.client == "alice"


def test_without_keys_nobody_is_told_of() -> None:
    """As there is nobody to name."""
    health = after_clean_traffic({"": elsewhere})
    assert health.judgement.verdict == "unhealthy"
    assert health.judgement.client is None
    assert health.clients == ()


def test_nobody_is_named_for_a_faulty_network() -> None:
    """Layers that depart are no client's fault, though each client's rows show it."""
    clock = Clock()
    monitor = monitor_of(REFERENCE, clock)
    sent([monitor], clock, {"alice": clean, "bob": clean}, rows=1024)
    outputs = outputs_of(bundles.candidates(512, seed=3), scale_layer=2.0)
    for start in range(0, 512, 16):
        part = {name: array[start : start + 16] for name, array in outputs.items()}
        monitor.observe(part, [RowOwner(Request(b"r", Key("alice")), 16)])
    judgement = monitor.health().judgement
    assert (judgement.model, judgement.client) == ("suspect", None)


def test_clean_traffic_is_told_by_key_and_nobody_is_named() -> None:
    """Shares of healthy traffic, over all that is kept of it."""
    health = after_clean_traffic({"alice": clean, "bob": clean})
    assert health.judgement.client is None
    assert {client.key: client.rows for client in health.clients} == {"alice": 1536, "bob": 1536}
    assert all(client.effects.shift.sure == 0.0 for client in health.clients)


def test_workers_tell_of_a_client_together() -> None:
    """Each has seen half of its rows, and a predecessor some of them."""
    clock = Clock()
    workers = [monitor_of(REFERENCE, clock) for _ in range(2)]
    sent(workers, clock, {"alice": clean, "bob": clean}, rows=1024)
    sent(workers, clock, {"alice": elsewhere, "bob": clean}, rows=256)
    sums = [WindowSums.of(worker, clock.now) for worker in workers]
    heir = WindowSums.of(monitor_of(REFERENCE, clock), clock.now, past=sums[1])
    for parts in (sums, [sums[0], heir]):
        found = workers[0].scan([part.blocks for part in parts], clock.now)
        windows = add_windows(part.windows_at(clock.now) for part in parts)
        health = workers[0].judged(windows, found, by_key=[part.clients for part in parts])
        assert health.judgement.client == "alice"
        rows = {client.key: client.rows for client in health.clients}
        assert rows["alice"] == pytest.approx(256, abs=64)


def test_of_many_keys_those_that_send_most_are_kept() -> None:
    """Memory is bounded; what came with other keys counts together, as do keys that are silent."""
    clock = Clock()
    monitor = monitor_of(REFERENCE, clock)
    sent([monitor], clock, {"large": clean, "rare": clean}, rows=64)
    for turn in range(4):
        names = {f"key-{turn}-{number}": clean for number in range(40)}
        sent([monitor], clock, names, size=1, rows=2)
        sent([monitor], clock, {"large": clean}, rows=64)
    kept = monitor.client_blocks()
    assert len(kept) == MOST_KEYS + 1
    assert rows_of(kept["large"]) == 64 * 5
    assert rows_of(kept["rare"]) == 64
    assert sum(rows_of(blocks) for blocks in kept.values()) == 64 * 6 + 40 * 2 * 4
    clock.now += 601
    sent([monitor], clock, {f"late-{number}": clean for number in range(MOST_KEYS)}, rows=16)
    kept = monitor.client_blocks()
    assert set(kept) == {OTHERS, *(f"late-{number}" for number in range(MOST_KEYS))}


def rows_of(blocks: Blocks) -> int:
    """The number of rows."""
    return int(blocks.counts[:, 0].sum())
