"""Dramatiq with its broker for Redis, which is given a host."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import dramatiq
from dramatiq.brokers.redis import RedisBroker

from benchmarks.faults.subjects import parts_of

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def with_host(url: str) -> Iterator[dict[str, Any]]:
    """Open a broker."""
    redis = RedisBroker(**parts_of(url))

    @dramatiq.actor(broker=redis)
    def resize(image: str, width: int) -> None:
        """Do nothing: no job is run."""

    try:
        yield {"enqueue": lambda args, kwargs: resize.send(*args, **kwargs)}
    finally:
        redis.close()
