"""Work that is done again and again beside requests, and goes on whatever happens to it."""

import asyncio
from collections.abc import Awaitable, Callable

from service.observability.logs import get_logger, place_of

_log = get_logger()


async def look_again(look: Callable[[], Awaitable[None]], seconds: float, failed: str) -> None:
    """Call ``look`` every so many seconds until cancelled; an error is logged as ``failed``."""
    while True:
        await asyncio.sleep(seconds)
        try:
            await look()
        except Exception as error:  # noqa: BLE001 - the next look may succeed
            _log.error(failed, kind=type(error).__name__, place=place_of(error))
