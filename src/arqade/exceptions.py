"""The errors of arqade, one tree under `ArqadeError`.

An error that concerns one job carries its id. Every message says what has become of the job
and what to do. The last part of the module holds stand-ins for arq's own exceptions, which a
worker stores as results and which must decode where arq is not installed.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Literal, TypeAlias

from arqade._compat import override

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = [
    "ArqJobError",
    "ArqadeError",
    "ConfigurationError",
    "DeserializationError",
    "EnqueueManyError",
    "EnqueueUncertain",
    "JobCancelled",
    "JobDeserializationError",
    "JobExecutionFailed",
    "JobNotFound",
    "JobNotQueued",
    "JobResultUnavailable",
    "JobSerializationError",
    "NotQueuedReason",
    "PayloadTooLarge",
    "QueueClosed",
    "QueueConnectionError",
    "QueueServerError",
    "RemoteError",
    "ResultNotFound",
    "Retry",
    "RetryJob",
    "SerializationError",
    "WrongEventLoopError",
]

NotQueuedReason: TypeAlias = Literal["queued", "deferred", "in_progress", "complete"]
"""The state of the job that stood in the way of a new one with its id."""


class ArqadeError(Exception):
    """The base of all errors that arqade raises by itself."""

    @override
    def __reduce__(self) -> tuple[object, ...]:
        """Rebuild from ``args`` and attributes, whatever a subclass's constructor takes."""
        return _rebuild, (type(self), self.args, self.__dict__)


def _rebuild(
    cls: type[ArqadeError], args: tuple[object, ...], state: Mapping[str, object]
) -> ArqadeError:
    error = cls.__new__(cls, *args)
    error.args = args
    error.__dict__.update(state)
    return error


class ArqJobError(ArqadeError):
    """An error that concerns one job.

    Args:
        message: What happened.
        job_id: The job's id, or None if it is not known.
    """

    def __init__(self, message: str, job_id: str | None) -> None:
        super().__init__(message)
        self.job_id = job_id


class JobNotQueued(ArqJobError):
    """The job was not enqueued, since a job with its id exists.

    Args:
        job_id: The id of both jobs.
        reason: The state of the job that is there.
    """

    def __init__(self, job_id: str | None, reason: NotQueuedReason | None = None) -> None:
        state = f" reason={reason}" if reason else ""
        super().__init__(
            f"Job was not queued because it already exists. id={job_id}{state}", job_id
        )
        self.reason = reason


class JobNotFound(ArqJobError):
    """There is no job with this id in this queue."""

    def __init__(self, job_id: str) -> None:
        super().__init__(f"Job could not be found. id={job_id}", job_id)


class JobResultUnavailable(ArqJobError):
    """The job exists and has no result yet."""

    def __init__(self, job_id: str) -> None:
        super().__init__(f"Job result could not be found. id={job_id}", job_id)


class JobSerializationError(ArqJobError):
    """The codec can't turn a job's arguments, or a worker's can't turn its result, into bytes.

    Its ``job_id`` is None if a codec was called by itself.
    """


class JobDeserializationError(ArqJobError):
    """The bytes of a job or of a result can't be decoded here.

    Its ``job_id`` is None if a codec was called by itself.
    """


class PayloadTooLarge(ArqJobError):
    """An encoded job or result is larger than the queue's ``max_payload_bytes``.

    A job was not enqueued, or what the server holds was not read.

    Args:
        job_id: The job's id.
        size: The size of the encoded job or result in bytes.
        limit: The largest size allowed, in bytes.
        message: What happened; that the job was not enqueued, if None.
    """

    def __init__(self, job_id: str, size: int, limit: int, *, message: str | None = None) -> None:
        if message is None:
            message = (
                f"Job was not queued because its payload of {size} bytes is over the limit of "
                f"{limit} bytes; pass a reference to the data, or raise max_payload_bytes. "
                f"id={job_id}"
            )
        super().__init__(message, job_id)
        self.size = size
        self.limit = limit


class JobCancelled(ArqJobError):
    """The job was aborted: what `JobResult.unwrap` raises for it.

    It takes the place of the stored `asyncio.CancelledError`, which would cancel the caller.
    """

    def __init__(self, job_id: str) -> None:
        super().__init__(f"Job was aborted. id={job_id}", job_id)


class RemoteError(ArqadeError):
    """Stands for an exception of a job that can't be rebuilt here: what `JobResult.unwrap` raises.

    Its class is not registered with the codec, or is not in its allow-list. The traceback of the
    worker, if the codec keeps it, is a note of this error.

    Args:
        type_name: The full name of the exception's class, or the one it is registered by.
        message: What the exception said.
        traceback: The worker's traceback as text, or None.
    """

    # What a pickle that says nothing else leaves of it.
    type_name = "an error"
    message = ""
    traceback: str | None = None

    def __init__(self, type_name: str, message: str, traceback: str | None = None) -> None:
        super().__init__(type_name, message, traceback)
        self.type_name = type_name
        self.message = message
        self.traceback = traceback

    @override
    def __str__(self) -> str:
        return f"{self.type_name}: {self.message}" if self.message else self.type_name


class EnqueueUncertain(ArqadeError):
    """The job was sent, and no answer came before the retry budget was over.

    It may be in the queue, or done, or not there. The same call with ``_token=error.token``
    settles it without making a second job, within a minute: then the server forgets the token.

    Args:
        job_id: The job's id.
        token: The call's token.
    """

    def __init__(self, job_id: str, token: str) -> None:
        super().__init__(
            "Job was sent and no answer came: it may or may not be queued. Repeat the call with "
            f"this error's token as _token, and its job_id as _job_id, to settle it. id={job_id}"
        )
        self.job_id = job_id
        self.token = token


class EnqueueManyError(ArqadeError):
    """A bulk enqueue ended before its end: ``__cause__`` says why.

    Every request that was taken from the iterable is in one of the lists, with the id that it
    names or that was made for it, but for those whose ids were taken by other jobs. Requests that
    were not taken yet are in none. With ``collect=False``, ``enqueued`` has only jobs of the chunks
    that were on their way at the end; all chunks before these were answered without an error.

    Args:
        message: What happened.
        enqueued: Ids of the jobs that this call enqueued.
        not_enqueued: Ids of the jobs that are not enqueued.
        uncertain: Ids of the jobs that were sent and not answered.
    """

    def __init__(
        self,
        message: str,
        *,
        enqueued: Sequence[str],
        not_enqueued: Sequence[str],
        uncertain: Sequence[str],
    ) -> None:
        super().__init__(message)
        self.enqueued = enqueued
        self.not_enqueued = not_enqueued
        self.uncertain = uncertain


class QueueConnectionError(ArqadeError):
    """The server can't be reached, or refuses this client.

    Connecting, name look-up, TLS, authentication or a time-out; redis-py's own error is the
    ``__cause__``.
    """


class QueueServerError(ArqadeError):
    """The server was reached and refused the command.

    Out of memory, missing permissions, a key of a wrong type, a read-only replica; redis-py's
    own error is the ``__cause__``.
    """


class QueueClosed(ArqadeError):
    """The queue was closed and can't be used any more."""


class WrongEventLoopError(ArqadeError):
    """The queue belongs to another event loop; nothing was sent."""


class ConfigurationError(ArqadeError, ValueError):
    """A setting, a URL or an environment variable is wrong or missing, or a server unfit for jobs.

    The last is what ``check`` finds with ``strict=True``.
    """


# Stand-ins for arq's exceptions, with its names, bases and constructors (arq 0.26 to 0.28,
# arq/worker.py and arq/jobs.py), so that results decode without arq.


class JobExecutionFailed(RuntimeError):
    """Stands for `arq.worker.JobExecutionFailed`: a job expired, unknown, or tried too often."""

    @override
    def __eq__(self, other: object) -> bool:
        """Compare class and arguments, as arq does."""
        if isinstance(other, JobExecutionFailed):
            return self.args == other.args
        return False

    @override
    def __hash__(self) -> int:
        """Agree with ``==``."""
        return hash((type(self), self.args))


class Retry(RuntimeError):
    """Stands for `arq.worker.Retry`: the job asked to be run again.

    Args:
        defer: Delay before the next try: seconds, or a timedelta.
    """

    def __init__(self, defer: float | timedelta | None = None) -> None:
        # `args` are what was given by position, as in arq: RuntimeError itself has set them.
        if isinstance(defer, timedelta):
            defer = defer.total_seconds()
        self.defer_score = None if defer is None else round(defer * 1000)


class RetryJob(RuntimeError):
    """Stands for `arq.worker.RetryJob`."""


class ResultNotFound(RuntimeError):
    """Stands for `arq.jobs.ResultNotFound`."""


class SerializationError(RuntimeError):
    """Stands for `arq.jobs.SerializationError`."""


class DeserializationError(SerializationError):
    """Stands for `arq.jobs.DeserializationError`: a worker could not decode the job."""
