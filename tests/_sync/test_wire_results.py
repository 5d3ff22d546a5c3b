# Generated from tests/_async/test_wire_results.py by "make generate"; do not edit.
from __future__ import annotations

import importlib.util
from typing import Any, NamedTuple

import pytest
import redis

from arqade import (
    JobCancelled,
    JobDeserializationError,
    JobNotFound,
    JobSerializationError,
    JobStatus,
    SyncRedisArqQueue,
)
from tests.harness.stock import Raised, as_stock_says
from tests.harness.stock_values import CancelledError, CustomError, Elsewhere
from tests.harness.worker import RAN, run_burst, started_jobs

HOUR_MS = 3_600_000
WITH_ARQ = importlib.util.find_spec("arq") is not None
UNABLE = "'unable to serialize result'"


class Case(NamedTuple):
    """A job that a stock worker runs, and what is to come of it."""

    task: str
    returns: str = "None"
    """The repr of what it returns, if it does."""

    raises: str = ""
    """The repr of what it raises, if it does."""

    args: tuple[Any, ...] = ()
    options: dict[str, Any] = {}  # noqa: RUF012 - it is only read
    job_try: int = 1

    @property
    def result(self):
        return self.raises or self.returns


def echoed(*args, job_try=1, **kwargs):
    return repr({"args": args, "kwargs": kwargs, "job_try": job_try})


TOO_OFTEN = "JobExecutionFailed('max 5 retries exceeded')"
CASES = {
    "arguments": Case("echo", echoed(1, "two", x=3), args=(1, "two"), options={"x": 3}),
    "nothing": Case("return_nothing"),
    "bytes": Case("return_bytes", r"b'\x00\xff'"),
    "exception-returned": Case("return_exception", "ValueError('a value like any other')"),
    "retried": Case("retry_once", "2", job_try=2),
    "third-try": Case("echo", echoed(job_try=3), options={"_job_try": 3}, job_try=3),
    "deferred": Case("echo", echoed(), options={"_defer_by": 0.2}),
    "kept-forever": Case("keep_forever", echoed()),
    "value-error": Case("raise_value_error", raises="ValueError('no', 1)"),
    "key-error": Case("raise_key_error", raises="KeyError('k')"),
    "custom-error": Case("raise_custom", raises="CustomError('custom', 7)"),
    "timed-out": Case("time_out", raises="TimeoutError()"),
    "no-function": Case("nope", raises="JobExecutionFailed(\"function 'nope' not found\")"),
    "too-many-tries": Case("retry_always", raises=TOO_OFTEN, job_try=6),
    "try-too-high": Case("echo", raises=TOO_OFTEN, options={"_job_try": 9}, job_try=9),
    "expired": Case("echo", raises="JobExecutionFailed('job expired')"),
    "bad-arguments": Case(
        "echo", raises="DeserializationError('unable to deserialize job')", args=(Elsewhere(),)
    ),
    "aborted": Case("echo", raises="CancelledError()"),
    "aborted-deferred": Case("echo", raises="CancelledError()", options={"_defer_by": 3600}),
    "value-unpicklable": Case("return_lambda", raises=UNABLE),
    "error-unpicklable": Case("raise_unpicklable", raises=UNABLE),
}
UNDECODABLE = {
    "value-undecodable": Case("return_undecodable"),
    "error-undecodable": Case("raise_undecodable"),
}
NOT_KEPT = {"not-kept": Case("keep_nothing")}

NEVER_STARTED = {
    *("no-function", "try-too-high", "expired", "bad-arguments"),
    *("aborted", "aborted-deferred"),
}
# A worker that can't read a job says that it is unknown and of 1970.
NEVER_READ = {"expired", "bad-arguments"}


@pytest.fixture(scope="module")
def redis_url(module_redis_url):
    """One server for all these tests: one worker runs all the jobs."""
    return module_redis_url


@pytest.fixture(scope="module")
def enqueued(redis_url, stock):
    """The cases' jobs as `enqueue` gave them; a stock worker has run them since."""
    with SyncRedisArqQueue.from_url(redis_url) as queue:
        jobs = {
            name: queue.enqueue(case.task, *case.args, _job_id=name, **case.options)
            for name, case in {**CASES, **UNDECODABLE, **NOT_KEPT}.items()
        }
    for name in ("aborted", "aborted-deferred"):
        assert stock.abort(name, timeout=0) == Raised("TimeoutError", "TimeoutError()")
    with redis.Redis.from_url(redis_url) as client:
        client.delete("arq:job:expired")
    run_burst(redis_url, allow_abort_jobs=True)
    return jobs


@pytest.mark.parametrize("name", CASES)
def test_result_is_what_the_job_did(queue, enqueued, name):
    """A result tells of the job as it was enqueued, and of its end."""
    result, case, job = queue.get_job_result(name), CASES[name], enqueued[name]
    assert result.success is (case.raises == "")
    assert repr(result.result) == case.result
    assert result.job_try == case.job_try
    assert result.status is JobStatus.complete
    assert result.score is None
    assert result.id == name
    assert result.queue_name == "arq:queue"
    assert result.start_time <= result.finish_time
    if name in NEVER_READ:
        assert (result.name, result.args, result.kwargs) == ("<unknown>", (), {})
        assert result.enqueue_time.timestamp() == 0
    else:
        assert (result.name, result.args, result.kwargs) == (job.name, job.args, job.kwargs)
        assert job.enqueue_time == result.enqueue_time
        assert name == "aborted-deferred" or to_ms(result.start_time) >= job.score


def to_ms(time):
    return round(time.timestamp() * 1000)


@pytest.mark.parametrize("name", CASES)
def test_stock_arq_reads_the_same(queue, stock, enqueued, name):
    """Stock `Job` and arqade give the same fields of a result, and the same state."""
    result = queue.get_job_result(name)
    assert stock.info(name) == as_stock_says(result)
    assert stock.status(name) == queue.get_job_status(name) == JobStatus.complete


@pytest.mark.parametrize("name", CASES)
def test_metadata_are_those_of_the_result(queue, enqueued, name):
    """Metadata of a finished job say what its result says."""
    job, result = queue.get_job_metadata(name), queue.get_job_result(name)
    assert all(getattr(job, field) == getattr(result, field) for field in METADATA)
    assert job.status is JobStatus.complete


METADATA = ("id", "name", "args", "kwargs", "enqueue_time", "queue_name", "score", "job_try")


@pytest.mark.parametrize("name", CASES)
def test_waiting_gives_the_same_result(queue, enqueued, name):
    """`wait_for_result` returns what `get_job_result` does, whatever the job raised."""
    waited = queue.wait_for_result(name, timeout=5)
    assert as_stock_says(waited) == as_stock_says(queue.get_job_result(name))


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if not case.raises])
def test_returned_value_is_unwrapped(queue, stock, enqueued, name):
    """The value comes out of `unwrap()`, and out of stock `Job.result()`."""
    result = queue.get_job_result(name)
    assert repr(result.unwrap()) == CASES[name].returns == stock.result(name)


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.raises])
def test_raised_error_is_unwrapped(queue, stock, enqueued, name):
    """`unwrap()` raises what stock `Job.result()` raises, or arqade's error for it."""
    result, case = queue.get_job_result(name), CASES[name]
    with pytest.raises(Exception) as caught:  # noqa: PT011 - which one is asserted below
        result.unwrap()
    said = stock.result(name)
    if case.raises == UNABLE:
        assert type(caught.value) is JobSerializationError
        assert caught.value.job_id == name
        assert said == Raised("SerializationError", f"SerializationError({UNABLE})")
    elif case.raises == "CancelledError()":
        assert isinstance(result.result, CancelledError)
        assert type(caught.value) is JobCancelled
        assert said == Raised("CancelledError", "CancelledError()")
    else:
        assert repr(caught.value) == case.raises
        assert said == Raised(type(caught.value).__name__, case.raises)


def test_custom_error_keeps_its_state(queue, enqueued):
    """An application's own exception comes back as its class, attributes included."""
    error = queue.get_job_result("custom-error").result
    assert type(error) is CustomError
    assert error.code == 7


def test_time_out_of_the_job_is_not_that_of_the_wait(queue, enqueued):
    """A job that timed out has a result; a wait that timed out has none."""
    result = queue.wait_for_result("timed-out", timeout=5)
    with pytest.raises(TimeoutError):
        result.unwrap()
    queue.enqueue("echo", _job_id="waits")
    with pytest.raises(TimeoutError, match="no result within"):
        queue.wait_for_result("waits", timeout=0.05)
    assert queue.abort_job("waits")


@pytest.mark.skipif(not WITH_ARQ, reason="arq is not installed here")
@pytest.mark.parametrize("name", ["expired", "no-function", "too-many-tries", "bad-arguments"])
def test_errors_of_arq_are_arqs_own(queue, enqueued, name):
    """Beside arq, its exceptions in results are its own classes."""
    module = "arq.jobs" if name == "bad-arguments" else "arq.worker"
    assert type(queue.get_job_result(name).result).__module__ == module


@pytest.mark.skipif(WITH_ARQ, reason="arq is installed here")
@pytest.mark.parametrize("name", ["expired", "no-function", "too-many-tries", "bad-arguments"])
def test_errors_of_arq_have_stand_ins(queue, enqueued, name):
    """Without arq, its exceptions in results are arqade's of the same name."""
    assert type(queue.get_job_result(name).result).__module__ == "arqade.exceptions"


@pytest.mark.parametrize("name", UNDECODABLE)
def test_undecodable_result_has_a_state(queue, stock, enqueued, name):
    """A result that can't be unpickled is an error that names the job, and complete."""
    for read in (queue.get_job_result, queue.get_job_metadata, queue.wait_for_result):
        with pytest.raises(JobDeserializationError) as caught:
            read(name)
        assert caught.value.job_id == name
    assert stock.info(name).error == stock.result(name).error == "DeserializationError"
    assert stock.status(name) == queue.get_job_status(name) == JobStatus.complete
    assert queue.cancel_job(name) == "complete"


def test_result_that_is_not_kept_is_unknown(queue, stock, enqueued):
    """A job that finished without a kept result is as unknown as one that never was."""
    for read in (queue.get_job_result, queue.get_job_metadata, queue.wait_for_result):
        with pytest.raises(JobNotFound):
            read("not-kept")
    assert stock.info("not-kept") is None
    assert stock.status("not-kept") == queue.get_job_status("not-kept") == "not_found"


def test_every_job_was_run_once_for_each_try(raw, enqueued):
    """The worker started what could be started, as often as it was to be tried."""
    tries = {"too-many-tries": 5, "retried": 2, **dict.fromkeys(NEVER_STARTED, 0)}
    started = started_jobs(raw)
    assert {name: started.count(name) for name in enqueued} == {
        name: tries.get(name, 1) for name in enqueued
    }


def test_nothing_else_is_left(raw, enqueued):
    """After the jobs there are results, and arqade's markers, all but one with an end."""
    markers = set(raw.scan_iter("arqade:once:*"))
    kept = {f"arq:result:{name}".encode() for name in {**CASES, **UNDECODABLE}}
    assert set(raw.scan_iter("*")) - markers - {RAN.encode()} == kept
    lives = {key: raw.pttl(key) for key in kept | markers}
    assert [key for key, life in lives.items() if life == -1] == [b"arq:result:kept-forever"]
    assert all(HOUR_MS - 60_000 < lives[key] <= HOUR_MS for key in kept if lives[key] != -1)
