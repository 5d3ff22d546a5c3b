"""RQ on a client of redis-py that is made as RQ's documentation makes it."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from redis import Redis
from rq import Queue

from benchmarks.faults.subjects import parts_of
from benchmarks.subjects.rq_queue import FUNCTION

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def with_client(url: str) -> Iterator[dict[str, Any]]:
    """Open a queue."""
    with Redis(**parts_of(url)) as connection:
        rq = Queue(connection=connection)
        yield {"enqueue": lambda args, kwargs: rq.enqueue(FUNCTION, *args, **kwargs)}
