"""Tests that every queue passes, to be inherited by tests of one; see `arqade.testing`."""

from __future__ import annotations

import time
import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from arqade._async.conformance_bulk import BulkConformance, Room, new_id
from arqade._async.queue import ArqQueue
from arqade._conformance_cases import (
    ARGUMENTS,
    BAD_CALLS,
    BAD_NAMES,
    BAD_TIMEOUTS,
    DEFERRALS,
    UNSERIALIZABLE,
    worker_function,
)
from arqade.exceptions import (
    ConfigurationError,
    JobNotFound,
    JobNotQueued,
    JobResultUnavailable,
    JobSerializationError,
    QueueClosed,
)
from arqade.models import CancelOutcome, Finding, JobMetadata, JobRequest, JobStatus, Severity

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["QueueConformance"]

POLICIES = ("raise", "return_existing", "ignore_result", "replace")
READS = ("get_job_metadata", "get_job_result", "wait_for_result")
OPERATIONS = (*READS, "get_job_status", "cancel_job", "abort_job", "delete_result")
WAITING = {"queued": {}, "deferred": {"_defer_by": 86_400}}
"""Options of jobs that wait, by the state that they bring about."""


def _milliseconds(time: datetime) -> int:
    return round(time.timestamp() * 1000)


class QueueConformance(BulkConformance):
    """Tests of what every queue promises and can show without a worker.

    A subclass whose name pytest collects gives a fixture ``queue``: the queue to be tested, a new
    one for each test, since some close it.

    The tests use ids and names of queues that nobody else has, and remove their jobs in the end,
    so they may run against a server that is in use; what they put into the default queue is
    deferred, and out of a worker's reach. A queue that was made by arqade leaves keys
    ``arqade:once:*`` there, which expire by themselves.
    """

    async def test_interface(self, queue: ArqQueue) -> None:
        """It is a queue, has a default name, and answers."""
        assert isinstance(queue, ArqQueue)
        assert isinstance(queue.default_queue_name, str)
        assert queue.default_queue_name
        await queue.ping()

    async def test_check(self, queue: ArqQueue) -> None:
        """A look at the server gives findings, the worst first; `strict` raises them."""
        found = await queue.check()
        assert all(type(finding) is Finding for finding in found)
        assert all(finding.code and finding.message and finding.cure for finding in found)
        severities = [list(Severity).index(finding.severity) for finding in found]
        assert severities == sorted(severities, reverse=True)
        if any(finding.severity is not Severity.info for finding in found):
            with pytest.raises(ConfigurationError):
                await queue.check(strict=True)
        else:
            assert await queue.check(strict=True) == found

    async def test_metadata(self, queue: ArqQueue) -> None:
        """Enqueuing tells what a later look tells."""
        async with Room(queue) as room:
            job = await room.enqueue("work", 1, "a", b=[2])
            assert type(job) is JobMetadata
            assert (job.name, job.args, job.kwargs) == ("work", (1, "a"), {"b": [2]})
            assert (job.status, job.queue_name) == (JobStatus.queued, room.name)
            assert job.job_try is None
            assert job.enqueue_time.tzinfo is UTC
            assert job.enqueue_time.microsecond % 1000 == 0
            assert job.score == _milliseconds(job.enqueue_time)
            seen = await room.look(job)
            assert seen == job
            assert (seen.score, seen.job_try) == (job.score, job.job_try)
            assert await room.status(job.id) is JobStatus.queued

    async def test_ids_are_random(self, queue: ArqQueue) -> None:
        """A job without an id gets one of its own."""
        async with Room(queue) as room:
            ids = [(await room.enqueue("work")).id for _ in range(3)]
            assert len(set(ids)) == len(ids)
            assert all(type(job_id) is str for job_id in ids)

    @pytest.mark.parametrize(
        "end", ["", " with é and 😀", "x" * 400], ids=["plain", "text", "long"]
    )
    async def test_id_is_the_callers(self, queue: ArqQueue, end: str) -> None:
        """A job has the id that it is given."""
        job_id = new_id() + end
        async with Room(queue) as room:
            job = await room.enqueue("work", _job_id=job_id)
            assert job.id == job_id
            assert (await room.look(job)).id == job_id

    @pytest.mark.parametrize("value", ARGUMENTS.values(), ids=ARGUMENTS)
    async def test_arguments(self, queue: ArqQueue, value: object) -> None:
        """Arguments come back as they were."""
        async with Room(queue) as room:
            job = await room.enqueue("work", value, 2, key=value)
            seen = await room.look(job)
            assert (seen.args, seen.kwargs) == ((value, 2), {"key": value})
            assert type(seen.args) is tuple
            assert type(seen.args[0]) is type(value)

    async def test_arguments_are_fresh(self, queue: ArqQueue) -> None:
        """What is changed before or after a look changes no job."""
        value = [1]
        async with Room(queue) as room:
            job = await room.enqueue("work", value)
            value.append(2)
            first = await room.look(job)
            assert first.args == ([1],)
            first.args[0].append(3)
            first.kwargs["more"] = 4
            first.name = "other"
            second = await room.look(job)
            assert (second.name, second.args, second.kwargs) == ("work", ([1],), {})

    async def test_arguments_of_any_name(self, queue: ArqQueue) -> None:
        """Arguments named like parameters of `enqueue` reach the job."""
        kwargs = {"self": 1, "task": 2, "args": 3, "kwargs": 4, "job_id": 5, "queue_name": 6}
        async with Room(queue) as room:
            job = await room.enqueue("work", **kwargs)
            assert job.kwargs == kwargs
            assert (await room.look(job)).kwargs == kwargs

    async def test_worker_function(self, queue: ArqQueue) -> None:
        """A worker's function stands for its name."""
        async with Room(queue) as room:
            job = await room.enqueue(worker_function, 5)
            assert (job.name, job.args) == ("worker_function", (5,))
            assert await room.look(job) == job

    async def test_request(self, queue: ArqQueue) -> None:
        """A `JobRequest` carries arguments and options; those of the call win."""
        async with Room(queue) as room:
            request: JobRequest[Any] = JobRequest(
                "work", (1,), {"_b": 2}, job_id=new_id(), queue_name=room.name, job_try=2
            )
            job = await room.enqueue(request.with_options(defer_by=86_400), _queue_name=None)
            assert (job.id, job.queue_name, job.job_try) == (request.job_id, room.name, 2)
            assert (job.name, job.args, job.kwargs) == ("work", (1,), {"_b": 2})
            assert job.status is JobStatus.deferred
            assert await room.look(job) == job
            other_id = new_id()
            other = await room.enqueue(request, _job_id=other_id, _job_try=3)
            assert (other.id, other.job_try, other.status) == (other_id, 3, JobStatus.queued)

    @pytest.mark.parametrize("options", DEFERRALS.values(), ids=DEFERRALS)
    async def test_deferred(self, queue: ArqQueue, options: Mapping[str, Any]) -> None:
        """A deferred job is due later."""
        async with Room(queue) as room:
            job = await room.enqueue("work", **options)
            assert job.status is JobStatus.deferred
            assert job.score is not None
            if "_defer_until" in options:
                assert job.score == _milliseconds(options["_defer_until"])
            else:
                delay = options["_defer_by"]
                seconds = delay.total_seconds() if isinstance(delay, timedelta) else delay
                assert job.score == _milliseconds(job.enqueue_time) + round(seconds * 1000)
            seen = await room.look(job)
            assert (seen, seen.score) == (job, job.score)
            assert await room.status(job.id) is JobStatus.deferred

    @pytest.mark.parametrize(
        "options", [{"_defer_by": 0}, {"_defer_until": datetime(1971, 1, 1, tzinfo=UTC)}], ids=str
    )
    async def test_deferred_into_the_past(self, queue: ArqQueue, options: dict[str, Any]) -> None:
        """A time that has passed means now."""
        async with Room(queue) as room:
            job = await room.enqueue("work", **options)
            assert job.status is JobStatus.queued
            assert job.score == _milliseconds(job.enqueue_time)

    @pytest.mark.parametrize("expires", [60, 0.5, timedelta(hours=1)], ids=str)
    async def test_expires(self, queue: ArqQueue, expires: float | timedelta) -> None:
        """A job that expires later is like any other."""
        async with Room(queue) as room:
            job = await room.enqueue("work", _expires=expires, _defer_by=0)
            assert job.status is JobStatus.queued

    async def test_expired_job(self, queue: ArqQueue) -> None:
        """A job that has expired is not found, and its id is free again."""
        job_id = new_id()
        async with Room(queue) as room:
            job = await room.enqueue("old", _job_id=job_id, _expires=0.02)
            with pytest.raises(JobNotFound):
                await room.look_often(job)
            again = await room.enqueue("new", _job_id=job_id)
            assert await room.look(again) == again

    async def test_job_try(self, queue: ArqQueue) -> None:
        """A job may begin with a later try."""
        async with Room(queue) as room:
            job = await room.enqueue("work", _job_try=3)
            assert (job.job_try, (await room.look(job)).job_try) == (3, 3)

    async def test_default_queue(self, queue: ArqQueue) -> None:
        """The default queue is meant where none is named."""
        async with Room(queue) as room:
            job = await room.enqueue("work", _queue_name=None, _defer_by=86_400)
            assert job.queue_name == queue.default_queue_name
            assert await queue.get_job_metadata(job.id) == job
            assert await queue.get_job_metadata(job.id, queue.default_queue_name) == job
            assert await queue.get_job_status(job.id) is JobStatus.deferred
            assert await room.status(job.id) is JobStatus.not_found
            assert await queue.cancel_job(job.id) is CancelOutcome.removed

    @pytest.mark.parametrize("case", BAD_CALLS.values(), ids=BAD_CALLS)
    async def test_bad_call(
        self, queue: ArqQueue, case: tuple[Any, Mapping[str, Any], type[Exception]]
    ) -> None:
        """What can't be enqueued raises its error, and no job is there."""
        task, kwargs, error = case
        job_id = new_id()
        async with Room(queue) as room:
            with pytest.raises(error):
                await room.enqueue(task, **{"_job_id": job_id, **kwargs})
            assert await room.status(job_id) is JobStatus.not_found

    async def test_unserializable_arguments(self, queue: ArqQueue) -> None:
        """Arguments that can't be encoded are an error that names the job and tells no value."""
        job_id = new_id()
        async with Room(queue) as room:
            with pytest.raises(JobSerializationError) as caught:
                await room.enqueue("work", "a secret", UNSERIALIZABLE, _job_id=job_id)
            assert caught.value.job_id == job_id
            assert "secret" not in str(caught.value)
            assert await room.status(job_id) is JobStatus.not_found

    @pytest.mark.parametrize("case", BAD_NAMES.values(), ids=BAD_NAMES)
    @pytest.mark.parametrize("operation", OPERATIONS)
    async def test_bad_names(
        self, queue: ArqQueue, operation: str, case: tuple[tuple[Any, ...], type[Exception]]
    ) -> None:
        """Every operation refuses ids and queue names that can't be."""
        arguments, error = case
        with pytest.raises(error):
            await getattr(queue, operation)(*arguments)

    @pytest.mark.parametrize("case", BAD_TIMEOUTS.values(), ids=BAD_TIMEOUTS)
    @pytest.mark.parametrize("operation", ["wait_for_result", "cancel_job", "abort_job"])
    async def test_bad_timeouts(
        self, queue: ArqQueue, operation: str, case: tuple[Any, type[Exception]]
    ) -> None:
        """A time-out is a number of seconds or None."""
        timeout, error = case
        with pytest.raises(error):
            await getattr(queue, operation)(new_id(), timeout=timeout)

    @pytest.mark.parametrize("state", WAITING)
    @pytest.mark.parametrize("policy", ["raise", "ignore_result"])
    async def test_same_id(self, queue: ArqQueue, state: str, policy: str) -> None:
        """A job whose id is taken is refused with the reason, and the first one stays."""
        async with Room(queue) as room:
            job = await room.enqueue("work", 1, **WAITING[state])
            with pytest.raises(JobNotQueued) as caught:
                await room.enqueue("other", _job_id=job.id, _on_conflict=policy)
            assert (caught.value.job_id, caught.value.reason) == (job.id, state)
            assert await room.look(job) == job

    @pytest.mark.parametrize("state", WAITING)
    async def test_return_existing(self, queue: ArqQueue, state: str) -> None:
        """`return_existing` gives the metadata of the job that is there."""
        async with Room(queue) as room:
            job = await room.enqueue("work", 1, **WAITING[state])
            same = await room.enqueue("other", _job_id=job.id, _on_conflict="return_existing")
            assert same == job
            assert await room.look(job) == job

    @pytest.mark.parametrize("state", WAITING)
    async def test_replace(self, queue: ArqQueue, state: str) -> None:
        """`replace` puts new arguments and a new time in the place of a job that waits."""
        async with Room(queue) as room:
            job = await room.enqueue("work", 1, **WAITING[state])
            new = await room.enqueue(
                "other", 2, _job_id=job.id, _defer_by=3600, _on_conflict="replace"
            )
            assert (new.id, new.name, new.args) == (job.id, "other", (2,))
            assert new.status is JobStatus.deferred
            seen = await room.look(job)
            assert (seen, seen.score) == (new, new.score)

    @pytest.mark.parametrize("policy", POLICIES)
    async def test_no_conflict(self, queue: ArqQueue, policy: str) -> None:
        """Where no job has the id, every policy enqueues."""
        job_id = new_id()
        async with Room(queue) as room:
            job = await room.enqueue("work", _job_id=job_id, _on_conflict=policy)
            assert job.id == job_id
            assert await room.look(job) == job

    @pytest.mark.parametrize("policy", POLICIES)
    async def test_same_id_in_another_queue(self, queue: ArqQueue, policy: str) -> None:
        """A job that waits in another queue can't be replaced, or returned, from here."""
        async with Room(queue) as room, Room(queue) as other:
            job = await other.enqueue("work", 1)
            with pytest.raises(JobNotQueued) as caught:
                await room.enqueue("new", _job_id=job.id, _on_conflict=policy)
            assert (caught.value.job_id, caught.value.reason) == (job.id, "queued")
            assert await other.look(job) == job
            assert await room.status(job.id) is JobStatus.not_found

    async def test_token(self, queue: ArqQueue) -> None:
        """Two calls with one token make one job, even if that is gone already."""
        token = uuid.uuid4().hex
        async with Room(queue) as room:
            first = await room.enqueue("work", 1, _token=token)
            assert await room.enqueue("work", 1, _token=token) == first
            assert await queue.cancel_job(first.id, room.name) is CancelOutcome.removed
            assert await room.enqueue("work", 1, _token=token) == first
            assert await room.status(first.id) is JobStatus.not_found

    @pytest.mark.parametrize("operation", READS)
    async def test_unknown_job(self, queue: ArqQueue, operation: str) -> None:
        """An unknown id is an error that names it."""
        job_id = new_id()
        with pytest.raises(JobNotFound) as caught:
            await getattr(queue, operation)(job_id)
        assert caught.value.job_id == job_id
        assert str(caught.value) == f"Job could not be found. id={job_id}"
        assert await queue.get_job_status(job_id) is JobStatus.not_found

    @pytest.mark.parametrize("operation", READS)
    async def test_job_of_another_queue(self, queue: ArqQueue, operation: str) -> None:
        """A job that waits in another queue is not found in this one, nor cancelled."""
        async with Room(queue) as room, Room(queue) as other:
            job = await other.enqueue("work")
            for names in [(room.name,), ()]:
                with pytest.raises(JobNotFound):
                    await getattr(queue, operation)(job.id, *names)
                assert await queue.get_job_status(job.id, *names) is JobStatus.not_found
                assert await queue.cancel_job(job.id, *names) is CancelOutcome.not_found
            assert await other.look(job) == job

    @pytest.mark.parametrize("state", WAITING)
    async def test_no_result_yet(self, queue: ArqQueue, state: str) -> None:
        """A job that waits has no result, and none to delete."""
        async with Room(queue) as room:
            job = await room.enqueue("work", **WAITING[state])
            with pytest.raises(JobResultUnavailable) as caught:
                await queue.get_job_result(job.id, room.name)
            assert caught.value.job_id == job.id
            assert str(caught.value) == f"Job result could not be found. id={job.id}"
            assert await queue.delete_result(job.id, room.name) is False
            assert await room.look(job) == job

    @pytest.mark.parametrize("timeout", [0, 0.05])
    async def test_wait_ends(self, queue: ArqQueue, timeout: float) -> None:
        """A wait ends when its time is over, not before, and leaves the job alone."""
        async with Room(queue) as room:
            job = await room.enqueue("work")
            start = time.monotonic()
            with pytest.raises(TimeoutError):
                await queue.wait_for_result(job.id, room.name, timeout=timeout)
            assert time.monotonic() - start >= timeout
            assert await room.look(job) == job

    @pytest.mark.parametrize("state", WAITING)
    async def test_cancel(self, queue: ArqQueue, state: str) -> None:
        """A job that waits is removed, whatever its time-out, and its id is free again."""
        async with Room(queue) as room:
            job = await room.enqueue("work", **WAITING[state])
            outcome = await queue.cancel_job(job.id, room.name, timeout=0)
            assert outcome is CancelOutcome.removed
            assert await room.status(job.id) is JobStatus.not_found
            assert await queue.cancel_job(job.id, room.name) is CancelOutcome.not_found
            again = await room.enqueue("again", _job_id=job.id)
            assert await room.look(again) == again

    @pytest.mark.parametrize("state", WAITING)
    async def test_abort(self, queue: ArqQueue, state: str) -> None:
        """`abort_job` tells whether there was a job to be removed."""
        async with Room(queue) as room:
            job = await room.enqueue("work", **WAITING[state])
            assert await queue.abort_job(job.id, room.name) is True
            assert await queue.abort_job(job.id, room.name) is False
            with pytest.raises(JobNotFound):
                await room.look(job)

    async def test_unknown_job_is_not_poisoned(self, queue: ArqQueue) -> None:
        """Cancelling an unknown id does nothing, and nothing to a later job of this id."""
        job_id = new_id()
        async with Room(queue) as room:
            assert await queue.cancel_job(job_id, room.name) is CancelOutcome.not_found
            assert await queue.abort_job(job_id, room.name) is False
            assert await queue.delete_result(job_id, room.name) is False
            job = await room.enqueue("work", _job_id=job_id)
            assert await room.look(job) == job

    @pytest.mark.parametrize("operation", ["enqueue", *OPERATIONS])
    async def test_closed(self, queue: ArqQueue, operation: str) -> None:
        """A closed queue refuses every call; it can be closed again."""
        await queue.aclose()
        with pytest.raises(QueueClosed):
            await getattr(queue, operation)(new_id())
        for look in (queue.ping, queue.check):
            with pytest.raises(QueueClosed):
                await look()
        await queue.aclose()

    async def test_context_manager(self, queue: ArqQueue) -> None:
        """A queue closes itself at the end of its block."""
        async with queue as entered:
            assert entered is queue
            await queue.ping()
        with pytest.raises(QueueClosed):
            await queue.ping()
