"""Blocking connections of redis-py that connect no longer than their caller may wait."""

from __future__ import annotations

import contextlib
import math
import threading
import time
from typing import TYPE_CHECKING, Any

from redis import connection as redis_connection

from arqade._compat import override
from arqade._transport.redis_py import settle, socket_of

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


def _shorter(limit: float | None, left: float) -> float:
    return left if limit is None else min(left, limit)


class _Bounded(redis_connection.AbstractConnection):
    """Connects, greets and logs in no longer than `connecting_until` allows."""

    @override
    def connect(self) -> None:
        connection: Any = super()  # redis-py leaves it untyped
        if _limit.end == math.inf or socket_of(self) is not None:
            connection.connect()
            return
        own = self.socket_connect_timeout, self.socket_timeout
        left = max(_limit.end - time.monotonic(), SHORTEST)
        self.socket_connect_timeout = _shorter(own[0], left)
        self.socket_timeout = _shorter(own[1], left)
        # Only while it connects: each reply would pay for an overriding method.
        self.__dict__["read_response"] = self._read_in_time
        try:
            connection.connect()
        finally:
            del self.__dict__["read_response"]
            self.socket_connect_timeout, self.socket_timeout = own
        settle(self)

    def _read_in_time(self, *args: Any, **kwargs: Any) -> Any:
        """Read a reply of the greeting, all of which have the time that is left together."""
        if (open_socket := socket_of(self)) is not None:
            open_socket.settimeout(max(_limit.end - time.monotonic(), SHORTEST))
        connection: Any = super()
        return connection.read_response(*args, **kwargs)


class Connection(_Bounded, redis_connection.Connection):
    """A TCP connection."""


class SSLConnection(_Bounded, redis_connection.SSLConnection):
    """A TCP connection with TLS."""


class UnixDomainSocketConnection(_Bounded, redis_connection.UnixDomainSocketConnection):
    """A connection to a Unix socket."""
