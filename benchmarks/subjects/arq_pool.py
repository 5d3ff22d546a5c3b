"""Stock arq: its pool, and what blocking code has to do with it."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import TYPE_CHECKING, Any

from arq import create_pool
from arq.connections import RedisSettings
from arq.jobs import Job

from benchmarks.jobs import TASK

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

Operations = dict[str, Any]
SLICE = 100
"""How many jobs are enqueued at once in bulk: a little faster than with slices of 1,000."""


@contextlib.asynccontextmanager
async def pool(url: str) -> AsyncIterator[Operations]:
    """Open a pool."""
    redis = await create_pool(RedisSettings.from_dsn(url))

    async def enqueue(args: tuple[Any, ...], kwargs: dict[str, Any]) -> object:
        return await redis.enqueue_job(TASK, *args, **kwargs)

    async def bulk(count: int, args: tuple[Any, ...], kwargs: dict[str, Any]) -> object:
        jobs: list[Any] = []
        for first in range(0, count, SLICE):
            size = min(SLICE, count - first)
            jobs += await asyncio.gather(
                *(redis.enqueue_job(TASK, *args, **kwargs) for _ in range(size))
            )
        return jobs

    try:
        yield {
            "enqueue": enqueue,
            "bulk": bulk,
            "metadata": lambda job_id: Job(job_id, redis).info(),
            "result": lambda job_id: Job(job_id, redis).result_info(),
            "wait": lambda job_id: Job(job_id, redis).result(),
        }
    finally:
        await redis.aclose()


@contextlib.contextmanager
def a_loop_for_each(url: str) -> Iterator[Operations]:
    """Open a pool for each job, in ``asyncio.run``: what blocking code often does."""
    settings = RedisSettings.from_dsn(url)

    async def enqueue_async(args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        redis = await create_pool(settings)
        await redis.enqueue_job(TASK, *args, **kwargs)
        await redis.aclose()

    yield {"enqueue": lambda args, kwargs: asyncio.run(enqueue_async(args, kwargs))}


@contextlib.contextmanager
def a_loop_in_a_thread(url: str) -> Iterator[Operations]:
    """Keep an event loop in a thread, with a pool in it."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    def run(coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, loop).result()

    redis = run(create_pool(RedisSettings.from_dsn(url)))
    try:
        yield {"enqueue": lambda args, kwargs: run(redis.enqueue_job(TASK, *args, **kwargs))}
    finally:
        run(redis.aclose())
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
