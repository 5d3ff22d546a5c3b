"""taskiq with its brokers for Redis; results are not stored, which is its default."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from taskiq_redis import ListQueueBroker, RedisStreamBroker

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from taskiq import AsyncBroker


@contextlib.asynccontextmanager
async def _broker(broker: AsyncBroker) -> AsyncIterator[dict[str, Any]]:
    @broker.task(task_name="resize")
    async def resize(image: str, width: int) -> None:
        """Do nothing: no job is run."""

    await broker.startup()
    try:
        yield {"enqueue": lambda args, kwargs: resize.kiq(*args, **kwargs)}
    finally:
        await broker.shutdown()


def list_broker(url: str) -> contextlib.AbstractAsyncContextManager[dict[str, Any]]:
    """Open the broker that keeps jobs in a list."""
    return _broker(ListQueueBroker(url))


def stream_broker(url: str) -> contextlib.AbstractAsyncContextManager[dict[str, Any]]:
    """Open the broker that keeps jobs in a stream."""
    return _broker(RedisStreamBroker(url))
