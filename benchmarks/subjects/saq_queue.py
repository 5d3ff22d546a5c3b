"""SAQ. Its jobs have keyword arguments only."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from saq import Queue

from benchmarks.jobs import TASK

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@contextlib.asynccontextmanager
async def queue(url: str) -> AsyncIterator[dict[str, Any]]:
    """Open a queue."""
    saq = Queue.from_url(url)
    await saq.connect()
    try:
        yield {"enqueue": lambda args, kwargs: saq.enqueue(TASK, image=args[0], **kwargs)}
    finally:
        await saq.disconnect()
