"""streaQ on a client of coredis that waits a second for each reply."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from streaq import Worker

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@contextlib.asynccontextmanager
async def with_timeout(url: str) -> AsyncIterator[dict[str, Any]]:
    """Open a worker; clients use one too."""
    streaq: Worker[None] = Worker(redis_url=url, redis_kwargs={"stream_timeout": 1})

    # Under this name the worker knows the task of the client with streaQ's own settings.
    @streaq.task(name="worker.<locals>.resize")
    async def resize(image: str, width: int) -> None:
        """Do nothing: no job is run."""

    async def enqueue(args: tuple[Any, ...], kwargs: dict[str, Any]) -> object:
        return await resize.enqueue(*args, **kwargs)

    async with streaq:
        yield {"enqueue": enqueue}
