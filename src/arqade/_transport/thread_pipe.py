"""Commands one after the other on a thread's connection, replies later."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from arqade._transport.lines import LineBroken
from arqade._transport.threads import read, write

if TYPE_CHECKING:
    from arqade._transport.threads import Connection, ThreadConnections

__all__ = ["ThreadPipe"]


class ThreadPipe:
    """Sends commands without waiting for the replies to earlier ones.

    Args:
        line: Where to take a connection, which is kept until the pipe is closed.
    """

    def __init__(self, line: ThreadConnections) -> None:
        self.failed = False
        """Whether a command was refused or got no answer: none is sent any more after it."""
        self._line = line
        self._connection: Connection | None = None
        self._broken: Exception | None = None
        self._unread = 0

    def send(self, packed: bytes, end: float) -> bool:
        """Send a command if no earlier one has failed; tell whether it was."""
        if self.failed:
            return False
        try:
            if self._connection is None:
                self._connection = self._line.lease()
            write(self._connection, packed, check_health=not self._unread)
        except LineBroken as broken:
            self.failed, self._broken = True, broken.error
            return broken.sent
        self._unread += 1
        return True

    def receive(self, end: float) -> Any:
        """Give the reply to the oldest command that was sent; errors are those of `exchange`."""
        if self._broken is not None or self._connection is None:
            raise LineBroken(self._broken or RedisConnectionError("closed"), sent=True)
        try:
            reply = read(self._connection, end)
        except LineBroken as broken:
            self.failed, self._broken = True, broken.error
            raise
        except RedisError:
            self.failed = True
            self._unread -= 1
            raise
        self._unread -= 1
        return reply

    def close(self) -> None:
        """Give the connection back; replies that are still to come are lost with it."""
        connection, self._connection = self._connection, None
        if connection is not None:
            if self._unread or self._broken:
                self._line.discard(connection)
            else:
                self._line.give_back(connection)
