"""An application whose worker's settings `arqade.worker` builds.

``python -m arq tests.harness.built_app.WorkerSettings`` runs its worker, on the server that
ARQADE_TEST_WORKER_REDIS names. ARQADE_TEST_WORKER_SETTINGS holds options of the builder, as JSON:
``codec`` by the name of one of `CODECS`, and with ``failing`` the name of a hook that raises.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from arq import cron, func

from arqade import (
    JSONCodec,
    PickleCodec,
    RedisSettings,
    RestrictedPickleCodec,
    SignedCodec,
)
from arqade.worker import build_worker_settings

CODECS = {
    "pickle": PickleCodec(),
    "restricted": RestrictedPickleCodec(),
    "json": JSONCodec(),
    "signed": SignedCodec(JSONCodec(), keys=[b"0123456789abcdef0123456789abcdef"]),
}

READY = "the stock worker is ready"
"""What the worker says when it has started."""

SEEN = "test:hooks"
"""A list: the hooks that were called, and how many records there were at that moment."""

Context = dict[str, Any]


async def add(_: Context, a: int, b: int) -> int:
    return a + b


async def wait_for_word(ctx: Context) -> str:
    """Run until something is in the list ``test:go``."""
    await ctx["redis"].blpop("test:go")
    return "told"


async def tick(_: Context) -> None:
    return None


async def note(ctx: Context, hook: str) -> None:
    redis = ctx["redis"]
    await redis.rpush(SEEN, f"{hook} {await redis.zcard('arqade:workers:arq:queue')}")
    if hook == failing:
        raise RuntimeError(f"{hook} fails, as it was told to")


async def on_startup(ctx: Context) -> None:
    await note(ctx, "on_startup")
    sys.stdout.write(f"{READY}\n")
    sys.stdout.flush()


async def on_shutdown(ctx: Context) -> None:
    await note(ctx, "on_shutdown")


async def on_job_start(ctx: Context) -> None:
    await note(ctx, "on_job_start")


async def on_job_end(ctx: Context) -> None:
    await note(ctx, "on_job_end")


options = json.loads(os.environ.get("ARQADE_TEST_WORKER_SETTINGS", "{}"))
failing = options.pop("failing", "")

WorkerSettings = build_worker_settings(
    [add, func(wait_for_word, name="wait"), "tests.harness.functions.worker_function"],
    cron_jobs=[cron(tick, hour=3, minute=33)],
    redis_settings=RedisSettings.from_url(os.environ.get("ARQADE_TEST_WORKER_REDIS", "redis://")),
    codec=CODECS[options.pop("codec", "pickle")],
    on_startup=on_startup,
    on_shutdown=on_shutdown,
    on_job_start=on_job_start,
    on_job_end=on_job_end,
    **options,
)
