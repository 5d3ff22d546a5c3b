"""The queues that ``ARQADE`` names, used by code of one process."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from unittest import mock

import msgpack
import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings
from django.utils.connection import ConnectionDoesNotExist

import arqade.django
from arqade import (
    ArqQueue,
    ConfigurationError,
    JSONCodec,
    PayloadTooLarge,
    QueueConnectionError,
    RedisSettings,
    SyncArqQueue,
    SyncMockArqQueue,
    SyncRedisArqQueue,
)
from arqade.django import (
    QueueSettingsError,
    UnknownQueueError,
    aqueue,
    aqueues,
    queue,
    queues,
)
from tests.harness.canary import CANARY, keep_secret
from tests.harness.worker import run_burst, wait_until

NAME = "of-the-tests"
"""What the connections to the server are called."""

NOWHERE = {"default": {"URL": "redis://127.0.0.1:1/0?conn_retries=0&retry_budget=0.5"}}
"""A port on which no server listens."""

codec = JSONCodec()


def named(redis_url):
    return f"{redis_url}?client_name={NAME}"


def connections(raw):
    return [client for client in raw.client_list() if client["name"] == NAME]


@pytest.fixture
def _settings(redis_url):
    """Two queues on the server, with codecs of their own, and a mock."""
    url = named(redis_url)
    with override_settings(
        ARQADE={
            "default": {"URL": url},
            "mail": {"URL": url, "QUEUE_NAME": "mail", "CODEC": "msgpack"},
            "mock": {"MODE": "test"},
        }
    ):
        yield


async def echo(ctx, value):
    return {"value": value}


# --- use -------------------------------------------------------------------------------


@pytest.mark.usefixtures("_settings")
def test_default_queue(redis_url):
    """`queue` is that of the alias "default"; a stock worker runs its jobs."""
    assert queue is queues["default"]
    assert queue.default_queue_name == "arq:queue"
    job = queue.enqueue("echo", 3)
    run_burst(redis_url)
    assert queue.get_job_result(job.id).unwrap()["args"] == (3,)


@pytest.mark.usefixtures("_settings")
async def test_default_async_queue():
    """`aqueue` is the same queue for asynchronous code."""
    assert aqueue is aqueues["default"]
    job = await aqueue.enqueue("echo", 3)
    assert (await aqueue.get_job_metadata(job.id)).args == (3,)
    assert [each.id async for each in aqueue.iter_jobs()] == [job.id]
    assert queue.get_job_metadata(job.id) == job


@pytest.mark.usefixtures("_settings")
async def test_other_queue(raw):
    """A queue of another alias has its own name and codec, in both kinds of code."""
    jobs = [queues["mail"].enqueue("send", 1), await aqueues["mail"].enqueue("send", 2)]
    assert [job.queue_name for job in jobs] == ["mail", "mail"]
    assert raw.zcard("mail") == 2
    assert [msgpack.unpackb(raw.get(f"arq:job:{job.id}"))["f"] for job in jobs] == ["send"] * 2
    assert raw.zcard("arq:queue") == 0


@pytest.mark.usefixtures("_settings")
def test_all_queues():
    """One can walk through the aliases, and through the queues."""
    assert list(queues) == list(aqueues) == ["default", "mail", "mock"]
    assert queues.all() == [queues["default"], queues["mail"], queues["mock"]]
    assert "mail" in queues
    assert "nope" not in queues


@pytest.mark.usefixtures("_settings")
def test_threads_share_a_client(raw):
    """Threads that come first at the same time get one client, with no more connections."""
    start = threading.Barrier(8)

    def enqueue(number):
        start.wait(10)
        return queue.enqueue("work", number).id

    with ThreadPoolExecutor(8) as threads:
        assert len(set(threads.map(enqueue, range(8)))) == 8
    assert 1 <= len(connections(raw)) <= 8


@pytest.mark.usefixtures("_settings")
def test_event_loops_leave_nothing(raw):
    """Each event loop has connections of its own, which it takes along when it ends."""

    async def enqueue_and_count():
        await aqueue.enqueue("work")
        return len(connections(raw))

    assert [asyncio.run(enqueue_and_count()) for _ in range(3)] == [1, 1, 1]
    wait_until(lambda: not connections(raw))


def test_further_options(redis_url, raw):
    """Options of `RedisArqQueue.initialize` are keys in upper case."""
    entry = {
        "URL": RedisSettings.from_url(redis_url),
        "CODEC": f"{__name__}.codec",
        "EXPIRES_EXTRA_MS": 60_000,
        "MAX_PAYLOAD_BYTES": 1000,
        "DURABILITY": "primary",
    }
    with override_settings(ARQADE={"default": entry}):
        job = queue.enqueue("work")
        assert 0 < raw.pttl(f"arq:job:{job.id}") <= 60_000
        assert codec.loads(raw.get(f"arq:job:{job.id}"))["f"] == "work"
        with pytest.raises(PayloadTooLarge):
            queue.enqueue("work", "x" * 1000)


def test_url_of_the_environment(redis_url, monkeypatch):
    """Without a URL, that of the environment is used."""
    monkeypatch.setenv("ARQADE_URL", redis_url)
    with override_settings(ARQADE={"default": {}}):
        queue.ping()


# --- what it stands for ----------------------------------------------------------------


@override_settings(ARQADE=NOWHERE)
def test_nothing_connects_before_it_is_used():
    """Queues can be looked at, passed on and checked by their types without a server."""
    assert repr(queue) == "<the queue 'default' of ARQADE>"
    assert repr(aqueue) == "<the queue 'default' of ARQADE>"
    assert isinstance(queue, SyncRedisArqQueue)
    assert isinstance(aqueue, ArqQueue)
    assert not hasattr(queue, "__wrapped__")
    assert not hasattr(queue, "nope")
    assert not hasattr(aqueue, "nope")
    assert queue.enqueue.__name__ == "enqueue"
    with pytest.raises(QueueConnectionError):
        queue.ping()


@override_settings(ARQADE=NOWHERE)
def test_methods_can_be_replaced():
    """A test may put a mock in a method's place, and needs no server then."""
    with mock.patch.object(queue, "enqueue") as enqueue:
        queues["default"].enqueue("work", 1)
    enqueue.assert_called_once_with("work", 1)
    with mock.patch.object(aqueue, "enqueue") as enqueue:
        asyncio.run(aqueues["default"].enqueue("work", 1))
    enqueue.assert_awaited_once_with("work", 1)
    with pytest.raises(QueueConnectionError):
        queue.enqueue("work", 1)


def test_settings_are_read_at_the_first_use(redis_url):
    """Without settings a queue is only a name; using it says what is missing."""
    assert isinstance(queue, SyncArqQueue)
    assert list(queues) == []
    with pytest.raises(UnknownQueueError, match=r"no queue 'default': it is empty or not set"):
        queue.ping()
    with override_settings(ARQADE={"default": {"URL": redis_url}}):
        queue.ping()


def test_unknown_name():
    """A name that the module lacks is unknown, though it looks some up late."""
    assert not hasattr(arqade.django, "nope")
    with pytest.raises(ImportError, match="nope"):
        from arqade.django import nope  # noqa: F401, PLC0415


# --- settings --------------------------------------------------------------------------


@pytest.mark.usefixtures("_settings")
@pytest.mark.parametrize("these", [queues, aqueues])
def test_unknown_alias(these):
    """An alias that is not in the settings is an error of Django's and of arqade's kind."""
    with pytest.raises(UnknownQueueError) as error:
        these["nope"]
    assert str(error.value) == (
        "ARQADE in the settings has no queue 'nope': it has 'default', 'mail', 'mock'"
    )
    for kind in (QueueSettingsError, ImproperlyConfigured, ConfigurationError):
        assert isinstance(error.value, kind)
    assert isinstance(error.value, ConnectionDoesNotExist)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (3, "ARQADE['mail'] must be a dictionary, not int"),
        ({"QUEUE": "mail"}, "ARQADE['mail']['QUEUE'] is unknown"),
        ({"URL": f"https://u:{CANARY}@h"}, "ARQADE['mail']['URL']: "),
        ({"URL": 3}, "ARQADE['mail']['URL']: "),
        ({"QUEUE_NAME": ""}, "ARQADE['mail']['QUEUE_NAME']: queue_name must not be empty"),
        ({"QUEUE_NAME": 3}, "ARQADE['mail']['QUEUE_NAME']: queue_name must be a str, not int"),
        ({"CODEC": "yaml"}, "ARQADE['mail']['CODEC']: there is no codec 'yaml'"),
        ({"MODE": "off"}, "ARQADE['mail']['MODE']: it must be 'production' or 'test', not 'off'"),
        ({"MAX_PAYLOAD_BYTES": "1"}, "ARQADE['mail']['MAX_PAYLOAD_BYTES']: max_payload_bytes "),
        ({"EXPIRES_EXTRA_MS": 0}, "ARQADE['mail']['EXPIRES_EXTRA_MS']: expires_extra_ms must "),
        ({"DURABILITY": "none"}, "ARQADE['mail']['DURABILITY']: durability must be "),
        ({}, "ARQADE['mail']['URL'] is not set, and neither ARQADE_URL nor REDIS_URL is set"),
    ],
)
def test_wrong_settings(entry, message, monkeypatch):
    """An error names alias and key; queues of other aliases can be used."""
    monkeypatch.delenv("ARQADE_URL", raising=False)
    monkeypatch.delenv("REDIS_URL", raising=False)
    keep_secret(CANARY)
    if isinstance(entry, dict) and entry and "URL" not in entry:
        entry = {"URL": "redis://localhost", **entry}
    with override_settings(ARQADE={"mail": entry, "default": {"MODE": "test"}}):
        with pytest.raises(QueueSettingsError) as error:
            queues["mail"]
        assert str(error.value).startswith(message)
        queue.ping()


@override_settings(ARQADE=["default"])
def test_settings_of_a_wrong_type():
    """ARQADE itself must be a dictionary."""
    for use in (queue.ping, lambda: list(queues)):
        with pytest.raises(QueueSettingsError, match="must be a dictionary of dictionaries, not"):
            use()


@pytest.mark.usefixtures("_settings")
def test_override_settings(redis_url, raw):
    """Other settings hold at once, for queues that somebody holds already, too."""
    mail = queues["mail"]
    mail.enqueue("send")
    assert connections(raw)
    with override_settings(ARQADE={"mail": {"URL": redis_url, "QUEUE_NAME": "other"}}):
        # The clients of the former settings are closed.
        wait_until(lambda: not connections(raw))
        assert mail.enqueue("send").queue_name == "other"
        assert list(queues) == ["mail"]
        with pytest.raises(UnknownQueueError):
            queue.ping()
    assert mail.enqueue("send").queue_name == "mail"
    queue.ping()


@pytest.mark.usefixtures("_settings")
def test_other_settings_change_nothing(raw):
    """A client stays open when settings change that are none of its business."""
    queue.ping()
    before = [client["id"] for client in connections(raw)]
    with override_settings(DEBUG=True):
        queue.ping()
    assert [client["id"] for client in connections(raw)] == before


# --- closing ---------------------------------------------------------------------------


@pytest.mark.usefixtures("_settings")
def test_close_all(raw):
    """All clients are closed, and the next use opens new ones."""
    queue.ping()
    queues["mail"].ping()
    assert len(connections(raw)) == 2
    queues.close_all()
    wait_until(lambda: not connections(raw))
    queue.ping()
    queue.close()
    wait_until(lambda: not connections(raw))
    queue.ping()


@pytest.mark.usefixtures("_settings")
async def test_aclose_all(raw):
    """The clients of the running event loop are closed, too."""
    await aqueue.ping()
    await aqueues["mail"].ping()
    queue.ping()
    assert len(connections(raw)) == 3
    await aqueues.aclose_all()
    wait_until(lambda: not connections(raw))
    await aqueue.ping()
    await aqueue.aclose()
    wait_until(lambda: not connections(raw))


# --- test mode -------------------------------------------------------------------------


@override_settings(ARQADE={"default": {"MODE": "test"}, "mail": {"MODE": "test"}})
async def test_mode_of_tests():
    """Without a server, both kinds of code see the same jobs, and the test runs them."""
    mail = queues["mail"]
    assert isinstance(queue, SyncMockArqQueue)
    assert isinstance(mail, SyncMockArqQueue)
    mail.assert_nothing_enqueued()
    job = await aqueue.enqueue("echo", 3)
    queue.assert_enqueued("echo", 3)
    mail.assert_nothing_enqueued()
    assert queue.run_jobs([echo]) == 1
    assert (await aqueue.get_job_result(job.id)).unwrap() == {"value": 3}


@override_settings(ARQADE={"default": {"MODE": "test"}})
def test_jobs_of_another_test():
    """Closing forgets the jobs of test mode."""
    queue.enqueue("work")
    assert isinstance(queue, SyncMockArqQueue)
    queue.assert_enqueued("work")
    queues.close_all()
    queue.assert_nothing_enqueued()
