"""Stock arq with redis-py's retries, and with a time-out too."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from arq import ArqRedis, create_pool
from arq.connections import RedisSettings
from arq.jobs import Job
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from benchmarks.jobs import TASK

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

Operations = dict[str, Any]
ERRORS: list[type[Exception]] = [RedisConnectionError, RedisTimeoutError]


def _operations(redis: ArqRedis) -> Operations:
    return {
        "enqueue": lambda args, kwargs: redis.enqueue_job(TASK, *args, **kwargs),
        "metadata": lambda job_id: Job(job_id, redis).info(),
    }


@contextlib.asynccontextmanager
async def with_retries(url: str) -> AsyncIterator[Operations]:
    """Open a pool that tries again; arq's settings have no time-out for a reply."""
    settings = RedisSettings.from_dsn(url)
    settings.retry = Retry(ExponentialBackoff(), 3)
    settings.retry_on_timeout = True
    settings.retry_on_error = ERRORS
    redis = await create_pool(settings)
    try:
        yield _operations(redis)
    finally:
        await redis.aclose()


@contextlib.asynccontextmanager
async def with_timeout(url: str) -> AsyncIterator[Operations]:
    """Open a client that waits a second for each reply, and tries again."""
    redis = ArqRedis.from_url(
        url, socket_timeout=1, retry=Retry(ExponentialBackoff(), 3), retry_on_error=ERRORS
    )
    try:
        yield _operations(redis)
    finally:
        await redis.aclose()
