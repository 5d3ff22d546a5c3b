# Generated from src/arqade/_async/queue.py by "make generate"; do not edit.
"""The interface of a queue: what every implementation does, and all that it says of it."""

from __future__ import annotations

import abc
from typing import TYPE_CHECKING, Any, Self, TypeVar, overload

from arqade._protocol.keys import DEFAULT_QUEUE
from arqade._sync.many import ManyJobs
from arqade._sync.workers import KnownWorkers
from arqade._validation import check_queue_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime
    from types import TracebackType

    from arqade._protocol.requests import Task, WorkerFunction
    from arqade._protocol.tracking import PushMode
    from arqade._validation import Duration
    from arqade.jobs import JobDef
    from arqade.models import (
        CancelOutcome,
        Finding,
        JobMetadata,
        JobRequest,
        JobResult,
        JobStatus,
        OnConflict,
    )

__all__ = ["SyncArqQueue"]

R = TypeVar("R")


class SyncArqQueue(ManyJobs, KnownWorkers):
    """A client of arq queues.

    Every operation that takes a job's id also takes ``queue_name``. None means the default queue;
    a finished job is then found whatever queue it ran in, since its result names the queue.

    A queue is a context manager that closes itself.

    Args:
        default_queue_name: The queue of operations that name none.

    Raises:
        TypeError: The name is no `str`.
        ValueError: The name can't be a queue's.
    """

    def __init__(self, *, default_queue_name: str = DEFAULT_QUEUE) -> None:
        self._default_queue_name = check_queue_name(default_queue_name)

    @property
    def default_queue_name(self) -> str:
        """The queue of operations that name none."""
        return self._default_queue_name

    @overload
    def enqueue(
        self,
        task: JobRequest[R],
        /,
        *,
        _queue_name: str | None = None,
        _job_id: str | None = None,
        _defer_until: datetime | None = None,
        _defer_by: Duration | None = None,
        _expires: Duration | None = None,
        _job_try: int | None = None,
        _on_conflict: OnConflict = "raise",
        _token: str | None = None,
    ) -> JobMetadata[R]: ...

    @overload
    def enqueue(
        self,
        task: JobDef[..., R] | WorkerFunction[R],
        /,
        *args: Any,
        _queue_name: str | None = None,
        _job_id: str | None = None,
        _defer_until: datetime | None = None,
        _defer_by: Duration | None = None,
        _expires: Duration | None = None,
        _job_try: int | None = None,
        _on_conflict: OnConflict = "raise",
        _token: str | None = None,
        **kwargs: Any,
    ) -> JobMetadata[R]: ...

    @overload
    def enqueue(
        self,
        task: str,
        /,
        *args: Any,
        _queue_name: str | None = None,
        _job_id: str | None = None,
        _defer_until: datetime | None = None,
        _defer_by: Duration | None = None,
        _expires: Duration | None = None,
        _job_try: int | None = None,
        _on_conflict: OnConflict = "raise",
        _token: str | None = None,
        **kwargs: Any,
    ) -> JobMetadata[Any]: ...

    @abc.abstractmethod
    def enqueue(
        self,
        task: Task,
        /,
        *args: Any,
        _queue_name: str | None = None,
        _job_id: str | None = None,
        _defer_until: datetime | None = None,
        _defer_by: Duration | None = None,
        _expires: Duration | None = None,
        _job_try: int | None = None,
        _on_conflict: OnConflict = "raise",
        _token: str | None = None,
        **kwargs: Any,
    ) -> JobMetadata[Any]:
        """Put a job into a queue.

        A reply that gets lost is asked for again, within the retry budget; the server knows the
        call by its token and makes no second job of it, even if the first has run already.

        Args:
            task: The name of a worker's function, its declaration, that function itself, or a
                `JobRequest`. Options given here override those of a request or a declaration.
            *args: The job's positional arguments.
            _queue_name: The queue; the default queue if None.
            _job_id: The job's id; a random one if None.
            _defer_until: Not to be run before this time; one in the past means now, a naive one
                is local time.
            _defer_by: Not to be run before so many seconds, or such a timedelta, have passed.
            _expires: Not to be started or retried after so many seconds, or such a timedelta; if
                None, a day (or the queue's ``expires_extra_ms``) after it is due.
            _job_try: The number of the first try, from 1.
            _on_conflict: What to do if a job with this id is there: ``"raise"``,
                ``"return_existing"``, ``"ignore_result"`` (enqueue if only a kept result stands
                in the way) or ``"replace"`` (replace a job that has not started, or a kept
                result).
            _token: The token of an `EnqueueUncertain` that is less than a minute old, to settle
                whether that call made a job.
            **kwargs: The job's keyword arguments. Names that start with an underscore are kept
                for options.

        Returns:
            The job's metadata, made from what was sent; with ``"return_existing"``, that of the
            job that is there.

        Raises:
            TypeError: A value is of a wrong type, or an option is unknown; nothing was sent.
            ValueError: A value is not allowed; nothing was sent.
            JobSerializationError: The arguments can't be encoded; nothing was sent.
            PayloadTooLarge: The encoded job is larger than ``max_payload_bytes``, and nothing was
                sent; or the job to be returned is, and the new one is not queued.
            JobNotQueued: A job with this id stands in the way.
            JobDeserializationError: The job to be returned can't be decoded.
            EnqueueUncertain: The job was sent, and no answer came within the retry budget.
            QueueConnectionError: The server can't be reached; the job is not queued.
            QueueServerError: The server refused; the job is not queued.
            QueueClosed: The queue is closed.
        """

    @abc.abstractmethod
    def get_job_status(self, job_id: str, queue_name: str | None = None) -> JobStatus:
        """Tell the state of a job, as arq does; nothing is decoded.

        It is repeated within the retry budget if the connection breaks.

        Args:
            job_id: The job's id.
            queue_name: The queue; the default queue if None. A job that waits in another queue
                is ``not_found``; for one that runs or is complete it makes no difference.

        Raises:
            QueueConnectionError: The server can't be reached.
            QueueServerError: The server refused.
            QueueClosed: The queue is closed.
        """

    @abc.abstractmethod
    def get_job_metadata(self, job_id: str, queue_name: str | None = None) -> JobMetadata[Any]:
        """Tell what is known of a job.

        It is repeated within the retry budget if the connection breaks.

        Args:
            job_id: The job's id.
            queue_name: The queue, if the job must be of this one.

        Raises:
            JobNotFound: There is no such job in this queue.
            JobDeserializationError: The job's bytes can't be decoded.
            PayloadTooLarge: They are more than ``max_payload_bytes``, and were not read.
            QueueConnectionError: The server can't be reached.
            QueueServerError: The server refused.
            QueueClosed: The queue is closed.
        """

    @abc.abstractmethod
    def get_job_result(self, job_id: str, queue_name: str | None = None) -> JobResult[Any]:
        """Give a job's result, without waiting for it.

        It is repeated within the retry budget if the connection breaks.

        Args:
            job_id: The job's id.
            queue_name: The queue, if the job must be of this one.

        Raises:
            JobNotFound: There is no such job in this queue, and no result of it.
            JobResultUnavailable: The job is there and has no result yet.
            JobDeserializationError: The result's bytes can't be decoded.
            PayloadTooLarge: They are more than ``max_payload_bytes``, and were not read.
            QueueConnectionError: The server can't be reached.
            QueueServerError: The server refused.
            QueueClosed: The queue is closed.
        """

    @abc.abstractmethod
    def wait_for_result(
        self, job_id: str, queue_name: str | None = None, *, timeout: float | None = None
    ) -> JobResult[Any]:
        """Wait until a job has a result, and give it.

        A failed job's exception is in the result, whose `JobResult.unwrap` raises it: a
        `TimeoutError` from here always means that the wait was over.

        It outlasts connections that break: each look is repeated within the retry budget.

        Args:
            job_id: The job's id.
            queue_name: The queue, if the job must be of this one.
            timeout: Seconds to wait at most; None waits as long as the job is there. The last
                look gets a second to be answered.

        Raises:
            TimeoutError: There was no result by then.
            JobNotFound: The job is unknown, or vanished without a result: it expired, was
                removed, or its worker keeps no results.
            JobDeserializationError: The result's bytes can't be decoded.
            PayloadTooLarge: They are more than ``max_payload_bytes``, and were not read.
            QueueConnectionError: The server can't be reached for longer than the retry budget.
            QueueServerError: The server refused.
            QueueClosed: The queue is closed.
        """

    @abc.abstractmethod
    def as_completed(
        self,
        job_ids: Iterable[str],
        queue_name: str | None = None,
        *,
        timeout: float | None = None,
    ) -> Iterator[JobResult[Any]]:
        """Wait for the results of many jobs, and give each when it is there.

        It outlasts connections that break: each look is repeated within the retry budget.

        Args:
            job_ids: The jobs' ids; one that comes twice counts once.
            queue_name: The queue, if the jobs must be of this one.
            timeout: Seconds to wait at most, from the first step on; None waits as long as the
                jobs are there.

        Raises:
            TypeError: An id is no `str`, or one `str` stands for them all.
            ValueError: An id can't be one.
            TimeoutError: Some had no result by then.
            JobNotFound: A job is unknown, or vanished without a result. It is raised after the
                last of the others' results, and its notes name further ones.
            JobDeserializationError: A result's bytes can't be decoded; raised likewise.
            PayloadTooLarge: They are more than ``max_payload_bytes``, and were not read; raised
                likewise.
            QueueConnectionError: The server can't be reached for longer than the retry budget.
            QueueServerError: The server refused.
            QueueClosed: The queue is closed.
        """

    @property
    @abc.abstractmethod
    def push_mode(self) -> PushMode | None:
        """How this queue hears of results; None if no call has had to wait yet.

        ``resp3`` and ``resp2``: the server pushes, by its tracking of keys for client-side
        caching. ``polling``: it does not support that, this user may not use it, or the queue is
        a mock: it is asked again and again, in intervals that grow to half a second.
        """

    @abc.abstractmethod
    def cancel_job(
        self, job_id: str, queue_name: str | None = None, *, timeout: float | None = None
    ) -> CancelOutcome:
        """Cancel a job: remove it if it has not started, else ask its worker to stop it.

        A job that has not started is removed at once, without a worker's help, even if one is
        about to pick it up. For a running one the worker must allow it (arq's
        ``allow_abort_jobs``), and this waits for its word. An unknown id writes nothing.

        It is not repeated once it was sent: a second removal could not tell that there was a job.

        Args:
            job_id: The job's id.
            queue_name: The queue; the default queue if None.
            timeout: Seconds to wait at most for the worker's word, after which the outcome is
                ``unconfirmed``; None waits as long as the job is there.

        Raises:
            QueueConnectionError: The server can't be reached, or did not answer.
            QueueServerError: The server refused.
            QueueClosed: The queue is closed.
        """

    def abort_job(
        self, job_id: str, queue_name: str | None = None, *, timeout: float | None = None
    ) -> bool:
        """Cancel a job and tell whether that worked: it will not run, or was stopped.

        Arguments and errors are those of `cancel_job`.
        """
        outcome = self.cancel_job(job_id, queue_name, timeout=timeout)
        return outcome in ("removed", "aborted")

    @abc.abstractmethod
    def delete_result(self, job_id: str, queue_name: str | None = None) -> bool:
        """Delete a kept result and tell whether there was one.

        It is not repeated once it was sent: a second deletion could not tell.

        Args:
            job_id: The job's id.
            queue_name: Makes no difference: arq keeps results by the job's id alone.

        Raises:
            QueueConnectionError: The server can't be reached, or did not answer.
            QueueServerError: The server refused.
            QueueClosed: The queue is closed.
        """

    @abc.abstractmethod
    def ping(self) -> None:
        """Return if the server answers.

        It is repeated within the retry budget if the connection breaks.

        Raises:
            QueueConnectionError: The server can't be reached.
            QueueServerError: The server refused.
            QueueClosed: The queue is closed.
        """

    @abc.abstractmethod
    def check(self, *, strict: bool = False) -> list[Finding]:
        """Look whether the server's configuration or state endangers jobs.

        It looks at eviction, memory, persistence, replication, cluster mode, version and clock, in
        three round trips that change nothing, and repeats each within the retry budget if the
        connection breaks. What the server refuses to tell is a finding of severity ``info``.
        Warnings and errors are written to the log, one line each.

        Args:
            strict: Whether to raise if there are warnings or errors, instead of logging them.

        Returns:
            What was found, the worst first; an empty list if all is well.

        Raises:
            ConfigurationError: There are warnings or errors, and ``strict`` is true.
            QueueConnectionError: The server can't be reached.
            QueueClosed: The queue is closed.
        """

    @abc.abstractmethod
    def close(self) -> None:
        """Close the queue; every further call raises `QueueClosed`. Closing twice is no error.

        Raises:
            WrongEventLoopError: The queue belongs to another event loop; it is closed all the
                same, and its connections end with that loop.
        """

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
