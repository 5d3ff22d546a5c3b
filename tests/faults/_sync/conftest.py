# Generated from tests/faults/_async/conftest.py by "make generate"; do not edit.
from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from arqade import RedisSettings, SyncRedisArqQueue
from tests.faults.tasks import together

if TYPE_CHECKING:
    from collections.abc import Iterator

SOCKET_TIMEOUT = 0.2
BUDGET = 3.0


@pytest.fixture
def open_queues() -> Iterator[Any]:
    """Opens so many queues, whose patience is short, and closes them after the test."""
    queues: list[SyncRedisArqQueue] = []

    def open_queues(url: str, count: int = 1, **options: Any) -> list[SyncRedisArqQueue]:
        options = {"socket_timeout": SOCKET_TIMEOUT, "retry_budget": BUDGET, **options}
        settings = RedisSettings.from_url(url, **options)
        new = [SyncRedisArqQueue.initialize(settings) for _ in range(count)]
        queues.extend(new)
        return new

    yield open_queues
    together([queue.close for queue in queues])
