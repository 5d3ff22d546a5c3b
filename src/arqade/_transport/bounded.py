"""Blocking connections of redis-py that connect no longer than their caller may wait."""

from __future__ import annotations

import contextlib
import math
import threading
import time
from typing import TYPE_CHECKING, Any

from redis import connection as redis_connection

from arqade._compat import override
from arqade._transport.redis_py import socket_of

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Connection", "SSLConnection", "UnixDomainSocketConnection", "connecting_until"]

SHORTEST = 0.001
"""Seconds to connect at least: no time at all would mean without waiting."""


class _Limit(threading.local):
    end = math.inf


_limit = _Limit()


@contextlib.contextmanager
def connecting_until(end: float) -> Iterator[None]:
    """Limit the connecting of this thread, by the monotonic clock."""
    _limit.end = end
    try:
        yield
    finally:
        _limit.end = math.inf


def _shorter(limit: float | None, left: float) -> float | None:
    return limit if left == math.inf else min(left, math.inf if limit is None else limit)


class _Bounded(redis_connection.AbstractConnection):
    """Connects, greets and logs in no longer than `connecting_until` allows."""

    hurried = False
    """Whether the connection was made in a hurry: its time-outs are short until it is made anew."""
    _limits: tuple[float | None, float | None] | None = None

    @override
    def connect(self) -> None:
        if socket_of(self) is None:
            if self._limits is None:
                self._limits = (self.socket_connect_timeout, self.socket_timeout)
            left = max(_limit.end - time.monotonic(), SHORTEST)
            self.socket_connect_timeout = _shorter(self._limits[0], left)
            self.socket_timeout = _shorter(self._limits[1], left)
            self.hurried = self.socket_timeout != self._limits[1]
        connection: Any = super()  # redis-py leaves it untyped
        connection.connect()


class Connection(_Bounded, redis_connection.Connection):
    """A TCP connection."""


class SSLConnection(_Bounded, redis_connection.SSLConnection):
    """A TCP connection with TLS."""


class UnixDomainSocketConnection(_Bounded, redis_connection.UnixDomainSocketConnection):
    """A connection to a Unix socket."""
