"""The connections on which results are heard of: how many, and who reads them."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
import threading
import time

import pytest
from redis import Redis as BlockingRedis
from redis.asyncio import Redis

from arqade import RedisArqQueue, SyncRedisArqQueue
from arqade._transport import shared_listener, thread_listener
from tests.harness.states import looks, put_complete, put_queued


def finish(raw, *job_ids):
    """End jobs, and so push their results."""
    for job_id in job_ids:
        put_complete(raw, job_id)


def listeners(raw):
    """How many connections have tracking on."""
    return sum("t" in client["flags"] for client in raw.client_list())


@contextlib.contextmanager
def waiting_threads(queue, job_ids, found, timeout=20):
    """Threads that each wait for a job."""

    def wait(job_id):
        try:
            found[job_id] = queue.wait_for_result(job_id, timeout=timeout).result
        except TimeoutError as error:
            found[job_id] = error

    threads = [threading.Thread(target=wait, args=(job_id,)) for job_id in job_ids]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        for thread in threads:
            thread.join()


def until(condition, seconds=10):
    """Wait until something holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_thousand_tasks_wait_on_two_connections(redis_url, raw):
    """Tasks share one connection for commands and one for what is pushed."""
    names = [f"k{number}" for number in range(1000)]
    for name in names:
        put_queued(raw, name)

    async def use():
        before = len(raw.client_list())
        async with await RedisArqQueue.from_url(redis_url) as queue:
            tasks = [asyncio.create_task(queue.wait_for_result(name)) for name in names]
            seen = -1
            # Until the server pushes, all look again and again.
            while queue.push_mode != "resp3" or seen != looks(raw):
                seen = looks(raw)
                await asyncio.sleep(0.6)
            assert len(raw.client_list()) - before == 2
            await asyncio.to_thread(finish, raw, *names)
            assert [result.result for result in await asyncio.gather(*tasks)] == [42] * 1000
            # Each looked once more, when its own result came.
            assert looks(raw) - seen <= 1500

    asyncio.run(use())


def test_threads_share_a_listener(redis_url, raw):
    """Threads that wait share one connection, and no thread is started for it."""
    names = [f"k{number}" for number in range(20)]
    for name in names:
        put_queued(raw, name)
    found = {}
    with SyncRedisArqQueue.from_url(redis_url) as queue:
        before = threading.active_count()
        with waiting_threads(queue, names, found):
            until(lambda: queue.push_mode == "resp3")
            time.sleep(0.3)
            assert listeners(raw) == 1
            assert threading.active_count() - before == len(names)
            seen = looks(raw)
            finish(raw, *names)
        assert found == dict.fromkeys(names, 42)
        assert looks(raw) - seen <= 40


def test_reader_that_leaves_is_followed(redis_url, raw):
    """When the thread that reads for all is done, another one reads on."""
    for name in ("first", "second", "third"):
        put_queued(raw, name)
    found = {}
    with SyncRedisArqQueue.from_url(redis_url) as queue:
        with waiting_threads(queue, ["first"], found, timeout=0.5):
            time.sleep(0.1)
            with waiting_threads(queue, ["second", "third"], found):
                time.sleep(0.8)
                assert isinstance(found["first"], TimeoutError)
                seen = looks(raw)
                finish(raw, "third")
                until(lambda: "third" in found, 2)
                finish(raw, "second")
                until(lambda: "second" in found, 2)
                assert looks(raw) - seen <= 4
        assert queue.push_mode == "resp3"


@pytest.fixture
def _interruptible():
    """Shells start what runs in the background with Ctrl-C ignored."""
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, handler)


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="no signals to threads here")
@pytest.mark.usefixtures("_interruptible")
def test_interrupt_ends_a_wait(redis_url, raw):
    """Ctrl-C ends a blocking wait at once, and the queue can be used on."""
    put_queued(raw)
    with SyncRedisArqQueue.from_url(redis_url) as queue:
        main = threading.get_ident()
        for _ in range(2):
            timer = threading.Timer(0.3, lambda: signal.pthread_kill(main, signal.SIGINT))
            timer.start()
            start = time.monotonic()
            with pytest.raises(KeyboardInterrupt):
                queue.wait_for_result("k", timeout=20)
            assert time.monotonic() - start < 5
            timer.join()
        timer = threading.Timer(0.2, finish, (raw, "k"))
        timer.start()
        assert queue.wait_for_result("k", timeout=10).result == 42
        timer.join()


def test_listener_that_nobody_needs_is_closed(redis_url, raw, monkeypatch):
    """At the next heartbeat after the last wait, the connection is closed."""
    monkeypatch.setattr(shared_listener, "HEARTBEAT", 0.05)
    put_queued(raw)

    async def use():
        async with await RedisArqQueue.from_url(redis_url) as queue:
            for _ in range(2):
                with pytest.raises(TimeoutError):
                    await queue.wait_for_result("k", timeout=0.2)
                assert queue.push_mode == "resp3"
                await asyncio.sleep(0.2)
                assert listeners(raw) == 0

    asyncio.run(use())


def test_stale_listener_is_replaced(redis_url, raw, monkeypatch):
    """A thread that waits after a long time takes a new connection."""
    put_queued(raw)
    with SyncRedisArqQueue.from_url(redis_url) as queue:
        with pytest.raises(TimeoutError):
            queue.wait_for_result("k", timeout=0.2)
        old = {client["id"] for client in raw.client_list() if "t" in client["flags"]}
        monkeypatch.setattr(thread_listener, "HEARTBEAT", -10)
        monkeypatch.setattr(queue._connections._listener, "_answer_time", 0.001)
        time.sleep(0.01)
        assert queue._connections._listener._is_stale()
        monkeypatch.undo()
        queue._connections._listener._last_heard = -1000.0
        with pytest.raises(TimeoutError):
            queue.wait_for_result("k", timeout=0.2)
        new = {client["id"] for client in raw.client_list() if "t" in client["flags"]}
        assert len(old) == len(new) == 1
        assert old != new


@pytest.mark.parametrize("kind", ["async", "sync"])
def test_heartbeat_finds_a_dead_connection(redis_url, raw, monkeypatch, kind):
    """A connection that answers no heartbeat is replaced, and the result found."""
    module = shared_listener if kind == "async" else thread_listener
    monkeypatch.setattr(module, "HEARTBEAT", 0.1)
    put_queued(raw)
    url = f"{redis_url}?socket_timeout=0.2"

    def strike():
        time.sleep(0.3)
        raw.client_pause(600)
        finish(raw, "k")

    thread = threading.Thread(target=strike)
    thread.start()
    if kind == "async":

        async def use():
            async with await RedisArqQueue.from_url(url) as queue:
                return await queue.wait_for_result("k", timeout=15)

        result = asyncio.run(use())
    else:
        with SyncRedisArqQueue.from_url(url) as queue:
            result = queue.wait_for_result("k", timeout=15)
    thread.join()
    assert result.result == 42


def test_forgotten_queue_leaves_no_connection(redis_url, raw):
    """A queue on a borrowed pool need not be closed: its listener ends with it."""
    put_queued(raw)

    async def use():
        client = Redis.from_url(redis_url)
        queue = RedisArqQueue(client)
        with pytest.raises(TimeoutError):
            await queue.wait_for_result("k", timeout=0.2)
        assert listeners(raw) == 1
        del queue
        gc.collect()
        await asyncio.sleep(0.1)
        assert listeners(raw) == 0
        await client.aclose(close_connection_pool=True)

    asyncio.run(use())
    client = BlockingRedis.from_url(redis_url)
    queue = SyncRedisArqQueue(client)
    with pytest.raises(TimeoutError):
        queue.wait_for_result("k", timeout=0.2)
    assert listeners(raw) == 1
    del queue
    gc.collect()
    until(lambda: listeners(raw) == 0)
    client.connection_pool.disconnect()


def test_more_ids_than_a_socket_takes(redis_url, raw):
    """A thread may wait for more jobs than can be told to the server at once."""
    names = [f"k{number:060}" for number in range(30_000)]
    with raw.pipeline(transaction=False) as pipe:
        for name in names:
            pipe.set(f"arq:job:{name}", "x", px=60_000)
        pipe.zadd("arq:queue", dict.fromkeys(names, 1))
        pipe.execute()

    def finish_when_heard() -> None:
        until(lambda: listeners(raw) == 1)
        finish(raw, names[-1])

    with SyncRedisArqQueue.from_url(redis_url) as queue:
        worker = threading.Thread(target=finish_when_heard)
        worker.start()
        results = queue.as_completed(names, timeout=30)
        assert next(results).id == names[-1]
        results.close()
        worker.join()
        assert queue.push_mode == "resp3"
