"""Tools for tests: the mocks, and tests that every queue passes.

`QueueConformance` and `SyncQueueConformance` hold tests of what a queue promises. A subclass gives
the queue; the tests are then its own:

    class TestMyQueue(SyncQueueConformance):
        @pytest.fixture
        def queue(self):
            with MyQueue() as queue:
                yield queue

Those of `QueueConformance` are plain coroutine functions, for whichever plugin runs a project's
async tests. Where that wants a mark, the subclass bears it: ``@pytest.mark.anyio`` or
``@pytest.mark.asyncio``. This module needs pytest.
"""

from __future__ import annotations

import pytest

# Before they are imported: failures explain themselves then.
pytest.register_assert_rewrite("arqade._async.conformance", "arqade._sync.conformance")

from arqade._async.conformance import QueueConformance  # noqa: E402 - see above
from arqade._async.mock_queue import MockArqQueue  # noqa: E402 - as above
from arqade._protocol.memory import MemoryStore, MockClock  # noqa: E402 - as above
from arqade._sync.conformance import SyncQueueConformance  # noqa: E402 - as above
from arqade._sync.mock_queue import SyncMockArqQueue  # noqa: E402 - as above

__all__ = [
    "MemoryStore",
    "MockArqQueue",
    "MockClock",
    "QueueConformance",
    "SyncMockArqQueue",
    "SyncQueueConformance",
]
