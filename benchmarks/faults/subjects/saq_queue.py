"""SAQ on clients of redis-py that wait a second for each reply."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from redis.asyncio import Redis
from saq.queue.redis import RedisQueue

from benchmarks.faults.subjects import parts_of
from benchmarks.jobs import TASK

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@contextlib.asynccontextmanager
async def _queue(client: Redis) -> AsyncIterator[dict[str, Any]]:
    saq = RedisQueue(client)
    await saq.connect()
    try:
        yield {"enqueue": lambda args, kwargs: saq.enqueue(TASK, image=args[0], **kwargs)}
    finally:
        await saq.disconnect()


def with_timeout(url: str) -> contextlib.AbstractAsyncContextManager[dict[str, Any]]:
    """Open a queue on a client that does not try again."""
    return _queue(Redis.from_url(url, socket_timeout=1))


def with_retries(url: str) -> contextlib.AbstractAsyncContextManager[dict[str, Any]]:
    """Open a queue on a client that tries again, which is redis-py's default."""
    return _queue(Redis(**parts_of(url), socket_timeout=1))
