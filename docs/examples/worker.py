"""The worker of the examples: a stock one, as `arq docs.examples.worker.WorkerSettings` runs it."""

import asyncio
from typing import Any

from arqade import RedisSettings


async def resize(ctx: dict[str, Any], name: str, *, width: int = 100) -> str:
    if not name.endswith((".png", ".jpg")):
        raise ValueError(f"not a picture: {name}")
    return f"{name}, {width} pixels wide"


async def render(ctx: dict[str, Any], film: str, *, seconds: float = 60) -> str:
    await asyncio.sleep(seconds)
    return f"{film} is ready"


class WorkerSettings:
    functions: list[Any] = [resize, render]
    redis_settings = RedisSettings.from_env()
    allow_abort_jobs = True
