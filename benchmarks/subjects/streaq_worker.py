"""streaQ."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from streaq import Worker

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SLICE = 1000
"""How many jobs are enqueued at once in bulk: faster than all of them in one pipeline."""


@contextlib.asynccontextmanager
async def worker(url: str) -> AsyncIterator[dict[str, Any]]:
    """Open a worker; clients use one too."""
    streaq: Worker[None] = Worker(redis_url=url)

    @streaq.task
    async def resize(image: str, width: int) -> None:
        """Do nothing: no job is run."""

    async def enqueue(args: tuple[Any, ...], kwargs: dict[str, Any]) -> object:
        return await resize.enqueue(*args, **kwargs)

    async def bulk(count: int, args: tuple[Any, ...], kwargs: dict[str, Any]) -> object:
        jobs: list[Any] = []
        for first in range(0, count, SLICE):
            size = min(SLICE, count - first)
            tasks = [resize.enqueue(*args, **kwargs) for _ in range(size)]
            await streaq.enqueue_many(tasks)
            jobs += tasks
        return jobs

    async with streaq:
        yield {"enqueue": enqueue, "bulk": bulk}
