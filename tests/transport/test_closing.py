"""Queues that are closed while calls are on their way."""

from __future__ import annotations

import asyncio

import pytest

from arqade import EnqueueManyError, EnqueueUncertain, JobRequest, RedisArqQueue


@pytest.fixture
async def queue(proxy):
    """A queue behind the proxy, to be closed by the test, which has sent something before."""
    queue = await RedisArqQueue.from_url(proxy.url)
    await queue.enqueue("work")
    return queue


async def lose_replies(proxy, call, count):
    """Start a call whose replies get lost, up to the pause before its next repetition."""
    proxy.cut_replies = count
    task = asyncio.create_task(call)
    while proxy.cut_replies:  # noqa: ASYNC110 - another thread's
        await asyncio.sleep(0.001)
    await asyncio.sleep(0.01)
    return task


async def test_unanswered_job_is_uncertain(queue, proxy, raw):
    """A job that was sent and not answered is not called refused because the queue closed."""
    task = await lose_replies(proxy, queue.enqueue("work", _job_id="k"), 1)
    await queue.aclose()
    with pytest.raises(EnqueueUncertain):
        await task
    assert raw.exists("arq:job:k")


async def test_unanswered_chunk_is_uncertain(queue, proxy, raw):
    """So are the jobs of a chunk, whose first repetition is made at once."""
    task = await lose_replies(proxy, queue.enqueue_many([JobRequest("work", job_id="k")]), 2)
    await queue.aclose()
    with pytest.raises(EnqueueManyError) as caught:
        await task
    assert caught.value.uncertain == ["k"]
    assert raw.exists("arq:job:k")
