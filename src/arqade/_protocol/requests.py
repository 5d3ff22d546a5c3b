"""From the arguments of ``enqueue`` to a validated request."""

from __future__ import annotations

import difflib
import inspect
import math
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from arqade._validation import check_job_id
from arqade.jobs import JobDef
from arqade.models import JobRequest, JobStatus, OnConflict

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from arqade._validation import Duration

__all__ = [
    "Task",
    "WorkerFunction",
    "check_job_ids",
    "check_status",
    "check_timeout",
    "make_request",
    "task_name",
]

R = TypeVar("R")

WorkerFunction: TypeAlias = Callable[..., Coroutine[Any, Any, R]]
"""A function that a worker runs: always a coroutine function."""

Task: TypeAlias = str | JobRequest[Any] | JobDef[..., Any] | WorkerFunction[Any]
"""What names the function to be run."""

OPTIONS = (
    "_queue_name",
    "_job_id",
    "_defer_until",
    "_defer_by",
    "_expires",
    "_job_try",
    "_on_conflict",
    "_token",
)


def make_request(
    task: object,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    *,
    queue_name: str | None = None,
    job_id: str | None = None,
    defer_until: datetime | None = None,
    defer_by: Duration | None = None,
    expires: Duration | None = None,
    job_try: int | None = None,
    on_conflict: OnConflict = "raise",
) -> JobRequest[Any]:
    """Make a request; options that are given win over those of a `JobRequest` or a `JobDef`.

    Raises:
        TypeError: A value is of a wrong type, a keyword looks like an option and is none, a
            `JobRequest` comes with arguments, or a `JobDef` has no such parameters.
        ValueError: A value is not allowed.
    """
    for name in kwargs:
        if name.startswith("_"):
            raise TypeError(_unknown_option(name))
    if isinstance(task, JobDef):
        task, args, kwargs = task(*args, **kwargs), (), {}
    if not isinstance(task, JobRequest):
        return JobRequest(
            task_name(task),
            args,
            dict(kwargs),
            job_id,
            queue_name,
            defer_until,
            defer_by,
            expires,
            job_try,
            on_conflict,
        )
    if args or kwargs:
        raise TypeError("a JobRequest holds its arguments already; give it alone")
    options: dict[str, Any] = {
        "queue_name": queue_name,
        "job_id": job_id,
        "defer_until": defer_until,
        "defer_by": defer_by,
        "expires": expires,
        "job_try": job_try,
    }
    changes = {name: value for name, value in options.items() if value is not None}
    if on_conflict != "raise":
        changes["on_conflict"] = on_conflict
    if "defer_until" in changes or "defer_by" in changes:
        # A defer that is given replaces the request's, of whichever kind.
        changes = {"defer_until": None, "defer_by": None, **changes}
    return task.with_options(**changes) if changes else task


def task_name(task: object) -> str:
    """Give the name under which a worker knows a task.

    Raises:
        TypeError: It names none.
    """
    if isinstance(task, str):
        return task
    if isinstance(task, JobDef):
        return task.name
    name = getattr(task, "__qualname__", None)
    if inspect.iscoroutinefunction(task) and isinstance(name, str):
        return name
    raise TypeError(
        "task must be the name of a worker's function, its declaration, the coroutine function "
        f"itself or a JobRequest, not {type(task).__name__}"
    )


def _unknown_option(name: str) -> str:
    close = [option for option in OPTIONS if option.startswith(name)]
    close = close or difflib.get_close_matches(name, OPTIONS, n=1)
    hint = f"did you mean {close[0]}?" if close else f"the options are {', '.join(OPTIONS)}"
    return (
        f"enqueue() has no option {name!r}; {hint} (arguments that start with an underscore can "
        "be passed to a job only inside a JobRequest)"
    )


def check_job_ids(values: Iterable[str]) -> list[str]:
    """Give back some jobs' ids.

    Raises:
        TypeError: One is no `str`, or one `str` stands for them all.
        ValueError: One can't be an id.
    """
    if isinstance(values, str):
        raise TypeError("job_ids must be an iterable of str, not a str")
    return [check_job_id(value) for value in values]


def check_timeout(value: object) -> float | None:
    """Give back a time-out in seconds, or None for no limit.

    Raises:
        TypeError: It is no number.
        ValueError: It is not a number of seconds.
    """
    if value is None:
        return None
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise TypeError(f"timeout must be seconds or None, not {type(value).__name__}")
    try:
        seconds = float(value)
    except OverflowError:
        seconds = math.inf
    if math.isnan(seconds):
        raise ValueError("timeout must be a number of seconds, not nan")
    return None if seconds == math.inf else seconds


def check_status(value: object) -> JobStatus | None:
    """Give back a job's state, or None for any.

    Raises:
        TypeError: It is no text.
        ValueError: There is no such state.
    """
    if value is None:
        return None
    if not isinstance(value, str):
        raise TypeError(f"status must be a JobStatus, a str or None, not {type(value).__name__}")
    try:
        return JobStatus(value)
    except ValueError:
        allowed = ", ".join(JobStatus)
        raise ValueError(f"status must be one of {allowed}, not {value!r}") from None
