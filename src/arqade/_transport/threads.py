"""A connection for each thread that is waiting for the server."""

from __future__ import annotations

import os
import time
from collections import deque
from typing import Any, Protocol

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from arqade._transport.bounded import connecting_until
from arqade._transport.lines import CLOSED, LineBroken, is_broken, is_large

__all__ = ["Connection", "Pool", "ThreadConnections", "read", "write"]

SHORT_IDLE = 1.0
"""Seconds for which an unused connection is taken for good without a look."""


class Connection(Protocol):
    """What is used of a blocking connection of redis-py."""

    socket_timeout: float | None

    def connect(self) -> None: ...
    def send_packed_command(self, command: list[bytes], check_health: bool = ...) -> None: ...
    def read_response(self, disable_decoding: bool = ...) -> Any: ...
    def can_read(self, timeout: float = ...) -> bool: ...
    def disconnect(self) -> None: ...


class Pool(Protocol):
    """What is used of a blocking connection pool of redis-py."""

    connection_class: Any
    connection_kwargs: dict[str, Any]

    def get_connection(self) -> Any: ...
    def release(self, connection: Any) -> None: ...
    def close(self) -> None: ...


class ThreadConnections:
    """The connections of a pool, each used by one thread at a time.

    Connections of a pool of our own are kept at hand between calls, the last one used first: no
    lock is taken, and redis-py's look whether one is still good, three system calls, is left out
    where it was used a moment ago. Those of a borrowed pool go back after each call.

    Args:
        pool: redis-py's pool.
        owned: Whether the pool belongs to this object.
        socket_timeout: Ignored: redis-py's connections have their own.
        heartbeat: Ignored, too: redis-py sees to it when a command is sent.
    """

    def __init__(
        self,
        pool: Pool,
        *,
        owned: bool,
        socket_timeout: float | None,
        heartbeat: float = 0,
    ) -> None:
        self.owned = owned
        self.replicas = 0
        """How many replicas must confirm what is written here."""
        self._pool = pool
        self._pid = os.getpid()
        self._idle: deque[tuple[Connection, float]] = deque()
        self._in_want = 0
        self._closed = False

    def exchange(self, packed: bytes, end: float, *, once: bool = False) -> Any:
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
        connection = self.lease(end, once=once)
        try:
            write(connection, packed)
            reply = read(connection, end)
        except ResponseError:
            self.give_back(connection)
            raise
        except BaseException:
            self.discard(connection)
            raise
        if is_large(reply):
            # The parser would keep a copy of it until the next reply.
            self.discard(connection)
        else:
            self.give_back(connection)
        return reply

    def lease(self, end: float, *, once: bool = False) -> Connection:
        """Take a connection that nobody else uses.

        Args:
            end: Until when to connect, by the monotonic clock. A borrowed pool's connections have
                their own limits.
            once: As for `exchange`.

        Raises:
            LineBroken: There is none.
        """
        if self._pid != os.getpid():
            # After a fork the sockets are the parent's.
            self._pid, self._idle, self._in_want = os.getpid(), deque(), 0
        try:
            try:
                connection, since = self._idle.pop()
            except IndexError:
                return self._new(end)
            if once or time.monotonic() - since > SHORT_IDLE:
                self._mend(connection, end)
        except (RedisError, OSError) as error:
            raise LineBroken(error, sent=False) from error
        except Exception as error:
            # A credential provider may raise anything; and another thread that closes the queue
            # takes socket and parser away.
            reason = RedisConnectionError(f"not connected: {error!r}")
            raise LineBroken(reason, sent=False) from error
        return connection

    def _new(self, end: float) -> Connection:
        self._in_want += 1
        try:
            # Whoever gave a connection back before the line above did not know of this caller.
            return self._idle.pop()[0]
        except IndexError:
            with connecting_until(end):
                connection: Connection = self._pool.get_connection()
            return connection
        finally:
            self._in_want -= 1

    def _mend(self, connection: Connection, end: float) -> None:
        try:
            if connection.can_read():
                raise RedisConnectionError("the connection has data that nobody asked for")
        except (RedisError, OSError):
            connection.disconnect()
            try:
                with connecting_until(end):
                    connection.connect()
            except BaseException:
                self.discard(connection)
                raise

    def give_back(self, connection: Connection) -> None:
        """Let other threads have the connection."""
        if not self.owned:
            self._pool.release(connection)
            return
        if self._closed:
            self.discard(connection)
            return
        self._idle.append((connection, time.monotonic()))
        if self._in_want:
            # A thread waits at the pool, where it can't see those that are at hand.
            try:
                other, _ = self._idle.pop()
            except IndexError:
                return
            self._pool.release(other)

    def discard(self, connection: Connection) -> None:
        """Close a connection: a reply that is still to come must not be read by the next caller."""
        connection.disconnect()
        self._pool.release(connection)

    def renew(self, reason: Exception) -> None:
        """Give up the connections at hand: they lead to the wrong server.

        Args:
            reason: Ignored: those in use find out for themselves.
        """
        while self._idle:
            self.discard(self._idle.pop()[0])

    def close(self) -> None:
        """Close the connections and the pool, if it is owned; calls in flight fail."""
        self._closed = True
        self.renew(RedisConnectionError(CLOSED))
        if self.owned:
            self._pool.close()

    def abandon(self) -> None:
        """Close what is at hand, when nobody can use it any more."""
        if self._pid == os.getpid():
            for connection, _ in self._idle:
                connection.disconnect()


def write(connection: Connection, packed: bytes, *, check_health: bool = True) -> None:
    """Send a command.

    Args:
        connection: The connection.
        packed: The command.
        check_health: Whether redis-py may ask for a sign of life before: not while replies are
            due, the first of which it would take for that.

    Raises:
        LineBroken: It did not go out whole, and so the server can't carry it out.
    """
    try:
        connection.send_packed_command([packed], check_health=check_health)
    except (RedisError, OSError) as error:
        raise LineBroken(error, sent=False) from error
    except AttributeError as error:
        # Another thread has closed the queue, and so taken socket and parser away.
        raise LineBroken(RedisConnectionError(CLOSED), sent=True) from error


def read(connection: Connection, end: float) -> Any:
    """Read a reply, until a moment of the monotonic clock.

    Raises:
        LineBroken: There is none.
        redis.exceptions.RedisError: The server refused.
    """
    limit = connection.socket_timeout
    left = end - time.monotonic()
    try:
        if (limit is None or left < limit) and not connection.can_read(max(left, 0)):
            raise RedisTimeoutError("no reply in time")
        return connection.read_response(disable_decoding=True)
    except (RedisError, OSError) as error:
        if is_broken(error):
            raise LineBroken(error, sent=True) from error
        raise
    except AttributeError as error:
        # As above.
        raise LineBroken(RedisConnectionError(CLOSED), sent=True) from error
