"""A stock arq client that does what it is told: one JSON object a line, in and out.

It uses the server that ARQADE_TEST_WORKER_REDIS names, and ends at the end of its input.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import pickle
import sys
from typing import TYPE_CHECKING, Any

from arq.connections import ArqRedis, RedisSettings, create_pool
from arq.jobs import Job, JobDef, JobResult

if TYPE_CHECKING:
    from datetime import datetime

POLL_DELAY = 0.02


def to_ms(time: datetime) -> int:
    return round(time.timestamp() * 1000)


def plain(info: JobDef) -> dict[str, Any]:
    """Give JSON types: times in milliseconds, and whatever a job holds as its repr."""
    fields: dict[str, Any] = {
        "function": info.function,
        "args": repr(info.args),
        "kwargs": repr(info.kwargs),
        "job_try": info.job_try,
        "enqueue_time": to_ms(info.enqueue_time),
        "score": info.score,
        "job_id": info.job_id,
    }
    if isinstance(info, JobResult):
        fields |= {
            "success": info.success,
            "result": repr(info.result),
            "start_time": to_ms(info.start_time),
            "finish_time": to_ms(info.finish_time),
            "queue_name": info.queue_name,
        }
    return fields


class Agent:
    """The methods that can be called; each gives JSON types."""

    def __init__(self, redis: ArqRedis) -> None:
        self._redis = redis

    def _job(self, job_id: str, queue_name: str) -> Job:
        return Job(job_id, self._redis, _queue_name=queue_name)

    async def enqueue_job(self, pickled: str) -> str | None:
        function, args, kwargs = pickle.loads(base64.b64decode(pickled))
        job = await self._redis.enqueue_job(function, *args, **kwargs)
        return job and job.job_id

    async def status(self, job_id: str, queue_name: str) -> str:
        return (await self._job(job_id, queue_name).status()).value

    async def info(self, job_id: str, queue_name: str) -> dict[str, Any] | None:
        info = await self._job(job_id, queue_name).info()
        return info and plain(info)

    async def result(self, job_id: str, queue_name: str, timeout: float) -> str:
        job = self._job(job_id, queue_name)
        return repr(await job.result(timeout, poll_delay=POLL_DELAY))

    async def abort(self, job_id: str, queue_name: str, timeout: float) -> bool:
        job = self._job(job_id, queue_name)
        return await job.abort(timeout=timeout, poll_delay=POLL_DELAY)

    async def queued_jobs(self, queue_name: str) -> list[dict[str, Any]]:
        return [plain(job) for job in await self._redis.queued_jobs(queue_name=queue_name)]

    async def answer(self, line: str) -> dict[str, Any]:
        """Call the method that a line names, and give what it returned or raised."""
        call = json.loads(line)
        try:
            return {"returned": await getattr(self, call["method"])(**call["arguments"])}
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - they are answers
            return {"raised": [type(error).__name__, repr(error)]}


async def main() -> None:
    redis = await create_pool(RedisSettings.from_dsn(os.environ["ARQADE_TEST_WORKER_REDIS"]))
    agent = Agent(redis)
    while line := await asyncio.to_thread(sys.stdin.readline):
        answer = await agent.answer(line)
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main())
