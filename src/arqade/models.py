"""The values that a queue takes and gives: requests, metadata, results.

They hold no connection and do no I/O. Metadata and results are mutable and belong to the caller.
"""

from __future__ import annotations

from asyncio import CancelledError
from datetime import datetime  # noqa: TC003 - cattrs reads the types of fields
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Generic, Literal, Self, TypeAlias, get_args

import attrs

from arqade._compat import ResultType as R
from arqade._model import Model
from arqade._placeholders import Placeholder
from arqade._reports import Finding, QueueStats, Severity, WorkerHealth, WorkerRecord
from arqade._validation import (
    Duration,
    check_duration,
    check_integer,
    check_job_id,
    check_queue_name,
    check_task_name,
    datetime_to_ms,
)
from arqade.exceptions import JobCancelled, JobSerializationError, RemoteError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "CancelOutcome",
    "Finding",
    "JobMetadata",
    "JobRequest",
    "JobResult",
    "JobStatus",
    "OnConflict",
    "QueueStats",
    "Severity",
    "WorkerHealth",
    "WorkerRecord",
]

OnConflict: TypeAlias = Literal["raise", "return_existing", "ignore_result", "replace"]
"""What to do about a job that has the new one's id.

``raise`` raises `JobNotQueued`; ``return_existing`` gives the metadata of the job that is there;
``ignore_result`` enqueues if only a kept result stands in the way, and drops that; ``replace``
does so too, and replaces a job that has not started.
"""

POLICIES = get_args(OnConflict)

MAX_JOB_TRY = 1_000_000
"""The highest number of a try: a worker counts on from it in a Redis integer."""


class JobStatus(StrEnum):
    """The state of a job; its values are those of `arq.jobs.JobStatus` and compare equal."""

    deferred = "deferred"
    """In the queue, to be run later."""

    queued = "queued"
    """In the queue, and due."""

    in_progress = "in_progress"
    """A worker runs it."""

    complete = "complete"
    """Its result is there."""

    not_found = "not_found"
    """Unknown: never enqueued, expired, or finished without a kept result."""


class CancelOutcome(StrEnum):
    """What became of a job that was to be cancelled."""

    removed = "removed"
    """It was taken from the queue before it started, and will never run."""

    aborted = "aborted"
    """It was running, and a worker confirmed that it stopped it."""

    complete = "complete"
    """Too late: its result is there."""

    not_found = "not_found"
    """There is no such job; nothing was written."""

    unconfirmed = "unconfirmed"
    """A worker was asked, and the job went on, or left no result, or did not answer in time."""


# A model's `repr` ends up in logs and tracebacks, where arguments and results do not belong.


def _shown_args(args: object) -> str:
    if not isinstance(args, tuple | list):
        return _shown_value(args)
    return f"<{len(args)} value{'' if len(args) == 1 else 's'}>"


def _shown_kwargs(kwargs: object) -> str:
    if not isinstance(kwargs, dict):
        return _shown_value(kwargs)
    return f"<{', '.join(key if isinstance(key, str) else '?' for key in kwargs) or 'none'}>"


def _shown_value(value: object) -> str:
    return f"<{type(value).__qualname__}>"


@attrs.define
class JobMetadata(Model, Generic[R]):
    """What is known of a job. ``R`` is the type of its result.

    Its `repr` counts the arguments, names the keywords and shows none of the values.
    """

    id: str
    """The job's id."""

    name: str
    """The name of the worker's function."""

    args: tuple[Any, ...] = attrs.field(repr=_shown_args)
    """Positional arguments."""

    kwargs: dict[str, Any] = attrs.field(repr=_shown_kwargs)
    """Keyword arguments."""

    enqueue_time: datetime
    """When it was enqueued: aware, UTC, in milliseconds."""

    status: JobStatus
    """Its state when this was read."""

    queue_name: str
    """The queue that it is in, or ran in."""

    score: int | None = attrs.field(default=None, kw_only=True, eq=False)
    """When it is due, in milliseconds since the epoch; None if it is in no queue any more."""

    job_try: int | None = attrs.field(default=None, kw_only=True, eq=False)
    """The number of the try: of the last one for a result, else as enqueued, None for the first."""


@attrs.define
class JobResult(JobMetadata[R]):
    """A finished job and what came of it. Its `repr` tells the type of its result alone."""

    start_time: datetime
    """When its last try started: aware, UTC, in milliseconds."""

    finish_time: datetime
    """When it finished: aware, UTC, in milliseconds."""

    success: bool
    """Whether it returned, and its value could be stored."""

    result: Any = attrs.field(repr=_shown_value)
    """What it returned, or the exception that it raised."""

    def unwrap(self) -> R:
        """Return the job's value, or raise what the job raised.

        Raises:
            JobCancelled: The job was aborted.
            JobSerializationError: The worker could not store what the job returned or raised.
            RemoteError: The job raised an exception that is not to be had here.
            Exception: What the job raised; its traceback stayed with the worker.
        """
        if self.success:
            value: R = self.result
            return value
        if isinstance(self.result, CancelledError):
            raise JobCancelled(self.id)
        if isinstance(self.result, Exception):
            raise self.result
        if isinstance(self.result, BaseException):
            # No worker stores one, and a payload must not end this process.
            raise RemoteError(type(self.result).__name__, str(self.result))
        if isinstance(self.result, Placeholder):
            raise RemoteError(self.result.full_name, ", ".join(map(str, self.result.args or ())))
        raise JobSerializationError(
            "Job ran, and its worker could not store its result: see the worker's log. "
            f"id={self.id}",
            self.id,
        )


def _plain_args(value: Sequence[Any]) -> tuple[Any, ...]:
    if not isinstance(value, tuple | list):
        raise TypeError(f"args must be a tuple or a list, not {type(value).__name__}")
    return tuple(value)


def _plain_kwargs(value: dict[str, Any]) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError(f"kwargs must be a dict, not {type(value).__name__}")
    for key in value:
        if not isinstance(key, str):
            raise TypeError(f"kwargs must have str keys, not {type(key).__name__}")
    return dict(value)


def _plain_try(value: int) -> int:
    return check_integer("job_try", value, least=1, most=MAX_JOB_TRY)


@attrs.frozen
class JobRequest(Model, Generic[R]):
    """A job to be enqueued: a validated value. ``R`` is the type of its result.

    Its `repr` counts the arguments, names the keywords and shows none of the values.

    Raises:
        TypeError: A field is of a wrong type.
        ValueError: Both defers are given, a defer is negative, ``expires`` is not positive, or
            an id or a name is empty or can't be one.
    """

    task_name: str = attrs.field(converter=check_task_name)
    """The name of the worker's function."""

    args: tuple[Any, ...] = attrs.field(default=(), converter=_plain_args, repr=_shown_args)
    """Positional arguments."""

    kwargs: dict[str, Any] = attrs.field(factory=dict, converter=_plain_kwargs, repr=_shown_kwargs)
    """Keyword arguments."""

    job_id: str | None = attrs.field(
        default=None, converter=attrs.converters.optional(check_job_id)
    )
    """The job's id; a random one if None."""

    queue_name: str | None = attrs.field(
        default=None, converter=attrs.converters.optional(check_queue_name)
    )
    """The queue; the client's default queue if None."""

    defer_until: datetime | None = attrs.field(default=None)
    """Not to be run before this time; one in the past means now, a naive one is local time."""

    defer_by: Duration | None = attrs.field(default=None)
    """Not to be run before so many seconds have passed."""

    expires: Duration | None = attrs.field(default=None)
    """Not to be started or retried after so many seconds; None: a day after it is due."""

    job_try: int | None = attrs.field(default=None, converter=attrs.converters.optional(_plain_try))
    """The number of the first try, from 1; None counts from 1."""

    on_conflict: OnConflict = attrs.field(default="raise")
    """What to do about a job with the same id."""

    def __attrs_post_init__(self) -> None:
        if self.defer_until is not None:
            datetime_to_ms("defer_until", self.defer_until)
            if self.defer_by is not None:
                raise ValueError("use either defer_until or defer_by, not both")
        if self.defer_by is not None:
            check_duration("defer_by", self.defer_by, zero=True)
        if self.expires is not None:
            check_duration("expires", self.expires, zero=False)
        if self.on_conflict not in POLICIES:
            if not isinstance(self.on_conflict, str):
                raise TypeError(f"on_conflict must be a str, not {type(self.on_conflict).__name__}")
            allowed = ", ".join(POLICIES)
            raise ValueError(f"on_conflict must be one of {allowed}, not {self.on_conflict!r}")

    def with_options(self, **changes: Any) -> Self:
        """Give a copy with other values for some fields.

        Raises:
            TypeError: There is no such field, or a value is of a wrong type.
            ValueError: A value is not allowed.
        """
        return attrs.evolve(self, **changes)
