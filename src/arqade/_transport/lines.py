"""What the ways to the server, for tasks and for threads, have in common."""

from __future__ import annotations

__all__ = ["LineBroken"]


class LineBroken(Exception):  # noqa: N818 - it carries an error, and is none for a caller
    """A command got no answer.

    Args:
        error: What redis-py or the operating system said.
        sent: Whether the server may have got the command.
    """

    def __init__(self, error: Exception, *, sent: bool) -> None:
        super().__init__(str(error))
        self.error = error
        self.sent = sent
