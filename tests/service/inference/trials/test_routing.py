"""Which requests a canary answers."""

import pytest

from service.inference.trials.routing import Routing


def ids(count: int) -> list[bytes]:
    """Request ids as the service makes them."""
    return [b"0123456789ab-%08x" % number for number in range(count)]


@pytest.mark.parametrize("salt", ["", "00ff00ff00ff00ff", "a1b2c3d4e5f60718"])
def test_a_canary_keeps_its_share(salt: str) -> None:
    """Of 100,000 requests a canary of 5 % answers 4 to 6 %."""
    routing = Routing(0.05, sticky=False, salt=salt)
    assert 4_000 <= sum(map(routing.takes, ids(100_000))) <= 6_000


def test_a_request_sent_again_is_answered_by_the_same_version() -> None:
    """The choice depends on the id alone, and another trial chooses others."""
    one, other = (Routing(0.5, sticky=False, salt=salt) for salt in ("00" * 8, "11" * 8))
    chosen = [one.takes(each) for each in ids(1000)]
    assert [one.takes(each, "a key") for each in ids(1000)] == chosen
    assert 400 < sum(a == other.takes(each) for a, each in zip(chosen, ids(1000), strict=True)) < 600


def test_a_sticky_canary_keeps_to_a_key() -> None:
    """All requests of a key have the same version, keys share alike, and who has no key goes by id."""
    routing = Routing(0.2, sticky=True, salt="00" * 8)
    by_key = {f"key-{n}": {routing.takes(each, f"key-{n}") for each in ids(20)} for n in range(2000)}
    assert {len(answers) for answers in by_key.values()} == {1}
    assert 0.16 < sum(True in answers for answers in by_key.values()) / len(by_key) < 0.24
    assert {routing.takes(each, None) for each in ids(100)} == {False, True}


@pytest.mark.parametrize(("share", "expected"), [(0.0, 0), (0.999_999, 1000)])
def test_the_ends_of_the_range(share: float, expected: int) -> None:
    """A share of none takes none, and one of nearly all takes nearly all."""
    routing = Routing(share, sticky=False, salt="")
    assert sum(map(routing.takes, ids(1000))) == expected
