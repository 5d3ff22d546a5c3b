"""What the ways to the server, for tasks and for threads, have in common."""

from __future__ import annotations

import copy
from typing import Any

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import InvalidResponse
from redis.exceptions import TimeoutError as RedisTimeoutError

__all__ = [
    "CLOSED",
    "LARGE",
    "NOT_CONFIRMED",
    "WAIT_TIME",
    "LineBroken",
    "fresh",
    "is_broken",
    "is_large",
    "unconfirmed",
]

CLOSED = "the queue was closed"
"""What calls are told that were on their way when it was."""

LARGE = 4 * 1024 * 1024
"""Bytes that a parser of replies may keep in its buffer: it does so until it is fed again."""

NOT_CONFIRMED = "the replicas did not confirm in time"
"""What is said of a command whose time was over before its WAIT was answered."""

WAIT_TIME = 0.5
"""Seconds for which a server waits for its replicas; then the command is repeated."""


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


def fresh(error: Exception, text: str | None = None) -> Exception:
    """Copy an error that several callers raise: each of them adds to its traceback.

    Args:
        error: The error.
        text: What it says from now on, if not the same.
    """
    own = copy.copy(error).with_traceback(None)
    own.__cause__ = error.__cause__ or error.__context__
    if text is not None:
        own.args = (text,)
    return own


def is_broken(error: Exception) -> bool:
    """Tell whether an error means that there is no connection, and not that the server refused.

    redis-py has refusals of classes of their own below its connection error.
    """
    kinds = (RedisConnectionError, RedisTimeoutError, InvalidResponse)
    return type(error) in kinds or isinstance(error, OSError)


def is_large(reply: Any) -> bool:
    """Tell whether a reply holds more than a parser may keep."""
    kind = type(reply)
    if kind is bytes:
        return len(reply) > LARGE
    if kind is list:
        # A loop, and what is most frequent first: this is looked at with every reply.
        for part in reply:
            if type(part) is not int and is_large(part):
                return True
    return False


def unconfirmed(replicas: int, confirmed: int) -> RedisTimeoutError | None:
    """Give the error of a command that not all replicas have; None if they do.

    Args:
        replicas: How many must have it.
        confirmed: How many do.
    """
    if confirmed >= replicas:
        return None
    return RedisTimeoutError(f"{confirmed} of {replicas} replicas confirmed in time")
