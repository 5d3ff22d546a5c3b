"""The worker: a stock one, which ``arq examples.litestar_app.worker.WorkerSettings`` runs."""

from __future__ import annotations

from typing import Any

from arqade import RedisSettings
from examples.litestar_app.jobs import Statistics, codec

__all__ = ["WorkerSettings", "count_words"]


async def count_words(_ctx: dict[str, Any], text: str) -> Statistics:
    """Count the words and letters of a text."""
    return Statistics(words=len(text.split()), letters=sum(map(str.isalpha, text)))


class WorkerSettings:
    """What arq's command line reads."""

    functions = (count_words,)
    redis_settings = RedisSettings.from_env()
    job_serializer = codec.worker_settings()["job_serializer"]
    job_deserializer = codec.worker_settings()["job_deserializer"]
