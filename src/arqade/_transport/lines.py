"""What the ways to the server, for tasks and for threads, have in common."""

from __future__ import annotations

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import InvalidResponse
from redis.exceptions import TimeoutError as RedisTimeoutError

__all__ = ["LineBroken", "is_broken"]


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


def is_broken(error: Exception) -> bool:
    """Tell whether an error means that there is no connection, and not that the server refused.

    redis-py has refusals of classes of their own below its connection error.
    """
    kinds = (RedisConnectionError, RedisTimeoutError, InvalidResponse)
    return type(error) in kinds or isinstance(error, OSError)
