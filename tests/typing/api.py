"""What type checkers must accept and refuse; never run.

mypy and pyright report an ignore that is not needed, so each wrong call is known to be refused.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import datetime, timedelta
from typing import Any, Literal, assert_type

import redis
import redis.asyncio

from arqade import (
    ArqQueue,
    CancelOutcome,
    Finding,
    JobMetadata,
    JobNotQueued,
    JobRequest,
    JobResult,
    JobStatus,
    PickleCodec,
    QueueStats,
    RedisArqQueue,
    RedisSettings,
    Severity,
    SyncArqQueue,
    SyncRedisArqQueue,
    WorkerHealth,
    build_arq_redis_settings,
)


async def add(ctx: dict[str, Any], a: int, b: int) -> int:
    return a + b


def blocking_function(ctx: dict[str, Any]) -> int:
    return 1


async def opening(client: redis.asyncio.Redis, wrong: redis.Redis) -> None:
    settings = RedisSettings(host="localhost", password="x", retry_budget=5)
    queue = await RedisArqQueue.initialize(settings, default_queue_name="mail", codec=PickleCodec())
    assert_type(queue, RedisArqQueue)
    assert_type(await RedisArqQueue.from_url("redis://localhost"), RedisArqQueue)
    async with RedisArqQueue(client) as borrowed:
        assert_type(borrowed, RedisArqQueue)
    RedisArqQueue(wrong)  # type: ignore[arg-type]
    assert_type(build_arq_redis_settings("redis://localhost", None), RedisSettings)
    assert_type(await queue.aclose(), None)


async def enqueuing(queue: ArqQueue) -> None:
    assert_type(await queue.enqueue("add", 1, b=2), JobMetadata[Any])
    assert_type(await queue.enqueue(add, 1, 2), JobMetadata[int])
    request = JobRequest[str]("add", (1, 2))
    assert_type(await queue.enqueue(request), JobMetadata[str])
    assert_type(request.with_options(job_id="k"), JobRequest[str])
    await queue.enqueue("add", _job_id="k", _defer_by=timedelta(1), _on_conflict="replace")
    await queue.enqueue("add", _defer_until=datetime.now(), _expires=5.5, _job_try=2)  # noqa: DTZ005
    await queue.enqueue("add", _job_id=5)  # type: ignore[call-overload]
    await queue.enqueue("add", _on_conflict="no")  # type: ignore[call-overload]
    await queue.enqueue(blocking_function)  # type: ignore[arg-type]
    await queue.enqueue(5)  # type: ignore[call-overload]


async def reading(queue: ArqQueue) -> None:
    assert_type(await queue.get_job_status("k"), JobStatus)
    assert_type(await queue.get_job_metadata("k", "mail"), JobMetadata[Any])
    result = await queue.get_job_result("k", queue_name="mail")
    assert_type(result, JobResult[Any])
    assert_type(await queue.wait_for_result("k", timeout=5), JobResult[Any])
    assert_type(await queue.cancel_job("k", timeout=5), CancelOutcome)
    assert_type(await queue.abort_job("k"), bool)
    assert_type(await queue.delete_result("k"), bool)
    assert_type(await queue.ping(), None)
    found = await queue.check(strict=True)
    assert_type(found, list[Finding])
    assert_type(found[0].severity, Severity)
    await queue.check(True)  # type: ignore[call-arg]
    assert_type(queue.default_queue_name, str)
    await queue.wait_for_result("k", None, 5)  # type: ignore[call-arg]


async def many(queue: ArqQueue, requests: list[JobRequest[int]]) -> None:
    async def produce() -> AsyncIterator[JobRequest[Any]]:
        yield JobRequest("add")

    assert_type(await queue.enqueue_many(requests), list[JobMetadata[Any] | None])
    await queue.enqueue_many(iter(requests), chunk_size=5, progress=print, collect=False)
    await queue.enqueue_many(produce())
    await queue.enqueue_many(["add"])  # type: ignore[list-item]
    await queue.enqueue_many(requests, 5)  # type: ignore[call-arg]
    assert_type(await queue.get_jobs_metadata(["k"]), list[JobMetadata[Any] | None])
    async for job in queue.iter_jobs("mail", status="queued"):
        assert_type(job, JobMetadata[Any])
    async for result in queue.iter_results():
        assert_type(result, JobResult[Any])
    async for result in queue.as_completed(["k"], "mail", timeout=5):
        assert_type(result, JobResult[Any])
    assert_type(queue.as_completed(str(n) for n in range(3)), AsyncIterator[JobResult[Any]])
    queue.as_completed(["k"], None, 5)  # type: ignore[call-arg]
    queue.as_completed([5])  # type: ignore[list-item]
    assert_type(queue.push_mode, Literal["resp3", "resp2", "polling"] | None)
    stats = await queue.get_queue_stats()
    assert_type(stats, QueueStats)
    assert_type(stats.oldest_score, int | None)
    assert_type(await queue.get_worker_health("mail"), WorkerHealth | None)
    assert_type(await queue.purge("mail"), int)


def blocking(queue: SyncArqQueue, client: redis.Redis, wrong: redis.asyncio.Redis) -> None:
    assert_type(SyncRedisArqQueue.from_url("redis://localhost"), SyncRedisArqQueue)
    with SyncRedisArqQueue(client) as borrowed:
        assert_type(borrowed, SyncRedisArqQueue)
    SyncRedisArqQueue(wrong)  # type: ignore[arg-type]
    assert_type(queue.enqueue("add", 1, b=2), JobMetadata[Any])
    assert_type(queue.enqueue(add, 1, 2), JobMetadata[int])
    assert_type(queue.enqueue(JobRequest[str]("add")), JobMetadata[str])
    assert_type(queue.get_job_status("k"), JobStatus)
    assert_type(queue.get_job_result("k"), JobResult[Any])
    assert_type(queue.wait_for_result("k", timeout=5), JobResult[Any])
    assert_type(queue.cancel_job("k"), CancelOutcome)
    queue.enqueue("add", _job_id=5)  # type: ignore[call-overload]
    assert_type(queue.enqueue_many([JobRequest[str]("add")]), list[JobMetadata[Any] | None])
    for job in queue.iter_jobs(status=JobStatus.deferred):
        assert_type(job, JobMetadata[Any])
    for result in queue.iter_results():
        assert_type(result, JobResult[Any])
    for result in queue.as_completed(["k"], timeout=5):
        assert_type(result, JobResult[Any])
    assert_type(queue.as_completed(["k"]), Iterator[JobResult[Any]])
    queue.as_completed(["k"], timeout="5")  # type: ignore[arg-type]
    assert_type(queue.push_mode, Literal["resp3", "resp2", "polling"] | None)
    assert_type(queue.get_queue_stats(), QueueStats)
    assert_type(queue.purge(), int)
    assert_type(queue.check(), list[Finding])
    assert_type(queue.close(), None)


def values(result: JobResult[int], bare: JobMetadata, error: JobNotQueued) -> None:
    assert_type(result.unwrap(), int)
    assert_type(bare, JobMetadata[Any])
    assert_type(bare.to_dict(), dict[str, Any])
    assert_type(JobResult[int].from_dict({}), JobResult[int])
    assert_type(error.job_id, str | None)
    JobRequest(5)  # type: ignore[arg-type]
    JobRequest("x", on_conflict="no")  # type: ignore[arg-type]
