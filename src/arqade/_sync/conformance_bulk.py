# Generated from src/arqade/_async/conformance_bulk.py by "make generate"; do not edit.
"""Tests that every queue passes, of its operations on many jobs; see `arqade.testing`."""

from __future__ import annotations

import contextlib
import time
import uuid
from typing import TYPE_CHECKING, Any, Self

import pytest

from arqade._concurrency import sleep
from arqade._conformance_cases import BAD_BULKS, BAD_QUEUES, BAD_TIMEOUTS, UNSERIALIZABLE
from arqade.exceptions import (
    EnqueueManyError,
    JobNotFound,
    JobSerializationError,
    QueueClosed,
)
from arqade.models import JobMetadata, JobRequest, JobStatus, QueueStats

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from types import TracebackType

    from arqade._sync.queue import SyncArqQueue

__all__ = ["Room", "SyncBulkConformance", "new_id"]

COUNT = 120
"""More jobs than are sent, or read, with one command."""

PUSH_MODES = (None, "resp3", "resp2", "polling")
"""How a queue may hear of results."""

PATIENCE = 10.0
"""Seconds for a job to expire, on a slow machine."""


class Room:
    """A queue of a test's own, whose name nobody else has; it is cleared in the end.

    Args:
        queue: The client that is tested.
    """

    def __init__(self, queue: SyncArqQueue) -> None:
        self.name = f"conformance:{uuid.uuid4().hex}"
        self._queue = queue
        self._jobs: list[JobMetadata[Any]] = []

    def enqueue(self, task: Any, /, *args: Any, **kwargs: Any) -> JobMetadata[Any]:
        job = self._queue.enqueue(task, *args, **{"_queue_name": self.name, **kwargs})
        self._jobs.append(job)
        return job

    def look(self, job: JobMetadata[Any]) -> JobMetadata[Any]:
        return self._queue.get_job_metadata(job.id, job.queue_name)

    def look_often(self, job: JobMetadata[Any]) -> None:
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            assert self.look(job) == job
            sleep(0.02)

    def status(self, job_id: str) -> JobStatus:
        return self._queue.get_job_status(job_id, self.name)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # What a failed test has to say is worth more than what goes wrong afterwards.
        with contextlib.suppress(*() if exc is None else (Exception,)):
            for job in self._jobs:
                self._queue.cancel_job(job.id, job.queue_name)


def new_id() -> str:
    """Give an id that nobody else has."""
    return f"conformance:{uuid.uuid4().hex}"


def _collect(jobs: Iterable[JobMetadata[Any]]) -> dict[str, JobMetadata[Any]]:
    """Give them by their ids; none may come twice."""
    found: dict[str, JobMetadata[Any]] = {}
    for job in jobs:
        assert job.id not in found
        found[job.id] = job
    return found


class SyncBulkConformance:
    """The part of `SyncQueueConformance` that is about many jobs."""

    def test_many(self, queue: SyncArqQueue) -> None:
        """Many jobs are enqueued in order, told alike by every look, counted, and removed."""
        with Room(queue) as room:
            requests = [
                JobRequest("work", (n,), queue_name=room.name, defer_by=86_400 if n % 3 else None)
                for n in range(COUNT)
            ]
            told: list[int] = []
            jobs = queue.enqueue_many(iter(requests), progress=told.append)
            assert [job.args for job in jobs if job] == [(n,) for n in range(COUNT)]
            assert told[-1] == COUNT
            ids = [job.id for job in jobs if job]
            assert len(set(ids)) == COUNT
            assert queue.get_jobs_metadata(ids, room.name) == jobs
            assert _collect(queue.iter_jobs(room.name)) == {job.id: job for job in jobs if job}
            for status in (JobStatus.queued, JobStatus.deferred):
                expected = {job.id for job in jobs if job and job.status is status}
                assert _collect(queue.iter_jobs(room.name, status=status)).keys() == expected
            for state in ("in_progress", "complete", "not_found"):
                assert not _collect(queue.iter_jobs(room.name, status=state))
            assert not _collect(queue.iter_results(room.name))
            oldest = min(job.score for job in jobs if job and job.score)
            stats = queue.get_queue_stats(room.name)
            assert stats == QueueStats(room.name, COUNT // 3, COUNT - COUNT // 3, 0, oldest)
            assert queue.purge(room.name) == COUNT
            assert queue.purge(room.name) == 0
            assert queue.get_jobs_metadata(ids, room.name) == [None] * COUNT
            stats = queue.get_queue_stats(room.name)
            assert stats == QueueStats(room.name, 0, 0, 0, None)

    def test_many_in_small_chunks(self, queue: SyncArqQueue) -> None:
        """The size of the chunks makes no difference; results are given on demand."""
        with Room(queue) as room:
            requests = [JobRequest("work", (n,), queue_name=room.name) for n in range(7)]
            jobs = queue.enqueue_many(requests, chunk_size=3)
            assert [job.args for job in jobs if job] == [(n,) for n in range(7)]
            assert queue.enqueue_many(requests, chunk_size=1, collect=False) == []
            assert queue.get_queue_stats(room.name).queued == 14
            assert queue.purge(room.name) == 14

    def test_many_with_taken_ids(self, queue: SyncArqQueue) -> None:
        """None marks a request whose id is taken; each has a policy of its own."""
        with Room(queue) as room:
            job = room.enqueue("work", 1)
            again = JobRequest[Any]("other", (2,), job_id=job.id, queue_name=room.name)
            returned = again.with_options(on_conflict="return_existing")
            replacing = again.with_options(on_conflict="replace")
            jobs = queue.enqueue_many([again, returned, replacing, again])
            assert jobs[:2] == [None, job]
            assert jobs[2] == room.look(job)
            assert jobs[2] is not None
            assert jobs[2].args == (2,)
            assert jobs[3] is None

    def test_many_with_a_bad_one(self, queue: SyncArqQueue) -> None:
        """What can't be enqueued ends the call, whose error tells which jobs are there."""
        with Room(queue) as room:
            good = [JobRequest("work", job_id=new_id(), queue_name=room.name) for _ in range(5)]
            bad = JobRequest("work", (UNSERIALIZABLE,), job_id=new_id(), queue_name=room.name)
            with pytest.raises(EnqueueManyError) as caught:
                queue.enqueue_many([*good, bad], chunk_size=2)
            assert isinstance(caught.value.__cause__, JobSerializationError)
            assert caught.value.enqueued == [request.job_id for request in good[:4]]
            assert caught.value.not_enqueued == [good[4].job_id, bad.job_id]
            assert caught.value.uncertain == []
            assert _collect(queue.iter_jobs(room.name)).keys() == {*caught.value.enqueued}
            assert queue.purge(room.name) == 4

    def test_many_unknown(self, queue: SyncArqQueue) -> None:
        """None marks what is not there; ids may come twice."""
        with Room(queue) as room:
            job = room.enqueue("work", 1)
            ids = [job.id, new_id(), job.id]
            assert queue.get_jobs_metadata(iter(ids), room.name) == [job, None, job]
            assert queue.get_jobs_metadata([]) == []
            assert queue.get_worker_health(room.name) is None

    def test_as_completed_of_nothing(self, queue: SyncArqQueue) -> None:
        """Of no jobs there are no results, and nothing is waited for."""
        assert not _collect(queue.as_completed([]))
        assert not _collect(queue.as_completed(iter(()), "conformance:queue", timeout=0))

    @pytest.mark.parametrize("timeout", [0, 0.05])
    def test_as_completed_ends(self, queue: SyncArqQueue, timeout: float) -> None:
        """A wait without a result is over when its time is, and not before."""
        with Room(queue) as room:
            ids = [room.enqueue("work").id, room.enqueue("work").id]
            results = queue.as_completed(ids, room.name, timeout=timeout)
            start = time.monotonic()
            with pytest.raises(TimeoutError):
                _collect(results)
            waited = time.monotonic() - start
            assert timeout <= waited < timeout + 5

    def test_as_completed_unknown(self, queue: SyncArqQueue) -> None:
        """Unknown jobs are named in the end, the first of them by the error itself."""
        first, second = new_id(), new_id()
        with pytest.raises(JobNotFound) as caught:
            _collect(queue.as_completed(iter([first, second]), timeout=PATIENCE))
        assert caught.value.job_id == first
        assert second in "".join(caught.value.__notes__)

    def test_as_completed_of_another_queue(self, queue: SyncArqQueue) -> None:
        """A job of another queue is not found, and is not waited for."""
        with Room(queue) as room:
            job = room.enqueue("work")
            with pytest.raises(JobNotFound) as caught:
                _collect(queue.as_completed([job.id], f"{room.name}:other", timeout=PATIENCE))
            assert caught.value.job_id == job.id

    @pytest.mark.parametrize("case", BAD_TIMEOUTS.values(), ids=BAD_TIMEOUTS)
    def test_as_completed_bad_timeout(
        self, queue: SyncArqQueue, case: tuple[Any, type[Exception]]
    ) -> None:
        """A time-out that is none is refused when it is given."""
        timeout, error = case
        with pytest.raises(error):
            queue.as_completed([], timeout=timeout)

    def test_push_mode(self, queue: SyncArqQueue) -> None:
        """A queue says how it hears of results, before and after it had to wait for one."""
        with Room(queue) as room:
            assert queue.push_mode in PUSH_MODES
            job = room.enqueue("work")
            with pytest.raises(TimeoutError):
                queue.wait_for_result(job.id, room.name, timeout=0.01)
            assert queue.push_mode in PUSH_MODES

    @pytest.mark.parametrize("case", BAD_BULKS.values(), ids=BAD_BULKS)
    def test_bad_bulk(
        self,
        queue: SyncArqQueue,
        case: tuple[str, tuple[Any, ...], Mapping[str, Any], type[Exception]],
    ) -> None:
        """Wrong arguments are refused, by iterators at once."""
        operation, args, kwargs, error = case
        with pytest.raises(error):
            getattr(queue, operation)(*args, **kwargs)

    @pytest.mark.parametrize("case", BAD_QUEUES.values(), ids=BAD_QUEUES)
    @pytest.mark.parametrize(
        "operation",
        ["iter_jobs", "iter_results", "get_queue_stats", "get_worker_health", "purge"],
    )
    def test_bad_queue(
        self, queue: SyncArqQueue, operation: str, case: tuple[Any, type[Exception]]
    ) -> None:
        """Every operation on a queue refuses names that can't be."""
        name, error = case
        with pytest.raises(error):
            getattr(queue, operation)(name)

    def test_closed_for_many(self, queue: SyncArqQueue) -> None:
        """A closed queue refuses every call."""
        queue.close()
        for operation in ("enqueue_many", "get_jobs_metadata"):
            with pytest.raises(QueueClosed):
                getattr(queue, operation)([new_id()])
        for operation in ("get_queue_stats", "get_worker_health", "purge"):
            with pytest.raises(QueueClosed):
                getattr(queue, operation)()
        for jobs in (queue.iter_jobs(), queue.iter_results(), queue.as_completed([new_id()])):
            with pytest.raises(QueueClosed):
                _collect(jobs)
