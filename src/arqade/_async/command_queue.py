"""The operations of a queue, each as one command, whoever answers it.

The queue on Redis sends the commands to a server, the mock to a server in memory: all else that
a caller can see is made here, for both.
"""

from __future__ import annotations

import math
import os
import time
from typing import TYPE_CHECKING, Any

from arqade._async.bulk import MAX_CHUNK_SIZE, NOT_QUEUED, BulkEnqueue, fence
from arqade._async.listing import Listing, time_to_look
from arqade._async.many import CHUNK_SIZE
from arqade._async.queue import ArqQueue
from arqade._async.server_check import ServerCheck
from arqade._async.waiting import results_as_they_come
from arqade._async.worker_check import check_workers
from arqade._compat import override
from arqade._concurrency import async_sleep
from arqade._protocol import answers, inspection, payloads, scripts, workers
from arqade._protocol.answers import Asked
from arqade._protocol.chunks import ChunkMaker
from arqade._protocol.errors import Unanswered
from arqade._protocol.keys import DEFAULT_QUEUE, EXPIRES_EXTRA_MS
from arqade._protocol.polling import poll_pauses
from arqade._protocol.requests import check_job_ids, check_status, check_timeout, make_request
from arqade._validation import (
    MAX_TIME_MS,
    check_integer,
    check_job_id,
    check_name,
    check_queue_name,
)
from arqade.codecs import PickleCodec
from arqade.codecs._base import check_codec
from arqade.exceptions import EnqueueUncertain, QueueConnectionError
from arqade.models import CancelOutcome

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable
    from datetime import datetime

    from arqade._async.sender import Sender
    from arqade._protocol.requests import Task
    from arqade._protocol.scripts import JobView, Wanted
    from arqade._protocol.tracking import PushMode
    from arqade._validation import Duration
    from arqade.codecs import Codec
    from arqade.models import (
        Finding,
        JobMetadata,
        JobRequest,
        JobResult,
        JobStatus,
        OnConflict,
        QueueStats,
        WorkerHealth,
        WorkerRecord,
    )

__all__ = ["MAX_PAYLOAD_BYTES", "PICKLE", "CommandQueue"]

PICKLE = PickleCodec()
"""The default codec: what an unmodified worker speaks."""

MAX_PAYLOAD_BYTES = 64 * 1024 * 1024
"""The largest job or result by default."""

MAX_REDIS_STRING = 512 * 1024 * 1024
"""The largest value that Redis stores by default (proto-max-bulk-len), in bytes."""


class CommandQueue(ArqQueue):
    """The operations of a queue.

    Args:
        sender: What carries the commands.
        default_queue_name: The queue of operations that name none.
        codec: How jobs and results become bytes.
        expires_extra_ms: How long a job lives after it is due, in milliseconds, if it doesn't say.
        max_payload_bytes: The largest job that is enqueued, and the largest job or result that is
            read; encoded, in bytes.
    """

    def __init__(
        self,
        sender: Sender,
        *,
        default_queue_name: str = DEFAULT_QUEUE,
        codec: Codec = PICKLE,
        expires_extra_ms: int = EXPIRES_EXTRA_MS,
        max_payload_bytes: int = MAX_PAYLOAD_BYTES,
    ) -> None:
        super().__init__(default_queue_name=default_queue_name)
        self._sender = sender
        self._codec = check_codec("codec", codec)
        self._expires_extra_ms = check_integer(
            "expires_extra_ms", expires_extra_ms, least=1, most=MAX_TIME_MS
        )
        self._max_payload_bytes = check_integer(
            "max_payload_bytes", max_payload_bytes, least=1, most=MAX_REDIS_STRING
        )

    @override
    async def enqueue(
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
        request = make_request(
            task,
            args,
            kwargs,
            queue_name=_queue_name,
            job_id=_job_id,
            defer_until=_defer_until,
            defer_by=_defer_by,
            expires=_expires,
            job_try=_job_try,
            on_conflict=_on_conflict,
        )
        random = os.urandom(32).hex()
        token = random[:32] if _token is None else check_name("_token", _token)
        # The request has checked its names.
        asked = Asked(
            request.job_id or random[32:],
            request.queue_name or self._default_queue_name,
            explicit=request.queue_name is not None,
            codec=self._codec,
            max_bytes=self._max_payload_bytes,
        )
        end = time.monotonic() + self._sender.retry_budget
        while True:
            budget = end - time.monotonic()
            now = self._sender.clock.now()
            times = payloads.job_times(request, now=now, expires_extra_ms=self._expires_extra_ms)
            command = scripts.enqueue(
                job_id=asked.job_id,
                queue_name=asked.queue_name,
                payload=self._encode(request, asked.job_id, now),
                times=times,
                on_conflict=request.on_conflict,
                token=token,
                fence=fence(now, budget),
                max_bytes=asked.max_bytes,
                fresh=request.job_id is None,
                waits=self._sender.waits,
            )
            try:
                answer = await self._sender.run(command, effect=NOT_QUEUED, budget=budget)
            except Unanswered as error:
                raise EnqueueUncertain(asked.job_id, token) from error.__cause__
            self._sender.clock.learn(answer.now)
            if answer.what not in ("late", "clock"):
                return answers.enqueued(asked, answer, request=request, times=times)
            # This machine's idea of the server's time was wrong. Now it is right.
            if time.monotonic() >= end:
                raise QueueConnectionError(
                    f"The server got the job too late, {NOT_QUEUED}: check the network"
                )

    def _encode(self, request: JobRequest[Any], job_id: str, now: int) -> bytes:
        return payloads.encode_job(
            request,
            job_id=job_id,
            enqueue_time=now,
            codec=self._codec,
            max_bytes=self._max_payload_bytes,
        )

    @override
    async def enqueue_many(
        self,
        requests: Iterable[JobRequest[Any]] | AsyncIterable[JobRequest[Any]],
        *,
        chunk_size: int = CHUNK_SIZE,
        progress: Callable[[int], object] | None = None,
        collect: bool = True,
    ) -> list[JobMetadata[Any] | None]:
        size = check_integer("chunk_size", chunk_size, least=1, most=MAX_CHUNK_SIZE)
        maker = ChunkMaker(
            self._codec, self.default_queue_name, self._expires_extra_ms, self._max_payload_bytes
        )
        work = BulkEnqueue(self._sender, maker, chunk_size=size, progress=progress, collect=collect)
        return await work.run(requests)

    @override
    async def get_job_status(self, job_id: str, queue_name: str | None = None) -> JobStatus:
        return (await self._view(self._asked(job_id, queue_name), "status")).status

    @override
    async def get_job_metadata(
        self, job_id: str, queue_name: str | None = None
    ) -> JobMetadata[Any]:
        asked = self._asked(job_id, queue_name)
        return answers.metadata(asked, await self._view(asked, "metadata"))

    @override
    async def get_jobs_metadata(
        self, job_ids: Iterable[str], queue_name: str | None = None
    ) -> list[JobMetadata[Any] | None]:
        names = check_job_ids(job_ids)
        return await self._listing(queue_name).by_ids(names, explicit=queue_name is not None)

    @override
    def iter_jobs(
        self, queue_name: str | None = None, *, status: JobStatus | str | None = None
    ) -> AsyncIterator[JobMetadata[Any]]:
        return self._listing(queue_name).jobs(check_status(status))

    @override
    def iter_results(self, queue_name: str | None = None) -> AsyncIterator[JobResult[Any]]:
        return self._listing(queue_name).results()

    @override
    async def get_queue_stats(self, queue_name: str | None = None) -> QueueStats:
        return await self._listing(queue_name).stats()

    @override
    async def get_worker_health(self, queue_name: str | None = None) -> WorkerHealth | None:
        command = inspection.worker_health(self._queue_name(queue_name))
        return await self._sender.run(command)

    @override
    async def get_workers(self, queue_name: str | None = None) -> list[WorkerRecord]:
        seen = await self._sender.run(workers.look(self._queue_name(queue_name)))
        return seen.workers

    @override
    async def check_worker(
        self, *tasks: Task, queue_name: str | None = None, strict: bool = False
    ) -> list[Finding]:
        explicit = None if queue_name is None else check_queue_name(queue_name)
        wanted = workers.wanted(tasks, explicit, self.default_queue_name)
        return await check_workers(self._sender, wanted, strict=strict)

    @override
    async def record_worker(self, record: WorkerRecord) -> None:
        self._sender.clock.learn(await self._sender.run(workers.record(record)))

    @override
    async def forget_worker(self, worker_id: str, queue_name: str | None = None) -> bool:
        command = workers.forget(worker_id, self._queue_name(queue_name))
        return await self._sender.run(command)

    @override
    async def purge(self, queue_name: str | None = None) -> int:
        return await self._listing(queue_name).purge()

    @override
    async def get_job_result(self, job_id: str, queue_name: str | None = None) -> JobResult[Any]:
        asked = self._asked(job_id, queue_name)
        return answers.result(asked, await self._view(asked, "result"))

    @override
    async def wait_for_result(
        self, job_id: str, queue_name: str | None = None, *, timeout: float | None = None
    ) -> JobResult[Any]:
        asked, limit = self._asked(job_id, queue_name), check_timeout(timeout)
        end = math.inf if limit is None else time.monotonic() + limit
        watch = self._sender.watch()
        try:
            while True:
                view = await self._look_for_result(asked, end)
                found = answers.finished(asked, view)
                if found is not None:
                    return found
                if time.monotonic() >= end:
                    raise TimeoutError(f"Job had no result within {timeout} seconds. id={job_id}")
                watch.add(asked.job_id, has_job=view.job is not None)
                await watch.changed(end)
        finally:
            watch.close()

    @override
    def as_completed(
        self,
        job_ids: Iterable[str],
        queue_name: str | None = None,
        *,
        timeout: float | None = None,
    ) -> AsyncIterator[JobResult[Any]]:
        names = check_job_ids(job_ids)
        listing, limit = self._listing(queue_name), check_timeout(timeout)
        return results_as_they_come(listing, names, explicit=queue_name is not None, limit=limit)

    @override
    async def cancel_job(
        self, job_id: str, queue_name: str | None = None, *, timeout: float | None = None
    ) -> CancelOutcome:
        asked, limit = self._asked(job_id, queue_name), check_timeout(timeout)
        answer = await self._sender.run(scripts.cancel(asked.job_id, asked.queue_name))
        if answer.what != "asked":
            return CancelOutcome(answer.what)
        end = math.inf if limit is None else time.monotonic() + limit
        for pause in poll_pauses(limit):
            if pause:  # A sleep of no time would let a cancellation strike before the first look.
                await async_sleep(pause)
            view = await self._look_for_result(asked, end)
            outcome = answers.cancelled(asked, view)
            if outcome is not None:
                return outcome
            if not view.in_progress:
                # Its worker died, stopped, or put it back for a retry: now it can be removed.
                again = scripts.cancel(asked.job_id, asked.queue_name, meant=answer.digest)
                what = (await self._sender.run(again)).what
                if what == "removed":
                    return CancelOutcome.removed
                if what in ("not_found", "other"):
                    # It has ended since without a result, and perhaps a new job has its id.
                    return CancelOutcome.unconfirmed
        return CancelOutcome.unconfirmed

    @override
    async def delete_result(self, job_id: str, queue_name: str | None = None) -> bool:
        asked = self._asked(job_id, queue_name)
        return await self._sender.run(scripts.delete_result(asked.job_id))

    @property
    @override
    def push_mode(self) -> PushMode | None:
        return self._sender.push_mode

    @override
    async def ping(self) -> None:
        await self._sender.run(scripts.ping())

    @override
    async def check(self, *, strict: bool = False) -> list[Finding]:
        return await ServerCheck(self._sender, self._machine_time).run(strict=strict)

    def _machine_time(self) -> float:
        """Give this machine's time in seconds, as the server's is compared with it."""
        return time.time()

    @override
    async def aclose(self) -> None:
        await self._sender.aclose()

    def _asked(self, job_id: str, queue_name: str | None) -> Asked:
        return Asked(
            check_job_id(job_id),
            self._queue_name(queue_name),
            explicit=queue_name is not None,
            codec=self._codec,
            max_bytes=self._max_payload_bytes,
        )

    def _queue_name(self, queue_name: str | None) -> str:
        return self.default_queue_name if queue_name is None else check_queue_name(queue_name)

    def _listing(self, queue_name: str | None) -> Listing:
        return Listing(
            self._sender, self._codec, self._queue_name(queue_name), self._max_payload_bytes
        )

    async def _view(self, asked: Asked, wanted: Wanted, budget: float | None = None) -> JobView:
        command = scripts.view(asked.job_id, asked.queue_name, wanted, asked.max_bytes)
        return await self._sender.run(command, budget=budget)

    async def _look_for_result(self, asked: Asked, end: float) -> JobView:
        return await self._view(asked, "result", time_to_look(self._sender, end))

    @override
    def __repr__(self) -> str:
        state = " closed" if self._sender.closed else ""
        return f"<{type(self).__name__} {self.default_queue_name}{state}>"
