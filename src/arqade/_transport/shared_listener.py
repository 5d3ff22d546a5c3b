"""One connection on which the tasks of an event loop hear of results."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from typing import TYPE_CHECKING, Any

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from arqade._compat import override
from arqade._protocol.tracking import HEARTBEAT, Tracker, Watcher, negotiate, reconnect_pause
from arqade._transport.errors import is_final, is_transient
from arqade._transport.redis_py import (
    NOT_ENOUGH,
    Push,
    new_reader,
    pack_command,
    separate_connection,
    transport_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from arqade._protocol.tracking import Negotiation, PushMode, Words
    from arqade._transport.redis_py import AsyncConnection, AsyncPool

__all__ = ["SharedListener", "SharedWatch"]


class SharedListener(asyncio.Protocol):
    """Waits on a connection of its own for what the server pushes.

    It connects when somebody waits, and again when the connection breaks while somebody does; one
    that nobody needs is closed at the next heartbeat.

    Args:
        pool: redis-py's pool, whose settings the connection has, without being one of its own.
        answer_time: Seconds that the server has to answer a heartbeat.
    """

    def __init__(self, pool: AsyncPool, *, answer_time: float) -> None:
        self._pool = pool
        self._answer_time = answer_time
        self._tracker = Tracker(self._send)
        self._decided: PushMode | None = None
        self._closed = False
        self._loop: asyncio.AbstractEventLoop
        self._pid = 0
        self._connection: AsyncConnection | None = None
        self._transport: asyncio.Transport | None = None
        self._streams: Any = None
        self._reader: Any = None
        self._negotiation: Negotiation | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._renewed = 0
        self._cleaning: set[asyncio.Task[None]] = set()
        self._failures = 0
        self._outgoing: list[Words] = []
        self._beat: asyncio.TimerHandle | None = None
        self._last_heard = 0.0

    @property
    def mode(self) -> PushMode | None:
        """How results are heard of; None if nobody has waited yet."""
        return self._decided

    def watch(self) -> SharedWatch:
        """Make a watch for one caller."""
        if self._pid != os.getpid():
            # After a fork, what is here is the parent's.
            self._pid = os.getpid()
            self._loop = asyncio.get_running_loop()
            self._tracker = Tracker(self._send)
            self._connection = self._transport = self._connecting = self._beat = None
        return SharedWatch(self)

    # --- for watches --------------------------------------------------------------------

    @property
    def pushing(self) -> bool:
        """Whether the server tells of results now."""
        return self._tracker.pushing

    def add(self, watcher: Watcher, job_id: str, *, has_job: bool) -> None:
        """Let a watcher know when a job's result changes; see `Tracker.watch`."""
        self._tracker.watch(watcher, job_id, has_job=has_job)
        idle = self._connection is None and self._connecting is None
        if idle and self._decided != "polling" and not self._closed:
            self._connecting = self._loop.create_task(self._connect())

    def forget(self, watcher: Watcher, job_ids: Iterable[str]) -> None:
        """Take ids from a watcher."""
        self._tracker.forget(watcher, job_ids)

    # --- connecting ---------------------------------------------------------------------

    async def _connect(self) -> None:
        while not self._tracker.idle:
            if self._failures:
                await asyncio.sleep(reconnect_pause(self._failures))
            try:
                await self._open()
            except Exception:  # noqa: BLE001 - a credential provider may raise anything
                self._failures += 1
            else:
                break
        self._connecting = None

    async def _open(self) -> None:
        renewed = self._renewed
        for resp3 in (True, False):
            connection = separate_connection(self._pool, protocol=3 if resp3 else 2)
            try:
                await connection.connect()
            except RedisError as error:
                if resp3 and is_final(error):
                    continue  # This server or user knows no HELLO.
                raise
            except BaseException:
                await connection.disconnect(True)
                raise
            if renewed != self._renewed:
                await connection.disconnect(True)
                raise RedisConnectionError("the primary has moved")
            self._connection = connection
            self._transport = transport = transport_of(connection)
            self._streams = transport.get_protocol()
            self._reader = new_reader()
            self._negotiation = negotiate(resp3=resp3)
            self._last_heard = time.monotonic()
            transport.set_protocol(self)
            self._beat = self._loop.call_later(HEARTBEAT, self._heartbeat)
            self._write([next(self._negotiation)])
            return

    def _negotiated(self, mode: PushMode) -> None:
        self._negotiation = None
        self._decided = mode
        self._failures = 0
        self._tracker.connected(mode)
        if mode == "polling":
            self._drop()

    def _drop(self) -> None:
        """Give the connection up; the next `add` makes a new one, if that is of use."""
        connection, transport = self._connection, self._transport
        self._connection = self._transport = self._negotiation = None
        self._outgoing.clear()
        if self._beat is not None:
            self._beat.cancel()
            self._beat = None
        if transport is not None:
            transport.set_protocol(self._streams)
            transport.abort()
        if connection is not None:
            task = self._loop.create_task(_disconnect(connection))
            self._cleaning.add(task)
            task.add_done_callback(self._cleaning.discard)

    def _broken(self) -> None:
        self._drop()
        self._failures += 1
        self._tracker.disconnected()
        if self._connecting is None and not self._tracker.idle and not self._closed:
            self._connecting = self._loop.create_task(self._connect())

    # --- asyncio.Protocol ---------------------------------------------------------------

    def _send(self, words: Iterable[Words]) -> None:
        if not self._outgoing:
            # What many callers ask for in one turn of the event loop leaves together.
            self._loop.call_soon(self._flush)
        self._outgoing.extend(words)

    def _flush(self) -> None:
        words, self._outgoing = self._outgoing, []
        self._write(words)

    def _write(self, words: Iterable[Words]) -> None:
        if self._transport is not None:
            self._transport.write(b"".join(map(pack_command, words)))

    @override
    def data_received(self, data: bytes) -> None:
        self._last_heard = time.monotonic()
        self._reader.feed(data)
        try:
            while (reply := self._reader.gets()) is not NOT_ENOUGH:
                if isinstance(reply, RedisError) and is_transient(reply):
                    raise reply
                if self._negotiation is None:
                    self._tracker.receive(reply, frame=type(reply) is Push)
                elif type(reply) is not Push:
                    self._negotiate(self._negotiation, reply)
        except RedisError:
            self._broken()
            return
        if self._tracker.mode == "polling" and self._connection is not None:
            self._negotiated("polling")

    def _negotiate(self, negotiation: Negotiation, reply: Any) -> None:
        try:
            self._write([negotiation.send(reply)])
        except StopIteration as end:
            self._negotiated(end.value)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._streams.connection_lost(exc)  # redis-py waits for it when it disconnects.
        if self._transport is not None:
            self._broken()

    # --- time ---------------------------------------------------------------------------

    def _heartbeat(self) -> None:
        silence = time.monotonic() - self._last_heard
        if self._tracker.idle:
            self._drop()
            self._tracker.disconnected()
        elif silence >= HEARTBEAT + self._answer_time:
            self._broken()
        elif silence >= HEARTBEAT:
            self._tracker.ping()
            self._beat = self._loop.call_later(min(self._answer_time, HEARTBEAT), self._heartbeat)
        else:
            self._beat = self._loop.call_later(HEARTBEAT - silence, self._heartbeat)

    # --- closing ------------------------------------------------------------------------

    def renew(self) -> None:
        """Give up the connection, which leads to the wrong server, for a new one."""
        self._renewed += 1
        if self._connection is not None:
            self._broken()

    async def aclose(self) -> None:
        """Close the connection; who waits looks for itself, and finds the queue closed."""
        self._closed = True
        connecting = self._connecting
        if connecting is not None:
            connecting.cancel()
        if self._connection is not None:
            self._drop()
        self._tracker.disconnected()
        if connecting is not None:
            await asyncio.wait([connecting])
            # A cancellation may come too late.
            if self._connection is not None:
                self._drop()
        while self._cleaning:
            await asyncio.wait(self._cleaning)

    def abandon(self) -> None:
        """Give the connection up later, when nobody can close it any more."""
        if self._transport is not None and self._pid == os.getpid():
            # Its event loop may be closed, and the connection with it.
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._drop)


async def _disconnect(connection: AsyncConnection) -> None:
    with contextlib.suppress(RedisError, OSError):
        await connection.disconnect(True)


class SharedWatch(Watcher):
    """What one caller waits for.

    Args:
        listener: Who hears of it.
    """

    def __init__(self, listener: SharedListener) -> None:
        super().__init__()
        self._listener = listener
        self._woken: asyncio.Future[None] | None = None

    def add(self, job_id: str, *, has_job: bool) -> None:
        """Wait for a job, or wait for it again after a look; see `Tracker.watch`."""
        self._listener.add(self, job_id, has_job=has_job)

    def remove(self, job_id: str) -> None:
        """Wait for a job no longer."""
        self._listener.forget(self, [job_id])

    async def changed(self, end: float) -> set[str]:
        """Wait until there may be news, and give the ids to look at.

        Args:
            end: Until when to wait, by the monotonic clock; then all are to be looked at.
        """
        found = self.take()
        if found:
            return found
        pushing = self._listener.pushing
        pause = min(self.pause(pushing=pushing), end - time.monotonic())
        loop = asyncio.get_running_loop()
        self._woken = woken = loop.create_future()
        timer = loop.call_later(max(pause, 0), self.wake)
        try:
            await woken
        finally:
            timer.cancel()
            self._woken = None
        found = self.take()
        return found or set(self.ids)

    @override
    def wake(self) -> None:
        if self._woken is not None and not self._woken.done():
            self._woken.set_result(None)

    def close(self) -> None:
        """Wait for nothing any more."""
        self._listener.forget(self, tuple(self.ids))
