"""arqade, in async and in blocking code."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from arqade import JobRequest, RedisArqQueue, SyncRedisArqQueue
from benchmarks.jobs import TASK

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping

Operations = dict[str, Any]


def _requests(count: int, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Iterator[Any]:
    # Made while they are enqueued, as an application would: their memory counts with the results.
    return (JobRequest(TASK, args, dict(kwargs)) for _ in range(count))


@contextlib.asynccontextmanager
async def async_queue(url: str) -> AsyncIterator[Operations]:
    """Open a queue for async code."""
    async with await RedisArqQueue.from_url(url) as queue:

        async def enqueue(args: tuple[Any, ...], kwargs: dict[str, Any]) -> object:
            return await queue.enqueue(TASK, *args, **kwargs)

        async def bulk(count: int, args: tuple[Any, ...], kwargs: dict[str, Any]) -> object:
            return await queue.enqueue_many(_requests(count, args, kwargs))

        async def discard(count: int, args: tuple[Any, ...], kwargs: dict[str, Any]) -> object:
            return await queue.enqueue_many(_requests(count, args, kwargs), collect=False)

        async def iterate() -> int:
            return sum([1 async for _ in queue.iter_jobs()])

        async def stats() -> object:
            return await queue.get_queue_stats()

        async def purge() -> object:
            return await queue.purge()

        yield {
            "enqueue": enqueue,
            "bulk": bulk,
            "bulk_discarding": discard,
            "metadata": queue.get_job_metadata,
            "result": queue.get_job_result,
            "wait": queue.wait_for_result,
            "iterate": iterate,
            "stats": stats,
            "purge": purge,
        }


@contextlib.contextmanager
def sync_queue(url: str) -> Iterator[Operations]:
    """Open a queue for blocking code."""
    with SyncRedisArqQueue.from_url(url) as queue:

        def enqueue(args: tuple[Any, ...], kwargs: dict[str, Any]) -> object:
            return queue.enqueue(TASK, *args, **kwargs)

        def bulk(count: int, args: tuple[Any, ...], kwargs: dict[str, Any]) -> object:
            return queue.enqueue_many(_requests(count, args, kwargs))

        def discard(count: int, args: tuple[Any, ...], kwargs: dict[str, Any]) -> object:
            return queue.enqueue_many(_requests(count, args, kwargs), collect=False)

        yield {
            "enqueue": enqueue,
            "bulk": bulk,
            "bulk_discarding": discard,
            "metadata": queue.get_job_metadata,
            "result": queue.get_job_result,
            "wait": queue.wait_for_result,
        }
