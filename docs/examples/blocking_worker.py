"""A worker whose functions block: they run in threads and processes, beside the event loop."""

import asyncio
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

from arqade import RedisArqQueue, RedisSettings
from arqade.worker import build_worker_settings


def read_orders(month: str) -> list[int]:
    time.sleep(0.1)  # waits for a database
    return [len(month), 30, 70]


def add_up(orders: list[int]) -> int:
    return sum(orders)  # keeps a processor busy


async def build_report(ctx: dict[str, Any], month: str) -> int:
    orders = await asyncio.to_thread(read_orders, month)
    loop = asyncio.get_running_loop()
    total = await loop.run_in_executor(ctx["processes"], add_up, orders)
    # What depends on this job is enqueued by it. If it runs again, the id prevents a second mail.
    await ctx["queue"].enqueue(
        "mail_report",
        month,
        total,
        _job_id=f"mail-{month}",
        _on_conflict="return_existing",
    )
    return total


async def mail_report(ctx: dict[str, Any], month: str, total: int) -> str:
    await asyncio.to_thread(time.sleep, 0.1)  # talks to a mail server
    return f"{month}: {total}"


async def startup(ctx: dict[str, Any]) -> None:
    ctx["queue"] = RedisArqQueue(ctx["redis"])
    ctx["processes"] = ProcessPoolExecutor(mp_context=get_context("spawn"))


async def shutdown(ctx: dict[str, Any]) -> None:
    ctx["processes"].shutdown()


WorkerSettings = build_worker_settings(
    [build_report, mail_report],
    redis_settings=RedisSettings.from_env(),
    on_startup=startup,
    on_shutdown=shutdown,
    job_timeout=180,  # as RQ's default
    job_completion_wait=180,  # lets its jobs end when it is told to stop, as RQ's worker does
)
