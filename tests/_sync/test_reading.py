# Generated from tests/_async/test_reading.py by "make generate"; do not edit.
from __future__ import annotations

import threading
import time
from datetime import UTC, datetime

import pytest

from arqade import (
    JobCancelled,
    JobDeserializationError,
    JobNotFound,
    JobResultUnavailable,
    JobSerializationError,
    JobStatus,
)
from tests.harness.states import (
    QUEUE,
    STATES,
    aborted_bytes,
    job_bytes,
    put_complete,
    put_expired,
    put_finished_cron,
    put_in_progress,
    put_queued,
    result_bytes,
    snapshot,
)


@pytest.mark.parametrize("state", STATES)
def test_status(queue, raw, state):
    """The status of a job is the state that arq's keys show."""
    STATES[state](raw)
    assert queue.get_job_status("k") is JobStatus(state)
    assert queue.get_job_status("k", QUEUE) is JobStatus(state)


@pytest.mark.parametrize(
    ("put", "status"),
    [(put_expired, "queued"), (put_finished_cron, "in_progress"), (None, "not_found")],
)
def test_status_without_a_job(queue, raw, put, status):
    """Where keys are missing, the status is still what arq says."""
    if put:
        put(raw)
    assert queue.get_job_status("k") == status


def test_status_decodes_nothing(queue, raw):
    """A status needs no payload that can be read."""
    raw.set("arq:result:k", b"garbage")
    assert queue.get_job_status("k") is JobStatus.complete


def test_status_of_another_queue(queue, raw):
    """A job that waits in another queue is not in this one."""
    put_queued(raw, queue="mail")
    assert queue.get_job_status("k") is JobStatus.not_found
    assert queue.get_job_status("k", "mail") is JobStatus.queued


@pytest.mark.parametrize("state", ["queued", "deferred", "in_progress"])
def test_metadata_of_a_job(queue, raw, state):
    """Metadata tell what the job's envelope and its place in the queue say."""
    STATES[state](raw)
    job = queue.get_job_metadata("k")
    assert (job.id, job.name, job.args, job.kwargs) == ("k", "work", (1,), {"b": 2})
    assert (job.status, job.queue_name) == (state, QUEUE)
    assert job.score == raw.zscore(QUEUE, "k")
    assert abs(job.enqueue_time - datetime.now(UTC)).total_seconds() < 60


def test_metadata_of_a_finished_job(queue, raw):
    """Metadata of a finished job come from its result."""
    put_complete(raw)
    job = queue.get_job_metadata("k")
    assert (job.name, job.args, job.kwargs, job.status) == ("work", (1,), {"b": 2}, "complete")
    assert (job.score, job.job_try) == (None, 1)
    assert not hasattr(job, "result")


@pytest.mark.parametrize("operation", ["get_job_metadata", "get_job_result", "wait_for_result"])
def test_unknown_job(queue, raw, operation):
    """An unknown id is an error that names it, and writes nothing."""
    with pytest.raises(JobNotFound) as caught:
        getattr(queue, operation)("k")
    assert str(caught.value) == "Job could not be found. id=k"
    assert caught.value.job_id == "k"
    assert raw.dbsize() == 0


@pytest.mark.parametrize("operation", ["get_job_metadata", "get_job_result", "wait_for_result"])
@pytest.mark.parametrize("put", [put_queued, put_in_progress])
def test_job_of_another_queue(queue, raw, operation, put):
    """A job that waits or runs in another queue is not found in this one."""
    put(raw, queue="mail")
    for names in [(), (QUEUE,)]:
        with pytest.raises(JobNotFound):
            getattr(queue, operation)("k", *names)


@pytest.mark.parametrize("operation", ["get_job_metadata", "get_job_result", "wait_for_result"])
def test_finished_job_of_another_queue(queue, raw, operation):
    """A finished job is found if no queue is named, and not found in the wrong one."""
    put_complete(raw, queue="mail")
    assert getattr(queue, operation)("k").queue_name == "mail"
    assert getattr(queue, operation)("k", "mail").queue_name == "mail"
    with pytest.raises(JobNotFound):
        getattr(queue, operation)("k", QUEUE)


def test_result_that_names_no_queue(queue, raw):
    """A result that does not name its queue is taken for one of the queue that is asked."""
    put_complete(raw, queue=None)
    assert queue.get_job_result("k").queue_name == QUEUE
    assert queue.get_job_result("k", "mail").queue_name == "mail"


def test_result(queue, raw):
    """A result tells all that its envelope says."""
    put_complete(raw, value={"a": [1]})
    job = queue.get_job_result("k")
    assert (job.id, job.name, job.status, job.success) == ("k", "work", JobStatus.complete, True)
    assert job.result == {"a": [1]}
    assert job.unwrap() == {"a": [1]}
    assert job.enqueue_time < job.start_time < job.finish_time
    assert job.finish_time.tzinfo is UTC


def test_results_are_fresh(queue, raw):
    """Each look gives objects of its own."""
    put_complete(raw, value=[1])
    first = queue.get_job_result("k")
    first.result.append(2)
    assert queue.get_job_result("k").result == [1]


@pytest.mark.parametrize("state", ["queued", "deferred", "in_progress"])
def test_no_result_yet(queue, raw, state):
    """A job that has not finished has no result."""
    STATES[state](raw)
    with pytest.raises(JobResultUnavailable) as caught:
        queue.get_job_result("k")
    assert str(caught.value) == "Job result could not be found. id=k"
    assert caught.value.job_id == "k"


def test_running_job_without_envelope(queue, raw):
    """A running job whose envelope expired may still come to a result; its metadata are gone."""
    put_in_progress(raw)
    raw.delete("arq:job:k")
    with pytest.raises(JobNotFound):
        queue.get_job_metadata("k")
    with pytest.raises(JobResultUnavailable):
        queue.get_job_result("k")
    with pytest.raises(TimeoutError):
        queue.wait_for_result("k", timeout=0)


@pytest.mark.parametrize("operation", ["get_job_metadata", "get_job_result", "wait_for_result"])
@pytest.mark.parametrize("put", [put_expired, put_finished_cron])
def test_vanished_job(queue, raw, operation, put):
    """A job whose envelope expired before it ran, and a cron job that has run, are not found."""
    put(raw)
    with pytest.raises(JobNotFound):
        getattr(queue, operation)("k")


@pytest.mark.parametrize("operation", ["get_job_metadata", "get_job_result", "wait_for_result"])
def test_undecodable_result(queue, raw, operation):
    """Bytes that can't be decoded are an error that names the job."""
    raw.set("arq:result:k", b"garbage")
    with pytest.raises(JobDeserializationError, match="id=k") as caught:
        getattr(queue, operation)("k")
    assert caught.value.job_id == "k"


def test_undecodable_job(queue, raw):
    """A job's envelope that can't be decoded is an error for its metadata alone."""
    put_queued(raw)
    raw.set("arq:job:k", b"garbage")
    with pytest.raises(JobDeserializationError):
        queue.get_job_metadata("k")
    with pytest.raises(JobResultUnavailable):
        queue.get_job_result("k")
    assert queue.get_job_status("k") is JobStatus.queued


def test_failed_job(queue, raw):
    """A failed job's exception is its result, and raised by `unwrap` alone."""
    raw.set("arq:result:k", result_bytes(value=ValueError("boom", 42), success=False))
    job = queue.wait_for_result("k")
    assert job.success is False
    assert job.result.args == ("boom", 42)
    with pytest.raises(ValueError, match="boom"):
        job.unwrap()


def test_aborted_job_cancels_no_one(queue, raw):
    """An aborted job's CancelledError stays in its result; `unwrap` raises an error of ours."""
    raw.set("arq:result:k", aborted_bytes())
    job = queue.wait_for_result("k")
    assert type(job.result).__name__ == "CancelledError"
    with pytest.raises(JobCancelled, match="Job was aborted") as caught:
        job.unwrap()
    assert caught.value.job_id == "k"


def test_result_that_its_worker_could_not_store(queue, raw):
    """What a worker stores for a result that can't be pickled is an error of `unwrap`."""
    value = "unable to serialize result"
    raw.set("arq:result:k", result_bytes(value=value, success=False))
    job = queue.get_job_result("k")
    assert job.result == value
    with pytest.raises(JobSerializationError, match="could not store its result"):
        job.unwrap()


def test_wait_gives_the_result_when_it_comes(queue, raw):
    """A wait ends with the result that a worker writes meanwhile."""
    put_in_progress(raw)

    def finish():
        pipe = raw.pipeline()
        put_complete(pipe)
        pipe.delete("arq:job:k", "arq:in-progress:k")
        pipe.zrem(QUEUE, "k")
        pipe.execute()

    timer = threading.Timer(0.2, finish)
    timer.start()
    assert queue.wait_for_result("k", timeout=30).result == 42
    timer.join()


def test_wait_ends_when_the_job_vanishes(queue, raw):
    """A wait for a job that ends without a result is over when it ends."""
    put_in_progress(raw)
    timer = threading.Timer(0.2, raw.flushdb)
    timer.start()
    with pytest.raises(JobNotFound):
        queue.wait_for_result("k", timeout=30)
    timer.join()


@pytest.mark.parametrize("timeout", [0, -1, 0.1])
def test_wait_ends_when_its_time_is_over(queue, raw, timeout):
    """A wait ends by `TimeoutError`, not before its time, and leaves the job alone."""
    put_queued(raw)
    before = snapshot(raw)
    start = time.monotonic()
    with pytest.raises(TimeoutError, match="id=k"):
        queue.wait_for_result("k", timeout=timeout)
    assert time.monotonic() - start >= timeout
    assert snapshot(raw) == before


def test_wait_without_time_finds_a_result_that_is_there(queue, raw):
    """A wait of no time still looks once."""
    put_complete(raw)
    assert queue.wait_for_result("k", timeout=0).result == 42


def test_timeout_of_a_job_is_not_that_of_the_wait(queue, raw):
    """A job that failed by a `TimeoutError` of its own ends the wait with a result."""
    raw.set("arq:result:k", result_bytes(value=TimeoutError(), success=False))
    job = queue.wait_for_result("k", timeout=0)
    with pytest.raises(TimeoutError):
        job.unwrap()


def test_delete_result(queue, raw):
    """Deleting a result tells whether there was one."""
    put_complete(raw)
    put_queued(raw, "other")
    assert queue.delete_result("k") is True
    assert queue.delete_result("k") is False
    assert queue.delete_result("other") is False
    assert queue.get_job_status("other") is JobStatus.queued


@pytest.mark.parametrize("operation", ["get_job_status", "get_job_metadata", "get_job_result"])
def test_reading_changes_nothing(queue, raw, operation):
    """Reading leaves every key as it was."""
    put_complete(raw)
    before = snapshot(raw)
    getattr(queue, operation)("k")
    assert snapshot(raw) == before


def test_queue_of_a_wrong_score(queue, raw):
    """A job of score 0, which no worker ever runs, is not found, as in arq."""
    raw.set("arq:job:k", job_bytes())
    raw.zadd(QUEUE, {"k": 0})
    assert queue.get_job_status("k") is JobStatus.not_found
    with pytest.raises(JobNotFound):
        queue.get_job_metadata("k")
