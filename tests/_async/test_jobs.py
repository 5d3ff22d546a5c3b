from __future__ import annotations

import pytest

import arqade
from arqade import JobStatus, MockArqQueue
from tests.harness.functions import add
from tests.harness.worker import run_burst

added = arqade.job_for(add)


@arqade.job(queue="mail")
def echo(*args: object, **kwargs: object) -> object:
    raise NotImplementedError


@arqade.job(name="echo")
def one_argument(value: int) -> object:
    raise NotImplementedError


async def test_stock_worker_runs_it(queue, redis_url):
    """A worker that has the function runs what its declaration was called with."""
    job = await queue.enqueue(one_argument, 5)
    requested = await queue.enqueue(one_argument(value=6).with_options(job_id="k"))
    run_burst(redis_url)
    assert (await queue.get_job_result(job.id)).result["args"] == (5,)
    assert requested.id == "k"
    assert (await queue.get_job_result("k")).result["kwargs"] == {"value": 6}


async def test_options(queue):
    """A declaration's queue and options hold, unless the call has others."""
    job = await queue.enqueue(echo, 1, x=2)
    assert (job.name, job.args, job.kwargs, job.queue_name) == ("echo", (1,), {"x": 2}, "mail")
    deferred = await queue.enqueue(echo, _queue_name="other", _defer_by=5, _job_id="k")
    assert (deferred.id, deferred.queue_name) == ("k", "other")
    assert deferred.status is JobStatus.deferred


async def test_wrong_call_sends_nothing(queue, raw):
    """A call that the function does not take is refused before anything is sent."""
    with pytest.raises(TypeError, match=r"^add\(\) missing a required argument: 'b'$"):
        await queue.enqueue(added, 1)
    with pytest.raises(TypeError, match="has no option '_defer'"):
        await queue.enqueue(added, 1, 2, _defer=5)
    assert raw.dbsize() == 0


async def test_many(queue):
    """Calls of declarations are requests like any others."""
    first, second = await queue.enqueue_many([added(1, 2), echo("x")])
    assert (first.name, first.args, second.queue_name) == ("add", (1, 2), "mail")


async def test_mock():
    """The mock runs and finds what was enqueued by a declaration."""
    async with MockArqQueue() as mock:
        job = await mock.enqueue(added, 1, b=2)
        mock.assert_enqueued(added, 1, b=2)
        await mock.run_jobs([add])
        assert (await mock.get_job_result(job.id)).unwrap() == 3
