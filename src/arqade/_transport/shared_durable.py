"""A shared connection whose replies count only once the replicas have what was written."""

from __future__ import annotations

import functools
import math
import time
from typing import TYPE_CHECKING, Any

from redis.exceptions import TimeoutError as RedisTimeoutError

from arqade._compat import override
from arqade._protocol.replication import wait
from arqade._transport.calls import Call, forget
from arqade._transport.lines import NOT_CONFIRMED, WAIT_TIME, LineBroken, unconfirmed
from arqade._transport.redis_py import pack_command
from arqade._transport.shared import SharedConnection

if TYPE_CHECKING:
    import asyncio

    from arqade._transport.redis_py import AsyncConnection

__all__ = ["DurableConnection"]


class DurableConnection(SharedConnection):
    """A connection for commands that are followed by a WAIT.

    WAIT holds up its connection, so this is not that of other commands. One WAIT is on its way at a
    time: calls that are answered meanwhile share the next one.

    Args:
        line: The connection of other commands, from whose pool this one comes, too.
    """

    def __init__(self, line: SharedConnection) -> None:
        super().__init__(
            line._pool,  # noqa: SLF001 - its own class
            owned=line.owned,
            socket_timeout=line._socket_timeout,  # noqa: SLF001 - as above
        )
        self.replicas = 1
        """How many must confirm."""
        self._unconfirmed: list[tuple[Call, Any]] = []
        """Calls that are answered and not confirmed, and their replies."""
        self._is_waiting = False
        self._connected_at = 0.0

    @override
    def _begin(self) -> None:
        super()._begin()
        self._unconfirmed, self._is_waiting = [], False

    @override
    def start(self, packed: bytes, end: float) -> Call:
        written = super().start(packed, end)
        call = Call(packed, end, self._loop.create_future())
        left = max(end - time.monotonic(), 0)
        timer = self._loop.call_later(left, self._late, call, written)
        call.reply.add_done_callback(functools.partial(self._over, timer, written))
        written.reply.add_done_callback(functools.partial(self._written, call, written))
        return call

    @staticmethod
    def _over(timer: asyncio.TimerHandle, written: Call, _: asyncio.Future[Any]) -> None:
        timer.cancel()
        if not written.sent:
            # Nobody waits for it any more, and it shall not be sent.
            written.reply.cancel()

    @staticmethod
    def _late(call: Call, written: Call) -> None:
        call.sent = written.sent
        call.fail(RedisTimeoutError(NOT_CONFIRMED))

    def _written(self, call: Call, written: Call, reply: asyncio.Future[Any]) -> None:
        call.sent = written.sent
        if call.reply.done():
            forget(reply)
        elif (error := reply.exception()) is not None:
            call.reply.set_exception(error)
        elif self._transport is None or written.sent < self._connected_at:
            # WAIT asks for what was written on its own connection, and that one is gone.
            call.fail(RedisTimeoutError("the connection broke before the replicas confirmed"))
        else:
            self._unconfirmed.append((call, reply.result()))
            if not self._is_waiting:
                self._is_waiting = True
                # Calls that were answered in this turn of the event loop share it.
                self._loop.call_soon(self._ask)

    def _ask(self) -> None:
        group, self._unconfirmed = self._unconfirmed, []
        transport = self._transport
        self._is_waiting = transport is not None and bool(group)
        if transport is not None and group:
            packed = pack_command(wait(self.replicas, WAIT_TIME))
            asked = Call(packed, math.inf, self._loop.create_future())
            asked.reply.add_done_callback(functools.partial(self._asked, group, self.replicas))
            self._send(asked, transport)

    def _asked(
        self, group: list[tuple[Call, Any]], replicas: int, reply: asyncio.Future[Any]
    ) -> None:
        # Even if WAIT was refused: what was written stays so.
        error = reply.exception() or unconfirmed(replicas, reply.result())
        if isinstance(error, LineBroken):
            error = error.error
        for call, answer in group:
            if isinstance(error, Exception):
                call.fail(error)
            elif not call.reply.done():
                call.reply.set_result(answer)
        self._ask()
        self._give_back_if_idle()

    @override
    def _take_over(self, connection: AsyncConnection) -> None:
        super()._take_over(connection)
        self._connected_at = time.monotonic()

    @override
    def _give_back_if_idle(self) -> None:
        if not self._is_waiting:
            super()._give_back_if_idle()

    @override
    def _break(self, error: Exception) -> None:
        group, self._unconfirmed = self._unconfirmed, []
        super()._break(error)
        for call, _ in group:
            call.fail(error)
