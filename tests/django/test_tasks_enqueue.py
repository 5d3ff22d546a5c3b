"""Tasks that are enqueued, and refused."""

from __future__ import annotations

import asyncio
import contextlib
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from enum import IntEnum
from unittest import mock

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import transaction
from django.tasks import TaskResult, task, task_backends
from django.tasks.exceptions import InvalidTask, InvalidTaskBackend, TaskResultDoesNotExist
from django.tasks.signals import task_enqueued
from django.test import TestCase, TransactionTestCase, override_settings

import arqade.django
from arqade import ConfigurationError, QueueConnectionError
from arqade.django.backend import ArqBackend, enqueue_on_commit
from tests.django.tasks_project import tasks
from tests.django.tasks_project.running import Project, tasks_setting
from tests.harness.canary import CANARY
from tests.harness.worker import wait_until

NAME = "of-the-tests"
"""What the connections to the server are called."""

DOWN = tasks_setting("redis://127.0.0.1:1/0?conn_retries=0&retry_budget=0.5")


class Color(IntEnum):
    RED = 1


@pytest.fixture(autouse=True)
def _settings(redis_url):
    with override_settings(TASKS=tasks_setting(f"{redis_url}?client_name={NAME}")):
        yield


def connections(raw):
    return [client for client in raw.client_list() if client["name"] == NAME]


def queued(raw, name="default"):
    return raw.zcard(f"arq:tasks:default:{name}")


# --- what is enqueued ------------------------------------------------------------------


def test_backend():
    """Django loads it by its name in the package; it says what it can do."""
    backend = task_backends["default"]
    assert type(backend) is ArqBackend is arqade.django.ArqBackend
    assert backend.supports_defer
    assert backend.supports_async_task
    assert backend.supports_get_result
    assert not backend.supports_priority


def test_result_of_a_new_task():
    """It has what Django says, and an id of less than 64 characters."""
    result = tasks.echo.enqueue(1, (2, b"b"), color=Color.RED)
    assert isinstance(result, TaskResult)
    assert result.task is tasks.echo
    assert result.args == [1, [2, "b"]]
    assert result.kwargs == {"color": 1}
    assert type(result.kwargs["color"]) is int
    assert (result.backend, result.status, result.attempts) == ("default", "READY", 0)
    assert result == tasks.echo.get_result(result.id)
    longest = tasks.add.using(backend="other", queue_name="q" * 40).enqueue(1)
    assert len(longest.id) == 63
    assert longest == task_backends["other"].get_result(longest.id)


def test_arguments_are_taken_as_they_are():
    """What becomes of them later does not change the result, and the other way round."""
    numbers = [1]
    result = tasks.echo.enqueue(numbers)
    numbers.append(2)
    assert result.args == [[1]]
    result.args[0].append(3)
    assert numbers == [1, 2]
    assert tasks.echo.get_result(result.id).args == [[1]]


def endless():
    nested = []
    nested.append(nested)
    return nested


@pytest.mark.parametrize(
    ("value", "kind", "message"),
    [
        (datetime(2026, 1, 1), TypeError, "Unsupported type: <class 'datetime.datetime'>"),  # noqa: DTZ001
        ({1, 2}, TypeError, "Unsupported type: <class 'set'>"),
        ({1: "one"}, TypeError, "Unsupported type of a key: <class 'int'>"),
        ([{"deep": {None: 1}}], TypeError, "Unsupported type of a key: <class 'NoneType'>"),
        (float("nan"), ValueError, "a float that is not finite"),
        ({"deep": [-float("inf")]}, ValueError, "a float that is not finite"),
        (b"\xff", ValueError, "Unsupported value: <class 'bytes'>"),
        (endless(), ValueError, "nested too deep"),
    ],
)
async def test_refused_arguments(raw, value, kind, message):
    """What JSON has not, or changes, is refused before anything is sent."""
    for args, kwargs in (((value,), {}), ((), {"key": value})):
        with pytest.raises(kind) as error:
            tasks.echo.enqueue(*args, **kwargs)
        assert message in str(error.value)
        with pytest.raises(kind):
            await tasks.echo.aenqueue(*args, **kwargs)
    assert queued(raw) == 0


@task
def hidden():
    pass


task_of_hidden = hidden
hidden = hidden.func


@task
def twice():
    pass


first_of_twice = twice


@task
def twice():
    pass


def test_refused_tasks(raw):
    """What a worker could not run is refused at once."""
    for change, message in (
        ({"priority": 1}, "does not support setting priority"),
        ({"queue_name": "nope"}, "Queue 'nope' is not valid"),
        ({"queue_name": "q" * 41, "backend": "other"}, "must have 1 to 40 characters"),
        ({"queue_name": "", "backend": "other"}, "must have 1 to 40 characters"),
        ({"run_after": datetime.now()}, "must be an aware datetime"),  # noqa: DTZ005
        ({"run_after": timedelta(1), "priority": 1}, "does not support setting priority"),
    ):
        with pytest.raises(InvalidTask, match=message):
            tasks.add.using(**change)
    with pytest.raises(InvalidTask, match="is no task: it is function"):
        task_of_hidden.enqueue()
    with pytest.raises(InvalidTask, match="There is another task at"):
        first_of_twice.enqueue()
    assert queued(raw) == 0


def test_task_of_another_backend(raw):
    """A backend enqueues what it is given as its own."""
    result = task_backends["twin"].enqueue(tasks.add, [1], {})
    assert result.backend == "twin"
    assert task_backends["twin"].get_result(result.id).args == [1]
    assert raw.zcard("arq:tasks:twin:default") == 1


@pytest.mark.parametrize(
    "result_id", ["123", "", ".x", "default.123", "de\nfault.1", "x" * 600 + ".", 123]
)
async def test_unknown_results(result_id):
    """An id that is none, or of no task, is unknown."""
    with pytest.raises(TaskResultDoesNotExist):
        tasks.add.get_result(result_id)
    with pytest.raises(TaskResultDoesNotExist):
        await tasks.add.aget_result(result_id)


def test_result_of_a_lost_task():
    """A result whose task is not in the code any more tells that."""
    result = tasks.add.enqueue(1)
    with mock.patch.object(tasks, "add", None), pytest.raises(InvalidTask, match="no task"):
        task_backends["default"].get_result(result.id)


def test_naive_times():
    """A project without time zones has naive times."""
    with override_settings(USE_TZ=False):
        later = datetime.now() + timedelta(hours=1)  # noqa: DTZ005 - so are these
        result = tasks.add.using(run_after=later).enqueue(1)
        assert result.enqueued_at.tzinfo is None
        assert abs(datetime.now() - result.enqueued_at) < timedelta(minutes=1)  # noqa: DTZ005
        found = tasks.add.get_result(result.id)
        assert found == result
        assert found.task.run_after == later


# --- signals ---------------------------------------------------------------------------


@contextlib.contextmanager
def connected(receiver):
    task_enqueued.connect(receiver)
    try:
        yield
    finally:
        task_enqueued.disconnect(receiver)


async def test_signal():
    """Receivers of both kinds hear of a task; one that raises does not make it a failure."""
    heard = []

    def blocking(sender, task_result, **kwargs):
        heard.append((sender, task_result.id))
        raise LookupError

    async def asynchronous(sender, task_result, **kwargs):
        heard.append((sender, task_result.id))

    with connected(blocking), connected(asynchronous):
        ids = [(await tasks.add.aenqueue(1)).id]
        ids.append((await asyncio.to_thread(tasks.add.enqueue, 2)).id)
    assert sorted(heard, key=str) == sorted([(ArqBackend, each) for each in ids * 2], key=str)


# --- clients ---------------------------------------------------------------------------


def test_threads_and_loops_share_clients(raw):
    """Django's backends of each thread and asyncio task use one client of the process."""
    with ThreadPoolExecutor(4) as threads:
        ids = list(threads.map(lambda number: tasks.add.enqueue(number).id, range(40)))
    assert len(set(ids)) == 40
    assert 1 <= len(connections(raw)) <= 4

    async def enqueue():
        await asyncio.gather(*[tasks.add.aenqueue(number) for number in range(40)])
        return len(connections(raw))

    before = len(connections(raw))
    assert asyncio.run(enqueue()) == before + 1
    wait_until(lambda: len(connections(raw)) == before)
    assert queued(raw) == 80


FORK = """
import os, django
django.setup()
from tests.django.tasks_project.tasks import add
add.enqueue(1)
pid = os.fork()
add.enqueue(2)
if pid:
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    add.enqueue(3)
"""


def test_fork(redis_url, raw, tmp_path):
    """A child process has clients of its own, and its parent's go on."""
    # In a process of its own: the tests' own has threads, which a fork does not copy.
    Project(redis_url, str(tmp_path / "db.sqlite3")).run("-W", "error", "-c", FORK)
    assert queued(raw) == 4


def test_override_settings(raw):
    """Other settings hold at once; the clients of the former ones are closed."""
    result = tasks.add.enqueue(1)
    assert connections(raw)
    with override_settings(TASKS=DOWN):
        wait_until(lambda: not connections(raw))
        with pytest.raises(QueueConnectionError):
            tasks.add.enqueue(1)
    assert tasks.add.get_result(result.id) == result


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"URL": f"https://u:{CANARY}@h"}, "TASKS['default']['OPTIONS']['URL']: "),
        ({}, "TASKS['default']['OPTIONS'] has no 'URL', and neither ARQADE_URL nor REDIS_URL"),
        ({"URL": "redis://h", "TTL": 3}, "TASKS['default']['OPTIONS'] has an unknown key 'TTL'"),
        ([], "TASKS['default']['OPTIONS'] must be a dictionary, not list"),
    ],
)
async def test_wrong_options(options, message, monkeypatch):
    """What is wrong is said when the backend is first used."""
    monkeypatch.delenv("ARQADE_URL", raising=False)
    monkeypatch.delenv("REDIS_URL", raising=False)
    entry = {"BACKEND": "arqade.django.ArqBackend", "OPTIONS": options}
    with override_settings(TASKS={"default": entry}):
        for kind in (InvalidTaskBackend, ImproperlyConfigured, ConfigurationError):
            with pytest.raises(kind) as error:
                tasks.add.enqueue(1)
            assert str(error.value).startswith(message)
            with pytest.raises(kind):
                await tasks.add.aget_result("default.1")


def test_url_of_the_environment(redis_url, monkeypatch, raw):
    """Without a URL, that of the environment is used."""
    monkeypatch.setenv("ARQADE_URL", redis_url)
    with override_settings(TASKS={"default": {"BACKEND": "arqade.django.ArqBackend"}}):
        tasks.add.enqueue(1)
    assert queued(raw) == 1


def test_options(redis_url, raw):
    """They decide where a task is, and how long it may wait for a worker."""
    options = {"URL": redis_url, "PREFIX": "shop:", "EXPIRES": timedelta(minutes=1)}
    entry = {"BACKEND": "arqade.django.ArqBackend", "OPTIONS": options}
    with override_settings(TASKS={"default": entry}):
        result = tasks.add.enqueue(1)
        assert raw.zrange("shop:default", 0, -1) == [result.id.encode()]
        assert 0 < raw.pttl(f"arq:job:{result.id}") <= 60_000
        raw.delete(f"arq:job:{result.id}")
        with pytest.raises(TaskResultDoesNotExist):
            result.refresh()


# --- transactions ----------------------------------------------------------------------


class GoBackError(Exception):
    pass


@transaction.atomic
def enqueue_in_vain():
    enqueue_on_commit(tasks.add, 1)
    raise GoBackError


class TestOnCommit:
    def test_commit(self, raw):
        """The task is enqueued when the transaction commits, with the arguments of then."""
        numbers = [1]
        with transaction.atomic():
            enqueue_on_commit(tasks.echo, numbers, key=2)
            numbers.append(2)
            assert queued(raw) == 0
        [result_id] = raw.zrange("arq:tasks:default:default", 0, -1)
        result = tasks.echo.get_result(result_id.decode())
        assert (result.args, result.kwargs) == ([[1]], {"key": 2})

    def test_rollback(self, raw):
        """It is not, if the transaction is rolled back; outside of one it is at once."""
        with pytest.raises(GoBackError):
            enqueue_in_vain()
        assert queued(raw) == 0
        enqueue_on_commit(tasks.add, 1)
        assert queued(raw) == 1

    def test_other_database(self, raw):
        """The commit that counts is that of the database of this alias."""
        with transaction.atomic(using="other"):
            with transaction.atomic():
                enqueue_on_commit(tasks.add, 1, using="other")
            assert queued(raw) == 0
        assert queued(raw) == 1

    def test_refused_at_once(self, raw):
        """What needs no server to be refused rolls the transaction back."""
        with pytest.raises(TypeError, match="Unsupported type"), transaction.atomic():
            enqueue_on_commit(tasks.echo, object())
        assert queued(raw) == 0

    @override_settings(TASKS=DOWN)
    def test_server_that_is_down(self):
        """The error is raised where the transaction ends, and not swallowed."""
        block = transaction.atomic()
        block.__enter__()
        enqueue_on_commit(tasks.add, 1)
        with pytest.raises(QueueConnectionError):
            block.__exit__(None, None, None)


class TestWithDjangosTests(TestCase):
    """`TestCase` rolls back; what would be enqueued on commit can be captured."""

    databases = ("default", "other")

    def test_capture(self):
        """The callback enqueues the task."""
        backend = task_backends["default"]
        with self.captureOnCommitCallbacks(execute=True) as callbacks:
            enqueue_on_commit(tasks.add, 1)
        assert len(callbacks) == 1
        assert backend.queue.get_queue_stats("arq:tasks:default:default").queued == 1

    @override_settings(TASKS={"default": {"BACKEND": "django.tasks.backends.dummy.DummyBackend"}})
    def test_dummy(self):
        """Tests that need no server take Django's own backend."""
        with self.captureOnCommitCallbacks(execute=True):
            enqueue_on_commit(tasks.add, 1)
        [result] = task_backends["default"].results
        assert result.args == [1]


class TestWithCommits(TransactionTestCase):
    databases = ("default", "other")
    available_apps = ()

    def test_commit(self):
        """`TransactionTestCase` commits."""
        with transaction.atomic():
            enqueue_on_commit(tasks.add, 1)
        assert (
            task_backends["default"].queue.get_queue_stats("arq:tasks:default:default").queued == 1
        )
