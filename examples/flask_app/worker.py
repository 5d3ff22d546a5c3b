"""The worker: a stock one, which ``arq examples.flask_app.worker.WorkerSettings`` runs."""

from __future__ import annotations

from typing import Any

from arqade import JSONCodec, RedisSettings

__all__ = ["WorkerSettings", "render"]


async def render(_ctx: dict[str, Any], title: str, *, pages: int = 1) -> dict[str, int]:
    """Render a document."""
    return {"pages": pages, "letters": pages * len(title)}


class WorkerSettings:
    """What arq's command line reads."""

    functions = (render,)
    redis_settings = RedisSettings.from_env()
    job_serializer = JSONCodec().worker_settings()["job_serializer"]
    job_deserializer = JSONCodec().worker_settings()["job_deserializer"]
