# Generated from tests/_async/conftest.py by "make generate"; do not edit.
from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from redis import Redis

from arqade import SyncRedisArqQueue

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def queue(redis_url: str) -> Iterator[SyncRedisArqQueue]:
    """A queue on an empty server."""
    with SyncRedisArqQueue.from_url(redis_url) as queue:
        yield queue


@pytest.fixture
def redis_client(redis_url: str) -> Iterator[Redis]:
    """redis-py's own client on the same server, to look behind the queue."""
    with Redis.from_url(redis_url) as client:
        yield client
