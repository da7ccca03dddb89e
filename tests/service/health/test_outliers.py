"""The rows that departed furthest, as the health document has them."""

from datetime import UTC, datetime

from service.health.outliers import KEPT, OutlierLog, OutlierRow, document, merged

_AT = datetime(2026, 1, 2, 3, 4, 5, 678_900, UTC)


def test_a_document_has_features_where_they_are_kept() -> None:
    """The time is in milliseconds, with its zone."""
    kept, plain = OutlierRow("a", 0.01, _AT, [1.0, 2.0]), OutlierRow("b", 0.02, _AT)
    at = "2026-01-02T03:04:05.678+00:00"
    assert document([kept, plain]) == [
        {"request_id": "a", "p_value": 0.01, "at": at, "features": [1.0, 2.0]},
        {"request_id": "b", "p_value": 0.02, "at": at},
    ]


def test_the_furthest_rows_of_the_last_hour_stay() -> None:
    """One of each request, the lowest first; of workers' rows the furthest of all."""
    log = OutlierLog()
    for number in range(2 * KEPT):
        log.note(b"%d" % number, 0.001 * (1 + number), 0.0, 0.0)
    log.note(b"3", 0.0005, 1.0, 1.0)
    log.note(b"3", 0.5, 2.0, 2.0)
    rows = log.read(10.0)
    assert [row.request_id for row in rows[:3]] == ["3", "0", "1"]
    assert len(rows) == KEPT
    assert [row.request_id for row in log.read(3600.5)] == ["3"]
    other = OutlierRow("x", 0.0001, _AT)
    assert merged([rows, [other]])[:2] == [other, rows[0]]
    assert len(merged([rows, [other]])) == KEPT
