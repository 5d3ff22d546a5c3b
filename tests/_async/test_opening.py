from __future__ import annotations

import gc
import warnings
from types import SimpleNamespace
from unittest import mock

import pytest
import redis as blocking_redis
import redis.asyncio as other_redis
from redis.asyncio import Redis

from arqade import (
    ArqQueue,
    ConfigurationError,
    JobMetadata,
    JobNotQueued,
    JobRequest,
    JobStatus,
    PickleCodec,
    QueueClosed,
    QueueConnectionError,
    QueueServerError,
    RedisArqQueue,
    RedisSettings,
)
from arqade.embedded import RedisServer
from tests.harness.states import put_complete, put_expired, put_queued, snapshot

OPERATIONS = {
    "enqueue": ("work",),
    "get_job_status": ("k",),
    "get_job_metadata": ("k",),
    "get_job_result": ("k",),
    "wait_for_result": ("k",),
    "cancel_job": ("k",),
    "abort_job": ("k",),
    "delete_result": ("k",),
    "ping": (),
}


async def test_initialize(redis_url, raw):
    """A queue is opened from settings, with the options that are given."""
    settings = RedisSettings.from_url(redis_url)
    queue = await RedisArqQueue.initialize(settings, "mail", PickleCodec(protocol=2), 60_000)
    assert queue.default_queue_name == "mail"
    await queue.enqueue("work", _job_id="k")
    assert raw.get("arq:job:k").startswith(b"\x80\x02")
    assert raw.pttl("arq:job:k") <= 60_000
    await queue.aclose()


async def test_settings_of_arq(redis_url):
    """A queue is opened from anything with the attributes of arq's settings."""
    ours = RedisSettings.from_url(redis_url)
    settings = SimpleNamespace(
        host=ours.host, port=ours.port, database=0, password=ours.password, conn_retries=0
    )
    async with await RedisArqQueue.initialize(settings) as queue:
        await queue.ping()


async def test_borrowed_client_stays_open(redis_client):
    """A queue on a client of redis-py does not close it."""
    queue = RedisArqQueue(redis_client)
    job = await queue.enqueue("work")
    assert (await queue.get_job_metadata(job.id)) == job
    await queue.aclose()
    assert await redis_client.ping()
    with pytest.raises(QueueClosed):
        await queue.ping()


async def test_borrowed_client_that_decodes(redis_url, raw):
    """A client that decodes replies serves as well: payloads are read as bytes."""
    put_complete(raw, "done")
    async with Redis.from_url(redis_url, decode_responses=True) as client:
        queue = RedisArqQueue(client)
        job = await queue.enqueue("work", b"\xff", _job_id="k")
        assert await queue.get_job_metadata("k") == job
        assert (await queue.get_job_result("done")).result == 42
        assert await queue.cancel_job("k") == "removed"


async def test_client_of_the_other_kind_is_refused(redis_url):
    """A client of redis-py's other kind is refused at once."""
    for module in (blocking_redis, other_redis):
        if module.Redis is not Redis:
            wrong = module.Redis.from_url(redis_url)
            with pytest.raises(TypeError, match="pool must be a redis"):
                RedisArqQueue(wrong)
    with pytest.raises(TypeError, match=r"not builtins\.str"):
        RedisArqQueue(redis_url)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"default_queue_name": ""}, ValueError),
        ({"default_queue_name": 5}, TypeError),
        ({"default_queue_name": "arq:job:x"}, ValueError),
        ({"expires_extra_ms": 0}, ValueError),
        ({"expires_extra_ms": 0.5}, TypeError),
        ({"max_payload_bytes": 0}, ValueError),
        ({"codec": None}, TypeError),
        ({"codec": PickleCodec}, TypeError),
        ({"settings": "redis://localhost"}, TypeError),
    ],
    ids=str,
)
async def test_bad_options_are_refused(redis_url, options, error):
    """Options that can't be are refused before or after connecting, and nothing stays open."""
    settings = RedisSettings.from_url(redis_url)
    with pytest.raises(error):
        await RedisArqQueue.initialize(**{"settings": settings, **options})


async def test_bad_url_is_refused():
    """A malformed URL is a `ConfigurationError`."""
    with pytest.raises(ConfigurationError, match="sokcet_timeout"):
        await RedisArqQueue.from_url("redis://localhost?sokcet_timeout=3")


@pytest.mark.parametrize("operation", OPERATIONS)
async def test_closed_queue(redis_url, raw, operation):
    """Every operation of a closed queue raises `QueueClosed`; closing again does not."""
    queue = await RedisArqQueue.from_url(redis_url)
    async with queue:
        pass
    await queue.aclose()
    with pytest.raises(QueueClosed, match="queue is closed"):
        await getattr(queue, operation)(*OPERATIONS[operation])
    assert raw.dbsize() == 0
    assert repr(queue) == f"<{type(queue).__name__} arq:queue closed>"


async def test_unclosed_queue_warns(redis_url, redis_client):
    """A queue that owns its connections warns if it is forgotten; one that borrows does not."""
    owned = await RedisArqQueue.from_url(redis_url)
    await owned._connections._pool.disconnect()  # Else redis-py's connections warn, too.
    borrowed = RedisArqQueue(redis_client)
    text = repr(owned)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        del owned, borrowed
        gc.collect()
    assert [(w.category, str(w.message)) for w in caught] == [(ResourceWarning, f"unclosed {text}")]


@pytest.mark.parametrize("retries", [0, 1])
async def test_no_server(retries):
    """Opening a queue fails after as many tries as the settings say, with a cause and a cure."""
    settings = RedisSettings(port=1, conn_retries=retries, conn_retry_delay=0)
    with pytest.raises(QueueConnectionError, match=r"can't be reached.*check that") as error:
        await RedisArqQueue.initialize(settings)
    assert isinstance(error.value.__cause__, blocking_redis.ConnectionError)


async def test_server_that_comes_up_late(proxy):
    """Opening a queue is tried again while the server is not there."""
    settings = RedisSettings.from_url(proxy.url, conn_retries=50, conn_retry_delay=0.05)
    proxy.refuse = True

    class Patient(RedisArqQueue):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            real = self._connections.run

            def run(*args, **kwargs):
                proxy.refuse = proxy.connections < 3
                return real(*args, **kwargs)

            self._connections.run = run

    async with await Patient.initialize(settings) as queue:
        await queue.ping()
    assert proxy.connections >= 3


async def test_wrong_password(redis_url):
    """A refused login is not tried again, and its message holds no password."""
    settings = RedisSettings.from_url(redis_url, password="cat-in-a-bag")
    with pytest.raises(QueueConnectionError, match="refused the login") as error:
        await RedisArqQueue.initialize(settings)
    assert "cat-in-a-bag" not in str(error.value)


async def test_missing_permissions(redis_url, raw):
    """A user without permissions is told so, and nothing is written."""
    raw.acl_setuser("nobody", enabled=True, nopass=True, commands=["+time"], reset=True)
    try:
        settings = RedisSettings.from_url(redis_url, username="nobody", password="x")
        async with await RedisArqQueue.initialize(settings) as queue:
            with pytest.raises(QueueServerError, match=r"not queued: give this user the perm"):
                await queue.enqueue("work")
            with pytest.raises(QueueServerError):
                await queue.ping()
    finally:
        raw.acl_deluser("nobody")
    assert raw.dbsize() == 0


async def test_user_who_may_only_enqueue(redis_url, raw):
    """The permissions that the documentation lists are enough to enqueue, and for no more."""
    await _load_scripts(redis_url)
    put_queued(raw, "there")
    put_expired(raw, "expired")
    raw.acl_setuser("writer", enabled=True, passwords=["+pw"], reset=True)
    keys = "%W~arq:job:* %R~arq:result:* %W~arq:queue %RW~arqade:once:*"
    commands = "+evalsha +exists +type +time +psetex +zadd +del +set"
    raw.execute_command("ACL", "SETUSER", "writer", *keys.split(), *commands.split())
    try:
        settings = RedisSettings.from_url(redis_url, username="writer", password="pw")
        async with await RedisArqQueue.initialize(settings) as queue:
            job = await queue.enqueue("work", _job_id="k", _token="t")
            raw.delete("arq:job:k")
            left = raw.pttl("arqade:once:t")
            again = await queue.enqueue("work", _job_id="other", _token="t")
            assert (again.id, again.score, again.enqueue_time) == ("k", job.score, job.enqueue_time)
            assert 0 < raw.pttl("arqade:once:t") <= left
            again = await queue.enqueue("work", _job_id="other", _token="t")
            assert (again.id, again.score) == ("k", job.score)
            raw.set("arq:job:k", b"")
            jobs = await queue.enqueue_many([JobRequest("work"), JobRequest("work", job_id="k")])
            assert jobs[0].status is JobStatus.queued
            assert jobs[1] is None
            assert (await queue.enqueue("work", _job_id="expired")).id == "expired"
            with pytest.raises(JobNotQueued) as caught:
                await queue.enqueue("work", _job_id="there")
            assert caught.value.reason == "queued"
            with pytest.raises(QueueServerError):
                await queue.get_job_result("k")
    finally:
        raw.acl_deluser("writer")
    assert raw.exists("arq:job:k")


@pytest.mark.parametrize("policy", ["ignore_result", "replace"])
async def test_user_who_may_not_delete_results(redis_url, raw, policy):
    """A refusal after the first writes is undone: the old result is there, the new job is not."""
    await _load_scripts(redis_url)
    put_complete(raw)
    before = snapshot(raw)
    raw.acl_setuser("reader", enabled=True, passwords=["+pw"], commands=["+@all"], reset=True)
    keys = "%RW~arq:job:* %R~arq:result:* %RW~arq:queue %R~arq:in-progress:* %RW~arqade:once:*"
    raw.execute_command("ACL", "SETUSER", "reader", *keys.split())
    try:
        settings = RedisSettings.from_url(redis_url, username="reader", password="pw")
        async with await RedisArqQueue.initialize(settings) as queue:
            assert await queue.get_job_status("k") is JobStatus.complete
            with pytest.raises(QueueServerError, match="not queued: give this user the perm"):
                await queue.enqueue("work", _job_id="k", _on_conflict=policy, _token="t")
    finally:
        raw.acl_deluser("reader")
    assert snapshot(raw) == before
    assert not raw.exists("arqade:once:t")


async def _load_scripts(redis_url):
    """Let the server learn the scripts, as any client with more permissions does."""
    async with await RedisArqQueue.from_url(redis_url) as queue:
        await queue.cancel_job((await queue.enqueue("work")).id)
        await queue.get_job_status("k")


async def test_unix_socket(tmp_path):
    """A queue is opened through a Unix socket."""
    socket = tmp_path / "redis.sock"
    with RedisServer(config={"unixsocket": str(socket)}) as server:
        url = f"unix://:{server.password}@{socket}?db=2"
        async with await RedisArqQueue.from_url(url) as queue:
            await queue.enqueue("work", _job_id="k")
            assert await queue.get_job_status("k") is JobStatus.queued


async def test_subclass_with_safirs_signature(redis_url):
    """A subclass may override `enqueue` as applications of safir do."""

    class Counting(RedisArqQueue):
        count = 0

        async def enqueue(self, task_name, *task_args, _queue_name=None, **task_kwargs):
            self.count += 1
            return await super().enqueue(
                task_name, *task_args, _queue_name=_queue_name, **task_kwargs
            )

    async with await Counting.from_url(redis_url) as queue:
        assert isinstance(queue, ArqQueue)
        job = await queue.enqueue("work", 1, b=2, _queue_name="mail")
        assert (job.queue_name, job.kwargs, queue.count) == ("mail", {"b": 2}, 1)


async def test_methods_can_be_patched(queue):
    """Operations are methods of the class, which applications replace in their tests."""
    with mock.patch.object(RedisArqQueue, "ping", autospec=True) as ping:
        await queue.ping()
    ping.assert_called_once_with(queue)


async def test_interface_is_abstract():
    """The interface can't be made an instance of, and says what is missing."""
    with pytest.raises(TypeError, match="abstract"):
        ArqQueue()


async def test_request_and_metadata_are_generic():
    """Types of results may be given, and mean nothing at run time."""
    assert JobRequest[int]("x") == JobRequest("x")
    assert JobMetadata[int].__origin__ is JobMetadata
