"""The worker of a Deployment: `app/worker.py`."""

import asyncio
import socket
from typing import Any

from arqade import RedisSettings
from arqade.worker import build_worker_settings


async def resize(ctx: dict[str, Any], name: str, *, seconds: float = 0) -> str:
    await asyncio.sleep(seconds)
    return f"{name} is smaller"


WorkerSettings = build_worker_settings(
    [resize],
    redis_settings=RedisSettings.from_env(),
    max_jobs=20,
    job_timeout=120,
    job_completion_wait=120,
    health_check_interval=10,
    health_check_key=f"arq:queue:health-check:{socket.gethostname()}",
)
