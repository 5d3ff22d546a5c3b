# Generated from tests/_async/test_jobs.py by "make generate"; do not edit.
from __future__ import annotations

import pytest

import arqade
from arqade import JobStatus, SyncMockArqQueue
from tests.harness.functions import add
from tests.harness.worker import run_burst

added = arqade.job_for(add)


@arqade.job(queue="mail")
def echo(*args: object, **kwargs: object) -> object:
    raise NotImplementedError


@arqade.job(name="echo")
def one_argument(value: int) -> object:
    raise NotImplementedError


def test_stock_worker_runs_it(queue, redis_url):
    """A worker that has the function runs what its declaration was called with."""
    job = queue.enqueue(one_argument, 5)
    requested = queue.enqueue(one_argument(value=6).with_options(job_id="k"))
    run_burst(redis_url)
    assert queue.get_job_result(job.id).result["args"] == (5,)
    assert requested.id == "k"
    assert queue.get_job_result("k").result["kwargs"] == {"value": 6}


def test_options(queue):
    """A declaration's queue and options hold, unless the call has others."""
    job = queue.enqueue(echo, 1, x=2)
    assert (job.name, job.args, job.kwargs, job.queue_name) == ("echo", (1,), {"x": 2}, "mail")
    deferred = queue.enqueue(echo, _queue_name="other", _defer_by=5, _job_id="k")
    assert (deferred.id, deferred.queue_name) == ("k", "other")
    assert deferred.status is JobStatus.deferred


def test_wrong_call_sends_nothing(queue, raw):
    """A call that the function does not take is refused before anything is sent."""
    with pytest.raises(TypeError, match=r"^add\(\) missing a required argument: 'b'$"):
        queue.enqueue(added, 1)
    with pytest.raises(TypeError, match="has no option '_defer'"):
        queue.enqueue(added, 1, 2, _defer=5)
    assert raw.dbsize() == 0


def test_many(queue):
    """Calls of declarations are requests like any others."""
    first, second = queue.enqueue_many([added(1, 2), echo("x")])
    assert (first.name, first.args, second.queue_name) == ("add", (1, 2), "mail")


def test_mock():
    """The mock runs and finds what was enqueued by a declaration."""
    with SyncMockArqQueue() as mock:
        job = mock.enqueue(added, 1, b=2)
        mock.assert_enqueued(added, 1, b=2)
        mock.run_jobs([add])
        assert mock.get_job_result(job.id).unwrap() == 3
