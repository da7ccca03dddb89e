"""Writes that are held back arrive whole, in order, and before the end."""

import asyncio

from service.api.transport.write_coalescing import CoalescingTransport


class Wire:
    """A transport that notes what reaches it."""

    def __init__(self) -> None:
        self.calls: list[bytes | str] = []
        self.closing = False

    def write(self, data: bytes) -> None:
        """Note a write."""
        self.calls.append(data)

    def write_eof(self) -> None:
        """Note the end of writing."""
        self.calls.append("eof")

    def close(self) -> None:
        """Note the close."""
        self.calls.append("close")
        self.closing = True

    def is_closing(self) -> bool:
        """Whether it was closed."""
        return self.closing

    def get_extra_info(self, name: str) -> str:
        """Answer for itself."""
        return name


def calls(*steps: tuple[str, bytes | None], turns: int = 1) -> list[bytes | str]:
    """What reaches the wire when a turn of the loop makes these calls."""

    async def main() -> list[bytes | str]:
        wire = Wire()
        transport = CoalescingTransport(wire, asyncio.get_running_loop())
        for name, data in steps:
            getattr(transport, name)(*([] if data is None else [data]))
        for _ in range(turns):
            await asyncio.sleep(0)
        return wire.calls

    return asyncio.run(main())


def test_head_and_body_are_one_write() -> None:
    """Small writes of one turn are joined in their order."""
    assert calls(("write", b"head"), ("write", b"body")) == [b"headbody"]


def test_nothing_is_lost_before_an_end() -> None:
    """Closing, and ending the writing, come after what was written before."""
    assert calls(("write", b"a"), ("close", None)) == [b"a", "close"]
    assert calls(("write", b"a"), ("write_eof", None), ("write", b"b")) == [b"a", "eof", b"b"]


def test_a_large_piece_keeps_its_place() -> None:
    """What is too large to be copied follows what was held back."""
    large = bytes(100_000)
    assert calls(("write", b"head"), ("write", large), ("write", b"tail")) == [b"head", large, b"tail"]


def test_a_closed_wire_answers_for_itself() -> None:
    """Writing after the close is the transport's to refuse, and the rest is its too."""
    assert calls(("close", None), ("write", b"late")) == ["close", b"late"]

    async def main() -> str:
        return CoalescingTransport(Wire(), asyncio.get_running_loop()).get_extra_info("peername")

    assert asyncio.run(main()) == "peername"
