"""arq's envelopes: from a request to bytes, and from bytes to metadata and results.

A job is ``{t, f, a, k, et}``, a result ``{t, f, a, k, et, s, r, st, ft, q, id}``, in this order
(arq 0.25 to 0.28, arq/jobs.py; results have ``id`` from 0.26 on).
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import attrs

from arqade._validation import MAX_TIME_MS, datetime_to_ms, duration_to_ms, ms_to_datetime
from arqade.codecs._base import check_place, reason_of
from arqade.exceptions import JobDeserializationError, JobSerializationError, PayloadTooLarge
from arqade.models import JobMetadata, JobRequest, JobResult, JobStatus

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from arqade.codecs import Codec

INT_OR_NONE = (int, type(None))
STR_OR_NONE = (str, type(None))
TUPLE_OR_LIST = (tuple, list)

MOST_LEVELS = 20
"""How deep in an argument to look for what can't be encoded."""

logger = logging.getLogger(__name__)

__all__ = [
    "JobTimes",
    "as_metadata",
    "decode_job",
    "decode_result",
    "encode_job",
    "encode_result",
    "job_times",
    "queued_metadata",
]


# Not frozen: one is made for each call, and a frozen one takes twice as long.
@attrs.define
class JobTimes:
    """When a job is enqueued and due, and how long it lives; all in milliseconds."""

    enqueue_time: int
    score: int
    life: int
    deferred: bool


def job_times(request: JobRequest[Any], *, now: int, expires_extra_ms: int) -> JobTimes:
    """Reckon a job's times as arq does, but that one deferred into the past is due now.

    Args:
        request: The job.
        now: The time of enqueuing, in milliseconds since the epoch.
        expires_extra_ms: How long the job lives after it is due, if it doesn't say.

    Raises:
        ValueError: It is due later than any datetime.
    """
    score = now
    if request.defer_until is not None:
        score = max(now, datetime_to_ms("defer_until", request.defer_until))
    elif request.defer_by is not None:
        score = now + duration_to_ms("defer_by", request.defer_by)
    if score > MAX_TIME_MS:
        option = "defer_until" if request.defer_by is None else "defer_by"
        raise ValueError(f"{option} is later than any datetime")
    if request.expires is None:
        life = score - now + expires_extra_ms
    else:
        life = max(1, duration_to_ms("expires", request.expires))
    return JobTimes(enqueue_time=now, score=score, life=life, deferred=score > now)


def encode_job(
    request: JobRequest[Any], *, job_id: str, enqueue_time: int, codec: Codec, max_bytes: int
) -> bytes:
    """Make the bytes of a job.

    Raises:
        JobSerializationError: The codec can't encode the arguments.
        PayloadTooLarge: The bytes are more than ``max_bytes``.
    """
    envelope = {
        "t": request.job_try,
        "f": request.task_name,
        "a": request.args,
        "k": request.kwargs,
        "et": enqueue_time,
    }
    data: Any = None
    refused = ""
    try:
        data = codec.dumps(envelope)
    except Exception as error:  # noqa: BLE001 - a codec may raise anything
        refused = reason_of(error) + _culprit(envelope, codec)
    if refused:
        # Not while the codec's error is handled: its words may quote an argument.
        raise _unencodable(job_id, codec, refused)
    if not isinstance(data, bytes):
        raise _unencodable(job_id, codec, f"it gives {type(data).__name__}, not bytes")
    size = len(data)
    if size > max_bytes:
        raise PayloadTooLarge(job_id, size, max_bytes)
    return bytes(data)


def encode_result(
    job: JobMetadata[Any],
    *,
    start: int,
    finish: int,
    success: bool,
    result: object,
    codec: Codec,
) -> bytes | None:
    """Make the bytes of a result, as a worker does (arq/jobs.py, serialize_result).

    Args:
        job: The job, with the try that has ended.
        start: When the try started, in milliseconds since the epoch.
        finish: When it ended.
        success: Whether it returned.
        result: What it returned or raised; a text stands for it if it can't be encoded.
        codec: The codec of the worker.

    Returns:
        The bytes; None if not even the text can be encoded.
    """
    envelope = {
        "t": job.job_try,
        "f": job.name,
        "a": job.args,
        "k": job.kwargs,
        "et": datetime_to_ms("enqueue_time", job.enqueue_time),
        "s": success,
        "r": result,
        "st": start,
        "ft": finish,
        "q": job.queue_name,
        "id": job.id,
    }
    for substitute in ({}, {"s": False, "r": "unable to serialize result"}):
        try:
            return codec.dumps({**envelope, **substitute})
        except Exception as error:  # noqa: BLE001 - a codec may raise anything
            logger.warning("The result of job %s can't be encoded: %s", job.id, reason_of(error))
    return None


def _unencodable(job_id: str, codec: Codec, refused: str) -> JobSerializationError:
    return JobSerializationError(
        f"Job was not queued because {type(codec).__name__} can't encode its arguments "
        f"({refused}); pass plain data. id={job_id}",
        job_id,
    )


def _culprit(envelope: dict[str, Any], codec: Codec) -> str:
    """Name the type of the value that can't be encoded, and the argument that is or holds it."""

    def is_refused(value: object) -> bool:
        try:
            codec.dumps({**envelope, "a": (value,), "k": {}})
        except Exception:  # noqa: BLE001 - a codec may raise anything
            return True
        return False

    arguments = [(f"args[{number}]", value) for number, value in enumerate(envelope["a"])]
    arguments += [(f"kwargs[{name!r}]", value) for name, value in envelope["k"].items()]
    for place, value in arguments:
        if is_refused(value):
            kind = type(_innermost(value, is_refused))
            return f" for a value of type {kind.__qualname__} in {place}"
    return ""


def _innermost(value: object, is_refused: Callable[[object], bool]) -> object:
    for _ in range(MOST_LEVELS):
        if not isinstance(value, dict | list | tuple):
            break
        parts = value.values() if isinstance(value, dict) else value
        refused = next(([part] for part in parts if is_refused(part)), None)
        if refused is None:
            break
        (value,) = refused
    return value


def queued_metadata(
    request: JobRequest[Any], *, job_id: str, queue_name: str, times: JobTimes
) -> JobMetadata[Any]:
    """Make the metadata of a job from what was sent."""
    return JobMetadata(
        job_id,
        request.task_name,
        request.args,
        request.kwargs.copy(),
        ms_to_datetime(times.enqueue_time),
        JobStatus.deferred if times.deferred else JobStatus.queued,
        queue_name,
        score=times.score,
        job_try=request.job_try,
    )


def decode_job(
    data: bytes, *, job_id: str, queue_name: str, status: JobStatus, score: int | None, codec: Codec
) -> JobMetadata[Any]:
    """Read the bytes of a job.

    Raises:
        JobDeserializationError: The codec can't decode them, or they hold no job.
    """
    envelope = _loads(data, "job", job_id, codec)
    try:
        check_place(envelope, None)
        return JobMetadata(
            *_job_fields(envelope, job_id),
            status,
            queue_name,
            score=score,
            job_try=_checked(envelope["t"], INT_OR_NONE),
        )
    except Exception as error:
        raise _undecodable("job", job_id, codec, reason_of(error)) from error


def decode_result(data: bytes, *, job_id: str, queue_name: str, codec: Codec) -> JobResult[Any]:
    """Read the bytes of a result.

    Args:
        data: The bytes.
        job_id: The id that was asked for: arq 0.25 did not store it.
        queue_name: The queue to name if the result names none.
        codec: The codec of the worker.

    Raises:
        JobDeserializationError: The codec can't decode them, or they hold no result.
    """
    envelope = _loads(data, "result", job_id, codec)
    try:
        check_place(envelope, job_id)
        return JobResult(
            *_job_fields(envelope, job_id),
            JobStatus.complete,
            _checked(envelope.get("q"), STR_OR_NONE) or queue_name,
            ms_to_datetime(envelope["st"]),
            ms_to_datetime(envelope["ft"]),
            _checked(envelope["s"], bool),
            envelope["r"],
            job_try=_checked(envelope["t"], INT_OR_NONE),
        )
    except Exception as error:
        raise _undecodable("result", job_id, codec, reason_of(error)) from error


def _loads(data: bytes, what: str, job_id: str, codec: Codec) -> Any:
    envelope: Any = None
    refused = ""
    try:
        envelope = codec.loads(data)
    except Exception as error:  # noqa: BLE001 - a codec may raise anything
        refused = reason_of(error)
    if refused:
        # As above.
        raise _undecodable(what, job_id, codec, refused)
    return envelope


def _job_fields(
    envelope: dict[str, Any], job_id: str
) -> tuple[str, str, tuple[Any, ...], dict[str, Any], datetime]:
    return (
        job_id,
        _checked(envelope["f"], str),
        # A JSON serializer makes a list of the tuple.
        tuple(_checked(envelope["a"], TUPLE_OR_LIST)),
        _checked(envelope["k"], dict),
        ms_to_datetime(envelope["et"]),
    )


def _checked(value: Any, kind: type | tuple[type, ...]) -> Any:
    if not isinstance(value, kind):
        raise TypeError(f"found {type(value).__name__} where {kind} belongs")
    return value


def _undecodable(what: str, job_id: str, codec: Codec, reason: str) -> JobDeserializationError:
    return JobDeserializationError(
        f"The bytes of this {what} can't be decoded by {type(codec).__name__} ({reason}): is a "
        f"class missing here, or does the worker use another codec? get_job_status still answers. "
        f"id={job_id}",
        job_id,
    )


def as_metadata(result: JobResult[Any]) -> JobMetadata[Any]:
    """Give the part of a result that tells of the job."""
    fields = {field.name: getattr(result, field.name) for field in attrs.fields(JobMetadata)}
    return JobMetadata(**fields)
