"""The settings of stock arq workers: made from the values that clients have, and with a record.

`build_worker_settings` makes what arq's command line takes. Its workers say what they are and
which functions they run, which `ArqQueue.get_workers` and `ArqQueue.check_worker` read.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from datetime import timedelta, tzinfo
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypedDict, Unpack

from arqade import AnySettings, Codec, ConfigurationError, RedisSettings
from arqade._opening import DEFAULT_QUEUE, PICKLE
from arqade._recording import RECORD_INTERVAL, Hook, with_records
from arqade.jobs import ArqFunction

if TYPE_CHECKING:
    from arq.cron import CronJob

__all__ = ["WorkerOptions", "WorkerSettings", "build_worker_settings"]

Function: TypeAlias = str | ArqFunction | Callable[..., Coroutine[Any, Any, Any]]
"""A coroutine function, what ``arq.func`` gives, or where arq imports one from."""

Duration: TypeAlias = int | float | timedelta
"""A length of time: seconds, or a timedelta."""

BY_CODEC: Final = ("job_serializer", "job_deserializer")
"""Settings that a codec stands for."""


class WorkerOptions(TypedDict, total=False):
    """arq's further settings of a worker; see ``arq.worker.Worker`` (0.26 to 0.28)."""

    cron_jobs: Sequence[CronJob] | None
    redis_pool: Any
    burst: bool
    on_startup: Hook | None
    on_shutdown: Hook | None
    on_job_start: Hook | None
    on_job_end: Hook | None
    after_job_end: Hook | None
    handle_signals: bool
    job_completion_wait: Duration
    max_jobs: int
    job_timeout: Duration
    keep_result: Duration
    keep_result_forever: bool
    poll_delay: Duration
    queue_read_limit: int | None
    max_tries: int
    health_check_interval: Duration
    health_check_key: str | None
    ctx: dict[Any, Any] | None
    retry_jobs: bool
    allow_abort_jobs: bool
    max_burst_jobs: int
    expires_extra_ms: int
    timezone: tzinfo | None
    log_results: bool


@dataclass
class WorkerSettings:
    """The settings of a worker, as safir's class of this name has them.

    An instance is what arq's command line takes. It has no codec and writes no record;
    ``build_worker_settings(**vars(settings))`` gives one that does.

    Raises:
        ConfigurationError: arq can't do what the Redis settings say, or is not installed.
        TypeError: The Redis settings are none.
    """

    functions: Sequence[Function]
    """What the worker runs."""

    redis_settings: Any
    """Where the server is: arqade's settings, or arq's own, which they become."""

    job_completion_wait: Duration
    """How long jobs may take to end by themselves when the worker is told to stop."""

    job_timeout: Duration
    """The longest time that a job may take."""

    max_jobs: int
    """How many jobs run at a time."""

    allow_abort_jobs: bool = False
    """Whether jobs may be stopped."""

    queue_name: str = DEFAULT_QUEUE
    """The queue to look for jobs in."""

    on_startup: Hook | None = None
    """What is called when the worker starts."""

    on_shutdown: Hook | None = None
    """What is called when the worker ends."""

    cron_jobs: Sequence[CronJob] | None = None
    """Jobs that the worker starts by itself."""

    def __post_init__(self) -> None:
        self.redis_settings = _arq_settings(self.redis_settings)
        self.job_completion_wait = _in_seconds(self.job_completion_wait)


def build_worker_settings(
    functions: Sequence[Function] = (),
    *,
    redis_settings: AnySettings,
    queue_name: str = DEFAULT_QUEUE,
    codec: Codec = PICKLE,
    record_interval: Duration | None = RECORD_INTERVAL,
    **options: Unpack[WorkerOptions],
) -> type[Any]:
    """Make the settings of a stock arq worker.

    What it returns is what ``arq package.module.WorkerSettings``, ``arq.run_worker`` and
    ``arq.worker.create_worker`` take::

        WorkerSettings = build_worker_settings([add, send_email], redis_settings=settings)

    Args:
        functions: What the worker runs: coroutine functions, ``arq.func`` of them, or where to
            import them from.
        redis_settings: Where the server is: arqade's settings, or arq's own.
        queue_name: The queue to look for jobs in.
        codec: How jobs and results become bytes: what the clients use.
        record_interval: Seconds, or a timedelta, between two records of what the worker is; None
            writes none. A record that is not renewed ends after three intervals.
        **options: arq's further settings. The worker's own hooks are called as without a record.

    Returns:
        A class that has all of them as attributes of its own: arq ignores inherited ones.

    Raises:
        TypeError: There is no such option, the codec says what it would, or a value is of a wrong
            type.
        ValueError: A value is not allowed.
        ConfigurationError: arq can't do what the Redis settings say, or is not installed.
    """
    _check_options(options)
    functions = list(functions)
    settings: dict[str, Any] = {
        **options,
        "functions": functions,
        "redis_settings": _arq_settings(redis_settings),
        "queue_name": queue_name,
        **codec.worker_settings(),
    }
    if "job_completion_wait" in options:
        settings["job_completion_wait"] = _in_seconds(options["job_completion_wait"])
    settings = with_records(settings, codec=codec, interval=record_interval)
    return type("WorkerSettings", (), settings)


def _arq_settings(settings: AnySettings) -> Any:
    # arq's own may have what arqade knows nothing of: they stay as they are.
    ours = RedisSettings.from_arq(settings)
    return ours.to_arq() if ours is settings else settings


def _check_options(options: WorkerOptions) -> None:
    try:
        worker = import_module("arq.worker").Worker
    except ImportError as error:
        raise ConfigurationError("arq is not installed: install arqade[worker]") from error
    known = [name for name in inspect.signature(worker).parameters if name not in BY_CODEC]
    for name in options:
        if name in BY_CODEC:
            raise TypeError(f"build_worker_settings() takes a codec, which stands for {name}")
        if name not in known:
            close = difflib.get_close_matches(name, [*known, "codec", "record_interval"], n=1)
            hint = f"did you mean {close[0]}?" if close else f"arq has {', '.join(known)}"
            raise TypeError(f"build_worker_settings() has no option {name!r}; {hint}")


def _in_seconds(value: Duration) -> float:
    # arq gives it to asyncio as it is; safir's own workers say it as a timedelta.
    return value.total_seconds() if isinstance(value, timedelta) else value
