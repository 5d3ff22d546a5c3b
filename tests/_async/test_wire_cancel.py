from __future__ import annotations

import threading

import pytest

from arqade import CancelOutcome, JobCancelled, JobNotFound, JobResultUnavailable
from tests.harness.states import put_deferred
from tests.harness.stock import Raised, as_stock_says
from tests.harness.stock_values import CancelledError
from tests.harness.worker import (
    WorkerProcess,
    keys_of_arq,
    run_burst,
    started_jobs,
    wait_until,
    wait_until_started,
)

# --- not started -----------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"_defer_by": 3600}, {"_queue_name": "other"}])
async def test_waiting_job_is_removed(queue, stock, raw, redis_url, options):
    """A job that was removed never runs, and no worker writes a result for it."""
    await queue.enqueue("echo", _job_id="k", **options)
    queue_name = options.get("_queue_name")
    assert await queue.cancel_job("k", queue_name) is CancelOutcome.removed
    assert stock.status("k", queue_name or "arq:queue") == "not_found"
    assert await queue.get_job_status("k", queue_name) == "not_found"
    assert keys_of_arq(raw) == set()
    await queue.enqueue("echo", _job_id="next", **options | {"_defer_by": None})
    run_burst(redis_url, queue_name=queue_name or "arq:queue", allow_abort_jobs=True)
    assert started_jobs(raw) == ["next"]
    assert keys_of_arq(raw) == {b"arq:result:next"}
    with pytest.raises(JobNotFound):
        await queue.wait_for_result("k", timeout=5)


async def test_job_of_stock_arq_is_removed(queue, stock, raw):
    """What stock arq enqueued is removed in the same way."""
    assert stock.enqueue_job("echo", _job_id="k") == "k"
    assert await queue.cancel_job("k") == "removed"
    assert keys_of_arq(raw) == set()
    assert stock.info("k") is None


async def test_waiting_retry_is_removed(queue, raw, redis_url):
    """A job that waits for its next try is removed, and what counts its tries too."""
    await queue.enqueue("retry_later", _job_id="k")
    run_burst(redis_url, max_burst_jobs=1)
    assert await queue.get_job_status("k") == "deferred"
    with pytest.raises(JobResultUnavailable):
        await queue.get_job_result("k")
    assert await queue.cancel_job("k") == "removed"
    assert keys_of_arq(raw) == set()


async def test_job_that_its_worker_put_back_is_removed(queue, raw, redis_url):
    """A job whose worker was stopped waits again, and can be removed."""
    await queue.enqueue("run_until_told", _job_id="k")
    with WorkerProcess(redis_url, allow_abort_jobs=True) as worker:
        wait_until_started(raw)
        worker.stop()
    assert await queue.cancel_job("k") == "removed"
    assert keys_of_arq(raw) == set()


async def test_removed_id_is_free(queue, redis_url):
    """A new job with the id of a removed one runs, on a worker that allows aborts too."""
    await queue.enqueue("echo", 1, _job_id="k")
    assert await queue.abort_job("k")
    await queue.enqueue("echo", 2, _job_id="k")
    run_burst(redis_url, allow_abort_jobs=True)
    assert (await queue.get_job_result("k")).unwrap()["args"] == (2,)


async def test_asking_of_stock_arq_goes_with_the_job(queue, stock, raw, redis_url):
    """A job that stock arq asked to abort is removed with the asking: its id is free."""
    await queue.enqueue("echo", _job_id="k", _defer_by=3600)
    stock.abort("k", timeout=0)
    assert raw.zrange("arq:abort", 0, -1) == [b"k"]
    assert await queue.cancel_job("k") == "removed"
    assert keys_of_arq(raw) == set()
    await queue.enqueue("echo", 2, _job_id="k")
    run_burst(redis_url, allow_abort_jobs=True)
    assert (await queue.get_job_result("k")).success


async def test_expired_job_is_removed(queue, raw, redis_url):
    """A job that expired in its queue is removed: no worker says then that it expired."""
    await queue.enqueue("echo", _job_id="k")
    raw.delete("arq:job:k")
    assert await queue.cancel_job("k") == "removed"
    run_burst(redis_url)
    assert keys_of_arq(raw) == set()


# --- running ---------------------------------------------------------------------------


@pytest.mark.parametrize("enqueued_by_stock", [False, True])
async def test_running_job_is_aborted(queue, stock, raw, redis_url, enqueued_by_stock):
    """A worker that allows it stops the job, and the result says so to both clients."""
    if enqueued_by_stock:
        stock.enqueue_job("sleep_long", _job_id="k")
    else:
        await queue.enqueue("sleep_long", _job_id="k")
    with WorkerProcess(redis_url, allow_abort_jobs=True):
        wait_until_started(raw)
        assert await queue.cancel_job("k") is CancelOutcome.aborted
    result = await queue.get_job_result("k")
    assert result.success is False
    assert isinstance(result.result, CancelledError)
    with pytest.raises(JobCancelled):
        result.unwrap()
    assert stock.info("k") == as_stock_says(result)
    assert stock.result("k") == Raised("CancelledError", "CancelledError()")
    assert keys_of_arq(raw) == {b"arq:result:k"}
    assert await queue.cancel_job("k") == "complete"


async def test_abort_by_stock_arq_is_seen(queue, stock, raw, redis_url):
    """Who waits for a job that stock arq aborts gets the result of an aborted job."""
    await queue.enqueue("sleep_long", _job_id="k")
    with WorkerProcess(redis_url, allow_abort_jobs=True):
        wait_until_started(raw)
        assert stock.abort("k") is True
    result = await queue.wait_for_result("k", timeout=5)
    assert isinstance(result.result, CancelledError)
    with pytest.raises(JobCancelled):
        result.unwrap()


async def test_worker_may_not_allow_aborts(queue, raw, redis_url):
    """Where the worker allows no aborts the job goes on, and its value is kept."""
    await queue.enqueue("run_until_asked", _job_id="k")
    with WorkerProcess(redis_url):
        wait_until_started(raw)
        assert await queue.cancel_job("k") is CancelOutcome.unconfirmed
    assert (await queue.get_job_result("k")).unwrap() == "asked"
    assert keys_of_arq(raw) == {b"arq:result:k"}


async def test_job_may_swallow_its_cancellation(queue, raw, redis_url):
    """A job that goes on though it was cancelled has its value kept."""
    await queue.enqueue("swallow_cancellation", _job_id="k")
    with WorkerProcess(redis_url, allow_abort_jobs=True):
        wait_until_started(raw)
        assert await queue.abort_job("k") is False
    assert (await queue.get_job_result("k")).unwrap() == "swallowed"
    assert keys_of_arq(raw) == {b"arq:result:k"}


async def test_time_for_cancelling_is_over(queue, raw, redis_url):
    """After its time-out, cancelling says that nothing was confirmed; the job may still end."""
    await queue.enqueue("run_until_told", _job_id="k")
    with WorkerProcess(redis_url):
        wait_until_started(raw)
        for timeout in (0, 0.1):
            assert await queue.cancel_job("k", timeout=timeout) is CancelOutcome.unconfirmed
        assert await queue.get_job_status("k") == "in_progress"
        raw.rpush("test:go:k", "go")
        assert (await queue.wait_for_result("k", timeout=10)).unwrap() == "told"
    assert keys_of_arq(raw) == {b"arq:result:k"}


async def test_aborted_job_without_a_kept_result(queue, raw, redis_url):
    """A worker that keeps no results can't confirm: the job is gone, and its id free."""
    await queue.enqueue("sleep_long", _job_id="k")
    with WorkerProcess(redis_url, allow_abort_jobs=True, keep_result=0):
        wait_until_started(raw)
        assert await queue.cancel_job("k") is CancelOutcome.unconfirmed
        assert keys_of_arq(raw) == set()
        await queue.enqueue("echo", _job_id="k")
        wait_until(lambda: started_jobs(raw) == ["k", "k"])
        with pytest.raises(JobNotFound):
            await queue.wait_for_result("k", timeout=30)


async def test_job_that_retries_when_asked_is_removed(queue, raw, redis_url):
    """A running job that goes back into the queue is removed from there."""
    await queue.enqueue("retry_when_asked", _job_id="k")
    with WorkerProcess(redis_url):
        wait_until_started(raw)
        assert await queue.cancel_job("k") is CancelOutcome.removed
        assert keys_of_arq(raw) == set()


async def test_job_of_a_worker_that_died(queue, raw, redis_url):
    """Nobody confirms for a dead worker; when its claim has ended, the job is removed."""
    await queue.enqueue("run_until_told", _job_id="k")
    with WorkerProcess(redis_url, allow_abort_jobs=True) as worker:
        wait_until_started(raw)
        worker.kill()
    assert await queue.cancel_job("k", timeout=0.1) is CancelOutcome.unconfirmed
    raw.pexpire("arq:in-progress:k", 100)
    assert await queue.cancel_job("k") is CancelOutcome.removed
    assert keys_of_arq(raw) == set()


@pytest.mark.parametrize("gone", [(), ("arq:job:k",)])
async def test_asking_does_not_outlive_the_job(queue, raw, redis_url, gone):
    """A new job in the place of one that a dead worker was asked to abort is not aborted."""
    await queue.enqueue("run_until_told", _job_id="k")
    with WorkerProcess(redis_url, allow_abort_jobs=True) as worker:
        wait_until_started(raw)
        worker.kill()
    assert await queue.cancel_job("k", timeout=0) is CancelOutcome.unconfirmed
    raw.delete("arq:in-progress:k", *gone)  # they have expired
    await queue.enqueue("echo", _job_id="k", _on_conflict="raise" if gone else "replace")
    run_burst(redis_url, allow_abort_jobs=True)
    assert repr((await queue.get_job_result("k")).result) == repr(
        {"args": (), "kwargs": {}, "job_try": 1}
    )


async def test_new_job_of_the_same_id_is_left_alone(queue, raw, redis_url):
    """While a running job is cancelled, one that comes after it is not removed in its place."""

    def enqueue_another():
        while raw.exists("arq:job:k"):
            pass
        put_deferred(raw)

    await queue.enqueue("run_until_asked", _job_id="k")
    with WorkerProcess(redis_url, keep_result=0):
        wait_until_started(raw)
        thread = threading.Thread(target=enqueue_another)
        thread.start()
        outcome = await queue.cancel_job("k")
        thread.join()
    assert outcome is CancelOutcome.unconfirmed
    assert await queue.get_job_status("k") == "deferred"


# --- too late --------------------------------------------------------------------------


async def test_finished_and_unknown_jobs_are_left_alone(queue, stock, raw, redis_url):
    """For a job that has a result, or none and never had, cancelling writes nothing."""
    await queue.enqueue("echo", _job_id="k")
    await queue.enqueue("raise_key_error", _job_id="fails")
    await queue.enqueue("keep_nothing", _job_id="not-kept")
    run_burst(redis_url, cron_jobs=True)
    (running_cron,) = raw.keys("arq:in-progress:cron:tick:*")
    before = set(raw.keys("*"))
    for job_id in ("k", "fails", "the-cron-job"):
        assert await queue.cancel_job(job_id) is CancelOutcome.complete
    for job_id in ("unknown", "not-kept", running_cron.decode().partition("progress:")[2]):
        assert await queue.cancel_job(job_id) is CancelOutcome.not_found
        assert await queue.abort_job(job_id) is False
    assert set(raw.keys("*")) == before
    assert not raw.exists("arq:abort")


async def test_unknown_id_is_not_poisoned(queue, raw, redis_url):
    """A job whose id was cancelled before it was enqueued runs."""
    assert await queue.cancel_job("k") == "not_found"
    assert raw.keys("*") == []
    await queue.enqueue("echo", _job_id="k")
    run_burst(redis_url, allow_abort_jobs=True)
    assert (await queue.get_job_result("k")).success


async def test_jobs_that_a_worker_is_picking_up(queue, raw, redis_url):
    """Of jobs that are cancelled while a worker takes them, those removed did not start."""
    outcomes = {}
    with WorkerProcess(redis_url, allow_abort_jobs=True, poll_delay=0.001, max_jobs=3):
        for number in range(100):
            job_id = str(number)
            await queue.enqueue("echo", _job_id=job_id)
            outcomes[job_id] = await queue.cancel_job(job_id, timeout=10)
    removed = {job_id for job_id, outcome in outcomes.items() if outcome == "removed"}
    assert not removed & set(started_jobs(raw))
    for job_id, outcome in outcomes.items():
        if outcome == "removed":
            assert await queue.get_job_status(job_id) == "not_found"
        else:
            result = await queue.get_job_result(job_id)
            assert isinstance(result.result, CancelledError) is (outcome == "aborted")
            assert result.success is (outcome != "aborted")
    assert keys_of_arq(raw) == {f"arq:result:{job}".encode() for job in outcomes.keys() - removed}
