"""Enqueuing many jobs: what only async code can do, and how much memory it takes."""

from __future__ import annotations

import asyncio
import tracemalloc

import pytest

from arqade import JobRequest, RedisArqQueue, SyncMockArqQueue, SyncRedisArqQueue


async def test_cancelled_call(redis_url, raw):
    """A cancellation reaches the caller as it is, and the queue can be used as before."""
    async with await RedisArqQueue.from_url(redis_url) as queue:

        async def produce():
            for n in range(10):
                yield JobRequest("work", job_id=f"j{n}")
            await asyncio.sleep(60)

        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await queue.enqueue_many(produce(), chunk_size=2)
        jobs = await queue.enqueue_many([JobRequest("work", (n,)) for n in range(250)])
        assert [job.args for job in jobs] == [(n,) for n in range(250)]
        for job in jobs[::50]:
            assert await queue.get_job_metadata(job.id) == job
    assert 250 < raw.zcard("arq:queue") <= 260


def test_memory_does_not_grow(redis_url, monkeypatch):
    """Without results, many jobs take no more memory than some."""
    with SyncRedisArqQueue.from_url(redis_url) as queue:

        def peak(count):
            tracemalloc.reset_peak()
            before, _ = tracemalloc.get_traced_memory()
            queue.enqueue_many((JobRequest("work", (n,)) for n in range(count)), collect=False)
            return tracemalloc.get_traced_memory()[1] - before

        tracemalloc.start()
        try:
            some = peak(2_000)
            assert peak(10_000) < some * 1.2
        finally:
            tracemalloc.stop()


def test_blocking_queue_takes_no_async_iterable():
    """What has to be waited for is refused before anything is taken."""

    async def produce():
        yield JobRequest("work")

    with SyncMockArqQueue() as mock, pytest.raises(TypeError, match="not iterable"):
        mock.enqueue_many(produce())
