"""One connection on which threads hear of results, without a thread of its own.

Of the threads that wait, one reads for all; when it has what it waits for, or its time is over,
the next one reads on.
"""

from __future__ import annotations

import os
import select
import ssl
import threading
import time
from typing import TYPE_CHECKING, Any

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from arqade._compat import override
from arqade._protocol.tracking import HEARTBEAT, Tracker, Watcher, negotiate, reconnect_pause
from arqade._transport.errors import is_final, is_transient
from arqade._transport.redis_py import (
    NOT_ENOUGH,
    Push,
    new_reader,
    pack_command,
    separate_connection,
    socket_of,
)

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterable

    from arqade._protocol.tracking import PushMode, Words
    from arqade._transport.threads import Connection, Pool

__all__ = ["ThreadListener", "ThreadWatch"]

FORKING = threading.RLock()
"""Held while what came from the parent process is put aside."""

LONGEST_READ = 65_536
"""Bytes that are read at once."""


class ThreadListener:
    """Waits on a connection of its own for what the server pushes.

    It connects when somebody waits, and again when the connection breaks while somebody does; one
    that nobody has used for a while is closed when somebody waits again.

    Args:
        pool: redis-py's pool, whose settings the connection has, without being one of its own.
        answer_time: Seconds that the server has to answer a heartbeat.
    """

    def __init__(self, pool: Pool, *, answer_time: float) -> None:
        self._pool = pool
        self._answer_time = answer_time
        self._decided: PushMode | None = None
        self._begin()

    def _begin(self) -> None:
        self._lock = threading.RLock()
        """Held for what takes no time: never while waiting for the server."""
        self._tracker = Tracker(self._send)
        self._waiting: dict[ThreadWatch, None] = {}
        self._leader: ThreadWatch | None = None
        self._connection: Connection | None = None
        self._socket: socket.socket | None = None
        self._reader: Any = None
        self._outgoing = bytearray()
        """What the socket had no room for."""
        self._closed = False
        self._not_before = 0.0
        self._failures = 0
        self._last_heard = 0.0
        self._pinged = False
        self._pid = os.getpid()

    @property
    def mode(self) -> PushMode | None:
        """How results are heard of; None if nobody has waited yet."""
        return self._decided

    def watch(self) -> ThreadWatch:
        """Make a watch for one caller."""
        with FORKING:
            if self._pid != os.getpid():
                # After a fork, what is here is the parent's.
                self._begin()
        return ThreadWatch(self)

    # --- for watches --------------------------------------------------------------------

    def add(self, watcher: ThreadWatch, job_id: str, *, has_job: bool) -> None:
        """Let a watcher know when a job's result changes; see `Tracker.watch`."""
        with self._lock:
            self._tracker.watch(watcher, job_id, has_job=has_job)

    def forget(self, watcher: ThreadWatch, job_ids: Iterable[str]) -> None:
        """Take ids from a watcher."""
        with self._lock:
            self._tracker.forget(watcher, job_ids)

    def wait(self, watcher: ThreadWatch, end: float) -> set[str]:
        """Wait until there may be news for a watcher, or its time is over; give its news."""
        until = self._until(watcher, end)
        try:
            while True:
                with self._lock:
                    if watcher.news or watcher.look or time.monotonic() >= until:
                        watcher.look = False
                        return watcher.take()
                    leads = self._leader is None and self._may_lead()
                    if leads:
                        self._leader = watcher
                    else:
                        self._waiting[watcher] = None
                        watcher.woken.clear()
                if not leads:
                    watcher.woken.wait(max(until - time.monotonic(), 0))
                elif self._connection is None:
                    self._connect(end)
                    until = self._until(watcher, end)
                else:
                    self._read(watcher, until)
        finally:
            self._step_down(watcher)

    def _until(self, watcher: ThreadWatch, end: float) -> float:
        with self._lock:
            return min(end, time.monotonic() + watcher.pause(pushing=self._tracker.pushing))

    def _may_lead(self) -> bool:
        if self._decided == "polling" or self._closed:
            return False
        return self._connection is not None or time.monotonic() >= self._not_before

    def _step_down(self, watcher: ThreadWatch) -> None:
        with self._lock:
            self._waiting.pop(watcher, None)
            if self._leader is watcher:
                self._leader = None
            if self._leader is None and self._waiting and self._may_lead():
                next(iter(self._waiting)).woken.set()

    # --- the reading thread -------------------------------------------------------------

    def _connect(self, end: float) -> None:
        try:
            self._open(end)
        except Exception:  # noqa: BLE001 - a credential provider may raise anything
            self._broken()
        finally:
            with self._lock:
                self._leader = None

    def _read(self, watcher: ThreadWatch, until: float) -> None:
        """Read until there is news for the reader itself, its time is over, or all breaks."""
        try:
            if self._is_stale():
                self._drop()
            while not watcher.news:
                now = time.monotonic()
                if now >= until:
                    return
                self._keep_alive(now)
                connection = self._socket  # Whoever sends may find it broken, and take it away.
                if connection is None:
                    return
                beat = self._last_heard + HEARTBEAT + self._pinged * self._answer_time
                self._receive(connection, min(until, beat) - now)
        except (RedisError, OSError, ValueError):
            # A closed socket has no number, which is a ValueError.
            self._broken()
        except BaseException:
            # What was read and not understood yet is lost.
            self._drop()
            raise
        finally:
            with self._lock:
                self._leader = None

    def _is_stale(self) -> bool:
        """Tell whether nobody has listened for so long that frames may have piled up."""
        return time.monotonic() - self._last_heard > HEARTBEAT + self._answer_time

    def _keep_alive(self, now: float) -> None:
        silence = now - self._last_heard
        if silence >= HEARTBEAT + self._answer_time:
            raise RedisTimeoutError("no answer to a heartbeat")
        if silence >= HEARTBEAT and not self._pinged:
            self._pinged = True
            with self._lock:
                self._tracker.ping()

    def _receive(self, connection: socket.socket, timeout: float) -> None:
        if not (isinstance(connection, ssl.SSLSocket) and connection.pending()):
            poll = select.poll()
            poll.register(connection, select.POLLIN | (select.POLLOUT if self._outgoing else 0))
            # A millisecond more: rounded down, the end of a wait would be polled for busily.
            if not poll.poll(timeout * 1000 + 1):
                return
        # OpenSSL bears no reading and sending at the same time.
        with self._lock:
            self._flush()
            try:
                data = connection.recv(LONGEST_READ)
            except (BlockingIOError, ssl.SSLWantReadError):
                return
            if not data:
                raise RedisConnectionError("the server closed the connection")
            self._last_heard, self._pinged = time.monotonic(), False
            self._reader.feed(data)
            self._failures = 0
            while (reply := self._reader.gets()) is not NOT_ENOUGH:
                if isinstance(reply, RedisError) and is_transient(reply):
                    raise reply
                self._tracker.receive(reply, frame=type(reply) is Push)
            if self._tracker.mode == "polling":
                self._decided = "polling"
                self._drop()

    def _send(self, words: Iterable[Words]) -> None:
        with self._lock:
            if self._socket is not None:
                self._outgoing += b"".join(map(pack_command, words))
                try:
                    self._flush()
                except OSError:
                    self._broken()

    def _flush(self) -> None:
        """Send what the socket takes; the rest follows when the server has read on."""
        while self._outgoing and self._socket is not None:
            try:
                sent = self._socket.send(self._outgoing)
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                return
            del self._outgoing[:sent]

    # --- connecting ---------------------------------------------------------------------

    def _open(self, end: float) -> None:
        for resp3 in (True, False):
            connection = separate_connection(self._pool, protocol=3 if resp3 else 2)
            left = max(end - time.monotonic(), 0.001)
            # The greeting reads, too. Later the listener has its own way to read.
            for name in ("socket_connect_timeout", "socket_timeout"):
                limit = getattr(connection, name)
                setattr(connection, name, left if limit is None else min(limit, left))
            try:
                connection.connect()
            except RedisError as error:
                if resp3 and is_final(error):
                    continue  # This server or user knows no HELLO.
                raise
            try:
                mode = self._negotiate(connection, resp3=resp3)
            except BaseException:
                connection.disconnect()
                raise
            with self._lock:
                self._decided = mode
                if mode == "polling" or self._closed:
                    connection.disconnect()
                else:
                    self._connection, self._socket = connection, socket_of(connection)
                    self._socket.settimeout(0)
                    self._reader = new_reader()
                    self._last_heard, self._pinged = time.monotonic(), False
                self._tracker.connected(mode)
            return

    @staticmethod
    def _negotiate(connection: Connection, *, resp3: bool) -> PushMode:
        negotiation = negotiate(resp3=resp3)
        words = next(negotiation)
        while True:
            connection.send_packed_command([pack_command(words)])
            try:
                reply = connection.read_response(disable_decoding=True)
            except RedisError as error:
                if not is_final(error):
                    raise
                reply = error
            try:
                words = negotiation.send(reply)
            except StopIteration as end:
                mode: PushMode = end.value
                return mode

    def _drop(self) -> None:
        with self._lock:
            connection, self._connection, self._socket = self._connection, None, None
            self._outgoing.clear()
            if connection is not None:
                connection.disconnect()
            self._tracker.disconnected()

    def _broken(self) -> None:
        with self._lock:
            self._drop()
            self._failures += 1
            self._not_before = time.monotonic() + reconnect_pause(self._failures)

    # --- closing ------------------------------------------------------------------------

    def renew(self) -> None:
        """Give up the connection, which leads to the wrong server, for a new one."""
        self._drop()

    def close(self) -> None:
        """Close the connection; who waits looks for itself, and finds the queue closed."""
        self._closed = True
        if self._pid == os.getpid():
            self._drop()

    def abandon(self) -> None:
        """Close the socket, when nobody can use it any more."""
        self.close()


class ThreadWatch(Watcher):
    """What one caller waits for.

    Args:
        listener: Who hears of it.
    """

    def __init__(self, listener: ThreadListener) -> None:
        super().__init__()
        self._listener = listener
        self.woken = threading.Event()
        """Set when there is something to do: news, a look, or to read for all."""
        self.look = False
        """Whether to look at all."""

    def add(self, job_id: str, *, has_job: bool) -> None:
        """Wait for a job, or wait for it again after a look; see `Tracker.watch`."""
        self._listener.add(self, job_id, has_job=has_job)

    def remove(self, job_id: str) -> None:
        """Wait for a job no longer."""
        self._listener.forget(self, [job_id])

    def changed(self, end: float) -> set[str]:
        """Wait until there may be news, and give the ids to look at.

        Args:
            end: Until when to wait, by the monotonic clock; then all are to be looked at.
        """
        return self._listener.wait(self, end) or set(self.ids)

    @override
    def wake(self) -> None:
        self.look = True
        self.woken.set()

    def close(self) -> None:
        """Wait for nothing any more."""
        self._listener.forget(self, tuple(self.ids))
