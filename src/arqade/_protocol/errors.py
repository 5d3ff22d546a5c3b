"""Errors that do not come from redis-py."""

from __future__ import annotations

from arqade.exceptions import QueueClosed, QueueConnectionError

__all__ = ["Unanswered", "closed_error"]


class Unanswered(QueueConnectionError):
    """A command was sent, and no answer came: it may or may not have been carried out."""


def closed_error() -> QueueClosed:
    """Make the error of a call on a closed queue."""
    return QueueClosed("The queue is closed, nothing was sent: open a new one.")
