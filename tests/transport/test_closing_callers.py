"""Queues that are closed while many callers use them: all end soon, and are told the truth."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from arqade import (
    EnqueueUncertain,
    QueueClosed,
    QueueConnectionError,
    RedisArqQueue,
    SyncRedisArqQueue,
)
from tests.harness.states import put_queued

CALLERS = 20
SOON = 5
"""Seconds against a hang; the retry budget is longer."""


def audit(raw, outcomes):
    """Compare what callers were told with what is there."""
    for job_id, told in outcomes.items():
        present = raw.exists(f"arq:job:{job_id}") == 1
        if told is None:
            assert present
        elif isinstance(told, EnqueueUncertain):
            assert told.job_id == job_id
        else:
            assert isinstance(told, QueueClosed | QueueConnectionError)
            assert not present
    told = list(outcomes.values())
    assert None in told
    assert len(told) - told.count(None) == CALLERS


@pytest.mark.parametrize("url_options", ["", "?max_connections=2"])
def test_threads(redis_url, raw, url_options):
    """Threads that enqueue, read and wait end with `QueueClosed`, or with doubts."""
    put_queued(raw, "pending")
    outcomes, waiters = {}, []
    queue = SyncRedisArqQueue.from_url(redis_url + url_options)
    started = threading.Barrier(CALLERS + 5 + 1)

    def enqueue(caller):
        started.wait()
        for number in range(100_000):
            job_id = f"{caller}-{number}"
            try:
                queue.enqueue("work", _job_id=job_id)
            except Exception as error:  # noqa: BLE001 - the audit looks at it
                outcomes[job_id] = error
                return
            outcomes[job_id] = None

    def wait():
        started.wait()
        try:
            queue.wait_for_result("pending")
        except Exception as error:  # noqa: BLE001 - as above
            waiters.append(error)

    with ThreadPoolExecutor(CALLERS + 5) as threads:
        for caller in range(CALLERS):
            threads.submit(enqueue, caller)
        for _ in range(5):
            threads.submit(wait)
        started.wait()
        time.sleep(0.3)
        queue.close()
        end = time.monotonic()
    assert time.monotonic() - end < SOON
    audit(raw, outcomes)
    assert [type(error) for error in waiters] == [QueueClosed] * 5
    with pytest.raises(QueueClosed):
        queue.ping()


def test_tasks(redis_url, raw):
    """So do tasks."""
    put_queued(raw, "pending")
    outcomes = {}

    async def enqueue(queue, caller):
        for number in range(100_000):
            job_id = f"{caller}-{number}"
            try:
                await queue.enqueue("work", _job_id=job_id)
            except Exception as error:  # noqa: BLE001 - the audit looks at it
                outcomes[job_id] = error
                return
            outcomes[job_id] = None

    async def use():
        queue = await RedisArqQueue.from_url(redis_url)
        calls = [asyncio.create_task(enqueue(queue, caller)) for caller in range(CALLERS)]
        waits = [asyncio.create_task(queue.wait_for_result("pending")) for _ in range(5)]
        await asyncio.sleep(0.3)
        await queue.aclose()
        async with asyncio.timeout(SOON):
            await asyncio.gather(*calls)
            return await asyncio.gather(*waits, return_exceptions=True)

    waiters = asyncio.run(use())
    audit(raw, outcomes)
    assert [type(error) for error in waiters] == [QueueClosed] * 5


def test_iterators(redis_url, raw):
    """An iterator whose queue is closed in the middle says so."""

    async def use():
        queue = await RedisArqQueue.from_url(redis_url)
        for number in range(300):
            put_queued(raw, f"k{number}")
        jobs = queue.iter_jobs()
        await anext(jobs)
        results = queue.as_completed(["k1", "k2"])
        waiting = asyncio.create_task(anext(results))
        await asyncio.sleep(0.1)
        await queue.aclose()
        async with asyncio.timeout(SOON):
            with pytest.raises(QueueClosed):
                await waiting
            with pytest.raises(QueueClosed):
                async for _ in jobs:
                    pass

    asyncio.run(use())
