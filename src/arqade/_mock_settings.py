"""What a mock's worker knows of a stock worker's settings (arq 0.28, arq/worker.py)."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any, TypeAlias

import attrs

__all__ = ["Hook", "Settings", "WorkerFunction", "WorkerFunctions", "as_function", "in_seconds"]

WorkerFunctions: TypeAlias = Sequence[Any] | Mapping[str, Any] | type
"""What a worker runs: its functions, or its whole settings as a class or a mapping."""

Hook: TypeAlias = Callable[[dict[Any, Any]], Awaitable[None]]
"""What a worker calls at its start and end, and before and after jobs."""


@attrs.frozen
class WorkerFunction:
    """A function of a worker, with settings of its own."""

    name: str
    run: Callable[..., Awaitable[Any]]
    timeout: float | None
    keep_result: float | None
    keep_result_forever: bool | None
    max_tries: int | None


def as_function(given: Any) -> WorkerFunction:
    if inspect.iscoroutinefunction(given):
        return WorkerFunction(given.__qualname__, given, None, None, None, None)
    if hasattr(given, "coroutine") and hasattr(given, "name"):  # arq.func() or arq.cron()
        return WorkerFunction(
            given.name,
            given.coroutine,
            given.timeout_s,
            given.keep_result_s,
            getattr(given, "keep_result_forever", None),
            given.max_tries,
        )
    raise TypeError(
        f"a worker's function must be a coroutine function or an arq.func, not {given!r}"
    )


def in_seconds(value: float | timedelta) -> float:
    return value.total_seconds() if isinstance(value, timedelta) else float(value)


@attrs.define
class Settings:
    """The settings of a worker that make a difference to its jobs; defaults are arq's."""

    functions: Sequence[Any] = ()
    cron_jobs: Sequence[Any] | None = None
    queue_name: str | None = None
    on_startup: Hook | None = None
    on_shutdown: Hook | None = None
    on_job_start: Hook | None = None
    on_job_end: Hook | None = None
    after_job_end: Hook | None = None
    job_timeout: float | timedelta = 300
    keep_result: float | timedelta = 3600
    keep_result_forever: bool = False
    max_tries: int = 5
    retry_jobs: bool = True
    allow_abort_jobs: bool = False
    log_results: bool = True
    max_jobs: int = 10
    ctx: dict[Any, Any] | None = None

    @classmethod
    def read(cls, given: WorkerFunctions) -> Settings:
        if isinstance(given, type):
            # As arq does: what a base class says does not count.
            given = dict(vars(given))
        if isinstance(given, Mapping):
            names = {field.name for field in attrs.fields(cls)}
            return cls(**{name: value for name, value in given.items() if name in names})
        return cls(functions=given)
