"""Commands one after the other on a thread's connection, replies later."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from arqade._protocol.replication import wait
from arqade._transport.lines import NOT_CONFIRMED, WAIT_TIME, LineBroken, unconfirmed
from arqade._transport.redis_py import pack_command
from arqade._transport.threads import read, write

if TYPE_CHECKING:
    from arqade._transport.thread_durable import DurableThreads
    from arqade._transport.threads import Connection, ThreadConnections

__all__ = ["ThreadPipe"]


class ThreadPipe:
    """Sends commands without waiting for the replies to earlier ones.

    Args:
        line: Where to take a connection, which is kept until the pipe is closed.
    """

    def __init__(self, line: ThreadConnections | DurableThreads) -> None:
        self.failed = False
        """Whether a command was refused or got no answer: none is sent any more after it."""
        self._line = line
        self._connection: Connection | None = None
        self._broken: Exception | None = None
        self._due: deque[int] = deque()
        """For each command without a reply how many replicas must confirm it."""

    def send(self, packed: bytes, end: float) -> bool:
        """Send a command if no earlier one has failed; tell whether it was."""
        if self.failed:
            return False
        replicas = self._line.replicas
        if replicas:
            packed += pack_command(wait(replicas, WAIT_TIME))
        try:
            if self._connection is None:
                self._connection = self._line.lease(end)
            write(self._connection, packed, check_health=not self._due)
        except LineBroken as broken:
            self.failed, self._broken = True, broken.error
            return broken.sent
        self._due.append(replicas)
        return True

    def receive(self, end: float) -> Any:
        """Give the reply to the oldest command that was sent; errors are those of `exchange`."""
        if self._broken is not None or self._connection is None:
            error = self._broken or RedisConnectionError("closed")
            raise LineBroken(error, sent=bool(self._due))
        try:
            reply = read(self._connection, end)
            replicas = self._due[0]
            if replicas:
                self._confirm(self._connection, replicas, end)
        except LineBroken as broken:
            self.failed, self._broken = True, broken.error
            raise
        except RedisError:
            self.failed = True
            if not self._due[0]:
                self._due.popleft()
            raise
        self._due.popleft()
        return reply

    @staticmethod
    def _confirm(connection: Connection, replicas: int, end: float) -> None:
        error: Exception | None
        try:
            error = unconfirmed(replicas, read(connection, end))
        except LineBroken as broken:
            late = isinstance(broken.error, RedisTimeoutError)
            error = RedisTimeoutError(NOT_CONFIRMED) if late else broken.error
        except RedisError as refusal:
            # What was written stays so.
            error = refusal
        if error is not None:
            raise LineBroken(error, sent=True) from error

    def close(self) -> None:
        """Give the connection back; replies that are still to come are lost with it."""
        connection, self._connection = self._connection, None
        if connection is not None:
            if self._due or self._broken:
                self._line.discard(connection)
            else:
                self._line.give_back(connection)
