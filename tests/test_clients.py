from __future__ import annotations

import asyncio
import gc
import os
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import attrs
import pytest

from arqade import (
    ConfigurationError,
    JobStatus,
    JSONCodec,
    MockArqQueue,
    MsgpackCodec,
    PickleCodec,
    QueueConnectionError,
    RedisArqQueue,
    RedisSettings,
    RestrictedPickleCodec,
    SyncMockArqQueue,
    SyncRedisArqQueue,
)
from arqade._clients import QueueClients
from arqade._opening import QueueOptions, codec_from, settings_from
from tests.harness.states import put_queued

NAME = "of-these-tests"

codec = JSONCodec()


def connected(raw):
    """How many connections the clients have."""
    return sum(client["name"] == NAME for client in raw.client_list())


def nowhere():
    """A port at which nobody listens."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return bound.getsockname()[1]


def until(condition, seconds=10):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.fixture
def clients(redis_url):
    settings = attrs.evolve(RedisSettings.from_url(redis_url), client_name=NAME)
    clients = QueueClients(QueueOptions(settings=settings))
    yield clients
    clients.close()


@pytest.fixture
def mocks():
    clients = QueueClients(QueueOptions(settings=None, default_queue_name="mail"))
    yield clients
    clients.close()


class TestSettings:
    @pytest.mark.parametrize(
        ("value", "kind"),
        [
            ("pickle", PickleCodec),
            ("restricted-pickle", RestrictedPickleCodec),
            ("json", JSONCodec),
            ("msgpack", MsgpackCodec),
            (codec, JSONCodec),
            (f"{__name__}:codec", JSONCodec),
            (f"{__name__}.codec", JSONCodec),
        ],
    )
    def test_codec(self, value, kind):
        """A codec is given, named, or imported."""
        assert type(codec_from(value)) is kind

    @pytest.mark.parametrize(
        ("value", "hint"),
        [
            ("yaml", "pickle, restricted-pickle, json, msgpack"),
            ("no.such:codec", "no.such:codec"),
            (f"{__name__}:nothing", "nothing"),
            (JSONCodec, "instances"),
            (5, "builtins.int"),
            (None, "NoneType"),
            (f"{__name__}:NAME", "builtins.str"),
        ],
    )
    def test_no_codec(self, value, hint):
        """The error says what is wrong with it."""
        with pytest.raises(ConfigurationError, match=hint):
            codec_from(value)

    def test_settings(self, monkeypatch):
        """They are given, a URL, or that of the environment."""
        monkeypatch.setenv("ARQADE_URL", "redis://named:1/2")
        given = RedisSettings(host="given")
        assert settings_from(given) == given
        assert settings_from("redis://other:3").port == 3
        assert settings_from(None).host == "named"


class TestBlocking:
    def test_threads_share_a_client(self, clients):
        """However many ask for it at once, one is opened."""
        start = threading.Barrier(8)

        def ask():
            start.wait()
            return clients.blocking()

        with ThreadPoolExecutor(8) as pool:
            found = {id(future.result()) for future in [pool.submit(ask) for _ in range(8)]}
        assert len(found) == 1
        assert isinstance(clients.blocking(), SyncRedisArqQueue)

    def test_failure_is_heard_by_all_and_tried_again(self, monkeypatch):
        """Those that wait hear of the error of the one that tries; the next tries anew."""
        settings = RedisSettings(port=nowhere(), conn_retries=1, conn_retry_delay=0.5)
        clients = QueueClients(QueueOptions(settings=settings))
        opened = []
        initialize = SyncRedisArqQueue.initialize
        monkeypatch.setattr(
            SyncRedisArqQueue,
            "initialize",
            lambda *args, **kwargs: opened.append(1) or initialize(*args, **kwargs),
        )
        with ThreadPoolExecutor(4) as pool:
            asked = [pool.submit(clients.blocking)]
            until(lambda: opened)
            asked += [pool.submit(clients.blocking) for _ in range(3)]
            errors = [future.exception() for future in asked]
        assert [type(error) for error in errors] == [QueueConnectionError] * 4
        tries = len(opened)
        assert tries < 4
        with pytest.raises(QueueConnectionError):
            clients.queue.ping()
        assert len(opened) == tries + 1

    def test_closed_while_it_is_opened(self, clients, raw, monkeypatch):
        """Whoever asked for it gets a closed one, and nothing stays open."""
        initialize = SyncRedisArqQueue.initialize

        def slow(*args):
            queue = initialize(*args)
            clients.close()
            return queue

        monkeypatch.setattr(SyncRedisArqQueue, "initialize", slow)
        assert "closed" in repr(clients.blocking())
        until(lambda: connected(raw) == 0)

    def test_queue_passes_calls_on(self, clients, raw):
        """It is used like the client itself, and closing it is no end."""
        queue = clients.queue
        job = queue.enqueue("add", 1, _job_id="k")
        assert [found.id for found in queue.iter_jobs()] == [job.id]
        queue.close()
        until(lambda: connected(raw) == 0)
        assert queue.get_job_status("k") is JobStatus.queued
        assert queue.default_queue_name == "arq:queue"
        with pytest.raises(AttributeError):
            queue.no_such_method  # noqa: B018


class TestAsync:
    def test_loop_after_loop(self, clients, raw):
        """Each event loop has a client of its own, which is closed when the loop ends."""

        async def use(number):
            assert await clients.of_loop() is await clients.of_loop()
            assert isinstance(await clients.of_loop(), RedisArqQueue)
            await clients.async_queue.enqueue("add", _job_id=f"k{number}")
            assert connected(raw) == 1

        for number in range(3):
            asyncio.run(use(number))
            until(lambda: connected(raw) == 0)
        assert raw.zcard("arq:queue") == 3

    def test_loops_side_by_side(self, clients, raw):
        """Threads with an event loop each don't get into each other's way."""
        together = threading.Barrier(4)

        async def use(number):
            await clients.async_queue.enqueue("add", _job_id=f"k{number}")
            await asyncio.to_thread(together.wait)

        with ThreadPoolExecutor(4) as pool:
            for future in [pool.submit(asyncio.run, use(number)) for number in range(4)]:
                future.result()
        assert raw.zcard("arq:queue") == 4
        until(lambda: connected(raw) == 0)

    def test_tasks_share_a_client(self, clients, raw):
        """However many ask for it at once, one is opened; a cancelled one takes it from nobody."""

        async def use():
            first = asyncio.create_task(clients.of_loop())
            others = [asyncio.create_task(clients.of_loop()) for _ in range(3)]
            await asyncio.sleep(0)
            first.cancel()
            assert len(set(await asyncio.gather(*others))) == 1
            assert connected(raw) == 1

        asyncio.run(use())

    def test_failure_is_tried_again(self):
        """A server that can't be reached is an error of that call only."""
        settings = RedisSettings(port=nowhere(), conn_retries=0)
        clients = QueueClients(QueueOptions(settings=settings))

        async def use():
            with pytest.raises(QueueConnectionError):
                await clients.async_queue.ping()
            with pytest.raises(QueueConnectionError):
                await clients.of_loop()
            await clients.aclose()

        asyncio.run(use())

    def test_queue_passes_calls_on(self, clients, raw):
        """It is used like the client itself, and closing it is no end."""

        async def use():
            queue = clients.async_queue
            assert queue.push_mode is None
            await queue.enqueue("add", 1, _job_id="k")
            assert [job.id async for job in queue.iter_jobs()] == ["k"]
            with pytest.raises(TimeoutError):
                await queue.wait_for_result("k", timeout=0.3)
            assert queue.push_mode == "resp3"
            await queue.aclose()
            assert connected(raw) == 0
            assert await queue.get_job_status("k") is JobStatus.queued
            assert queue.default_queue_name == "arq:queue"
            with pytest.raises(AttributeError):
                queue.no_such_method  # noqa: B018

        asyncio.run(use())

    def test_iterator_that_is_left(self, clients, raw):
        """Leaving a loop over results early leaves nothing behind."""
        put_queued(raw)

        async def use():
            results = clients.async_queue.as_completed(["k"], timeout=0.3)
            with pytest.raises(TimeoutError):
                await anext(results)
            await results.aclose()

        asyncio.run(use())
        until(lambda: connected(raw) == 0)

    def test_closed_by_another_thread(self, clients, raw):
        """The event loop closes its client as soon as it gets to it."""

        async def use():
            await clients.async_queue.ping()
            await asyncio.to_thread(clients.close)
            await asyncio.to_thread(until, lambda: connected(raw) == 0)
            await clients.async_queue.ping()

        asyncio.run(use())
        until(lambda: connected(raw) == 0)

    def test_loop_that_ended_without_a_word(self, clients, raw):
        """A loop that is closed without a shutdown is let go of when the next comes."""

        def use():
            loop = asyncio.new_event_loop()
            loop.run_until_complete(clients.async_queue.ping())
            loop.close()
            del loop
            asyncio.run(clients.async_queue.ping())
            gc.collect()

        with pytest.warns(ResourceWarning):
            use()
        until(lambda: connected(raw) == 0)


class TestFork:
    def test_child_has_clients_of_its_own(self, clients, raw):
        """The parent's go on, although its child used and closed its own."""

        def child():
            clients.queue.enqueue("add", _job_id="sync of the child")
            asyncio.run(clients.async_queue.enqueue("add", _job_id="async of the child"))
            clients.close()

        async def use():
            await clients.async_queue.enqueue("add", _job_id="before")
            clients.queue.enqueue("add", _job_id="sync before")
            pid = os.fork()
            if pid == 0:
                with ThreadPoolExecutor(1) as pool:
                    failed = pool.submit(child).exception()
                os._exit(failed is not None)
            _, status = await asyncio.to_thread(os.waitpid, pid, 0)
            assert os.waitstatus_to_exitcode(status) == 0
            await clients.async_queue.enqueue("add", _job_id="after")
            clients.queue.enqueue("add", _job_id="sync after")

        asyncio.run(use())
        assert raw.zcard("arq:queue") == 6


class TestMocks:
    def test_both_kinds_see_the_same_jobs(self, mocks):
        """Without a server, the clients of both kinds and of all loops share a store."""
        assert isinstance(mocks.blocking(), SyncMockArqQueue)
        job = mocks.queue.enqueue("add", 1)

        async def look():
            assert isinstance(await mocks.of_loop(), MockArqQueue)
            return await mocks.async_queue.get_job_metadata(job.id)

        assert asyncio.run(look()) == asyncio.run(look()) == job
        assert job.queue_name == "mail"

    def test_closed_mocks_keep_their_jobs(self, mocks):
        """As those on a server would be kept."""
        job = mocks.queue.enqueue("add")
        mocks.close()
        assert mocks.queue.get_job_metadata(job.id) == job
