"""Tests that every queue passes, of its operations on many jobs; see `arqade.testing`."""

from __future__ import annotations

import contextlib
import time
import uuid
from typing import TYPE_CHECKING, Any, Self

import pytest

from arqade._concurrency import async_sleep
from arqade._conformance_cases import BAD_BULKS, BAD_QUEUES, BAD_TIMEOUTS, UNSERIALIZABLE
from arqade.exceptions import (
    EnqueueManyError,
    JobNotFound,
    JobSerializationError,
    QueueClosed,
)
from arqade.models import JobMetadata, JobRequest, JobStatus, QueueStats

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Mapping
    from types import TracebackType

    from arqade._async.queue import ArqQueue

__all__ = ["BulkConformance", "Room", "new_id"]

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

    def __init__(self, queue: ArqQueue) -> None:
        self.name = f"conformance:{uuid.uuid4().hex}"
        self._queue = queue
        self._jobs: list[JobMetadata[Any]] = []

    async def enqueue(self, task: Any, /, *args: Any, **kwargs: Any) -> JobMetadata[Any]:
        job = await self._queue.enqueue(task, *args, **{"_queue_name": self.name, **kwargs})
        self._jobs.append(job)
        return job

    async def look(self, job: JobMetadata[Any]) -> JobMetadata[Any]:
        return await self._queue.get_job_metadata(job.id, job.queue_name)

    async def look_often(self, job: JobMetadata[Any]) -> None:
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            assert await self.look(job) == job
            await async_sleep(0.02)

    async def status(self, job_id: str) -> JobStatus:
        return await self._queue.get_job_status(job_id, self.name)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # What a failed test has to say is worth more than what goes wrong afterwards.
        with contextlib.suppress(*() if exc is None else (Exception,)):
            for job in self._jobs:
                await self._queue.cancel_job(job.id, job.queue_name)


def new_id() -> str:
    """Give an id that nobody else has."""
    return f"conformance:{uuid.uuid4().hex}"


async def _collect(jobs: AsyncIterable[JobMetadata[Any]]) -> dict[str, JobMetadata[Any]]:
    """Give them by their ids; none may come twice."""
    found: dict[str, JobMetadata[Any]] = {}
    async for job in jobs:
        assert job.id not in found
        found[job.id] = job
    return found


class BulkConformance:
    """The part of `QueueConformance` that is about many jobs."""

    async def test_many(self, queue: ArqQueue) -> None:
        """Many jobs are enqueued in order, told alike by every look, counted, and removed."""
        async with Room(queue) as room:
            requests = [
                JobRequest("work", (n,), queue_name=room.name, defer_by=86_400 if n % 3 else None)
                for n in range(COUNT)
            ]
            told: list[int] = []
            jobs = await queue.enqueue_many(iter(requests), progress=told.append)
            assert [job.args for job in jobs if job] == [(n,) for n in range(COUNT)]
            assert told[-1] == COUNT
            ids = [job.id for job in jobs if job]
            assert len(set(ids)) == COUNT
            assert await queue.get_jobs_metadata(ids, room.name) == jobs
            assert await _collect(queue.iter_jobs(room.name)) == {
                job.id: job for job in jobs if job
            }
            for status in (JobStatus.queued, JobStatus.deferred):
                expected = {job.id for job in jobs if job and job.status is status}
                assert (
                    await _collect(queue.iter_jobs(room.name, status=status))
                ).keys() == expected
            for state in ("in_progress", "complete", "not_found"):
                assert not await _collect(queue.iter_jobs(room.name, status=state))
            assert not await _collect(queue.iter_results(room.name))
            oldest = min(job.score for job in jobs if job and job.score)
            stats = await queue.get_queue_stats(room.name)
            assert stats == QueueStats(room.name, COUNT // 3, COUNT - COUNT // 3, 0, oldest)
            assert await queue.purge(room.name) == COUNT
            assert await queue.purge(room.name) == 0
            assert await queue.get_jobs_metadata(ids, room.name) == [None] * COUNT
            stats = await queue.get_queue_stats(room.name)
            assert stats == QueueStats(room.name, 0, 0, 0, None)

    async def test_many_in_small_chunks(self, queue: ArqQueue) -> None:
        """The size of the chunks makes no difference; results are given on demand."""
        async with Room(queue) as room:
            requests = [JobRequest("work", (n,), queue_name=room.name) for n in range(7)]
            jobs = await queue.enqueue_many(requests, chunk_size=3)
            assert [job.args for job in jobs if job] == [(n,) for n in range(7)]
            assert await queue.enqueue_many(requests, chunk_size=1, collect=False) == []
            assert (await queue.get_queue_stats(room.name)).queued == 14
            assert await queue.purge(room.name) == 14

    async def test_many_with_taken_ids(self, queue: ArqQueue) -> None:
        """None marks a request whose id is taken; each has a policy of its own."""
        async with Room(queue) as room:
            job = await room.enqueue("work", 1)
            again = JobRequest[Any]("other", (2,), job_id=job.id, queue_name=room.name)
            returned = again.with_options(on_conflict="return_existing")
            replacing = again.with_options(on_conflict="replace")
            jobs = await queue.enqueue_many([again, returned, replacing, again])
            assert jobs[:2] == [None, job]
            assert jobs[2] == await room.look(job)
            assert jobs[2] is not None
            assert jobs[2].args == (2,)
            assert jobs[3] is None

    async def test_many_with_a_bad_one(self, queue: ArqQueue) -> None:
        """What can't be enqueued ends the call, whose error tells which jobs are there."""
        async with Room(queue) as room:
            good = [JobRequest("work", job_id=new_id(), queue_name=room.name) for _ in range(5)]
            bad = JobRequest("work", (UNSERIALIZABLE,), job_id=new_id(), queue_name=room.name)
            with pytest.raises(EnqueueManyError) as caught:
                await queue.enqueue_many([*good, bad], chunk_size=2)
            assert isinstance(caught.value.__cause__, JobSerializationError)
            assert caught.value.enqueued == [request.job_id for request in good[:4]]
            assert caught.value.not_enqueued == [good[4].job_id, bad.job_id]
            assert caught.value.uncertain == []
            assert (await _collect(queue.iter_jobs(room.name))).keys() == {*caught.value.enqueued}
            assert await queue.purge(room.name) == 4

    async def test_many_unknown(self, queue: ArqQueue) -> None:
        """None marks what is not there; ids may come twice."""
        async with Room(queue) as room:
            job = await room.enqueue("work", 1)
            ids = [job.id, new_id(), job.id]
            assert await queue.get_jobs_metadata(iter(ids), room.name) == [job, None, job]
            assert await queue.get_jobs_metadata([]) == []
            assert await queue.get_worker_health(room.name) is None

    async def test_as_completed_of_nothing(self, queue: ArqQueue) -> None:
        """Of no jobs there are no results, and nothing is waited for."""
        assert not await _collect(queue.as_completed([]))
        assert not await _collect(queue.as_completed(iter(()), "conformance:queue", timeout=0))

    @pytest.mark.parametrize("timeout", [0, 0.05])
    async def test_as_completed_ends(self, queue: ArqQueue, timeout: float) -> None:
        """A wait without a result is over when its time is, and not before."""
        async with Room(queue) as room:
            ids = [(await room.enqueue("work")).id, (await room.enqueue("work")).id]
            results = queue.as_completed(ids, room.name, timeout=timeout)
            start = time.monotonic()
            with pytest.raises(TimeoutError):
                await _collect(results)
            waited = time.monotonic() - start
            assert timeout <= waited < timeout + 5

    async def test_as_completed_unknown(self, queue: ArqQueue) -> None:
        """Unknown jobs are named in the end, the first of them by the error itself."""
        first, second = new_id(), new_id()
        with pytest.raises(JobNotFound) as caught:
            await _collect(queue.as_completed(iter([first, second]), timeout=PATIENCE))
        assert caught.value.job_id == first
        assert second in "".join(caught.value.__notes__)

    async def test_as_completed_of_another_queue(self, queue: ArqQueue) -> None:
        """A job of another queue is not found, and is not waited for."""
        async with Room(queue) as room:
            job = await room.enqueue("work")
            with pytest.raises(JobNotFound) as caught:
                await _collect(queue.as_completed([job.id], f"{room.name}:other", timeout=PATIENCE))
            assert caught.value.job_id == job.id

    @pytest.mark.parametrize("case", BAD_TIMEOUTS.values(), ids=BAD_TIMEOUTS)
    async def test_as_completed_bad_timeout(
        self, queue: ArqQueue, case: tuple[Any, type[Exception]]
    ) -> None:
        """A time-out that is none is refused when it is given."""
        timeout, error = case
        with pytest.raises(error):
            queue.as_completed([], timeout=timeout)

    async def test_push_mode(self, queue: ArqQueue) -> None:
        """A queue says how it hears of results, before and after it had to wait for one."""
        async with Room(queue) as room:
            assert queue.push_mode in PUSH_MODES
            job = await room.enqueue("work")
            with pytest.raises(TimeoutError):
                await queue.wait_for_result(job.id, room.name, timeout=0.01)
            assert queue.push_mode in PUSH_MODES

    @pytest.mark.parametrize("case", BAD_BULKS.values(), ids=BAD_BULKS)
    async def test_bad_bulk(
        self, queue: ArqQueue, case: tuple[str, tuple[Any, ...], Mapping[str, Any], type[Exception]]
    ) -> None:
        """Wrong arguments are refused, by iterators at once."""
        operation, args, kwargs, error = case
        with pytest.raises(error):
            await getattr(queue, operation)(*args, **kwargs)

    @pytest.mark.parametrize("case", BAD_QUEUES.values(), ids=BAD_QUEUES)
    @pytest.mark.parametrize(
        "operation",
        ["iter_jobs", "iter_results", "get_queue_stats", "get_worker_health", "purge"],
    )
    async def test_bad_queue(
        self, queue: ArqQueue, operation: str, case: tuple[Any, type[Exception]]
    ) -> None:
        """Every operation on a queue refuses names that can't be."""
        name, error = case
        with pytest.raises(error):
            await getattr(queue, operation)(name)

    async def test_closed_for_many(self, queue: ArqQueue) -> None:
        """A closed queue refuses every call."""
        await queue.aclose()
        for operation in ("enqueue_many", "get_jobs_metadata"):
            with pytest.raises(QueueClosed):
                await getattr(queue, operation)([new_id()])
        for operation in ("get_queue_stats", "get_worker_health", "purge"):
            with pytest.raises(QueueClosed):
                await getattr(queue, operation)()
        for jobs in (queue.iter_jobs(), queue.iter_results(), queue.as_completed([new_id()])):
            with pytest.raises(QueueClosed):
                await _collect(jobs)
