from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from arqade import RedisArqQueue, RedisSettings
from tests.faults.tasks import async_together

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SOCKET_TIMEOUT = 0.2
BUDGET = 3.0


@pytest.fixture
async def open_queues() -> AsyncIterator[Any]:
    """Opens so many queues, whose patience is short, and closes them after the test."""
    queues: list[RedisArqQueue] = []

    async def open_queues(url: str, count: int = 1, **options: Any) -> list[RedisArqQueue]:
        options = {"socket_timeout": SOCKET_TIMEOUT, "retry_budget": BUDGET, **options}
        settings = RedisSettings.from_url(url, **options)
        new = [await RedisArqQueue.initialize(settings) for _ in range(count)]
        queues.extend(new)
        return new

    yield open_queues
    await async_together([queue.aclose for queue in queues])
