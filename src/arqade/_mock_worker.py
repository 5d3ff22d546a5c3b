"""A worker in memory: runs a mock's jobs as a stock arq worker does (arq 0.28, arq/worker.py).

Jobs run one after the other, in the order in which a worker picks them up.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from typing import TYPE_CHECKING, Any

import attrs

from arqade import exceptions
from arqade._mock_redis import MockArqRedis
from arqade._mock_settings import Settings, as_function, in_seconds
from arqade._protocol import keys, payloads
from arqade._validation import datetime_to_ms, ms_to_datetime
from arqade.codecs._pickle import arq_exception
from arqade.exceptions import ConfigurationError, JobDeserializationError, JobNotFound
from arqade.models import JobMetadata, JobRequest, JobStatus

if TYPE_CHECKING:
    from collections.abc import Awaitable
    from datetime import timedelta

    from arqade._mock_settings import Hook, WorkerFunction, WorkerFunctions
    from arqade._protocol.memory import MemoryStore
    from arqade.codecs import Codec

__all__ = ["MockWorker", "claim", "finish"]

logger = logging.getLogger(__name__)

RETRY_LIFE_MS = 88_400_000
"""How long a worker remembers the number of tries (arq's own number)."""

IN_PROGRESS_MS = 310_000
"""How long a worker claims a job by default: arq's job time-out and ten seconds."""

KEEP_RESULT_MS = 3_600_000
"""How long a worker keeps a result by default."""

SECONDS = 1000
"""Milliseconds in one."""


def finish(
    store: MemoryStore,
    codec: Codec,
    job: JobMetadata[Any],
    *,
    result: object,
    success: bool,
    start: int | None = None,
    life: int | None = KEEP_RESULT_MS,
) -> None:
    """End a job as a worker does.

    Args:
        store: Where the job is.
        codec: How its result is encoded.
        job: The job.
        result: What it returned or raised.
        success: Whether it returned.
        start: When it started, in milliseconds since the epoch; now if None.
        life: How long its result is kept, in milliseconds; None for ever, 0 not at all.
    """
    with store.lock:
        data = None
        if life is None or life > 0:
            data = payloads.encode_result(
                attrs.evolve(job, job_try=job.job_try or 1),
                start=store.now() if start is None else start,
                finish=store.now(),
                success=success,
                result=result,
                codec=codec,
            )
        if data is not None:
            store.set(keys.result(job.id), data, life)
        store.finish(job.id, job.queue_name)


def claim(store: MemoryStore, codec: Codec, job: JobMetadata[Any]) -> None:
    """Let a job be in progress, as if a worker that allows aborts had picked it up.

    A finished job is run again: what is in progress has no result.
    """

    def abort() -> None:
        finish(store, codec, job, result=asyncio.CancelledError(), success=False)

    with store.lock:
        if job.status is JobStatus.complete:
            now = datetime_to_ms("enqueue_time", job.enqueue_time)
            data = payloads.encode_job(
                JobRequest(job.name, job.args, job.kwargs),
                job_id=job.id,
                enqueue_time=now,
                codec=codec,
                max_bytes=sys.maxsize,
            )
            store.delete(keys.result(job.id))
            store.set(keys.job(job.id), data, keys.EXPIRES_EXTRA_MS)
            store.add(job.queue_name, job.id, now)
        store.set(keys.in_progress(job.id), b"1", IN_PROGRESS_MS)
        store.abort_hooks[job.id] = abort


class MockWorker:
    """Runs the jobs of one queue of a store.

    Args:
        store: Where the jobs are.
        codec: How they are encoded.
        functions: What the worker runs.
        ctx: Values for the functions' ``ctx``.
        name: The queue; that of the settings if None.
        default: The queue if the settings name none either.

    Raises:
        TypeError: A function is none.
        ConfigurationError: There are no functions.
    """

    def __init__(
        self,
        store: MemoryStore,
        codec: Codec,
        functions: WorkerFunctions,
        ctx: dict[Any, Any] | None,
        *,
        name: str | None,
        default: str,
    ) -> None:
        self._settings = settings = Settings.read(functions)
        known = [as_function(one) for one in (*settings.functions, *(settings.cron_jobs or ()))]
        if not known:
            raise ConfigurationError("a worker needs at least one function")
        self._functions = {function.name: function for function in known}
        self._store = store
        self._codec = codec
        self.queue_name = name or settings.queue_name or default
        # One mapping for all jobs, as in arq: what a hook puts in is there for the jobs.
        self._ctx: dict[Any, Any] = settings.ctx if settings.ctx is not None else {}
        self._ctx.update({"redis": MockArqRedis(store, codec, self.queue_name)} | (ctx or {}))
        timeouts = (
            in_seconds(settings.job_timeout) if f.timeout is None else f.timeout for f in known
        )
        self._claim_ms = int((max(timeouts) + 10) * SECONDS)
        self._retry = (exceptions.Retry, arq_exception("Retry"))
        self._retry_job = (exceptions.RetryJob, arq_exception("RetryJob"))
        self._aborting: set[str] = set()
        self.errors: list[Exception] = []
        """What the jobs raised that ended with an error, in order."""

    async def run_due(self) -> int:
        """Run all jobs that are due, those that become due meanwhile included.

        Returns:
            How many tries were run.
        """
        count = 0
        await self._call(self._settings.on_startup, self._ctx)
        try:
            # A stock worker looks again as soon as it has run as many jobs as it runs at a time.
            while job_ids := self._due()[: self._settings.max_jobs]:
                for job_id in job_ids:
                    count += await self._pick_up(job_id)
        finally:
            await self._call(self._settings.on_shutdown, self._ctx)
        return count

    async def run_one(self, job_id: str) -> None:
        """Run one job, due or not.

        Raises:
            JobNotFound: It is not in the queue, or it is in progress.
        """
        await self._call(self._settings.on_startup, self._ctx)
        try:
            if not await self._pick_up(job_id):
                raise JobNotFound(job_id)
        finally:
            await self._call(self._settings.on_shutdown, self._ctx)

    def _due(self) -> list[str]:
        with self._store.lock:
            return [
                job_id
                for job_id in self._store.members(self.queue_name, self._store.now())
                if self._store.get(keys.in_progress(job_id)) is None
            ]

    async def _pick_up(self, job_id: str) -> bool:
        store = self._store
        with store.lock:
            score = store.score(self.queue_name, job_id)
            if score is None or store.get(keys.in_progress(job_id)) is not None:
                return False
            store.set(keys.in_progress(job_id), b"1", self._claim_ms)
            job_try = store.increase(keys.retry(job_id), RETRY_LIFE_MS)
            data = store.get(keys.job(job_id))
            aborted = self._settings.allow_abort_jobs and store.remove(keys.ABORT, job_id)
        await self._run(job_id, score, job_try, data, aborted=aborted)
        return True

    async def _run(
        self, job_id: str, score: int, job_try: int, data: bytes | None, *, aborted: bool
    ) -> None:
        start = self._store.now()
        unknown = JobMetadata[Any](
            job_id,
            "<unknown>",
            (),
            {},
            ms_to_datetime(0),
            JobStatus.in_progress,
            self.queue_name,
            job_try=job_try,
        )
        if data is None:
            self._fail(unknown, start, arq_exception("JobExecutionFailed")("job expired"))
            return
        try:
            job = payloads.decode_job(
                data,
                job_id=job_id,
                queue_name=self.queue_name,
                status=JobStatus.in_progress,
                score=score,
                codec=self._codec,
            )
        except JobDeserializationError:
            logger.exception("job %s can't be decoded", job_id)
            text = "unable to deserialize job"
            error = arq_exception("DeserializationError")(text)
            self._fail(unknown, start, error)
            return
        enqueued_try, job.job_try = job.job_try, job_try
        if aborted:
            self._fail(job, start, asyncio.CancelledError())
            return
        function = self._functions.get(job.name)
        if function is None:
            text = f"function {job.name!r} not found"
            self._fail(job, start, arq_exception("JobExecutionFailed")(text))
            return
        if enqueued_try is not None and enqueued_try > job_try:
            job.job_try = enqueued_try
            self._store.set(keys.retry(job_id), b"%d" % enqueued_try, RETRY_LIFE_MS)
        most = self._settings.max_tries if function.max_tries is None else function.max_tries
        if job.job_try > most:
            text = f"max {most} retries exceeded"
            self._fail(job, start, arq_exception("JobExecutionFailed")(text))
            return
        await self._try(job, function, score)

    def _fail(self, job: JobMetadata[Any], start: int, error: BaseException) -> None:
        """End a job that did not get to run; its own function's settings do not count."""
        self._note(error)
        finish(
            self._store,
            self._codec,
            job,
            result=error,
            success=False,
            start=start,
            life=self._life(self._settings.keep_result_forever, self._settings.keep_result),
        )

    def _note(self, error: BaseException) -> None:
        if isinstance(error, Exception):
            self.errors.append(error)

    @staticmethod
    def _life(forever: bool, seconds: float | timedelta) -> int | None:
        return None if forever else round(in_seconds(seconds) * SECONDS)

    async def _try(self, job: JobMetadata[Any], function: WorkerFunction, score: int) -> None:
        settings = self._settings
        ctx = {
            **self._ctx,
            "job_id": job.id,
            "job_try": job.job_try,
            "enqueue_time": job.enqueue_time,
            "score": score,
        }
        await self._call(settings.on_job_start, ctx)
        start = self._store.now()
        timeout = in_seconds(settings.job_timeout) if function.timeout is None else function.timeout
        success, finished, delay = False, True, 0
        result: object = None
        try:
            # A stock worker logs a job's arguments and result: one without a repr fails the job.
            repr((job.args, job.kwargs))
            result = await self._guarded(
                job.id, function.run(ctx, *job.args, **job.kwargs), timeout
            )
            if settings.log_results:
                repr(result)
            success = True
        except (Exception, asyncio.CancelledError) as error:
            result = error
            if settings.retry_jobs and isinstance(error, self._retry):
                finished, delay = False, self._retry_delay(error, score)
            elif isinstance(error, asyncio.CancelledError) and job.id in self._aborting:
                self._aborting.discard(job.id)
            elif _is_cancelled():
                self._put_back(job.id, 0)
                raise
            elif settings.retry_jobs and isinstance(
                error, (asyncio.CancelledError, *self._retry_job)
            ):
                finished = False
            else:
                logger.exception("job %s failed", job.id)
                self._note(error)
        await self._call(settings.on_job_end, ctx)
        if finished:
            forever, kept = function.keep_result_forever, function.keep_result
            life = self._life(
                settings.keep_result_forever if forever is None else forever,
                settings.keep_result if kept is None else kept,
            )
            finish(
                self._store,
                self._codec,
                job,
                result=result,
                success=success,
                start=start,
                life=life,
            )
        else:
            self._put_back(job.id, delay)
        await self._call(settings.after_job_end, ctx)

    async def _guarded(self, job_id: str, work: Awaitable[Any], timeout: float) -> Any:
        """Await a job's function, which may be aborted and may take so many seconds."""
        task = asyncio.ensure_future(work)
        if self._settings.allow_abort_jobs:
            loop = asyncio.get_running_loop()

            def stop() -> None:
                if not task.done():
                    # From here on it is not asked any more: if it is retried, it runs again.
                    self._aborting.add(job_id)
                    with self._store.lock:
                        self._store.remove(keys.ABORT, job_id)
                    task.cancel()

            def abort() -> None:
                loop.call_soon_threadsafe(stop)

            self._store.abort_hooks[job_id] = abort
        try:
            return await asyncio.wait_for(task, timeout)
        finally:
            self._store.abort_hooks.pop(job_id, None)

    def _retry_delay(self, error: Any, score: int) -> int:
        """Tell by how much a retried job's score grows (arq reckons from now)."""
        defer: int | None = error.defer_score
        return defer + self._store.now() - score if defer else 0

    def _put_back(self, job_id: str, delay: int) -> None:
        with self._store.lock:
            self._store.delete(keys.in_progress(job_id))
            score = self._store.score(self.queue_name, job_id)
            if delay and score is not None:
                self._store.add(self.queue_name, job_id, score + delay)

    @staticmethod
    async def _call(hook: Hook | None, ctx: dict[Any, Any]) -> None:
        if hook is not None:
            await hook(ctx)


def _is_cancelled() -> bool:
    """Tell whether it is this task that is cancelled, and not just the job's own."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
