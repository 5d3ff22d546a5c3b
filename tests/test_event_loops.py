from __future__ import annotations

import asyncio
import threading

import pytest

from arqade import QueueClosed, RedisArqQueue, SyncRedisArqQueue, WrongEventLoopError


def test_second_event_loop_is_refused(redis_url, raw):
    """A queue belongs to the event loop that used it first; in another one nothing is sent."""

    async def use(queue):
        with pytest.raises(WrongEventLoopError, match="open one queue in each event loop"):
            await queue.enqueue("work")

    loop = asyncio.new_event_loop()
    queue = loop.run_until_complete(RedisArqQueue.from_url(redis_url))
    asyncio.run(use(queue))
    assert raw.dbsize() == 0
    loop.run_until_complete(queue.enqueue("work"))
    assert raw.zcard("arq:queue") == 1
    loop.run_until_complete(queue.aclose())
    loop.close()


def test_close_in_another_event_loop(redis_url):
    """A queue that is closed in another event loop is closed, and the caller is told."""

    async def close(queue):
        with pytest.raises(WrongEventLoopError):
            await queue.aclose()
        with pytest.raises(QueueClosed):
            await queue.ping()
        await queue.aclose()

    loop = asyncio.new_event_loop()
    queue = loop.run_until_complete(RedisArqQueue.from_url(redis_url))
    asyncio.run(close(queue))
    loop.run_until_complete(queue._connections._pool.aclose())
    loop.close()


def test_cancelled_caller_leaves_the_connection_usable(redis_url, raw):
    """A caller that is cancelled while it waits for a reply leaves none for the next caller."""

    async def use():
        async with await RedisArqQueue.from_url(redis_url) as queue:
            for turns in range(20):
                task = asyncio.create_task(queue.enqueue("work", _job_id=f"cancelled-{turns}"))
                for _ in range(turns):
                    await asyncio.sleep(0)
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
                job = await queue.enqueue("work", _job_id=f"next-{turns}")
                assert job.id == f"next-{turns}"
                assert await queue.get_job_metadata(job.id) == job

    asyncio.run(use())
    assert raw.zcard("arq:queue") >= 20


@pytest.mark.parametrize("turns", [0, 1])
def test_pending_cancellation_is_not_swallowed(redis_url, turns):
    """A caller that was cancelled before it called is cancelled, and gets no answer.

    redis-py swallowed it, since it looks for data within a time-out of no time.
    """

    async def call(queue):
        asyncio.current_task().cancel()
        for _ in range(turns):
            await queue.ping()
        await queue.get_job_status("k")

    async def use():
        async with await RedisArqQueue.from_url(redis_url) as queue:
            (answer,) = await asyncio.gather(
                asyncio.create_task(call(queue)), return_exceptions=True
            )
            assert isinstance(answer, asyncio.CancelledError)
            await queue.ping()

    asyncio.run(use())


def test_many_callers_share_the_pool(redis_url, raw):
    """More callers than connections wait for one another, and each gets its own answer."""

    async def use():
        async with await RedisArqQueue.from_url(redis_url + "?max_connections=3") as queue:
            jobs = await asyncio.gather(*(queue.enqueue("work", n) for n in range(100)))
            assert [job.args for job in jobs] == [(n,) for n in range(100)]
            seen = await asyncio.gather(*(queue.get_job_metadata(job.id) for job in jobs))
            assert seen == jobs

    asyncio.run(use())
    assert raw.zcard("arq:queue") == 100


def test_many_threads_share_the_queue(redis_url, raw):
    """Threads use one blocking queue, and each gets its own answers."""
    wrong = []
    with SyncRedisArqQueue.from_url(redis_url + "?max_connections=3") as queue:

        def work(name):
            for number in range(50):
                job = queue.enqueue("work", name, number)
                if queue.get_job_metadata(job.id).args != (name, number):
                    wrong.append(job)

        threads = [threading.Thread(target=work, args=(name,)) for name in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not wrong
    assert raw.zcard("arq:queue") == 400
