# Generated from tests/_async/test_wire_states.py by "make generate"; do not edit.
from __future__ import annotations

from contextlib import ExitStack
from typing import Any, NamedTuple

import pytest

from arqade import JobMetadata, JobNotFound, JobNotQueued, JobResultUnavailable
from tests.harness.stock import Raised, as_stock_says
from tests.harness.worker import WorkerProcess, run_burst, wait_until_started


class World(NamedTuple):
    """Where a state is brought about."""

    queue: Any
    raw: Any
    stock: Any
    url: str
    open: ExitStack
    """What is open until the test is over."""


@pytest.fixture
def world(queue, raw, stock, redis_url):
    with ExitStack() as stack:
        yield World(queue, raw, stock, redis_url, stack)


def queued(world):
    world.queue.enqueue("echo", 1, x=2, _job_id="k")


def deferred(world):
    world.queue.enqueue("echo", 1, x=2, _job_id="k", _defer_by=3600)


def with_a_try(world):
    world.queue.enqueue("echo", _job_id="k", _job_try=3)


def stock_queued(world):
    assert world.stock.enqueue_job("echo", 1, x=2, _job_id="k", _job_try=2) == "k"


def stock_deferred(world):
    assert world.stock.enqueue_job("echo", _job_id="k", _defer_by=3600) == "k"


def retry_pending(world):
    world.queue.enqueue("retry_later", _job_id="k")
    run_burst(world.url, max_burst_jobs=1)
    assert world.raw.get("arq:retry:k") == b"1"


def running(world):
    world.queue.enqueue("run_until_told", _job_id="k")
    worker = world.open.enter_context(WorkerProcess(world.url))
    wait_until_started(world.raw)
    return worker


def worker_killed(world):
    running(world).kill()


def worker_stopped(world):
    running(world).stop()
    assert world.raw.get("arq:retry:k") == b"1"


def expired_while_running(world):
    running(world)
    world.raw.delete("arq:job:k")


def complete(world):
    queued(world)
    run_burst(world.url)


def not_kept(world):
    queued(world)
    run_burst(world.url, keep_result=0)


def kept_by_a_queue_of_its_own(world):
    world.queue.enqueue("echo", _job_id="k", _queue_name="other")
    run_burst(world.url, queue_name="other")


def cron_finished(world):
    run_burst(world.url, cron_jobs=True)
    (key,) = world.raw.keys("arq:in-progress:cron:tick:*")
    return key.decode().removeprefix("arq:in-progress:")


def cron_kept(world):
    run_burst(world.url, cron_jobs=True)
    (key,) = world.raw.keys("arq:result:cron:kept:*")
    return key.decode().removeprefix("arq:result:")


def cron_named(world):
    run_burst(world.url, cron_jobs=True)
    return "the-cron-job"


def expired(world):
    queued(world)
    world.raw.delete("arq:job:k")


def not_in_the_queue(world):
    queued(world)
    world.raw.zrem("arq:queue", "k")


def in_another_queue(world):
    world.queue.enqueue("echo", _job_id="k", _queue_name="other")


def score_zero(world):
    queued(world)
    world.raw.zadd("arq:queue", {"k": 0})


def abort_asked(world):
    queued(world)
    assert world.stock.abort("k", timeout=0) == Raised("TimeoutError", "TimeoutError()")


def abort_asked_deferred(world):
    deferred(world)
    assert world.stock.abort("k", timeout=0) == Raised("TimeoutError", "TimeoutError()")
    assert world.raw.zscore("arq:queue", "k") == 1


def unknown(world):
    assert world.stock.info("k") is None


PENDING = (True, JobResultUnavailable, TimeoutError)
FINISHED = (True, None, None)
UNKNOWN = (False, JobNotFound, JobNotFound)

# How it comes about, what arq says of it, whether there are metadata, and what is raised for lack
# of a result and by a wait for it.
STATES = [
    (queued, "queued", *PENDING),
    (deferred, "deferred", *PENDING),
    (with_a_try, "queued", *PENDING),
    (stock_queued, "queued", *PENDING),
    (stock_deferred, "deferred", *PENDING),
    (retry_pending, "deferred", *PENDING),
    (running, "in_progress", *PENDING),
    (worker_killed, "in_progress", *PENDING),
    (worker_stopped, "queued", *PENDING),
    (expired_while_running, "in_progress", False, *PENDING[1:]),
    (complete, "complete", *FINISHED),
    (cron_kept, "complete", *FINISHED),
    (cron_named, "complete", *FINISHED),
    (kept_by_a_queue_of_its_own, "complete", *FINISHED),
    (not_kept, "not_found", *UNKNOWN),
    (cron_finished, "in_progress", *UNKNOWN),
    (expired, "queued", *UNKNOWN),
    (not_in_the_queue, "not_found", *UNKNOWN),
    (in_another_queue, "not_found", *UNKNOWN),
    (score_zero, "not_found", *UNKNOWN),
    (abort_asked, "queued", *PENDING),
    (abort_asked_deferred, "queued", *PENDING),
    (unknown, "not_found", *UNKNOWN),
]


@pytest.mark.parametrize(
    ("bring_about", "status", "known", "no_result", "no_end"),
    [pytest.param(*state, id=state[0].__name__) for state in STATES],
)
def test_state_is_what_stock_arq_says(world, bring_about, status, known, no_result, no_end):
    """In each state, status and metadata equal stock `Job`'s, and what is missing is an error."""
    said = bring_about(world)
    job_id = said if isinstance(said, str) else "k"
    queue, stock = world.queue, world.stock
    assert status == stock.status(job_id) == queue.get_job_status(job_id)
    if known:
        job = queue.get_job_metadata(job_id)
        assert type(job) is JobMetadata
        assert job.status == status
        info = as_stock_says(job)
        assert info == {field: stock.info(job_id)[field] for field in info}
    else:
        with pytest.raises(JobNotFound):
            queue.get_job_metadata(job_id)
    if no_result:
        with pytest.raises(no_result):
            queue.get_job_result(job_id)
        with pytest.raises(no_end):
            queue.wait_for_result(job_id, timeout=0.05 if no_end is TimeoutError else 30)
    else:
        result = as_stock_says(queue.get_job_result(job_id))
        assert result == stock.info(job_id)
        assert result == as_stock_says(queue.wait_for_result(job_id))


def test_job_that_stock_arq_has_just_enqueued_is_not_deferred(queue, stock):
    """Stock arq rounds the time, where a client that cuts it off sees such a job deferred."""
    seen = set()
    for number in range(300):
        job_id = stock.enqueue_job("echo", _job_id=str(number))
        seen.add(queue.get_job_status(job_id))
    assert seen == {"queued"}


def test_job_that_stock_arq_has_just_enqueued_is_no_deferred_conflict(queue, stock):
    """As above, where such a job stands in the way of another one."""
    seen = set()
    for number in range(300):
        job_id = stock.enqueue_job("echo", _job_id=str(number))
        with pytest.raises(JobNotQueued) as caught:
            queue.enqueue("echo", _job_id=job_id)
        seen.add(caught.value.reason)
    assert seen == {"queued"}


def test_stock_arq_lists_the_jobs(queue, stock):
    """Stock `queued_jobs` lists what arqade enqueued, in the order of the times."""
    jobs = [
        queue.enqueue("echo", 3, _job_id="late", _defer_by=60),
        queue.enqueue("echo", 1, x=2, _job_id="now"),
        queue.enqueue("echo", _job_id="soon", _defer_by=30, _job_try=4),
    ]
    expected = [as_stock_says(jobs[number]) for number in (1, 2, 0)]
    assert stock.queued_jobs() == expected
