# Generated from tests/_async/test_cancel.py by "make generate"; do not edit.
from __future__ import annotations

import threading

import pytest

from arqade import CancelOutcome, QueueServerError
from tests.harness.states import (
    QUEUE,
    aborted_bytes,
    put_complete,
    put_deferred,
    put_expired,
    put_finished_cron,
    put_in_progress,
    put_queued,
    result_bytes,
    snapshot,
)


def finish(raw, data):
    """End a running job as a worker does: with this result, or none."""
    pipe = raw.pipeline()
    if data is not None:
        pipe.psetex("arq:result:k", 3_600_000, data)
    pipe.zrem("arq:abort", "k")
    pipe.zrem(QUEUE, "k")
    pipe.delete("arq:in-progress:k", "arq:retry:k", "arq:job:k")
    pipe.execute()


def when_asked(raw, act):
    """Act as soon as a worker is asked to abort the job, in a thread."""

    def wait():
        while raw.zscore("arq:abort", "k") is None:
            pass
        act()

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


@pytest.mark.parametrize("put", [put_queued, put_deferred, put_expired])
def test_job_that_has_not_started_is_removed(queue, raw, put):
    """A job that waits is removed with all its keys, and nothing else is."""
    put_queued(raw, "other")
    before = snapshot(raw)
    put(raw)
    raw.set("arq:retry:k", 1)
    raw.zadd("arq:abort", {"k": 5})
    assert queue.cancel_job("k") is CancelOutcome.removed
    assert snapshot(raw) == before


@pytest.mark.parametrize("put", [put_queued, put_deferred])
def test_abort_of_a_job_that_has_not_started(queue, raw, put):
    """`abort_job` is true for a job that was removed."""
    put(raw)
    assert queue.abort_job("k") is True
    assert raw.dbsize() == 0


@pytest.mark.parametrize(
    ("put", "outcome"), [(put_complete, "complete"), (put_finished_cron, "not_found")]
)
def test_finished_job_is_left_alone(queue, raw, put, outcome):
    """A finished job can't be cancelled, and its id is not poisoned."""
    put(raw)
    before = snapshot(raw)
    assert queue.cancel_job("k") == outcome
    assert queue.abort_job("k") is False
    assert snapshot(raw) == before


def test_unknown_job_writes_nothing(queue, raw):
    """An unknown id is answered, and not kept for a later job of this id."""
    assert queue.cancel_job("k") is CancelOutcome.not_found
    assert queue.abort_job("k") is False
    assert raw.dbsize() == 0


@pytest.mark.parametrize("put", [put_queued, put_in_progress])
def test_job_of_another_queue_is_left_alone(queue, raw, put):
    """A job is cancelled in its own queue only."""
    put(raw, queue="mail")
    before = snapshot(raw)
    assert queue.cancel_job("k") is CancelOutcome.not_found
    assert snapshot(raw) == before
    assert queue.get_job_status("k", "mail") in ("queued", "in_progress")


def test_cancel_in_a_named_queue(queue, raw):
    """A job of another queue is cancelled if that is named."""
    put_queued(raw, queue="mail")
    assert queue.cancel_job("k", "mail") is CancelOutcome.removed
    assert raw.dbsize() == 0


@pytest.mark.parametrize(
    ("data", "outcome"),
    [
        (aborted_bytes(), "aborted"),
        (result_bytes(value=42), "unconfirmed"),
        (result_bytes(value=ValueError(), success=False), "unconfirmed"),
        (b"garbage", "unconfirmed"),
        (None, "unconfirmed"),
    ],
    ids=["cancelled", "value", "error", "undecodable", "no result"],
)
def test_running_job_ends(queue, raw, data, outcome):
    """A running job's worker is asked; only the CancelledError that it stores confirms it."""
    put_in_progress(raw)
    thread = when_asked(raw, lambda: finish(raw, data))
    assert queue.cancel_job("k", timeout=30) == outcome
    thread.join()


def test_abort_of_a_running_job(queue, raw):
    """`abort_job` is true if a worker confirms."""
    put_in_progress(raw)
    data = aborted_bytes()
    thread = when_asked(raw, lambda: finish(raw, data))
    assert queue.abort_job("k") is True
    thread.join()


@pytest.mark.parametrize("timeout", [0, 0.1])
def test_worker_that_does_not_answer(queue, raw, timeout):
    """If no worker answers in time the outcome is open, and the worker stays asked."""
    put_in_progress(raw)
    assert queue.cancel_job("k", timeout=timeout) is CancelOutcome.unconfirmed
    assert raw.zscore("arq:abort", "k") is not None
    assert queue.get_job_status("k") == "in_progress"


def test_job_that_comes_back_to_the_queue_is_removed(queue, raw):
    """A running job whose worker dies or puts it back for a retry is removed from the queue."""
    put_in_progress(raw)
    thread = when_asked(raw, lambda: raw.delete("arq:in-progress:k"))
    assert queue.cancel_job("k", timeout=30) is CancelOutcome.removed
    thread.join()
    assert raw.dbsize() == 0


def test_wrong_types_are_an_error(queue, raw):
    """A key that another program took is an error, and nothing is half done."""
    put_queued(raw)
    raw.set("arq:abort", 1)
    before = snapshot(raw)
    with pytest.raises(QueueServerError, match="WRONGTYPE"):
        queue.cancel_job("k")
    assert snapshot(raw) == before
