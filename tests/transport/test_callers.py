"""More callers than connections: each gets its own answers, and the server sees no more of them."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis
from redis import asyncio as async_redis

from arqade import RedisArqQueue, SyncRedisArqQueue
from tests.harness.states import put_complete, put_queued

NAME = "callers"
"""What their connections are called."""

CALLERS = 500
LISTENER = 1
"""The connection on which results are heard of comes on top of the pool's."""

FINISHED = "finished"
"""A job that finishes while some wait for it."""

BLOCKING = (redis.BlockingConnectionPool, async_redis.BlockingConnectionPool)
PLAIN = (redis.ConnectionPool, async_redis.ConnectionPool)


@contextlib.contextmanager
def counted(raw, limit):
    """The server never has more connections of this name than the pool allows, and the listener."""
    most, over = 0, threading.Event()

    def count():
        nonlocal most
        while not over.wait(0.002):
            most = max(most, sum(client["name"] == NAME for client in raw.client_list()))

    thread = threading.Thread(target=count)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
    assert 0 < most <= limit + LISTENER


@contextlib.contextmanager
def finishing(raw):
    """A job finishes after a while."""
    put_queued(raw, FINISHED)
    timer = threading.Timer(0.3, put_complete, (raw, FINISHED))
    timer.start()
    try:
        yield
    finally:
        timer.join()


def check(raw, answers):
    """All jobs are there once, and every caller was told of its own."""
    for number, (job, seen, result) in enumerate(answers):
        assert job.args == (number, "x" * (number % 50))
        assert seen == job
        assert result is None or (result.id, result.result) == (FINISHED, 42)
    ids = {job.id for job, _, _ in answers}
    assert len(ids) == len(answers) == raw.zcard("arq:queue") - 1


async def call(queue, number):
    """Enqueue a job and read it; every tenth caller waits for a result, too."""
    job = await queue.enqueue("work", number, "x" * (number % 50))
    seen = await queue.get_job_metadata(job.id)
    result = None if number % 10 else await queue.wait_for_result(FINISHED, timeout=20)
    return job, seen, result


def call_from_thread(queue, number):
    """Do the same in blocking code."""
    job = queue.enqueue("work", number, "x" * (number % 50))
    seen = queue.get_job_metadata(job.id)
    result = None if number % 10 else queue.wait_for_result(FINISHED, timeout=20)
    return job, seen, result


@contextlib.asynccontextmanager
async def async_queue(url, kind, limit):
    """A queue whose pool, of its own or borrowed, has so many connections at most."""
    url = f"{url}?client_name={NAME}"
    if kind is None:
        async with await RedisArqQueue.from_url(f"{url}&max_connections={limit}") as queue:
            yield queue
        return
    client = async_redis.Redis(connection_pool=kind[1].from_url(url, max_connections=limit))
    async with RedisArqQueue(client) as queue:
        yield queue
    await client.aclose(close_connection_pool=True)


@contextlib.contextmanager
def sync_queue(url, kind, limit):
    """The same for blocking code."""
    url = f"{url}?client_name={NAME}"
    if kind is None:
        with SyncRedisArqQueue.from_url(f"{url}&max_connections={limit}") as queue:
            yield queue
        return
    client = redis.Redis(connection_pool=kind[0].from_url(url, max_connections=limit))
    with SyncRedisArqQueue(client) as queue:
        yield queue
    client.connection_pool.disconnect()


EACH_POOL = pytest.mark.parametrize(
    "kind", [None, BLOCKING, PLAIN], ids=["owned", "borrowed blocking", "borrowed plain"]
)


@EACH_POOL
def test_tasks(redis_url, raw, kind):
    """500 tasks share a pool of 10."""

    async def use():
        async with async_queue(redis_url, kind, 10) as queue:
            return await asyncio.gather(*(call(queue, number) for number in range(CALLERS)))

    with counted(raw, 10), finishing(raw):
        answers = asyncio.run(use())
    check(raw, answers)


@EACH_POOL
def test_threads(redis_url, raw, kind):
    """500 calls from 50 threads share a pool of 10, even one that raises when it has no more."""
    with (
        counted(raw, 10),
        finishing(raw),
        sync_queue(redis_url, kind, 10) as queue,
        ThreadPoolExecutor(50) as threads,
    ):
        answers = list(threads.map(call_from_thread, [queue] * CALLERS, range(CALLERS)))
    check(raw, answers)


@EACH_POOL
def test_threads_with_a_small_pool(redis_url, raw, kind):
    """8 threads share a pool of 2."""
    with (
        counted(raw, 2),
        finishing(raw),
        sync_queue(redis_url, kind, 2) as queue,
        ThreadPoolExecutor(8) as threads,
    ):
        answers = list(threads.map(call_from_thread, [queue] * 200, range(200)))
    check(raw, answers)


def test_threads_with_queues_of_their_own(redis_url, raw):
    """8 event loops in 8 threads, each with a queue, do not disturb one another."""

    async def use(number):
        async with async_queue(redis_url, None, 1) as queue:
            return await asyncio.gather(*(call(queue, number * 25 + n) for n in range(25)))

    with counted(raw, 16), finishing(raw), ThreadPoolExecutor(8) as threads:
        answers = [
            answer
            for some in threads.map(lambda number: asyncio.run(use(number)), range(8))
            for answer in some
        ]
    check(raw, answers)
