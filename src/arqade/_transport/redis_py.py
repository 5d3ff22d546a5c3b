"""What is used of redis-py beyond its public names, in one place.

redis-py connects: name look-up, TLS, login, ``SELECT``, Sentinel. What comes after goes over the
same transport without its layers, which cost more than the server's work. All of this was read in
redis-py 5.3.1 and 8.1.0; the tests run with both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, cast

import hiredis
from redis._parsers import BaseParser
from redis.exceptions import InvalidResponse

if TYPE_CHECKING:
    import asyncio
    import socket
    from collections.abc import Callable

__all__ = [
    "NOT_ENOUGH",
    "AsyncConnection",
    "AsyncPool",
    "Push",
    "new_reader",
    "pack_command",
    "separate_connection",
    "settle",
    "socket_of",
    "transport_of",
]

pack_command = cast("Callable[[tuple[str | bytes | int, ...]], bytes]", hiredis.pack_command)
"""Make the bytes of a command. Seven times as fast as redis-py's own way for async connections."""

NOT_ENOUGH = object()
"""What a reader gives while a reply is incomplete."""

Push: type = hiredis.PushNotification
"""The type of what a server sends unasked (RESP3)."""


class AsyncConnection(Protocol):
    """What is used of a connection of `redis.asyncio`."""

    async def connect(self) -> None: ...
    async def disconnect(self, nowait: bool = ..., /) -> None: ...


class AsyncPool(Protocol):
    """What is used of a connection pool of `redis.asyncio`."""

    connection_class: Any
    connection_kwargs: dict[str, Any]

    async def get_connection(self) -> Any: ...
    async def release(self, connection: Any) -> None: ...
    async def aclose(self) -> None: ...


def new_reader() -> Any:
    """Make a parser of replies; refusals come as instances of redis-py's own errors."""
    return hiredis.Reader(
        protocolError=InvalidResponse,
        replyError=BaseParser.parse_error,
        notEnoughData=NOT_ENOUGH,
    )


def transport_of(connection: Any) -> asyncio.Transport:
    """Give the transport of a connection of `redis.asyncio` that is connected and idle."""
    transport: asyncio.Transport = connection._writer.transport  # noqa: SLF001
    return transport


def socket_of(connection: Any) -> socket.socket:
    """Give the socket of a blocking connection of redis-py that is connected and idle."""
    found: socket.socket = connection._sock  # noqa: SLF001
    return found


def settle(connection: Any) -> None:
    """Give a blocking connection that has just connected the time-out that it names by now."""
    connection._sock.settimeout(connection.socket_timeout)  # noqa: SLF001
    # The parser notes it, and sets it again after each look at the socket.
    connection._parser.on_connect(connection)  # noqa: SLF001


def separate_connection(pool: Any, **changes: Any) -> Any:
    """Make a connection like those of a pool, sync or async, that does not belong to it.

    Args:
        pool: The pool.
        **changes: What is different, by the names of the connection's arguments.
    """
    kwargs = {**pool.connection_kwargs, **changes}
    # The pool's business, where redis-py knows it.
    for name in ("maint_notifications_pool_handler", "maint_notifications_config"):
        kwargs.pop(name, None)
    return pool.connection_class(**kwargs)
