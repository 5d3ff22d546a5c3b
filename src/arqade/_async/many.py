"""The part of the interface of a queue that is about many jobs."""

from __future__ import annotations

import abc
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable

    from arqade.models import (
        JobMetadata,
        JobRequest,
        JobResult,
        JobStatus,
        QueueStats,
        WorkerHealth,
    )

__all__ = ["CHUNK_SIZE", "ManyJobs"]

CHUNK_SIZE = 100
"""Jobs that go to the server in one command: more make it little faster, and each command holds up
the other clients of the server."""


class ManyJobs(abc.ABC):
    """What a queue does with many jobs at once."""

    @abc.abstractmethod
    async def enqueue_many(
        self,
        requests: Iterable[JobRequest[Any]] | AsyncIterable[JobRequest[Any]],
        *,
        chunk_size: int = CHUNK_SIZE,
        progress: Callable[[int], object] | None = None,
        collect: bool = True,
    ) -> list[JobMetadata[Any] | None]:
        """Put many jobs into queues, in chunks that do not wait for each other's answers.

        Each job has the options of its request, and is enqueued once, as by `enqueue`. A chunk is
        sent when it is full or the iterable ends. If its reply gets lost it is sent again, within
        the retry budget, and the server makes no second job of any.

        Args:
            requests: The jobs.
            chunk_size: Jobs that are sent together, from 1 to 1000; large jobs go in smaller
                chunks.
            progress: Called after each chunk with the number of requests that are settled so far.
            collect: Whether to give metadata; if not, an empty list is returned, and the memory in
                use does not grow with the number of jobs.

        Returns:
            For each request, in order, the job's metadata; None where its id was taken. With
            ``"return_existing"`` it is that of the job that is there, or None if nothing can be
            told of that one.

        Raises:
            TypeError: ``requests`` can't be iterated over, or ``chunk_size`` is no `int`; nothing
                was sent.
            ValueError: ``chunk_size`` is out of bounds; nothing was sent.
            QueueClosed: The queue is closed; nothing was sent.
            EnqueueManyError: It ended early, and tells which jobs are enqueued. Its ``__cause__``
                says why: what `enqueue` raises, what the iterable or ``progress`` raised, or a
                `TypeError` for what is no `JobRequest`. No chunk is sent after that.
        """

    @abc.abstractmethod
    async def get_jobs_metadata(
        self, job_ids: Iterable[str], queue_name: str | None = None
    ) -> list[JobMetadata[Any] | None]:
        """Tell what is known of many jobs, as `get_job_metadata` does.

        A hundred jobs take one round trip and are seen at one moment; if they hold more than a
        mebibyte it takes more. It is repeated within the retry budget if the connection breaks.

        Args:
            job_ids: The jobs' ids.
            queue_name: The queue, if the jobs must be of this one.

        Returns:
            For each id, in order, the job's metadata; None where there is no such job.

        Raises:
            TypeError: An id is no `str`, or one `str` stands for them all.
            ValueError: An id can't be one.
            JobDeserializationError: Some can't be decoded; it names them, and its ``job_id`` is
                the first one's.
            PayloadTooLarge: Some are larger than ``max_payload_bytes``, and not read; likewise.
                Where there are bad ones of both kinds, the first one decides.
            QueueConnectionError: The server can't be reached.
            QueueServerError: The server refused.
            QueueClosed: The queue is closed.
        """

    @abc.abstractmethod
    def iter_jobs(
        self, queue_name: str | None = None, *, status: JobStatus | str | None = None
    ) -> AsyncIterator[JobMetadata[Any]]:
        """Go through the jobs of a queue, in no order, while it may change.

        A job that is in the queue from the first step to the last is given, even if its time
        changes; one that comes or goes meanwhile may be given. Hardly any is given twice: that
        needs a queue that shrinks meanwhile, and 10,000 jobs in between. The server is asked for
        some hundred jobs at a time; each look is repeated within the retry budget if the connection
        breaks.

        Args:
            queue_name: The queue; the default queue if None.
            status: ``queued``, ``deferred`` or ``in_progress`` for jobs that are in this state when
                they are read; ``complete`` for finished ones, from `iter_results`; None for all
                that are in the queue. Jobs of state ``not_found`` there are none.

        Raises:
            TypeError: A value is of a wrong type.
            ValueError: A value is not allowed.
            JobDeserializationError: Some can't be decoded, or have ids that are no text. It is
                raised after the last of the others, names up to a hundred, and its ``job_id`` is
                the first one's.
            PayloadTooLarge: Some are larger than ``max_payload_bytes``, and not read; likewise.
                Where there are bad ones of both kinds, the first one decides.
            QueueConnectionError: The server can't be reached.
            QueueServerError: The server refused.
            QueueClosed: The queue is closed.
        """

    @abc.abstractmethod
    def iter_results(self, queue_name: str | None = None) -> AsyncIterator[JobResult[Any]]:
        """Go through the kept results of a queue's jobs, in no order, while there may come more.

        What is promised of changes, and of connections that break, is as for `iter_jobs`. arq keeps
        the results of all queues together, among all other keys, and so this looks at every key of
        the database.

        Args:
            queue_name: The queue that the results name; the default queue if None.

        Raises:
            TypeError: A value is of a wrong type.
            ValueError: A value is not allowed.
            JobDeserializationError: Some can't be decoded, of whichever queue they are. It is
                raised after the last of the others, as by `iter_jobs`.
            PayloadTooLarge: Some are larger than ``max_payload_bytes``, of whichever queue they
                are; likewise.
            QueueConnectionError: The server can't be reached.
            QueueServerError: The server refused.
            QueueClosed: The queue is closed.
        """

    @abc.abstractmethod
    async def get_queue_stats(self, queue_name: str | None = None) -> QueueStats:
        """Count the jobs of a queue by their states.

        It takes one round trip for a queue of up to a thousand due jobs. Those that run are looked
        for among the 10,000 that have been due for longest, a thousand at a time: workers take
        jobs in this order. It is repeated within the retry budget if the connection breaks.

        Args:
            queue_name: The queue; the default queue if None.

        Raises:
            QueueConnectionError: The server can't be reached.
            QueueServerError: The server refused.
            QueueClosed: The queue is closed.
        """

    @abc.abstractmethod
    async def get_worker_health(self, queue_name: str | None = None) -> WorkerHealth | None:
        """Give what a worker of a queue says of itself.

        Workers of one queue overwrite each other's record. One that has a ``health_check_key`` of
        its own writes it elsewhere. It is repeated within the retry budget if the connection
        breaks.

        Args:
            queue_name: The queue; the default queue if None.

        Returns:
            The record; None if there is none: no worker runs, or it has just started, or hangs.

        Raises:
            QueueConnectionError: The server can't be reached.
            QueueServerError: The server refused, or there is something else than a record.
            QueueClosed: The queue is closed.
        """

    @abc.abstractmethod
    async def purge(self, queue_name: str | None = None) -> int:
        """Remove the jobs of a queue that have not started, and tell how many.

        They are removed as by `cancel_job`, some hundred at a time, even where a worker is about
        to pick one up; jobs that run and kept results stay. It ends when as many jobs were looked
        at as were there at the beginning: those that come meanwhile may stay.

        A part is not repeated once it was sent: a second removal could not tell how many there
        were. After an error the jobs of earlier parts are removed.

        Args:
            queue_name: The queue; the default queue if None.

        Raises:
            QueueConnectionError: The server can't be reached, or did not answer.
            QueueServerError: The server refused.
            QueueClosed: The queue is closed.
        """
