from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from redis.asyncio import Redis

from arqade import RedisArqQueue

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture
async def queue(redis_url: str) -> AsyncIterator[RedisArqQueue]:
    """A queue on an empty server."""
    async with await RedisArqQueue.from_url(redis_url) as queue:
        yield queue


@pytest.fixture
async def redis_client(redis_url: str) -> AsyncIterator[Redis]:
    """redis-py's own client on the same server, to look behind the queue."""
    async with Redis.from_url(redis_url) as client:
        yield client
