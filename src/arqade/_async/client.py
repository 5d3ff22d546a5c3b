"""redis-py's clients with pools of our own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from arqade._async.primary import SentinelPrimary, make_pool
from arqade._compat import override

if True:  # ASYNC
    from redis.asyncio.connection import Connection, SSLConnection, UnixDomainSocketConnection
else:
    from arqade._transport.bounded import Connection, SSLConnection, UnixDomainSocketConnection

if TYPE_CHECKING:
    from arqade.settings import RedisSettings

__all__ = ["PrimaryConnection", "PrimarySSLConnection", "open_client"]

MAX_CONNECTIONS = 50
"""The size of a pool whose settings name none; further callers wait for a connection."""

POOL_TIME = 0.5
"""Seconds to wait for a connection of a full pool, before its budget is looked at again."""


def open_client(settings: RedisSettings) -> tuple[Redis, SentinelPrimary | None]:
    """Make a client with a pool of its own; it connects when it is first used.

    Returns:
        The client, and who knows where it connects to, if sentinels do.
    """
    kwargs = settings.connection_kwargs()
    primary = SentinelPrimary(settings) if settings.sentinel else None
    connection_class: Any
    if primary is not None:
        kwargs["primary"] = primary
        connection_class = PrimarySSLConnection if settings.ssl else PrimaryConnection
    elif settings.unix_socket_path is not None:
        connection_class = UnixDomainSocketConnection
    else:
        connection_class = SSLConnection if settings.ssl else Connection
    # What is confirmed by replicas has a connection of its own.
    least = 2 if settings.durability == "all-replicas" else 1
    pool = make_pool(
        connection_class,
        size=max(settings.max_connections or MAX_CONNECTIONS, least),
        timeout=min(settings.retry_budget, POOL_TIME),
        **kwargs,
    )
    return Redis(connection_pool=pool), primary


class PrimaryConnection(Connection):
    """A connection to wherever the primary is.

    Args:
        primary: Who knows that.
        **kwargs: What redis-py's own connection takes.
    """

    def __init__(self, *, primary: SentinelPrimary, **kwargs: Any) -> None:
        self._base: Any = super()  # redis-py leaves some of it untyped
        begin: Any = super().__init__
        begin(**kwargs)
        self._primary = primary

    @override
    async def connect(self) -> None:
        address = self._primary.address
        if address is None:
            raise RedisConnectionError("the sentinels were not asked yet")
        if address != (self.host, self.port):
            await self._base.disconnect()
            self.host, self.port = address
        await self._base.connect()

    @override
    async def send_packed_command(self, *args: Any, **kwargs: Any) -> None:
        if self._primary.address != (self.host, self.port):
            await self._base.disconnect()
            raise RedisConnectionError("the primary has moved")
        await self._base.send_packed_command(*args, **kwargs)


class PrimarySSLConnection(PrimaryConnection, SSLConnection):
    """A connection with TLS to wherever the primary is."""
