"""How a worker says that it lives: hooks of stock arq that write its record while it runs."""

from __future__ import annotations

import asyncio
import logging
import math
import os
import socket
import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import attrs
from redis.asyncio import Redis

from arqade import RedisArqQueue, WorkerRecord

if TYPE_CHECKING:
    from collections.abc import Sequence

    from arqade._validation import Duration

__all__ = ["RECORD_INTERVAL", "Hook", "with_records"]

Hook: TypeAlias = Callable[[dict[Any, Any]], Awaitable[Any]]
"""What a worker calls at its start and its end, and before and after jobs."""

RECORD_INTERVAL: Final = 15
"""Seconds between two records, if the settings don't say."""

HOOKS: Final = ("on_startup", "on_shutdown", "on_job_start", "on_job_end")
"""The settings of a worker that its records need."""

RECORDING: Final = "_arqade_recording"
"""Where a worker's context has what runs for this worker alone."""

LIVES: Final = 3
"""How many intervals a record stays: two may be missed while a job keeps the event loop busy."""

PATIENCE: Final = 5.0
"""Seconds that one write may take, retries included: the next one is as good."""

logger = logging.getLogger("arqade.worker")


def with_records(
    settings: dict[str, Any], *, codec: object, interval: Duration | None
) -> dict[str, Any]:
    """Give settings of a worker with hooks, around its own, that write its record.

    Args:
        settings: The settings, by arq's names, with ``functions`` and ``queue_name``.
        codec: The worker's codec.
        interval: Seconds, or a timedelta, between two records; None writes none.

    Raises:
        TypeError: The interval or the queue's name is of a wrong type.
        ValueError: A value is not allowed.
    """
    if interval is None:
        return settings
    hooks = RecordingHooks(
        [*settings["functions"], *(settings.get("cron_jobs") or ())],
        settings["queue_name"],
        type(codec).__name__,
        _seconds(interval),
        {name: settings.get(name) for name in HOOKS},
    )
    return {**settings, **{name: getattr(hooks, name) for name in HOOKS}}


def _seconds(interval: object) -> float:
    if isinstance(interval, timedelta):
        interval = interval.total_seconds()
    if not isinstance(interval, int | float) or isinstance(interval, bool):
        kind = type(interval).__name__
        raise TypeError(f"record_interval must be seconds, a timedelta or None, not {kind}")
    if not 0 < interval < math.inf:
        raise ValueError(f"record_interval must be positive and finite, not {interval}")
    return float(interval)


async def _do_nothing(_: dict[Any, Any]) -> None:
    """Stand for a hook that there is not."""


class RecordingHooks:
    """The hooks of a worker, around its own.

    The record is there once the worker's own start has succeeded, and gone before its own end
    begins: what these raise ends the worker as it does without.

    Args:
        functions: The worker's functions, and its cron jobs.
        queue_name: Its queue.
        codec: The name of its codec.
        interval: Seconds between two records.
        own: Its own hooks, by the names of the settings.

    Raises:
        TypeError: The queue's name is no `str`.
        ValueError: It can't be a queue's.
    """

    def __init__(
        self,
        functions: Sequence[Any],
        queue_name: str,
        codec: str,
        interval: float,
        own: dict[str, Hook | None],
    ) -> None:
        self._functions = functions
        self._interval = interval
        # Made for its checks: it changes with each start.
        self._record = WorkerRecord(
            id=uuid.uuid4().hex,
            queue_name=queue_name,
            functions=(),
            hostname="",
            pid=0,
            started=datetime.now(UTC),
            codec=codec,
            arq_version=version("arq"),
            arqade_version=version("arqade"),
            expires_in=LIVES * interval,
        )
        self._own = {name: hook or _do_nothing for name, hook in own.items()}

    async def on_startup(self, ctx: dict[Any, Any]) -> None:
        """Let the worker start, and begin to write."""
        await self._own["on_startup"](ctx)
        redis = ctx.get("redis")
        if not isinstance(redis, Redis):
            return  # a mock's worker has none, and no life of its own to tell of
        try:
            recording = ctx[RECORDING] = _Recording(redis, self._started(), self._interval)
            # arq calls this in the task that looks for jobs. Where its process lives on, nothing
            # else tells that it is over: without it, the record ends by itself.
            looking = asyncio.current_task()
            if looking is not None:
                looking.add_done_callback(lambda _: recording.end())
        except Exception as error:  # noqa: BLE001 - no failure may harm the worker
            logger.warning("The worker's record can't be made: %s", error)

    async def on_job_start(self, ctx: dict[Any, Any]) -> None:
        """Count a try, once the worker's own hook has let it begin."""
        await self._own["on_job_start"](ctx)
        if (recording := ctx.get(RECORDING)) is not None:
            recording.jobs_started += 1
            recording.jobs_ongoing += 1

    async def on_job_end(self, ctx: dict[Any, Any]) -> None:
        """Count the end of a try."""
        if (recording := ctx.get(RECORDING)) is not None:
            recording.jobs_ongoing -= 1
        await self._own["on_job_end"](ctx)

    async def on_shutdown(self, ctx: dict[Any, Any]) -> None:
        """Remove the record, and let the worker end."""
        # arq calls this even if the start failed.
        if (recording := ctx.pop(RECORDING, None)) is not None:
            await recording.stop()
        await self._own["on_shutdown"](ctx)

    def _started(self) -> WorkerRecord:
        # Only now: arq imports functions that are given as text when the worker is made.
        arq = import_module("arq.worker")
        named = (arq.Function, arq.CronJob)
        names = [
            given.name if isinstance(given, named) else arq.func(given).name
            for given in self._functions
        ]
        return attrs.evolve(
            self._record,
            id=uuid.uuid4().hex,
            functions=tuple(dict.fromkeys(names)),
            hostname=socket.gethostname(),
            pid=os.getpid(),
            started=datetime.now(UTC),
        )


class _Recording:
    """Writes the record of one worker until it is stopped.

    Args:
        redis: The worker's client.
        record: What it says.
        interval: Seconds between two records.
    """

    def __init__(self, redis: Redis, record: WorkerRecord, interval: float) -> None:
        self.jobs_started = 0
        self.jobs_ongoing = 0
        self._record = record
        self._interval = interval
        self._queue = RedisArqQueue(
            redis, default_queue_name=record.queue_name, retry_budget=PATIENCE
        )
        self._is_failing = False
        self._task = asyncio.create_task(self._write_again_and_again())

    async def _write_again_and_again(self) -> None:
        while True:
            await self._write()
            await asyncio.sleep(self._interval)

    async def _write(self) -> None:
        record = attrs.evolve(
            self._record, jobs_started=self.jobs_started, jobs_ongoing=self.jobs_ongoing
        )
        try:
            await self._queue.record_worker(record)
        except Exception as error:  # noqa: BLE001 - no failure may harm the worker
            if not self._is_failing:
                logger.warning("The worker's record can't be written: %s", error)
            self._is_failing = True
        else:
            if self._is_failing:
                logger.info("The worker's record is written again")
            self._is_failing = False

    def end(self) -> None:
        """Write no more: the record ends by itself, if it is not removed."""
        self._task.cancel()

    async def stop(self) -> None:
        """Write no more, and remove the record."""
        self.end()
        # Not the task itself, whose cancellation would look like one of this call.
        await asyncio.wait([self._task])
        try:
            await self._queue.forget_worker(self._record.id)
        except Exception as error:  # noqa: BLE001 - as above
            logger.warning("The worker's record can't be removed, and ends by itself: %s", error)
        finally:
            await self._queue.aclose()
