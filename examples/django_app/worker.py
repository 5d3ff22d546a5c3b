"""The worker, a stock one, whose functions use the project's models."""

from __future__ import annotations

import os
from typing import Any

import django
from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import close_old_connections

from arqade import JSONCodec, RedisSettings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "examples.django_app.settings")
django.setup()

from examples.django_app.models import Image  # noqa: E402 - models need the setup

__all__ = ["WorkerSettings"]

QUEUE = settings.ARQADE["default"]
CODEC = JSONCodec()  # as the settings say


async def greet(_ctx: dict[Any, Any], name: str) -> str:
    """Greet somebody."""
    return f"Hello {name}"


async def make_thumbnail(_ctx: dict[Any, Any], image_id: int, *, width: int) -> str:
    """Pretend to make an image's thumbnail."""
    image = await Image.objects.aget(pk=image_id)
    image.thumbnail = f"{image.name}, {width} pixels wide"
    await image.asave(update_fields=["thumbnail"])
    return image.thumbnail


async def close_unusable_connections(_ctx: dict[Any, Any]) -> None:
    """Let go of connections to the database that broke or got old, as a request does."""
    await sync_to_async(close_old_connections)()


class WorkerSettings:
    """Configuration for the arq worker.

    See `arq.worker.Worker` for details on these attributes.
    """

    functions = (greet, make_thumbnail)

    queue_name = QUEUE["QUEUE_NAME"]

    redis_settings = RedisSettings.from_url(QUEUE["URL"])

    job_serializer = CODEC.worker_settings()["job_serializer"]

    job_deserializer = CODEC.worker_settings()["job_deserializer"]

    on_job_start = close_unusable_connections
