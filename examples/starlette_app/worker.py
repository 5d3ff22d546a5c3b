"""The worker: a stock one, which ``arq examples.starlette_app.worker.WorkerSettings`` runs."""

from __future__ import annotations

from typing import Any

from arqade import RedisSettings
from examples.starlette_app.jobs import codec

__all__ = ["WorkerSettings", "shout"]


async def shout(_ctx: dict[str, Any], text: str, *, times: int = 1) -> str:
    """Say something, loudly."""
    return " ".join([text.upper() + "!"] * times)


class WorkerSettings:
    """What arq's command line reads."""

    functions = (shout,)
    redis_settings = RedisSettings.from_env()
    job_serializer = codec.worker_settings()["job_serializer"]
    job_deserializer = codec.worker_settings()["job_deserializer"]
