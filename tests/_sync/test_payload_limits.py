# Generated from tests/_async/test_payload_limits.py by "make generate"; do not edit.
"""Jobs and results that are larger than a queue reads."""

from __future__ import annotations

import threading
import time

import pytest

from arqade import (
    CancelOutcome,
    JobDeserializationError,
    JobNotQueued,
    JobRequest,
    JobResultUnavailable,
    JobStatus,
    PayloadTooLarge,
    QueueServerError,
    SyncMockArqQueue,
    SyncRedisArqQueue,
)
from tests.harness.states import QUEUE, job_bytes, now_ms, put_queued, result_bytes, snapshot

LIMIT = 1000


class Redis:
    """A queue on a server, and what changes that server behind its back."""

    def __init__(self, queue, raw):
        self.queue = queue
        self._raw = raw

    def put_result(self, job_id, data):
        self._raw.set(f"arq:result:{job_id}", data)

    def put_job(self, job_id, data, state="queued"):
        self._raw.set(f"arq:job:{job_id}", data)
        self._raw.zadd(QUEUE, {job_id: due(state)})
        if state == "in_progress":
            self._raw.set(f"arq:in-progress:{job_id}", b"1")

    def snapshot(self):
        return snapshot(self._raw)


class Mock:
    """The same with a mock."""

    def __init__(self, queue):
        self.queue = queue
        self._store = queue.store

    def put_result(self, job_id, data):
        with self._store.lock:
            self._store.set(f"arq:result:{job_id}", data)

    def put_job(self, job_id, data, state="queued"):
        with self._store.lock:
            self._store.set(f"arq:job:{job_id}", data)
            self._store.add(QUEUE, job_id, due(state))
            if state == "in_progress":
                self._store.set(f"arq:in-progress:{job_id}", b"1")

    def snapshot(self):
        values = self._store._values
        found = {key: data for key, (data, _) in values.items() if not key.startswith("arqade:")}
        return found, {queue: dict(members) for queue, members in self._store._sets.items()}


def due(state):
    return now_ms() + (60_000 if state == "deferred" else -10)


def job_of(size):
    """Make the bytes of a job, exactly so many."""
    return job_bytes("work", b"x" * (size - len(job_bytes("work", b"x" * 300)) + 300))


def result_of(size, job_id="k"):
    """Make the bytes of a result, exactly so many."""
    rest = len(result_bytes(job_id, b"x" * 300)) - 300
    return result_bytes(job_id, b"x" * (size - rest))


@pytest.fixture(params=["redis", "mock"])
def side(request, redis_url, raw):
    """A queue that reads and writes a thousand bytes at most."""
    if request.param == "mock":
        with SyncMockArqQueue(max_payload_bytes=LIMIT) as queue:
            yield Mock(queue)
    else:
        with SyncRedisArqQueue.from_url(redis_url, max_payload_bytes=LIMIT) as queue:
            yield Redis(queue, raw)


def collect(jobs, found):
    """Note the ids of what comes before an error."""
    for job in jobs:
        found.append(job.id)


def assert_unread(error, job_id, size):
    """Check that an error says what was too large, how large it may be, and what to do."""
    assert (error.job_id, error.size, error.limit) == (job_id, size, LIMIT)
    parts = (f" {size} bytes", f" {LIMIT} bytes", "max_payload_bytes", f"id={job_id}", "not read")
    assert all(part in str(error) for part in parts)


READS = ["get_job_metadata", "get_job_result", "wait_for_result"]


@pytest.mark.parametrize("operation", READS)
def test_result_that_is_too_large(side, operation):
    """A result over the limit is an error with its size, and its status can still be asked."""
    side.put_result("k", result_of(LIMIT + 1))
    for names in [(), (QUEUE,)]:
        with pytest.raises(PayloadTooLarge, match=r"^Job result was not read") as caught:
            getattr(side.queue, operation)("k", *names)
        assert_unread(caught.value, "k", LIMIT + 1)
    assert side.queue.get_job_status("k") is JobStatus.complete


@pytest.mark.parametrize("state", ["queued", "deferred", "in_progress"])
def test_job_that_is_too_large(side, state):
    """A job over the limit is an error for its metadata alone."""
    side.put_job("k", job_of(LIMIT + 1), state)
    with pytest.raises(PayloadTooLarge, match=r"^Job was not read") as caught:
        side.queue.get_job_metadata("k")
    assert_unread(caught.value, "k", LIMIT + 1)
    with pytest.raises(JobResultUnavailable):
        side.queue.get_job_result("k")
    with pytest.raises(TimeoutError):
        side.queue.wait_for_result("k", timeout=0)
    assert side.queue.get_job_status("k") == state


def test_what_is_just_small_enough(side):
    """What has as many bytes as the limit allows is read by every operation."""
    side.put_job("j", job_of(LIMIT))
    side.put_result("k", result_of(LIMIT))
    assert side.queue.get_job_metadata("j").id == "j"
    for operation in READS:
        assert getattr(side.queue, operation)("k").id == "k"
    jobs = side.queue.get_jobs_metadata(["j", "k"])
    assert [job.id for job in jobs] == ["j", "k"]
    found = []
    collect(side.queue.iter_jobs(), found)
    collect(side.queue.iter_results(), found)
    collect(side.queue.as_completed(["k"]), found)
    assert found == ["j", "k", "k"]
    for job_id in ("j", "k"):
        job = side.queue.enqueue("x", _job_id=job_id, _on_conflict="return_existing")
        assert (job.id, job.name) == (job_id, "work")


def test_result_of_a_job_at_the_limit(side):
    """A result holds the job's arguments, too: that of the largest job is too large."""
    side.put_job("j", job_of(LIMIT))
    job = side.queue.get_job_metadata("j")
    data = result_bytes("j", job.args[0])
    side.put_result("j", data)
    with pytest.raises(PayloadTooLarge) as caught:
        side.queue.get_job_result("j")
    assert_unread(caught.value, "j", len(data))


def test_result_that_comes_while_it_is_waited_for(side):
    """A wait ends with the error when a result comes that is too large."""
    side.put_job("k", job_of(300))
    thread = threading.Timer(0.2, lambda: side.put_result("k", result_of(LIMIT + 1)))
    thread.start()
    with pytest.raises(PayloadTooLarge):
        side.queue.wait_for_result("k", timeout=20)
    thread.join()


def test_cancelled_job_with_a_result_that_is_too_large(side):
    """What a worker stores for an aborted job is small: any other end is not confirmed."""
    side.put_job("k", job_of(300), "in_progress")

    def finish():
        time.sleep(0.2)
        side.put_result("k", result_of(LIMIT + 1))

    thread = threading.Thread(target=finish)
    thread.start()
    assert side.queue.cancel_job("k", timeout=20) is CancelOutcome.unconfirmed
    thread.join()


# --- listings --------------------------------------------------------------------------


@pytest.mark.parametrize("status", [None, "queued", "deferred", "in_progress"])
def test_iterating_over_jobs(side, status):
    """The good ones come, and then an error that names the bad ones."""
    for name in ("a", "b", "c"):
        side.put_job(name, job_of(300), status or "queued")
    for name in ("bad", "worse"):
        side.put_job(name, job_of(LIMIT + 5), status or "queued")
    found = []
    with pytest.raises(PayloadTooLarge, match=r"^2 of the jobs can't be read") as caught:
        collect(side.queue.iter_jobs(status=status), found)
    assert sorted(found) == ["a", "b", "c"]
    error = caught.value
    assert error.job_id in ("bad", "worse")
    assert (error.size, error.limit) == (LIMIT + 5, LIMIT)
    assert all(part in str(error) for part in ("bad", "worse", f"{LIMIT} bytes", "All others"))


def test_jobs_of_another_state_are_not_bad(side):
    """A job whose bytes are not wanted may have any size."""
    side.put_job("a", job_of(300))
    side.put_job("large", job_of(LIMIT + 1), "deferred")
    found = []
    collect(side.queue.iter_jobs(status="queued"), found)
    assert found == ["a"]


@pytest.mark.parametrize("operation", ["iter_results", "iter_jobs"])
def test_iterating_over_results(side, operation):
    """The good ones come, and then an error that names the bad ones, of whichever queue."""
    for name in ("a", "b", "c"):
        side.put_result(name, result_of(300, name))
    for name in ("bad", "worse"):
        side.put_result(name, result_of(LIMIT + 5))
    options = {"status": "complete"} if operation == "iter_jobs" else {}
    for queue_name, good in [(QUEUE, ["a", "b", "c"]), ("mail", [])]:
        found = []
        with pytest.raises(PayloadTooLarge, match=r"^2 of the jobs can't be read") as caught:
            collect(getattr(side.queue, operation)(queue_name, **options), found)
        assert sorted(found) == good
        assert (caught.value.size, caught.value.limit) == (LIMIT + 5, LIMIT)
        assert caught.value.job_id in ("bad", "worse")
        assert all(name in str(caught.value) for name in ("bad", "worse"))


def test_many_metadata(side):
    """Jobs and results that are too large are named together, the first as the error's own."""
    side.put_job("good", job_of(300))
    side.put_job("bad", job_of(LIMIT + 1))
    side.put_result("worse", result_of(LIMIT + 2))
    with pytest.raises(PayloadTooLarge, match=r"ids=worse, bad\.") as caught:
        side.queue.get_jobs_metadata(["good", "worse", "unknown", "bad"])
    error = caught.value
    assert (error.job_id, error.size, error.limit) == ("worse", LIMIT + 2, LIMIT)


@pytest.mark.parametrize(
    ("order", "kind"),
    [
        (["garbage", "large", "good"], JobDeserializationError),
        (["large", "good", "garbage"], PayloadTooLarge),
    ],
    ids=["undecodable first", "too large first"],
)
def test_bad_ones_of_both_kinds(side, order, kind):
    """Each is named with what is wrong with it; the first one decides which error it is."""
    side.put_job("good", job_of(300))
    side.put_job("large", job_of(LIMIT + 1))
    side.put_job("garbage", b"garbage")
    with pytest.raises(kind) as caught:
        side.queue.get_jobs_metadata(order)
    assert caught.value.job_id == next(name for name in order if name != "good")
    undecodable, _, rest = str(caught.value).partition(" ids=garbage. ")
    assert undecodable.startswith("1 of the jobs can't be decoded")
    assert rest.startswith("1 of the jobs can't be read")
    assert " ids=large. " in rest


def test_as_completed(side):
    """The good ones come, and then the error of the first bad one, whose notes name the others."""
    jobs = ["a", "bad", "b", "worse", "garbage"]
    for name in ("a", "b"):
        side.put_result(name, result_of(300, name))
    for name in ("bad", "worse"):
        side.put_result(name, result_of(LIMIT + 1))
    side.put_result("garbage", b"garbage")
    found = []
    with pytest.raises(PayloadTooLarge) as caught:
        collect(side.queue.as_completed(jobs, timeout=20), found)
    assert sorted(found) == ["a", "b"]
    assert_unread(caught.value, "bad", LIMIT + 1)
    assert caught.value.__notes__ == ["So it is with 2 other jobs: worse, garbage"]


# --- enqueuing -------------------------------------------------------------------------


def test_existing_job_that_is_too_large(side):
    """It can't be returned: the error says that the new one is not queued, and nothing changes."""
    side.put_job("j", job_of(LIMIT + 1))
    side.put_result("k", result_of(LIMIT + 2))
    side.put_result("both", result_of(LIMIT + 3))
    side.put_job("both", job_of(300))
    before = side.snapshot()
    for job_id, size in [("j", LIMIT + 1), ("k", LIMIT + 2), ("both", LIMIT + 3)]:
        with pytest.raises(PayloadTooLarge, match=r"^Job was not queued because it") as caught:
            side.queue.enqueue("x", _job_id=job_id, _on_conflict="return_existing")
        assert_unread(caught.value, job_id, size)
        with pytest.raises(JobNotQueued):
            side.queue.enqueue("x", _job_id=job_id)
    assert side.snapshot() == before


def test_existing_jobs_among_many(side):
    """Of jobs that are too large nothing can be told, as of those that can't be decoded."""
    side.put_job("j", job_of(LIMIT + 1))
    side.put_result("k", result_of(LIMIT + 1))
    side.put_result("good", result_of(LIMIT, "good"))
    requests = [
        JobRequest("x", job_id=name, on_conflict="return_existing")
        for name in ("j", "good", "k", "new")
    ]
    jobs = side.queue.enqueue_many(requests)
    assert [job and (job.id, job.name) for job in jobs] == [
        None,
        ("good", "work"),
        None,
        ("new", "x"),
    ]


def test_new_job_that_is_too_large(side):
    """It is refused before anything is sent, by the same error."""
    before = side.snapshot()
    with pytest.raises(PayloadTooLarge, match=r"^Job was not queued because its payload") as caught:
        side.queue.enqueue("x", b"0" * LIMIT, _job_id="k")
    assert (caught.value.job_id, caught.value.limit) == ("k", LIMIT)
    assert side.snapshot() == before


# --- keys that hold something else -----------------------------------------------------


@pytest.mark.parametrize("operation", READS)
def test_empty_result(side, operation):
    """An empty value is there, and can't be decoded."""
    side.put_result("k", b"")
    with pytest.raises(JobDeserializationError):
        getattr(side.queue, operation)("k")
    assert side.queue.get_job_status("k") is JobStatus.complete


def test_empty_job(side):
    """So it is with a job."""
    side.put_job("k", b"")
    with pytest.raises(JobDeserializationError):
        side.queue.get_job_metadata("k")
    assert side.queue.get_job_status("k") is JobStatus.queued


@pytest.mark.parametrize("operation", READS)
def test_result_of_a_wrong_type(queue, raw, operation):
    """What is no string has no size: the server's own refusal is told."""
    raw.rpush("arq:result:k", "x")
    with pytest.raises(QueueServerError, match="WRONGTYPE"):
        getattr(queue, operation)("k")


def test_job_of_a_wrong_type(queue, raw):
    """So it is with a job."""
    put_queued(raw)
    raw.delete("arq:job:k")
    raw.rpush("arq:job:k", "x")
    with pytest.raises(QueueServerError, match="WRONGTYPE"):
        queue.get_job_metadata("k")
