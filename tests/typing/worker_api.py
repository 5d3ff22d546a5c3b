"""Right and wrong uses of `arqade.worker` and of workers' records, for mypy and pyright.

It is never run. A wrong use carries an ignore, which both report if it is none.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, assert_type

from arq import cron, func
from arq.connections import RedisSettings as ArqRedisSettings
from arq.worker import create_worker, run_worker

from arqade import (
    ArqQueue,
    Finding,
    JobRequest,
    JSONCodec,
    RedisSettings,
    SyncArqQueue,
    WorkerRecord,
    job,
)
from arqade.worker import WorkerSettings, build_worker_settings


async def add(ctx: dict[Any, Any], a: int, b: int) -> int:
    return a + b


async def on_startup(ctx: dict[str, Any]) -> None:
    ctx["client"] = None


@job(queue="mail")
def send(to: str) -> None:
    raise NotImplementedError


def build(settings: RedisSettings, stock: ArqRedisSettings) -> None:
    built = build_worker_settings(
        [add, func(add, name="sum"), "app.tasks.other"],
        redis_settings=settings,
        codec=JSONCodec(),
        queue_name="mail",
        record_interval=timedelta(seconds=5),
        cron_jobs=[cron(add, hour=3)],
        on_startup=on_startup,
        max_jobs=5,
        job_timeout=60,
    )
    create_worker(built)
    run_worker(built, burst=True)
    build_worker_settings([add], redis_settings=stock, record_interval=None)
    build_worker_settings([add])  # type: ignore[call-arg]
    build_worker_settings([add], redis_settings=settings, max_job=5)  # type: ignore[call-arg]
    build_worker_settings([add], redis_settings=settings, max_jobs="5")  # type: ignore[arg-type]
    build_worker_settings([print], redis_settings=settings)  # type: ignore[list-item]


def safir(settings: RedisSettings, stock: ArqRedisSettings) -> None:
    made = WorkerSettings([add], settings, job_completion_wait=5, job_timeout=60, max_jobs=3)
    WorkerSettings(
        functions=[add], redis_settings=stock, job_completion_wait=5, job_timeout=60, max_jobs=3
    )
    assert_type(made.queue_name, str)


async def records(queue: ArqQueue, record: WorkerRecord) -> None:
    assert_type(await queue.get_workers("mail"), list[WorkerRecord])
    tasks = ("add", add, send, JobRequest[int]("add"))
    assert_type(await queue.check_worker(*tasks, queue_name="mail", strict=True), list[Finding])
    await queue.record_worker(record)
    assert_type(await queue.forget_worker(record.id, record.queue_name), bool)
    assert_type(record.functions, tuple[str, ...])
    await queue.check_worker(5)  # type: ignore[arg-type]


def blocking(queue: SyncArqQueue) -> None:
    assert_type(queue.get_workers(), list[WorkerRecord])
    assert_type(queue.check_worker("add"), list[Finding])
