"""The client's address: the connection's peer, or whom trusted proxies name."""

from ipaddress import ip_network

import pytest

from service.api.transport.client_address import ClientAddress

TRUSTED = ["10.0.0.0/8", "127.0.0.1", "fd00::/8"]


@pytest.mark.parametrize(
    ("peer", "forwarded", "expected"),
    [
        ("192.0.2.1", [], "192.0.2.1"),
        ("192.0.2.1", ["203.0.113.9"], "192.0.2.1"),  # nobody there is trusted
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", ["203.0.113.9, 10.0.0.2"], "203.0.113.9"),
        ("10.0.0.1", ["203.0.113.9", "10.0.0.2"], "203.0.113.9"),  # two headers are one list
        ("10.0.0.1", ["1.1.1.1, 203.0.113.9, 10.0.0.2"], "203.0.113.9"),  # the first is made up
        ("10.0.0.1", ["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        ("10.0.0.1", ['x"\n, 10.0.0.2'], "10.0.0.2"),
        ("10.0.0.1", ["unknown"], "10.0.0.1"),
        ("10.0.0.1", ["203.0.113.9:4711"], "203.0.113.9"),
        ("10.0.0.1", ["[2001:db8::1]:4711"], "2001:db8::1"),
        ("fd00::1", ["2001:db8::1"], "2001:db8::1"),
        ("::ffff:10.0.0.1", ["203.0.113.9"], "203.0.113.9"),
        (None, ["203.0.113.9"], None),
    ],
)
def test_only_what_trusted_proxies_say_is_believed(
    peer: str | None, forwarded: list[str], expected: str | None
) -> None:
    """From the connection backwards, the first address that is no trusted proxy's."""
    headers = [(b"x-forwarded-for", value.encode()) for value in forwarded]
    address = ClientAddress([ip_network(each) for each in TRUSTED])
    assert address(None if peer is None else (peer, 1), headers) == expected


def test_a_proxy_on_a_socket_in_the_file_system_is_trusted_by_name() -> None:
    """It has no address: ``unix`` says that who may open the socket is believed."""
    headers = [(b"x-forwarded-for", b"203.0.113.9, 10.0.0.7")]
    networks = [ip_network("10.0.0.0/8")]
    assert ClientAddress(networks, unix=True)(None, headers) == "203.0.113.9"
    assert ClientAddress(networks, unix=True)(None, []) is None
    assert ClientAddress(networks)(None, headers) is None
    assert ClientAddress(networks, unix=True)(("192.0.2.1", 5000), headers) == "192.0.2.1"
