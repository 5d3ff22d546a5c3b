"""The settings of the worker, a stock one."""

from __future__ import annotations

import logging
import uuid
from typing import Any

import httpx

from examples.fastapi_app.config import config
from examples.fastapi_app.worker.functions import nbexec, test_task

__all__ = ["WorkerSettings"]


async def startup(ctx: dict[Any, Any]) -> None:
    """Set up the worker context."""
    # The instance key uniquely identifies this worker in logs.
    instance_key = uuid.uuid4().hex
    logger = logging.LoggerAdapter(
        logging.getLogger("arq.worker"), {"worker_instance": instance_key}
    )

    ctx["http_client"] = httpx.AsyncClient()
    ctx["logger"] = logger
    logger.info("Worker start up complete")


async def shutdown(ctx: dict[Any, Any]) -> None:
    """Clean up what `startup` has set up."""
    await ctx["http_client"].aclose()
    ctx["logger"].info("Worker shutdown complete.")


class WorkerSettings:
    """Configuration for the arq worker.

    See `arq.worker.Worker` for details on these attributes.
    """

    functions = (test_task, nbexec)

    redis_settings = config.arq_redis_settings

    on_startup = startup

    on_shutdown = shutdown
