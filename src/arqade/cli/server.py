"""Where the server is, how it is called where others may read it, and how a queue is opened."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Final

import attrs

from arqade import Codec, RedisSettings, SyncRedisArqQueue
from arqade._opening import DEFAULT_QUEUE
from arqade.cli.formats import codec_named

if TYPE_CHECKING:
    import redis

__all__ = ["Server", "masked", "raw_client"]

_IPV6_SIGN: Final = ":"


class Server:
    """The server that a command works on. Nothing is connected before a queue is opened.

    Args:
        url: Its URL; None for that in the environment.
        codec: The name of the codec.
    """

    def __init__(self, url: str | None, codec: str) -> None:
        self._url = url
        self._codec_name = codec

    @functools.cached_property
    def settings(self) -> RedisSettings:
        """The settings that the URL gives.

        Raises:
            ConfigurationError: There is no URL, or it is malformed.
        """
        if self._url is None:
            settings = RedisSettings.from_env()
        else:
            settings = RedisSettings.from_url(self._url)
        # Somebody waits for the answer: whether the server is there is told at the first attempt.
        return attrs.evolve(settings, conn_retries=0)

    @functools.cached_property
    def codec(self) -> Codec:
        """The codec of the queues that are opened.

        Raises:
            ConfigurationError: There is none of this name.
        """
        return codec_named(self._codec_name)

    def open(
        self, queue_name: str | None = None, *, retry_budget: float | None = None
    ) -> SyncRedisArqQueue:
        """Open a queue.

        Args:
            queue_name: The default queue; that of a stock worker if None.
            retry_budget: Seconds for each operation, if not those of the settings.

        Raises:
            ConfigurationError: The URL or the codec is wrong.
            QueueConnectionError: The server can't be reached.
            QueueServerError: The server refused.
        """
        settings = self.settings
        if retry_budget is not None:
            settings = attrs.evolve(settings, retry_budget=retry_budget)
        return SyncRedisArqQueue.initialize(settings, queue_name or DEFAULT_QUEUE, self.codec)


def masked(settings: RedisSettings) -> str:
    """Give the server's URL without secrets and options."""
    secret = ""
    if settings.password is not None or settings.username is not None:
        secret = f"{settings.username or ''}:***@"
    if settings.unix_socket_path is not None:
        return f"unix://{secret}{settings.unix_socket_path}?db={settings.database}"
    scheme = "rediss" if settings.ssl else "redis"
    if isinstance(settings.host, str):
        return f"{scheme}://{secret}{_address(settings.host, settings.port)}/{settings.database}"
    hosts = ",".join(_address(*sentinel) for sentinel in settings.host)
    return f"{scheme}+sentinel://{secret}{hosts}/{settings.sentinel_master}/{settings.database}"


def _address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if _IPV6_SIGN in host else f"{host}:{port}"


def raw_client(settings: RedisSettings, *, protocol: int = 2) -> redis.Redis:
    """Give redis-py's own client, for questions that no queue asks; it connects when it is used.

    Args:
        settings: Where the server is.
        protocol: The version of the Redis protocol.
    """
    # redis-py takes long to load, and few commands need it as such.
    from redis import (  # noqa: PLC0415
        Connection,
        ConnectionPool,
        Redis,
        SSLConnection,
        UnixDomainSocketConnection,
    )

    kwargs = {**settings.connection_kwargs(), "protocol": protocol}
    if settings.sentinel:
        from redis.sentinel import Sentinel  # noqa: PLC0415

        make_sentinel: Any = Sentinel  # redis-py leaves it untyped
        sentinel = make_sentinel(
            settings.sentinel_addresses(), sentinel_kwargs=settings.sentinel_kwargs()
        )
        client: Redis = sentinel.master_for(settings.sentinel_master, ssl=settings.ssl, **kwargs)
        return client
    if settings.unix_socket_path is not None:
        kind: Any = UnixDomainSocketConnection
    else:
        kind = SSLConnection if settings.ssl else Connection
    return Redis(connection_pool=ConnectionPool(connection_class=kind, **kwargs))
