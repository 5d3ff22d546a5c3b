"""What a caller is told: from what the server knows to metadata, results and errors.

The real queue and the mock both end here, so that they answer alike.
"""

from __future__ import annotations

from asyncio import CancelledError
from typing import TYPE_CHECKING, Any, TypeVar

import attrs

from arqade._protocol import payloads
from arqade._protocol.payloads import as_metadata
from arqade._validation import ms_to_datetime
from arqade.exceptions import (
    JobDeserializationError,
    JobNotFound,
    JobNotQueued,
    JobResultUnavailable,
    PayloadTooLarge,
)
from arqade.models import CancelOutcome, JobMetadata, JobRequest, JobResult, JobStatus

if TYPE_CHECKING:
    from collections.abc import Sequence

    from arqade._protocol.payloads import JobTimes
    from arqade._protocol.scripts import EnqueueAnswer, JobView
    from arqade.codecs import Codec

__all__ = [
    "MOST_NAMED",
    "Asked",
    "as_metadata",
    "cancelled",
    "enqueued",
    "finished",
    "metadata",
    "named",
    "result",
    "without_frames",
]

E = TypeVar("E", bound=BaseException)


MOST_NAMED = 100
"""Ids that an error names."""


# Not frozen: one is made for each call, and a frozen one takes twice as long.
@attrs.define
class Asked:
    """Which job a caller asked for."""

    job_id: str
    queue_name: str
    """The queue to look into."""

    explicit: bool
    """Whether the caller named the queue: then a job of another one is not found."""

    codec: Codec
    max_bytes: int
    """The largest job or result that is read."""


def named(ids: Sequence[str], count: int) -> str:
    """Name jobs in a message: the first ones, and how many more there are.

    Args:
        ids: The ids, or at least the first `MOST_NAMED` of them.
        count: How many there are.
    """
    more = f" and {count - MOST_NAMED} more" if count > MOST_NAMED else ""
    return ", ".join(ids[:MOST_NAMED]) + more


def without_frames(error: E) -> E:
    """Let go of the places where an error came by: their variables hold the bytes of jobs."""
    link: BaseException | None = error
    while link is not None:
        link.__traceback__ = None
        link = link.__cause__ or link.__context__
    return error


def metadata(asked: Asked, view: JobView) -> JobMetadata[Any]:
    """Tell what is known of a job.

    Raises:
        JobNotFound: There is no such job in this queue.
        JobDeserializationError: Its bytes can't be decoded.
        PayloadTooLarge: They were not read.
    """
    if view.result is not None:
        return as_metadata(_decode_result(asked, view.result))
    if view.job is None or view.score is None:
        raise JobNotFound(asked.job_id)
    if isinstance(view.job, int):
        raise _unread(asked, "Job", view.job)
    return payloads.decode_job(
        view.job,
        job_id=asked.job_id,
        queue_name=asked.queue_name,
        status=view.status,
        score=view.score,
        codec=asked.codec,
    )


def finished(asked: Asked, view: JobView) -> JobResult[Any] | None:
    """Give a job's result, or None while there may still come one.

    Raises:
        JobNotFound: There is no such job in this queue, and no result.
        JobDeserializationError: The result's bytes can't be decoded.
        PayloadTooLarge: They were not read.
    """
    if view.result is not None:
        return _decode_result(asked, view.result)
    if not view.is_pending:
        raise JobNotFound(asked.job_id)
    return None


def result(asked: Asked, view: JobView) -> JobResult[Any]:
    """Give a job's result.

    Raises:
        JobNotFound: There is no such job in this queue, and no result.
        JobResultUnavailable: There is no result yet.
        JobDeserializationError: The result's bytes can't be decoded.
        PayloadTooLarge: They were not read.
    """
    found = finished(asked, view)
    if found is None:
        raise JobResultUnavailable(asked.job_id)
    return found


def _unread(asked: Asked, what: str, size: int) -> PayloadTooLarge:
    return PayloadTooLarge(
        asked.job_id,
        size,
        asked.max_bytes,
        message=f"{what} was not read because its payload of {size} bytes is over the limit of "
        f"{asked.max_bytes} bytes; raise max_payload_bytes, or let jobs take and give references "
        f"to large data. get_job_status still answers. id={asked.job_id}",
    )


def _decode_result(asked: Asked, data: bytes | int) -> JobResult[Any]:
    if isinstance(data, int):
        raise _unread(asked, "Job result", data)
    found = payloads.decode_result(
        data, job_id=asked.job_id, queue_name=asked.queue_name, codec=asked.codec
    )
    if asked.explicit and found.queue_name != asked.queue_name:
        raise JobNotFound(asked.job_id)
    return found


def cancelled(asked: Asked, view: JobView) -> CancelOutcome | None:
    """Tell what became of a running job that a worker was asked to stop; None: nothing yet."""
    if view.result is not None:
        try:
            stored = _decode_result(asked, view.result).result
        except (JobDeserializationError, JobNotFound, PayloadTooLarge):
            # What a worker stores for an aborted job can be decoded anywhere, and is hardly larger
            # than the job.
            return CancelOutcome.unconfirmed
        if isinstance(stored, CancelledError):
            return CancelOutcome.aborted
        return CancelOutcome.unconfirmed
    return None if view.is_pending else CancelOutcome.unconfirmed


def enqueued(
    asked: Asked, answer: EnqueueAnswer, *, request: JobRequest[Any], times: JobTimes
) -> JobMetadata[Any]:
    """Tell what became of an enqueue.

    Raises:
        JobNotQueued: A job with this id stands in the way.
        JobDeserializationError: It was to be returned, and its bytes can't be decoded.
        PayloadTooLarge: It was to be returned, and its bytes were not read.
    """
    if answer.view is not None:
        return _existing(asked, answer.view)
    if answer.reason is not None:
        raise JobNotQueued(asked.job_id, answer.reason)
    job = payloads.queued_metadata(
        request, job_id=answer.job_id or asked.job_id, queue_name=asked.queue_name, times=times
    )
    if answer.score is not None:
        job.score = answer.score
        late = answer.score > answer.now
        job.status = JobStatus.deferred if late else JobStatus.queued
    if answer.enqueue_time is not None:
        job.enqueue_time = ms_to_datetime(answer.enqueue_time)
    return job


def _existing(asked: Asked, view: JobView) -> JobMetadata[Any]:
    try:
        # Whichever queue it ran in: it is the job that stands in the way.
        return metadata(attrs.evolve(asked, explicit=False), view)
    except JobNotFound:
        # It is in another queue, whose name can't be known.
        in_progress = view.status is JobStatus.in_progress
        raise JobNotQueued(asked.job_id, "in_progress" if in_progress else "queued") from None
    except PayloadTooLarge as error:
        message = f"Job was not queued because it already exists, and is not returned. {error}"
        raise PayloadTooLarge(asked.job_id, error.size, error.limit, message=message) from None
