# Generated from tests/docs/_async/conftest.py by "make generate"; do not edit.
from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from arqade import SyncMockArqQueue, SyncRedisArqQueue

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def queue(redis_url: str) -> Iterator[SyncRedisArqQueue]:
    """A queue on an empty server."""
    with SyncRedisArqQueue.from_url(redis_url) as queue:
        yield queue


@pytest.fixture
def mock() -> Iterator[SyncMockArqQueue]:
    """A queue in memory."""
    with SyncMockArqQueue() as mock:
        yield mock
