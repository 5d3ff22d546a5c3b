from __future__ import annotations

import asyncio
import gc
import threading
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from urllib.parse import urlsplit

import pytest
from redis.asyncio import Redis

from arqade import (
    JobRequest,
    QueueClosed,
    RedisArqQueue,
    SyncRedisArqQueue,
    WrongEventLoopError,
)
from tests.harness.canary import CANARY
from tests.harness.states import put_complete, worker_record

LOOPS = [asyncio.new_event_loop]
if find_spec("uvloop"):
    import uvloop

    LOOPS.append(uvloop.new_event_loop)

TOKEN = "token-7d1f0b"


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


OPERATIONS = {
    "abort_job": ("k",),
    "as_completed": (["k"],),
    "cancel_job": ("k",),
    "check": (),
    "check_worker": ("work",),
    "delete_result": ("k",),
    "enqueue": ("work",),
    "enqueue_many": ([JobRequest("work")],),
    "forget_worker": ("w",),
    "get_job_metadata": ("k",),
    "get_job_result": ("k",),
    "get_job_status": ("k",),
    "get_jobs_metadata": (["k"],),
    "get_queue_stats": (),
    "get_worker_health": (),
    "get_workers": (),
    "iter_jobs": (),
    "iter_results": (),
    "ping": (),
    "purge": (),
    "record_worker": (worker_record("w"),),
    "wait_for_result": ("k",),
}
"""All that a queue does, with arguments for each."""

NO_OPERATIONS = {"aclose", "default_queue_name", "from_url", "initialize", "push_mode"}


def test_operations_are_complete():
    """The tests below know all that is public of a queue."""
    public = {name for name in dir(RedisArqQueue) if not name.startswith("_")}
    assert public == OPERATIONS.keys() | NO_OPERATIONS


@pytest.mark.parametrize("kind", ["owned", "borrowed"])
@pytest.mark.parametrize("name", OPERATIONS)
def test_every_operation_is_refused_in_a_second_loop(proxy, raw, kind, name):
    """It raises before anything is sent, and the queue goes on working in its own loop."""

    async def open_queue():
        if kind == "owned":
            return await RedisArqQueue.from_url(proxy.url)
        queue = RedisArqQueue(Redis.from_url(proxy.url))
        await queue.ping()
        return queue

    async def use(queue):
        made = getattr(queue, name)(*OPERATIONS[name])
        if hasattr(made, "__anext__"):
            return [item async for item in made]
        return await made

    async def refused(queue):
        with pytest.raises(WrongEventLoopError, match="nothing was sent"):
            await use(queue)

    async def end(queue):
        if kind == "borrowed":
            await queue._connections._pool.aclose()
        await queue.aclose()

    with asyncio.Runner() as runner:
        queue = runner.run(open_queue())
        try:
            before = proxy.round_trips, proxy.connections
            in_second_loop(refused(queue))
            assert (proxy.round_trips, proxy.connections) == before
            assert raw.dbsize() == 0
            job = runner.run(queue.enqueue("work", _job_id="k"))
            assert runner.run(queue.get_job_metadata("k")) == job
            put_complete(raw, "k")
            runner.run(use(queue))
        finally:
            runner.run(end(queue))


def in_second_loop(work):
    """Run something in an event loop of another thread, while the first one is there."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, work).result()


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


@pytest.mark.parametrize("make_loop", LOOPS, ids=lambda make: make.__module__.partition(".")[0])
def test_debug_mode_tells_no_secret(proxy, raw, caplog, make_loop):
    """What an event loop in debug mode says of its tasks and callbacks tells no values."""
    put_complete(raw, "there", value=CANARY)

    async def lost_error(queue):
        proxy.swallow_replies = True
        task = asyncio.create_task(queue.enqueue("work", CANARY, _token=TOKEN))
        await asyncio.wait([task])
        proxy.swallow_replies = False

    async def use():
        loop = asyncio.get_running_loop()
        loop.slow_callback_duration = 0
        url = f"{proxy.url}?retry_budget=0.2"
        async with await RedisArqQueue.from_url(url) as queue:
            jobs = await asyncio.gather(
                *(queue.enqueue("work", CANARY, to=CANARY, _job_id=f"k{n}") for n in range(5))
            )
            await asyncio.gather(*(queue.get_job_metadata(job.id) for job in jobs))
            await queue.enqueue_many([JobRequest("work", (CANARY,))] * 5)
            waiting = [asyncio.create_task(queue.wait_for_result(job.id)) for job in jobs]
            await queue.wait_for_result("there")
            await asyncio.sleep(0.1)
            for job in jobs:
                put_complete(raw, job.id, value=CANARY)
            await asyncio.gather(*waiting)
            await lost_error(queue)

    with asyncio.Runner(debug=True, loop_factory=make_loop) as runner:
        runner.run(use())
        gc.collect()
    said = caplog.text
    assert "Task exception was never retrieved" in said
    if make_loop is asyncio.new_event_loop:
        assert said.count("Executing <") > 20
    for secret in (CANARY, TOKEN, urlsplit(proxy.url).password):
        assert secret not in said
