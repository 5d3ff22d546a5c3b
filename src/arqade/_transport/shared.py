"""One connection for all tasks of an event loop.

Commands of concurrent callers leave together, and the replies, which come in the same order, are
handed out one by one. A caller that is cancelled or runs out of time leaves its place in the
order, and its reply is dropped.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import time
from collections import deque
from typing import TYPE_CHECKING, Any

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from arqade._compat import override
from arqade._transport.calls import Call, forget
from arqade._transport.lines import CLOSED, LARGE
from arqade._transport.redis_py import NOT_ENOUGH, Push, new_reader, transport_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from arqade._transport.redis_py import AsyncConnection, AsyncPool

__all__ = ["SharedConnection"]

MAX_IN_FLIGHT = 4 * 1024 * 1024
"""Bytes that may be sent and not yet answered; further callers wait. One command always may."""

TOGETHER = 32
"""Commands that leave together at most: the server works on them while the next ones are made."""

CONNECT_PAUSE = 0.05
"""Seconds from a failed attempt to connect to the next one, at least."""


class SharedConnection(asyncio.Protocol):
    """A connection that many tasks use at the same time.

    It is taken from the pool when it is first needed, again after it broke, and as a protocol of
    its own in the place of redis-py's streams. One that is borrowed goes back to the pool as soon
    as no call is left.

    Args:
        pool: redis-py's pool.
        owned: Whether the pool belongs to this object: then the connection is kept.
        socket_timeout: Seconds without any reply to what was sent, after which the connection
            counts as broken; None for no limit.
        heartbeat: Seconds between looks whether an idle connection still answers; 0 for none.
    """

    def __init__(
        self,
        pool: AsyncPool,
        *,
        owned: bool,
        socket_timeout: float | None,
        heartbeat: float = 0,
    ) -> None:
        self.owned = owned
        self._pool = pool
        self._socket_timeout = math.inf if socket_timeout is None else socket_timeout
        self._heartbeat = heartbeat
        self._loop: asyncio.AbstractEventLoop
        self._pid = 0
        """The process that uses this; 0 before the first call, which sets the event loop, too."""
        self._reader: Any = None
        self._fed = 0
        """Bytes that the reader has got, and perhaps still holds."""
        self._connection: AsyncConnection | None = None
        self._transport: asyncio.Transport | None = None
        self._streams: Any = None
        self._connecting: asyncio.Task[None] | None = None
        self._renewed = 0
        self._closed = False
        self._cleaning: set[asyncio.Task[None]] = set()
        self._not_before = 0.0
        self._in_flight: deque[Call] = deque()
        self._in_flight_bytes = 0
        self._waiting: deque[Call] = deque()
        self._buffer: list[bytes] = []
        self._paused = False
        self._last_reply = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._timer_end = math.inf
        self._beat: asyncio.TimerHandle | None = None

    # --- callers ------------------------------------------------------------------------

    async def exchange(self, packed: bytes, end: float, *, once: bool = False) -> Any:
        """Send a command and give its reply.

        Args:
            packed: The command.
            end: Until when to wait for the reply, by the monotonic clock.
            once: Whether sending the command again would do harm: it is not sent on a connection
                of which it can be known that it is broken.

        Raises:
            LineBroken: There is no reply.
            redis.exceptions.ResponseError: The server refused.
        """
        if once and self._transport is not None:
            # The event loop looks at its sockets: in the first turn, and acts in the second.
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        return await self.start(packed, end).reply

    def start(self, packed: bytes, end: float) -> Call:
        """Send a command, as soon as there is a connection with room for it."""
        if self._pid != os.getpid():
            self._begin()
        call = Call(packed, end, self._loop.create_future())
        transport = self._transport
        if transport is None:
            self._waiting.append(call)
            self._connect_soon()
        elif self._waiting or self._is_full(len(packed)):
            self._waiting.append(call)
        else:
            self._send(call, transport)
        if end < self._timer_end:
            self._arm(end)
        return call

    def _begin(self) -> None:
        if self._pid:
            # After a fork the socket is the parent's, whose event loop watches it: it is left
            # alone, not closed.
            self._connection = self._transport = self._connecting = self._timer = None
            self._timer_end = math.inf
            self._in_flight.clear()
            self._waiting.clear()
            self._buffer.clear()
            self._in_flight_bytes = 0
        self._pid = os.getpid()
        self._loop = asyncio.get_running_loop()

    def _is_full(self, size: int) -> bool:
        return self._paused or (
            bool(self._in_flight) and self._in_flight_bytes + size > MAX_IN_FLIGHT
        )

    def _send(self, call: Call, transport: asyncio.Transport) -> None:
        call.sent = now = time.monotonic()
        if now + self._socket_timeout < self._timer_end:
            self._arm(now + self._socket_timeout)
        packed = call.packed
        self._in_flight_bytes += len(packed)
        if not self._in_flight:
            # Nobody else waits for the server: at once, without a turn of the event loop.
            self._in_flight.append(call)
            transport.write(packed)
            return
        self._in_flight.append(call)
        if not self._buffer:
            self._loop.call_soon(self._flush)
        self._buffer.append(packed)
        if len(self._buffer) >= TOGETHER:
            self._flush()

    def _flush(self) -> None:
        if self._buffer:
            packed = b"".join(self._buffer)
            self._buffer.clear()
            if self._transport is not None:
                self._transport.write(packed)

    def _send_waiting(self) -> None:
        while self._waiting and (transport := self._transport) is not None:
            if self._waiting[0].reply.done():
                self._waiting.popleft()
            elif self._is_full(len(self._waiting[0].packed)):
                return
            else:
                self._send(self._waiting.popleft(), transport)

    # --- connecting ---------------------------------------------------------------------

    def _connect_soon(self) -> None:
        if self._closed:
            # A caller may have been on its way when all was closed.
            self._fail(self._waiting, RedisConnectionError(CLOSED))
        elif self._connecting is None:
            self._connecting = self._loop.create_task(self._connect())

    async def _connect(self) -> None:
        try:
            pause = self._not_before - time.monotonic()
            if pause > 0:
                await asyncio.sleep(pause)
            connection = await self._get_connection()
        except Exception as error:  # noqa: BLE001 - a credential provider may raise anything
            self._not_before = time.monotonic() + CONNECT_PAUSE
            self._connecting = None
            if not isinstance(error, RedisError | OSError):
                cause, error = error, RedisConnectionError(f"not connected: {error!r}")
                error.__cause__ = cause
            self._fail(self._waiting, error)
        except BaseException:
            self._connecting = None
            self._fail(self._waiting, RedisConnectionError("connecting was cancelled"))
            raise
        else:
            self._connecting = None
            self._take_over(connection)
            self._send_waiting()
            self._give_back_if_idle()

    async def _get_connection(self) -> AsyncConnection:
        while True:
            renewed = self._renewed
            connection: AsyncConnection = await self._pool.get_connection()
            is_closing = transport_of(connection).is_closing()
            if renewed == self._renewed and not is_closing:
                return connection
            await self._discard(connection)
            if is_closing:
                # Nobody would be told of its end.
                raise RedisConnectionError("the server closed the connection")

    def _take_over(self, connection: AsyncConnection) -> None:
        self._connection = connection
        self._transport = transport = transport_of(connection)
        self._streams = transport.get_protocol()
        self._reader, self._fed = new_reader(), 0
        self._paused = False
        self._last_reply = time.monotonic()
        transport.set_protocol(self)
        if self._heartbeat and self.owned:
            self._beat_later()

    def _give_back_if_idle(self) -> None:
        """Let a borrowed connection go back to its pool."""
        if self.owned or self._in_flight or self._waiting or self._transport is None:
            return
        connection, transport = self._connection, self._transport
        transport.set_protocol(self._streams)
        self._connection = self._transport = self._streams = None
        self._clean(self._pool.release(connection))

    def _clean(self, work: Any) -> None:
        task = self._loop.create_task(work)
        self._cleaning.add(task)
        task.add_done_callback(self._cleaning.discard)

    async def _discard(self, connection: AsyncConnection) -> None:
        with contextlib.suppress(RedisError, OSError):
            await connection.disconnect(True)
        await self._pool.release(connection)

    def _break(self, error: Exception) -> None:
        """Give the connection up: nobody can tell any more which reply belongs to whom."""
        connection, transport = self._connection, self._transport
        self._connection = self._transport = None
        self._buffer.clear()
        self._in_flight_bytes = 0
        if self._beat is not None:
            self._beat.cancel()
            self._beat = None
        if transport is not None:
            transport.set_protocol(self._streams)
            transport.abort()
        self._fail(self._in_flight, error)
        if connection is not None:
            self._clean(self._discard(connection))
        if self._waiting:
            self._connect_soon()

    @staticmethod
    def _fail(calls: deque[Call], error: Exception) -> None:
        for call in calls:
            call.fail(error)
        calls.clear()

    # --- asyncio.Protocol ---------------------------------------------------------------

    @override
    def data_received(self, data: bytes) -> None:
        reader, in_flight = self._reader, self._in_flight
        reader.feed(data)
        self._fed += len(data)
        try:
            while (reply := reader.gets()) is not NOT_ENOUGH:
                if type(reply) is Push:
                    continue
                call = in_flight.popleft()
                self._in_flight_bytes -= len(call.packed)
                future = call.reply
                if future.done():
                    continue
                if isinstance(reply, Exception):
                    future.set_exception(reply)
                else:
                    future.set_result(reply)
        except (RedisError, IndexError) as error:
            self._break(RedisConnectionError(f"the server sent what is no reply: {error!r}"))
            return
        self._last_reply = time.monotonic()
        if self._fed > LARGE and not in_flight:
            self._reader, self._fed = new_reader(), 0
        if self._waiting:
            self._send_waiting()
        if not in_flight and not self.owned:
            # A caller that comes at once with its next call finds the connection here.
            self._loop.call_soon(self._give_back_if_idle)

    @override
    def eof_received(self) -> None:
        # Not only in the next turn of the event loop, when the transport has closed itself.
        if self._transport is not None:
            self._break(RedisConnectionError("the server closed the connection"))

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._streams.connection_lost(exc)  # redis-py waits for it when it disconnects.
        if self._transport is not None:
            reason = "the server closed the connection" if exc is None else str(exc)
            error = RedisConnectionError(reason)
            error.__cause__ = exc
            self._break(error)

    @override
    def pause_writing(self) -> None:
        self._paused = True

    @override
    def resume_writing(self) -> None:
        self._paused = False
        self._send_waiting()

    # --- time ---------------------------------------------------------------------------

    def _arm(self, when: float) -> None:
        """Set the one timer to the first moment at which a call may have to end."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer_end = when
        self._timer = self._loop.call_later(max(when - time.monotonic(), 0), self._on_time)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._timer_end = None, math.inf

    def _silent_since(self) -> float:
        """Give the moment from which the server has owed a reply."""
        return max(self._in_flight[0].sent, self._last_reply)

    def _on_time(self) -> None:
        self._disarm()
        now = time.monotonic()
        limit = self._socket_timeout
        if self._in_flight and now - self._silent_since() >= limit:
            self._break(RedisTimeoutError(f"no reply within {limit} seconds"))
        self._end_late(self._in_flight, now)
        self._end_late(self._waiting, now)
        ends = [call.end for call in self._in_flight if not call.reply.done()]
        ends += [call.end for call in self._waiting if not call.reply.done()]
        if self._in_flight:
            ends.append(self._silent_since() + limit)
        if ends and min(ends) < self._timer_end:
            self._arm(min(ends))

    @staticmethod
    def _end_late(calls: Iterable[Call], now: float) -> None:
        for call in calls:
            if call.end <= now:
                call.fail(RedisTimeoutError("no reply in time"))

    def _beat_later(self) -> None:
        self._beat = self._loop.call_later(self._heartbeat, self._look_alive)

    def _look_alive(self) -> None:
        now = time.monotonic()
        if not self._in_flight and now - self._last_reply >= self._heartbeat:
            call = self.start(b"*1\r\n$4\r\nPING\r\n", now + self._heartbeat)
            call.reply.add_done_callback(forget)
        self._beat_later()

    # --- closing ------------------------------------------------------------------------

    def renew(self, reason: Exception) -> None:
        """Give up the connection, which leads to the wrong server; the next call makes a new one.

        Args:
            reason: What calls in flight are told.
        """
        self._renewed += 1
        if self._connection is not None:
            self._break(reason)

    async def aclose(self) -> None:
        """Give the connection up, and the pool if it is owned; calls in flight fail."""
        self._closed = True
        self._disarm()
        connecting = self._connecting
        if connecting is not None:
            connecting.cancel()
        closed = RedisConnectionError(CLOSED)
        self._fail(self._waiting, closed)
        self._break(closed)
        try:
            if connecting is not None:
                await asyncio.wait([connecting])
                # A cancellation may come too late.
                self._break(closed)
            while self._cleaning:
                await asyncio.wait(self._cleaning)
        finally:
            # Even if the caller was cancelled, or its time was over.
            if self.owned:
                await self._pool.aclose()

    def abandon(self) -> None:
        """Give the connection up later, when nobody can close it any more."""
        if self._transport is not None and self._pid == os.getpid():
            # Its event loop may be closed, and the connection with it.
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._break, RedisConnectionError("unclosed"))
