"""Errors that do not come from redis-py."""

from __future__ import annotations

from arqade.exceptions import QueueClosed, QueueConnectionError

__all__ = ["SendAgain", "Unanswered", "closed_error"]


class Unanswered(QueueConnectionError):
    """A command was sent, and no answer came: it may or may not have been carried out."""


class SendAgain(Exception):
    """A command that went through a pipe has no answer.

    Args:
        unanswered: Whether the server may have carried it out.
    """

    def __init__(self, *, unanswered: bool) -> None:
        super().__init__(unanswered)
        self.unanswered = unanswered


def closed_error() -> QueueClosed:
    """Make the error of a call on a closed queue."""
    return QueueClosed("The queue is closed, nothing was sent: open a new one.")
