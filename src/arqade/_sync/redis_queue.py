# Generated from src/arqade/_async/redis_queue.py by "make generate"; do not edit.
"""The queue on a Redis server."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Self

import attrs

from arqade._protocol.keys import DEFAULT_QUEUE, EXPIRES_EXTRA_MS
from arqade._sync.command_queue import MAX_PAYLOAD_BYTES, PICKLE, CommandQueue
from arqade.settings import RedisSettings

if TYPE_CHECKING:
    from redis import Redis

    from arqade._sync.connections import Connections
    from arqade.codecs import Codec
    from arqade.settings import AnySettings, Durability

__all__ = ["SyncRedisArqQueue"]

RETRY_BUDGET = 10.0
"""Seconds that one operation may take, retries included."""


class SyncRedisArqQueue(CommandQueue):
    """A client of arq queues on a Redis server.

    `initialize` and `from_url` open connections of their own and close them with the queue; the
    constructor borrows.

    Args:
        pool: A client of redis-py, such as the ``ctx["redis"]`` of a worker. It is borrowed: it
            stays open when the queue is closed.
        default_queue_name: The queue of operations that name none.
        codec: How jobs and results become bytes: what the workers use.
        expires_extra_ms: How long a job lives after it is due, in milliseconds, if it doesn't say.
        max_payload_bytes: The largest job that is enqueued, and the largest job or result that is
            read; encoded, in bytes.
        retry_budget: Seconds that one operation may take, retries included.
        durability: Where a job must be before an enqueue is confirmed: on the ``"primary"`` alone,
            or on ``"all-replicas"``, too.

    Raises:
        TypeError: ``pool`` is no client of redis-py of this kind, or a value is of a wrong type.
        ValueError: A value is not allowed.
    """

    def __init__(
        self,
        pool: Redis,
        *,
        default_queue_name: str = DEFAULT_QUEUE,
        codec: Codec = PICKLE,
        expires_extra_ms: int = EXPIRES_EXTRA_MS,
        max_payload_bytes: int = MAX_PAYLOAD_BYTES,
        retry_budget: float = RETRY_BUDGET,
        durability: Durability = "primary",
    ) -> None:
        if not retry_budget > 0:
            raise ValueError(f"retry_budget must be positive seconds, not {retry_budget}")
        if durability not in {"primary", "all-replicas"}:
            raise ValueError(f"durability must be primary or all-replicas, not {durability!r}")
        # redis-py takes longer to load than all the rest: it does when a queue is opened.
        from arqade._sync.connections import Connections  # noqa: PLC0415

        self._connections: Connections = Connections(
            pool, retry_budget=retry_budget, durability=durability
        )
        super().__init__(
            self._connections,
            default_queue_name=default_queue_name,
            codec=codec,
            expires_extra_ms=expires_extra_ms,
            max_payload_bytes=max_payload_bytes,
        )

    @classmethod
    def initialize(
        cls,
        settings: AnySettings | None = None,
        default_queue_name: str = DEFAULT_QUEUE,
        codec: Codec = PICKLE,
        expires_extra_ms: int = EXPIRES_EXTRA_MS,
        *,
        max_payload_bytes: int = MAX_PAYLOAD_BYTES,
        durability: Durability | None = None,
    ) -> Self:
        """Connect to a server and give a queue that owns its connections.

        Args:
            settings: Where the server is: arqade's settings, or arq's own. None means the
                defaults.
            default_queue_name: The queue of operations that name none.
            codec: How jobs and results become bytes: what the workers use.
            expires_extra_ms: How long a job lives after it is due, in milliseconds, if it doesn't
                say.
            max_payload_bytes: The largest job that is enqueued, and the largest job or result that
                is read; encoded, in bytes.
            durability: Where a job must be before an enqueue is confirmed: on the ``"primary"``
                alone, or on ``"all-replicas"``, too. None means what the settings say.

        Raises:
            TypeError: A value is of a wrong type.
            ValueError: A value is not allowed.
            QueueConnectionError: The server can't be reached after ``conn_retries`` more tries,
                or refuses the login.
            QueueServerError: The server refused.
        """
        ours = RedisSettings() if settings is None else RedisSettings.from_arq(settings)
        if durability is not None:
            ours = attrs.evolve(ours, durability=durability)
        from arqade._sync.client import open_client  # noqa: PLC0415 - as above

        client, primary = open_client(ours)
        queue = cls(
            client,
            default_queue_name=default_queue_name,
            codec=codec,
            expires_extra_ms=expires_extra_ms,
            max_payload_bytes=max_payload_bytes,
            retry_budget=ours.retry_budget,
            durability=ours.durability,
        )
        queue._connections.own(primary)
        try:
            queue._connections.first_contact(retries=ours.conn_retries, delay=ours.conn_retry_delay)
        except BaseException:
            queue.close()
            raise
        return queue

    @classmethod
    def from_url(
        cls,
        url: str,
        default_queue_name: str = DEFAULT_QUEUE,
        codec: Codec = PICKLE,
        expires_extra_ms: int = EXPIRES_EXTRA_MS,
        *,
        max_payload_bytes: int = MAX_PAYLOAD_BYTES,
        durability: Durability | None = None,
    ) -> Self:
        """Connect to the server that a URL names; see `RedisSettings.from_url` and `initialize`.

        Raises:
            ConfigurationError: The URL is malformed.
        """
        return cls.initialize(
            RedisSettings.from_url(url),
            default_queue_name,
            codec,
            expires_extra_ms,
            max_payload_bytes=max_payload_bytes,
            durability=durability,
        )

    def __del__(self) -> None:
        connections = getattr(self, "_connections", None)
        if connections is not None and not connections.closed:
            if connections.owned:
                warnings.warn(f"unclosed {self!r}", ResourceWarning, source=self, stacklevel=1)
            connections.abandon()
