"""RQ."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from redis import Redis
from rq import Queue

if TYPE_CHECKING:
    from collections.abc import Iterator

FUNCTION = "tasks.resize"
SLICE = 1000
"""How many jobs are enqueued at once in bulk: faster than all of them in one pipeline."""


@contextlib.contextmanager
def queue(url: str) -> Iterator[dict[str, Any]]:
    """Open a queue."""
    with Redis.from_url(url) as connection:
        rq = Queue(connection=connection)

        def bulk(count: int, args: tuple[Any, ...], kwargs: dict[str, Any]) -> object:
            jobs: list[Any] = []
            for first in range(0, count, SLICE):
                size = min(SLICE, count - first)
                jobs += rq.enqueue_many(
                    [Queue.prepare_data(FUNCTION, args, kwargs) for _ in range(size)]
                )
            return jobs

        yield {
            "enqueue": lambda args, kwargs: rq.enqueue(FUNCTION, *args, **kwargs),
            "bulk": bulk,
        }
