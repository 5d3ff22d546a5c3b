"""Who waits for a reply on a connection that tasks share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from arqade._transport.lines import LineBroken, fresh

if TYPE_CHECKING:
    import asyncio

__all__ = ["Call", "forget"]


class Call:
    """A command and who waits for its reply."""

    __slots__ = ("end", "packed", "reply", "sent")

    def __init__(self, packed: bytes, end: float, reply: asyncio.Future[Any]) -> None:
        self.packed = packed
        self.end = end
        self.reply = reply
        self.sent = 0.0
        """When it was sent, by the monotonic clock; 0 if it was not."""

    def fail(self, error: Exception) -> None:
        """Tell the caller, if it still waits, that there is no reply."""
        if not self.reply.done():
            self.reply.set_exception(LineBroken(fresh(error), sent=bool(self.sent)))


def forget(reply: asyncio.Future[Any]) -> None:
    """Take note of what came of a call, where nobody wants to know."""
    if not reply.cancelled():
        reply.exception()  # It was seen: asyncio shall not warn.
