"""Threads' connections whose replies count only once the replicas have what was written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from arqade._transport.thread_pipe import ThreadPipe

if TYPE_CHECKING:
    from arqade._transport.threads import Connection, ThreadConnections

__all__ = ["DurableThreads"]


class DurableThreads:
    """Connections for commands that are followed by a WAIT.

    Args:
        line: The connections of other commands, which are these, too.
    """

    def __init__(self, line: ThreadConnections) -> None:
        self.replicas = 1
        """How many must confirm."""
        self._line = line

    def exchange(self, packed: bytes, end: float, *, once: bool = False) -> Any:
        """Send a command and give its reply, once it is confirmed; see `ThreadConnections`."""
        pipe = ThreadPipe(self)
        try:
            pipe.send(packed, end)
            return pipe.receive(end)
        finally:
            pipe.close()

    def lease(self, end: float, *, once: bool = False) -> Connection:
        """Take a connection that nobody else uses; see `ThreadConnections`."""
        return self._line.lease(end, once=once)

    def give_back(self, connection: Connection) -> None:
        """Let other threads have the connection."""
        self._line.give_back(connection)

    def discard(self, connection: Connection) -> None:
        """Close a connection."""
        self._line.discard(connection)

    def renew(self, reason: Exception) -> None:
        """Do nothing: the connections are the other line's."""

    def close(self) -> None:
        """Do nothing: the connections are the other line's."""

    def abandon(self) -> None:
        """Do nothing: the connections are the other line's."""
