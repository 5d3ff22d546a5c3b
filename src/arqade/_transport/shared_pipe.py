"""Commands one after the other on the connection that all tasks share, replies later."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any

from redis.exceptions import RedisError

from arqade._transport.calls import forget
from arqade._transport.lines import LineBroken

if TYPE_CHECKING:
    from arqade._transport.calls import Call
    from arqade._transport.shared import SharedConnection

__all__ = ["SharedPipe"]


class SharedPipe:
    """Sends commands without waiting for the replies to earlier ones.

    Args:
        line: The connection.
    """

    def __init__(self, line: SharedConnection) -> None:
        self._line = line
        self._calls: deque[Call] = deque()
        self._failed = False

    @property
    def failed(self) -> bool:
        """Whether a command was refused or got no answer: none is sent any more after it."""
        return self._failed or any(
            call.reply.done() and not call.reply.cancelled() and call.reply.exception() is not None
            for call in self._calls
        )

    async def send(self, packed: bytes, end: float) -> bool:
        """Send a command if no earlier one has failed; tell whether it was."""
        if self.failed:
            return False
        self._calls.append(self._line.start(packed, end))
        # Replies and errors are noticed in the event loop.
        await asyncio.sleep(0)
        return True

    async def receive(self, end: float) -> Any:
        """Give the reply to the oldest command that was sent; errors are those of `exchange`."""
        try:
            return await self._calls.popleft().reply
        except (LineBroken, RedisError):
            self._failed = True
            raise

    async def aclose(self) -> None:
        """Forget the replies that are still to come."""
        for call in self._calls:
            call.reply.cancel()
            forget(call.reply)
        self._calls.clear()
