"""Many jobs in one command: from requests to words, and from a reply to metadata."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import attrs

from arqade._protocol import answers, payloads, scripts
from arqade._protocol.answers import Asked
from arqade._protocol.payloads import JobTimes
from arqade._protocol.scripts import EnqueueAnswer
from arqade._validation import ms_to_datetime
from arqade.exceptions import JobDeserializationError, JobNotQueued, PayloadTooLarge
from arqade.models import JobMetadata, JobRequest, JobStatus

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from arqade._protocol.scripts import EnqueueReply, Word
    from arqade.codecs import Codec

__all__ = ["Chunk", "ChunkMaker", "Settled", "make_ids"]

MAX_CHUNK_BYTES = 256 * 1024
"""Envelopes of this size together end a chunk: at some 2 microseconds for each KiB of a large job,
it holds up the server for less than a millisecond."""

ID_LENGTH = 32
"""The length of a random id: 16 bytes in hexadecimal digits, as of the ids that arq makes."""


def make_ids(requests: Iterable[object]) -> list[str]:
    """Give each request's id, a random one to those that have none; pass over other things."""
    wanted = [request.job_id for request in requests if isinstance(request, JobRequest)]
    missing = wanted.count(None)
    if not missing:
        return [job_id for job_id in wanted if job_id is not None]
    # One call for all: asking the system for random bytes costs more than the bytes.
    pool = os.urandom(missing * ID_LENGTH // 2).hex()
    random = iter([pool[at : at + ID_LENGTH] for at in range(0, len(pool), ID_LENGTH)])
    return [next(random) if job_id is None else job_id for job_id in wanted]


@attrs.define
class Chunk:
    """Some of the jobs of a bulk enqueue, which go to the server in one command."""

    requests: Sequence[JobRequest[Any]]
    ids: Sequence[str]
    token: str
    now: int
    """When its jobs are enqueued, by the client's clock."""

    sent: float
    """When it was sent, by the monotonic clock."""


@attrs.define
class Settled:
    """What became of the jobs of a chunk."""

    found: list[JobMetadata[Any] | None] = attrs.field(factory=list)
    """For each job its metadata, None for those whose ids were taken."""

    created: list[str] = attrs.field(factory=list)
    """The ids of the jobs that were created."""

    refused: list[str] = attrs.field(factory=list)
    """The ids of those that the server refused."""

    error: str | None = None
    """What it said of the first one that it refused; empty if they came too late."""


@attrs.frozen
class ChunkMaker:
    """What all chunks of a queue have in common."""

    codec: Codec
    queue_name: str
    """The queue of jobs that name none."""

    expires_extra_ms: int
    max_bytes: int

    def words(
        self, requests: Sequence[JobRequest[Any]], ids: Sequence[str], now: int
    ) -> list[Word]:
        """Encode the first of some jobs, four words for each, as many as belong into a chunk.

        Raises:
            TypeError: One of them is no `JobRequest`.
            ValueError: It is due later than any datetime.
            JobSerializationError: Its arguments can't be encoded.
            PayloadTooLarge: It is too large.
        """
        words: list[Word] = []
        size = 0
        at_once = JobTimes(now, now, self.expires_extra_ms, deferred=False)
        options: dict[tuple[str, bool], str] = {}
        for request, job_id in zip(requests, ids, strict=True):
            key = request.on_conflict, request.job_id is None
            if request.defer_by is None and request.defer_until is None and request.expires is None:
                text = options.get(key)
                if text is None:
                    text = scripts.job_options(request.on_conflict, at_once, fresh=key[1])
                    options[key] = text
            else:
                times = self._times(request, now)
                text = scripts.job_options(request.on_conflict, times, fresh=key[1])
            data = payloads.encode_job(
                request,
                job_id=job_id,
                enqueue_time=now,
                codec=self.codec,
                max_bytes=self.max_bytes,
            )
            words += (job_id, request.queue_name or self.queue_name, data, text)
            size += len(data)
            if size > MAX_CHUNK_BYTES:
                break
        return words

    def _times(self, request: JobRequest[Any], now: int) -> JobTimes:
        return payloads.job_times(request, now=now, expires_extra_ms=self.expires_extra_ms)

    def settle(self, chunk: Chunk, reply: EnqueueReply, *, collect: bool) -> Settled:
        """Tell what became of a chunk.

        Args:
            chunk: The chunk.
            reply: The server's reply.
            collect: Whether metadata are wanted.
        """
        settled = Settled()
        found, created = settled.found, settled.created
        enqueued, now = ms_to_datetime(chunk.now), reply.now
        queued, deferred = JobStatus.queued, JobStatus.deferred
        for request, job_id, answer in zip(chunk.requests, chunk.ids, reply.answers, strict=True):
            if type(answer) is int:
                created.append(job_id)
                if not collect:
                    continue
                found.append(
                    JobMetadata(
                        job_id,
                        request.task_name,
                        request.args,
                        dict(request.kwargs),
                        enqueued,
                        deferred if answer > now else queued,
                        request.queue_name or self.queue_name,
                        score=answer,
                        job_try=request.job_try,
                    )
                )
            else:
                self._settle_one(settled, request, job_id, EnqueueAnswer.of(now, answer), chunk.now)
        return settled

    def _settle_one(
        self,
        settled: Settled,
        request: JobRequest[Any],
        job_id: str,
        answer: EnqueueAnswer,
        sent: int,
    ) -> None:
        if answer.what in ("error", "late", "clock"):
            settled.refused.append(job_id)
            if settled.error is None:
                settled.error = answer.error or ""
            return
        if answer.what != "exists":
            settled.created.append(job_id)
        queue_name = request.queue_name or self.queue_name
        asked = Asked(job_id, queue_name, explicit=True, codec=self.codec, max_bytes=self.max_bytes)
        times = self._times(request, sent)
        try:
            job = answers.enqueued(asked, answer, request=request, times=times)
        except (JobDeserializationError, JobNotQueued, PayloadTooLarge):
            # There is a job with this id, of which nothing can be told.
            settled.found.append(None)
        else:
            settled.found.append(job)
