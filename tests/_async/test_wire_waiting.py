from __future__ import annotations

import pytest

from arqade import JobNotFound
from tests.harness.stock import as_stock_says
from tests.harness.worker import WorkerProcess, run_burst, wait_until_started


async def test_wait_ends_with_the_job(queue, stock, raw, redis_url):
    """Who waits for a running job gets its result when it has finished."""
    await queue.enqueue("run_until_told", _job_id="k")
    with WorkerProcess(redis_url):
        wait_until_started(raw)
        with pytest.raises(TimeoutError):
            await queue.wait_for_result("k", timeout=0.05)
        raw.rpush("test:go:k", "go")
        result = await queue.wait_for_result("k", timeout=10)
    assert result.unwrap() == "told"
    assert stock.info("k") == as_stock_says(result)


async def test_wait_for_a_result_that_is_not_kept(queue, raw, redis_url):
    """When a job has finished without a kept result, the wait ends at once: there is no job."""
    await queue.enqueue("run_until_told", _job_id="k")
    with WorkerProcess(redis_url, keep_result=0):
        wait_until_started(raw)
        raw.rpush("test:go:k", "go")
        with pytest.raises(JobNotFound):
            await queue.wait_for_result("k", timeout=30)


async def test_wait_goes_on_through_a_retry(queue, redis_url):
    """A wait is not over while a job waits for its next try."""
    with WorkerProcess(redis_url):
        await queue.enqueue("retry_once", _job_id="k")
        result = await queue.wait_for_result("k", timeout=10)
    assert result.unwrap() == result.job_try == 2


async def test_wait_for_a_deferred_job(queue, redis_url):
    """A wait is not over while a job is deferred."""
    with WorkerProcess(redis_url):
        job = await queue.enqueue("echo", _job_id="k", _defer_by=0.3)
        result = await queue.wait_for_result("k", timeout=10)
    assert result.start_time.timestamp() * 1000 >= job.score


async def test_job_of_a_stopped_worker_is_run_by_the_next(queue, raw, redis_url):
    """A job that a worker puts back when it stops runs on another one, as its second try."""
    await queue.enqueue("run_until_told", _job_id="k")
    with WorkerProcess(redis_url) as worker:
        wait_until_started(raw)
        worker.stop()
    raw.rpush("test:go:k", "go")
    run_burst(redis_url)
    assert (await queue.wait_for_result("k", timeout=5)).job_try == 2


async def test_job_of_a_dead_worker_is_run_by_the_next(queue, raw, redis_url):
    """A job whose worker died is waited for until another one has run it."""
    await queue.enqueue("run_until_told", _job_id="k")
    with WorkerProcess(redis_url) as worker:
        wait_until_started(raw)
        worker.kill()
    with pytest.raises(TimeoutError):
        await queue.wait_for_result("k", timeout=0.05)
    raw.delete("arq:in-progress:k")  # it has expired
    raw.rpush("test:go:k", "go")
    run_burst(redis_url)
    result = await queue.wait_for_result("k", timeout=5)
    assert result.unwrap() == "told"
    assert result.job_try == 2


async def test_worker_that_does_not_retry(queue, stock, redis_url):
    """On a worker without retries, the wish for one is the job's error."""
    await queue.enqueue("retry_later", _job_id="k")
    run_burst(redis_url, retry_jobs=False)
    result = await queue.wait_for_result("k", timeout=5)
    assert type(result.result).__name__ == stock.result("k").error == "Retry"
    assert result.result.defer_score == 3_600_000
    with pytest.raises(RuntimeError) as caught:
        result.unwrap()
    assert caught.value is result.result


async def test_worker_of_other_limits(queue, stock, redis_url):
    """The limits of the worker are those that count: its tries, and its time."""
    await queue.enqueue("retry_always", _job_id="tries")
    await queue.enqueue("sleep_long", _job_id="time")
    run_burst(redis_url, max_tries=3, job_timeout=0.1)
    tries, time = await queue.get_job_result("tries"), await queue.get_job_result("time")
    assert repr(tries.result) == "JobExecutionFailed('max 3 retries exceeded')"
    assert tries.job_try == 4
    assert repr(time.result) == "TimeoutError()"
    for result in (tries, time):
        assert stock.info(result.id) == as_stock_says(result)
