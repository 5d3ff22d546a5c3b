# Generated from src/arqade/_async/mock_queue.py by "make generate"; do not edit.
"""The queue in memory, for tests: everything but the server is the real queue's code."""

from __future__ import annotations

import contextlib
import sys
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from arqade._compat import override
from arqade._concurrency import drive
from arqade._mock_worker import MockWorker, claim, finish
from arqade._protocol import answers, payloads, scripts
from arqade._protocol.keys import DEFAULT_QUEUE, EXPIRES_EXTRA_MS
from arqade._protocol.memory import MemoryStore, MockClock
from arqade._protocol.requests import make_request
from arqade._sync.command_queue import MAX_PAYLOAD_BYTES, PICKLE, CommandQueue
from arqade._sync.store_sender import StoreSender
from arqade._validation import check_job_id, check_queue_name
from arqade.exceptions import JobNotFound
from arqade.models import JobStatus

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from arqade._mock_settings import WorkerFunctions
    from arqade._protocol.requests import Task
    from arqade.codecs import Codec
    from arqade.models import JobMetadata

__all__ = ["SyncMockArqQueue"]


class SyncMockArqQueue(CommandQueue):
    """A queue in memory, with the results and errors of the real one.

    Jobs run when the test says so: by `run_jobs` and `run_job`, or as if by `set_in_progress` and
    `set_complete`. What a caller sees went through the codec, as it does on a server.

    Args:
        default_queue_name: The queue of operations that name none.
        codec: How jobs and results become bytes.
        clock: The mock's time; one of its own if None.
        store: Where jobs are held: another mock's `store`, of either API, to look at the same
            queues; one of its own if None.
        expires_extra_ms: How long a job lives after it is due, in milliseconds, if it doesn't say.
        max_payload_bytes: The largest job that is enqueued, and the largest job or result that is
            read; encoded, in bytes.

    Raises:
        TypeError: A value is of a wrong type.
        ValueError: A value is not allowed, or both a clock and a store are given.
    """

    def __init__(
        self,
        *,
        default_queue_name: str = DEFAULT_QUEUE,
        codec: Codec = PICKLE,
        clock: MockClock | None = None,
        store: MemoryStore | None = None,
        expires_extra_ms: int = EXPIRES_EXTRA_MS,
        max_payload_bytes: int = MAX_PAYLOAD_BYTES,
    ) -> None:
        if clock is not None and store is not None:
            raise ValueError("give a clock or a store: a store has a clock")
        self._store = MemoryStore(clock) if store is None else store
        self._store_sender = StoreSender(self._store)
        super().__init__(
            self._store_sender,
            default_queue_name=default_queue_name,
            codec=codec,
            expires_extra_ms=expires_extra_ms,
            max_payload_bytes=max_payload_bytes,
        )

    @property
    def clock(self) -> MockClock:
        """The mock's time; ``clock.advance(seconds)`` lets it pass."""
        return self._store.clock

    @property
    def store(self) -> MemoryStore:
        """Where jobs are held, to be shared with another mock."""
        return self._store

    @property
    def jobs(self) -> list[JobMetadata[Any]]:
        """Metadata of all jobs, in the order in which they were enqueued; fresh objects.

        Finished jobs are there as long as their results are.
        """
        found = [
            job
            for queue_name in self._store.queues()
            for job_id in self._store.members(queue_name)
            if (job := self._look(job_id, queue_name)) is not None
        ]
        for job_id in self._store.results():
            job = self._look(job_id, self.default_queue_name)
            if job is not None:
                found.append(job)
        order = {job_id: n for n, (_, job_id, _) in enumerate(self._store.log)}
        return sorted(found, key=lambda job: order[job.id])

    @property
    def _job_metadata(self) -> Mapping[str, Mapping[str, JobMetadata[Any]]]:
        """Jobs by queue and id, as safir's mock kept them; `jobs` is the public way."""
        snapshot: defaultdict[str, dict[str, JobMetadata[Any]]] = defaultdict(dict)
        for job in self.jobs:
            snapshot[job.queue_name][job.id] = job
        return snapshot

    @override
    def _machine_time(self) -> float:
        return self.clock.time()

    def _look(self, job_id: str, queue_name: str) -> JobMetadata[Any] | None:
        asked = answers.Asked(
            job_id, queue_name, explicit=False, codec=self._codec, max_bytes=sys.maxsize
        )
        command = scripts.view(asked.job_id, asked.queue_name, "metadata", asked.max_bytes)
        view = command.read(self._store.execute(command.words))
        try:
            return answers.metadata(asked, view)
        except JobNotFound:
            return None  # its envelope has expired

    def set_in_progress(self, job_id: str, queue_name: str | None = None) -> None:
        """Let a job be in progress, as if a worker that allows aborts had picked it up.

        Args:
            job_id: The job's id.
            queue_name: The queue; the default queue if None.

        Raises:
            JobNotFound: There is no such job in this queue.
            QueueClosed: The queue is closed.
        """
        job = self.get_job_metadata(job_id, queue_name)
        claim(self._store, self._codec, job)

    def set_complete(
        self, job_id: str, *, result: Any, success: bool = True, queue_name: str | None = None
    ) -> None:
        """Let a job be finished, as if a worker had run it.

        Args:
            job_id: The job's id.
            result: What it returned, or the exception that it raised.
            success: Whether it returned.
            queue_name: The queue; the default queue if None.

        Raises:
            JobNotFound: There is no such job in this queue.
            QueueClosed: The queue is closed.
        """
        job = self.get_job_metadata(job_id, queue_name)
        finish(self._store, self._codec, job, result=result, success=success)

    def run_job(
        self,
        job_id: str,
        functions: WorkerFunctions,
        ctx: dict[Any, Any] | None = None,
        *,
        queue_name: str | None = None,
    ) -> None:
        """Run one job as a worker does, due or not; what comes of it is its result.

        Args:
            job_id: The job's id.
            functions: What a ``WorkerSettings.functions`` takes, or the settings themselves.
            ctx: Values for the ``ctx`` of the job's function.
            queue_name: The queue; that of the settings, or else the default queue, if None.

        Raises:
            JobNotFound: The job does not wait in this queue.
            TypeError: A function is none.
            QueueClosed: The queue is closed.
        """
        worker = self._worker(functions, ctx, queue_name)
        drive(worker.run_one(check_job_id(job_id)))

    def run_jobs(
        self,
        functions: WorkerFunctions,
        ctx: dict[Any, Any] | None = None,
        *,
        queue_name: str | None = None,
        raise_errors: bool = True,
    ) -> int:
        """Run all jobs that are due as a worker does, one after the other, in its order.

        Jobs that become due meanwhile are run, too.

        Args:
            functions: What a ``WorkerSettings.functions`` takes, or the settings themselves.
            ctx: Values for the ``ctx`` of the jobs' functions.
            queue_name: The queue; that of the settings, or else the default queue, if None.
            raise_errors: Whether to raise what the jobs raised; it is in their results anyway.

        Returns:
            How many tries were run.

        Raises:
            Exception: What a job raised, if it was one.
            ExceptionGroup: What the jobs raised, if there were several.
            TypeError: A function is none.
            QueueClosed: The queue is closed.
        """
        worker = self._worker(functions, ctx, queue_name)
        count = drive(worker.run_due())
        if raise_errors and worker.errors:
            if len(worker.errors) == 1:
                raise worker.errors[0]
            raise ExceptionGroup("jobs failed", worker.errors)
        return count

    def _worker(
        self, functions: WorkerFunctions, ctx: dict[Any, Any] | None, queue_name: str | None
    ) -> MockWorker:
        self.ping()
        name = None if queue_name is None else check_queue_name(queue_name)
        return MockWorker(
            self._store, self._codec, functions, ctx, name=name, default=self.default_queue_name
        )

    @contextlib.contextmanager
    def failing(self, error: BaseException | type[BaseException]) -> Iterator[None]:
        """Let every operation raise an error within a block, as if the server were down.

        Args:
            error: The error, or its class.
        """
        before = self._store_sender.failure
        self._store_sender.failure = error
        try:
            yield
        finally:
            self._store_sender.failure = before

    def assert_enqueued(self, task: Task, /, *args: Any, _times: int = 1, **kwargs: Any) -> None:
        """Check how often a job was enqueued with exactly these arguments, in any queue.

        Jobs count whatever has become of them since.

        Args:
            task: The name of a worker's function, that function itself, or a `JobRequest`.
            *args: The job's positional arguments.
            _times: How often.
            **kwargs: The job's keyword arguments.

        Raises:
            AssertionError: It was enqueued more or less often.
            TypeError: ``task`` names none, or an option is unknown.
        """
        wanted = make_request(task, args, kwargs)
        log = self._enqueued()
        found = sum(
            (job.name, job.args, job.kwargs) == (wanted.task_name, wanted.args, wanted.kwargs)
            for job in log
        )
        if found != _times:
            lines = [f"  {_call(job.name, job.args, job.kwargs)}" for job in log] or ["  nothing"]
            raise AssertionError(
                f"{_call(wanted.task_name, wanted.args, wanted.kwargs)} was enqueued {found} "
                f"times, not {_times}; enqueued:\n" + "\n".join(lines)
            )

    def assert_nothing_enqueued(self) -> None:
        """Check that no job was enqueued.

        Raises:
            AssertionError: A job was.
        """
        log = self._enqueued()
        if log:
            lines = [f"  {_call(job.name, job.args, job.kwargs)}" for job in log]
            raise AssertionError("enqueued:\n" + "\n".join(lines))

    def _enqueued(self) -> list[JobMetadata[Any]]:
        return [
            payloads.decode_job(
                data,
                job_id=job_id,
                queue_name=queue_name,
                status=JobStatus.queued,
                score=None,
                codec=self._codec,
            )
            for queue_name, job_id, data in self._store.log
        ]


def _call(name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str:
    shown = [repr(value) for value in args] + [f"{key}={value!r}" for key, value in kwargs.items()]
    return f"{name}({', '.join(shown)})"
