"""safir-arq, which arqade's API resembles."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from arq.connections import RedisSettings
from safir.arq import RedisArqQueue

from benchmarks.jobs import TASK

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@contextlib.asynccontextmanager
async def queue(url: str) -> AsyncIterator[dict[str, Any]]:
    """Open a queue; safir has no way to close one."""
    safir = await RedisArqQueue.initialize(RedisSettings.from_dsn(url))
    yield {
        "enqueue": lambda args, kwargs: safir.enqueue(TASK, *args, **kwargs),
        "metadata": safir.get_job_metadata,
        "result": safir.get_job_result,
    }
