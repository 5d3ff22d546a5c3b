from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from arqade import MockArqQueue, RedisArqQueue

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture
async def queue(redis_url: str) -> AsyncIterator[RedisArqQueue]:
    """A queue on an empty server."""
    async with await RedisArqQueue.from_url(redis_url) as queue:
        yield queue


@pytest.fixture
async def mock() -> AsyncIterator[MockArqQueue]:
    """A queue in memory."""
    async with MockArqQueue() as mock:
        yield mock
