"""Jobs that are enqueued when a transaction commits."""

from __future__ import annotations

import pytest
from asgiref.sync import sync_to_async
from django.core.exceptions import SynchronousOnlyOperation
from django.db import transaction
from django.test import TestCase, override_settings

from arqade import (
    JobNotQueued,
    JobRequest,
    JobSerializationError,
    PayloadTooLarge,
    QueueConnectionError,
    job_for,
)
from arqade.django import UnknownQueueError, on_commit, queue, queues
from tests.harness.canary import CANARY


class GoBackError(Exception):
    """Rolls a transaction back."""


@pytest.fixture(autouse=True)
def _settings(redis_url):
    with override_settings(
        ARQADE={
            "default": {"URL": redis_url},
            "mail": {"URL": redis_url, "QUEUE_NAME": "mail", "CODEC": "json"},
            "small": {"URL": redis_url, "MAX_PAYLOAD_BYTES": 500},
            "down": {"URL": "redis://127.0.0.1:1/0?conn_retries=0&retry_budget=0.5"},
        }
    ):
        yield


def names(alias="default"):
    return sorted(job.name for job in queues[alias].iter_jobs())


@transaction.atomic
def enqueue_in_vain():
    on_commit("in vain")
    raise GoBackError


async def worker_function(ctx, number): ...


def test_commit():
    """The job is there when the transaction has committed, and not before."""
    with transaction.atomic():
        on_commit("work", 1, key="value")
        assert names() == []
    [job] = queue.iter_jobs()
    assert (job.name, job.args, job.kwargs) == ("work", (1,), {"key": "value"})


def test_rollback():
    """A transaction that is rolled back leaves no job."""
    with pytest.raises(GoBackError):
        enqueue_in_vain()
    assert names() == []


def test_rollback_of_a_savepoint():
    """Nor does an inner one, while the jobs of the outer one are enqueued."""
    with transaction.atomic():
        on_commit("first")
        with pytest.raises(GoBackError):
            enqueue_in_vain()
        on_commit("last")
    assert names() == ["first", "last"]


def test_no_transaction():
    """Outside of a transaction the job is enqueued at once."""
    on_commit("work")
    assert names() == ["work"]


def test_other_database():
    """It is the transaction of the database that is named."""
    with transaction.atomic(), transaction.atomic(using="other"):
        on_commit("here")
        with transaction.atomic():
            on_commit("there", _using="other")
        assert names() == []
    assert names() == ["here", "there"]
    with transaction.atomic(using="other"):
        on_commit("work", _using="default")
        assert "work" in names()


def test_other_queue_and_options():
    """The queue is that of the alias; the options are those of `enqueue`."""
    with transaction.atomic():
        on_commit("send", _alias="mail", _job_id="k", _defer_by=60)
    job = queues["mail"].get_job_metadata("k")
    assert (job.queue_name, job.status) == ("mail", "deferred")


@pytest.mark.parametrize(
    ("task", "args"),
    [
        (JobRequest("worker_function", (1,)), ()),
        (worker_function, (1,)),
        (job_for(worker_function), (1,)),
    ],
)
def test_kinds_of_tasks(task, args):
    """Requests, worker functions and declarations are taken, as by `enqueue`."""
    with transaction.atomic():
        on_commit(task, *args)
    [job] = queue.iter_jobs()
    assert (job.name, job.args) == ("worker_function", (1,))


@pytest.mark.parametrize(
    ("error", "args", "options"),
    [
        (TypeError, (), {"_queue": "mail"}),
        (ValueError, (), {"_defer_by": -1}),
        (JobSerializationError, (lambda: None,), {}),
        (PayloadTooLarge, ("x" * 500,), {"_alias": "small"}),
        (UnknownQueueError, (), {"_alias": "nope"}),
    ],
)
def test_refused_at_once(error, args, options):
    """What needs no server to be refused is refused where it is said, and rolls back."""

    @transaction.atomic
    def enqueue():
        on_commit("first")
        on_commit("work", *args, **options)
        raise GoBackError

    with pytest.raises(error):
        enqueue()
    assert names() == []


def test_refused_at_the_commit():
    """An id that is taken is found out at the commit, which has happened then."""
    queue.enqueue("first", _job_id="k")
    with pytest.raises(JobNotQueued), transaction.atomic():
        on_commit("second", _job_id="k")
    with transaction.atomic():
        on_commit("second", _job_id="k", _on_conflict="return_existing")
    assert names() == ["first"]


def test_server_is_down():
    """So is a server that can't be reached, and the functions after it do not run."""
    ran = []

    @transaction.atomic
    def enqueue():
        on_commit("work", _alias="down")
        transaction.on_commit(lambda: ran.append(1))

    with pytest.raises(QueueConnectionError):
        enqueue()
    assert ran == []


def test_robust(caplog):
    """With ``_robust`` Django logs the error, without arguments, and the others run."""
    ran = []
    with transaction.atomic():
        on_commit("work", CANARY, _alias="down", _robust=True)
        transaction.on_commit(lambda: ran.append(1))
    assert ran == [1]
    [record] = caplog.records
    assert "on_commit()" in record.getMessage()
    assert record.exc_info[0] is QueueConnectionError


async def test_asynchronous_code():
    """Transactions are for blocking code; asynchronous code goes through a thread."""
    with pytest.raises(SynchronousOnlyOperation):
        on_commit("work")

    def save():
        with transaction.atomic():
            on_commit("work")

    await sync_to_async(save)()
    assert await sync_to_async(names)() == ["work"]


def test_captured_by_a_test_case():
    """Django's test cases, which commit nothing, can run what the commit would."""
    with transaction.atomic():
        with TestCase.captureOnCommitCallbacks() as callbacks:
            on_commit("work")
        assert len(callbacks) == 1
        with TestCase.captureOnCommitCallbacks(execute=True):
            on_commit("other")
        assert names() == ["other"]
