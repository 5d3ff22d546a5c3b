"""Functions of workers: coroutine functions, whichever API enqueues them."""

from __future__ import annotations

import asyncio
import threading
from types import SimpleNamespace
from typing import Any

from arqade import exceptions

try:
    from arq import func
    from arq.worker import Retry, RetryJob
except ImportError:  # a web application's environment, which has no worker
    Retry, RetryJob = exceptions.Retry, exceptions.RetryJob

    def func(coroutine, name=None, keep_result=None, timeout=None, max_tries=None):
        """Make what `arq.func` makes."""
        return SimpleNamespace(
            name=name or coroutine.__qualname__,
            coroutine=coroutine,
            timeout_s=timeout,
            keep_result_s=keep_result,
            keep_result_forever=None,
            max_tries=max_tries,
        )


async def worker_function(ctx: dict[str, Any], number: int) -> int:
    return number


async def add(ctx: dict[str, Any], a: int, b: int) -> int:
    return a + b


async def show_ctx(ctx: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in ctx.items() if name != "redis"}


async def fail(ctx: dict[str, Any], text: str) -> None:
    raise ValueError(text)


async def give_lambda(ctx: dict[str, Any]) -> Any:
    return lambda: None


async def retry_twice(ctx: dict[str, Any], defer: float | None = None) -> int:
    if ctx["job_try"] < 3:
        raise Retry(defer=defer)
    return ctx["job_try"]


async def retry_job_once(ctx: dict[str, Any]) -> int:
    if ctx["job_try"] < 2:
        raise RetryJob
    return ctx["job_try"]


async def cancel_self_once(ctx: dict[str, Any]) -> int:
    if ctx["job_try"] < 2:
        raise asyncio.CancelledError
    return ctx["job_try"]


async def retry_for_ever(ctx: dict[str, Any]) -> None:
    raise Retry


async def sleep_long(ctx: dict[str, Any]) -> None:
    started = ctx.get("started")
    if isinstance(started, threading.Event):
        started.set()
    await asyncio.sleep(60)


async def enqueue_another(ctx: dict[str, Any], queue_name: str | None = None) -> str | None:
    job = await ctx["redis"].enqueue_job("add", 1, 2, _job_id="another", _queue_name=queue_name)
    return None if job is None else job.job_id


async def note(ctx: dict[str, Any], name: str) -> None:
    ctx["notes"].append(name)


async def remember_start(ctx: dict[str, Any]) -> None:
    ctx["hooks"].append("start")


async def remember_end(ctx: dict[str, Any]) -> None:
    ctx["hooks"].append("end")


async def remember_startup(ctx: dict[str, Any]) -> None:
    ctx["hooks"] = ["startup"]


async def remember_shutdown(ctx: dict[str, Any]) -> None:
    ctx["hooks"].append("shutdown")
