"""An application of stock arq: it knows nothing of arqade, unless it is told to use a codec.

``python -m arq tests.harness.stock_app.WorkerSettings`` runs its worker, on the server that
ARQADE_TEST_WORKER_REDIS names. ARQADE_TEST_WORKER_SETTINGS holds more settings, as JSON.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from arq import cron
from arq.connections import RedisSettings
from arq.worker import Retry, create_worker, func

from tests.harness.stock_values import CustomError, Elsewhere, UndecodableError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from arq.typing import StartupShutdown

RAN = "test:ran"
"""A list: the ids of the jobs that were started, once for each try."""

READY = "the stock worker is ready"
"""What the worker says when it is about to look for jobs."""

PAUSE = 0.01

Context = dict[str, Any]


async def note_start(ctx: Context) -> None:
    await ctx["redis"].rpush(RAN, ctx["job_id"])


async def say_ready(_: Context) -> None:
    sys.stdout.write(f"{READY}\n")
    sys.stdout.flush()


# --- what is returned ------------------------------------------------------------------


async def echo(ctx: Context, *args: Any, **kwargs: Any) -> Any:
    return {"args": args, "kwargs": kwargs, "job_try": ctx["job_try"]}


async def return_nothing(_: Context) -> None:
    return None


async def return_bytes(_: Context) -> bytes:
    return b"\x00\xff"


async def return_exception(_: Context) -> Exception:
    return ValueError("a value like any other")


async def return_lambda(_: Context) -> Any:
    return lambda: None


async def return_undecodable(_: Context) -> Any:
    return Elsewhere()


# --- what is raised --------------------------------------------------------------------


async def raise_value_error(_: Context) -> None:
    raise ValueError("no", 1)


async def raise_key_error(_: Context) -> None:
    raise KeyError("k")


async def raise_custom(_: Context) -> None:
    raise CustomError("custom", 7)


async def raise_undecodable(_: Context) -> None:
    raise UndecodableError("undecodable", 7)


async def raise_unpicklable(_: Context) -> None:
    raise ValueError(lambda: None)


# --- tries -----------------------------------------------------------------------------


async def retry_once(ctx: Context) -> int:
    if ctx["job_try"] == 1:
        raise Retry(defer=0.02)
    return ctx["job_try"]


async def retry_always(_: Context) -> None:
    raise Retry


async def retry_later(_: Context) -> None:
    raise Retry(defer=3600)


# --- time ------------------------------------------------------------------------------


async def run_until_told(ctx: Context) -> str:
    """Run until something is in the list ``test:go:<id>``."""
    await ctx["redis"].blpop(f"test:go:{ctx['job_id']}")
    return "told"


async def run_until_asked(ctx: Context) -> str:
    """Run until someone asks to abort this job; on a worker that allows no aborts."""
    while await ctx["redis"].zscore("arq:abort", ctx["job_id"]) is None:  # noqa: ASYNC110
        await asyncio.sleep(PAUSE)
    return "asked"


async def retry_when_asked(ctx: Context) -> None:
    """As above, but then to be run again in an hour."""
    await run_until_asked(ctx)
    raise Retry(defer=3600)


async def swallow_cancellation(_: Context) -> str:
    try:
        await asyncio.sleep(3600)
    except asyncio.CancelledError:
        return "swallowed"
    return "slept"


async def sleep_long(_: Context) -> None:
    await asyncio.sleep(3600)


async def read_others(ctx: Context) -> list[Any]:
    """Enqueue and read jobs and results as arq itself does."""
    redis = ctx["redis"]
    job = await redis.enqueue_job("echo", 1)
    value = await job.result(timeout=10, poll_delay=PAUSE)
    info, results, jobs = await job.info(), await redis.all_job_results(), await redis.queued_jobs()
    return [value, info.result, [each.function for each in results], jobs[0].function]


async def tick(_: Context) -> str:
    return "tick"


# --- the worker ------------------------------------------------------------------------

# Far from now, so that they run at the worker's start and never else.
SELDOM: dict[str, Any] = {
    "month": (datetime.now(UTC).month + 5) % 12 + 1,
    "day": 15,
    "hour": 12,
    "minute": 0,
    "run_at_startup": True,
}


class WorkerSettings:
    """The stock worker's settings; arq reads the class's own ``__dict__``."""

    functions = (
        echo,
        return_nothing,
        return_bytes,
        return_exception,
        return_lambda,
        return_undecodable,
        raise_value_error,
        raise_key_error,
        raise_custom,
        raise_undecodable,
        raise_unpicklable,
        retry_once,
        retry_always,
        retry_later,
        run_until_told,
        run_until_asked,
        retry_when_asked,
        swallow_cancellation,
        sleep_long,
        read_others,
        func(sleep_long, name="time_out", timeout=0.05),
        func(echo, name="keep_nothing", keep_result=0),
        func(echo, name="keep_forever", keep_result_forever=True),
    )
    redis_settings = RedisSettings.from_dsn(os.environ["ARQADE_TEST_WORKER_REDIS"])
    on_startup = say_ready
    on_job_start = note_start
    poll_delay = 0.05


def to_json(envelope: dict[str, Any]) -> bytes:
    return json.dumps(envelope).encode()


def settings_for(codec: str) -> dict[str, Any]:
    """Give the settings that an application takes over for a codec, and more functions."""
    from tests.harness import payload_codecs  # noqa: PLC0415 - nothing else needs arqade

    return {
        **payload_codecs.codec_named(codec).worker_settings(),
        "functions": (*WorkerSettings.functions, *payload_codecs.TASKS),
    }


def starting(others: list[dict[str, Any]]) -> StartupShutdown:
    """Make a hook that starts more workers, by what differs in their settings."""

    async def start(ctx: Context) -> None:
        alone = {"on_startup": None, "on_shutdown": None, "handle_signals": False}
        workers = [create_worker(WorkerSettings, **settings, **alone) for settings in others]
        ctx["others"] = [asyncio.create_task(worker.main()) for worker in workers]
        await say_ready(ctx)

    return start


async def stop_others(ctx: Context) -> None:
    for task in ctx["others"]:
        task.cancel()
    await asyncio.wait(ctx["others"])


def set_up(
    *,
    cron_jobs: bool = False,
    json_jobs: bool = False,
    codec: str | None = None,
    codecs: Sequence[str] = (),
    **settings: Any,
) -> None:
    """Apply settings.

    Args:
        cron_jobs: Whether to have cron jobs.
        json_jobs: Whether to write and read JSON.
        codec: Which of `payload_codecs` to use; its functions are there, too.
        codecs: More workers to run in this process, each with a codec and a queue of that name.
        **settings: arq's own.
    """
    if cron_jobs:
        settings["cron_jobs"] = (
            cron(tick, **SELDOM),
            cron(tick, name="cron:kept", keep_result=60, **SELDOM),
            cron(tick, name="cron:named", job_id="the-cron-job", keep_result=60, **SELDOM),
        )
    if json_jobs:
        settings |= {"job_serializer": to_json, "job_deserializer": json.loads}
    if codec is not None:
        settings |= settings_for(codec)
    if codecs:
        others = [{**settings, **settings_for(name), "queue_name": name} for name in codecs]
        settings |= {"on_startup": starting(others), "on_shutdown": stop_others}
    for name, value in settings.items():
        setattr(WorkerSettings, name, value)


def end_with_parent() -> None:
    """End when the process that started this one has ended: its pipe is then closed."""
    sys.stdin.read()
    os._exit(1)


set_up(**json.loads(os.environ.get("ARQADE_TEST_WORKER_SETTINGS", "{}")))
threading.Thread(target=end_with_parent, daemon=True).start()
