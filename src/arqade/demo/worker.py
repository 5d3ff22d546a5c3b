"""The worker's settings: ``arq arqade.demo.worker.WorkerSettings`` runs it.

The URL of Redis is in the environment variable ``ARQADE_URL``, since everybody can read the
command lines of a machine.
"""

from __future__ import annotations

from typing import Any

from arqade import RedisSettings
from arqade.demo.jobs import checksum, count_words, stretch

__all__ = ["WorkerSettings"]


async def say_ready(_ctx: dict[str, Any]) -> None:
    """Tell the demo, which waits for a line, that the worker is about to take its first job."""
    print("ready", flush=True)


class WorkerSettings:
    """What arq's command line reads."""

    functions = (count_words, checksum, stretch)
    redis_settings = RedisSettings.from_env()  # arq takes arqade's settings as they are
    on_startup = say_ready
    allow_abort_jobs = True
    job_timeout = 30  # seconds: should the demo be killed, its worker is gone soon
    poll_delay = 0.05  # seconds between looks at the queue
