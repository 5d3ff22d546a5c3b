"""The jobs that a stock worker and the mock's run. They need arq."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from arq.worker import Retry, RetryJob, func

from arqade._validation import datetime_to_ms
from tests.harness.stock_values import CustomError, UndecodableError
from tests.parity.values import Moment, Named, build, spoil

if TYPE_CHECKING:
    from tests.parity.sides import Side

__all__ = ["EVENTFUL", "FUNCTIONS", "HOOKS", "NAMES"]

Context = dict[str, Any]

LONG = 2.0
"""Longer than any worker takes to stop a job."""

SHORT = 0.01
LATER = 145
"""Seconds for which a job is put off; see the jumps of the stories."""


def note(ctx: Context, *what: Any) -> None:
    """Write down what happened, comparably."""
    side: Side = ctx["side"]
    side.notes.append(
        (
            ctx["job_id"],
            ctx["job_try"],
            Moment(side.past(datetime_to_ms("", ctx["enqueue_time"]))),
            Moment(ctx["score"] - side.offset_ms),
            sorted(ctx.keys() - {"redis"}),
            *what,
        )
    )


async def echo(ctx: Context, *args: Any, **kwargs: Any) -> Any:
    note(ctx, "echo")
    return {"args": args, "kwargs": kwargs, "try": ctx["job_try"]}


async def echo_first(ctx: Context, *args: Any, **kwargs: Any) -> Any:
    note(ctx, "echo_first")
    return args[0] if args else None


async def strict(ctx: Context, number: int) -> int:
    """Fails with a TypeError if it is called in another way."""
    note(ctx, "strict")
    return number


async def mutate(ctx: Context, *args: Any, **kwargs: Any) -> str:
    """Changes its own arguments, which the result then has."""
    spoil(args)
    spoil(kwargs)
    return "mutated"


async def return_function(ctx: Context, *args: Any, **kwargs: Any) -> Any:
    note(ctx, "return_function")
    return build(Named("a function"))


async def return_undecodable(ctx: Context, *args: Any, **kwargs: Any) -> Any:
    return build(Named("an object that can't be decoded"))


async def return_unprintable(ctx: Context, *args: Any, **kwargs: Any) -> Any:
    return build(Named("an unprintable object"))


async def return_long_int(ctx: Context, *args: Any, **kwargs: Any) -> Any:
    return build(Named("a long int"))


async def return_error(ctx: Context, *args: Any, **kwargs: Any) -> Any:
    return ValueError("a value like any other")


async def raise_error(ctx: Context, *args: Any, **kwargs: Any) -> None:
    note(ctx, "raise_error")
    raise build(Named("an error with a note")) from KeyError("cause")


async def raise_custom(ctx: Context, *args: Any, **kwargs: Any) -> None:
    raise CustomError("custom", 7)


async def raise_undecodable(ctx: Context, *args: Any, **kwargs: Any) -> None:
    raise UndecodableError("undecodable", 7)


async def raise_unpicklable(ctx: Context, *args: Any, **kwargs: Any) -> None:
    raise ValueError(lambda: None)


async def raise_group(ctx: Context, *args: Any, **kwargs: Any) -> None:
    raise build(Named("a group of errors"))


async def raise_timeout(ctx: Context, *args: Any, **kwargs: Any) -> None:
    raise TimeoutError("of its own")


async def raise_cancelled(ctx: Context, *args: Any, **kwargs: Any) -> None:
    note(ctx, "raise_cancelled")
    raise asyncio.CancelledError("of its own")


async def raise_stop(ctx: Context, *args: Any, **kwargs: Any) -> None:
    raise StopAsyncIteration


async def retry_once(ctx: Context, *args: Any, **kwargs: Any) -> int:
    note(ctx, "retry_once")
    if ctx["job_try"] == 1:
        raise Retry
    return ctx["job_try"]


async def retry_always(ctx: Context, *args: Any, **kwargs: Any) -> None:
    note(ctx, "retry_always")
    raise Retry


async def retry_later(ctx: Context, *args: Any, **kwargs: Any) -> None:
    note(ctx, "retry_later")
    await asyncio.sleep(0.002)  # so that no two are put off to the same millisecond
    raise Retry(defer=LATER)


async def retry_job(ctx: Context, *args: Any, **kwargs: Any) -> None:
    note(ctx, "retry_job")
    raise RetryJob("again")


async def time_out(ctx: Context, *args: Any, **kwargs: Any) -> None:
    note(ctx, "time_out")
    await asyncio.sleep(LONG)


async def time_out_and_swallow(ctx: Context, *args: Any, **kwargs: Any) -> str:
    try:
        await asyncio.sleep(LONG)
    except asyncio.CancelledError:
        return "swallowed"
    return "slept"


async def have_child(ctx: Context, *args: Any, **kwargs: Any) -> str | None:
    """Enqueues as stock workers' jobs do."""
    child = await ctx["redis"].enqueue_job("echo", *args, _job_id=f"{ctx['job_id'][:1]}/child")
    note(ctx, "have_child", child is not None)
    return None if child is None else child.job_id


async def have_deferred_child(ctx: Context, *args: Any, **kwargs: Any) -> str | None:
    child = await ctx["redis"].enqueue_job(
        "retry_once",
        _job_id=f"{ctx['job_id'][:1]}/child",
        _defer_by=LATER,
        _expires=3645,
        _job_try=2,
        _queue_name="mail",
    )
    return None if child is None else child.job_id


async def look_at_itself(ctx: Context, *args: Any, **kwargs: Any) -> None:
    """Asks for its own state, and tries to enqueue itself."""
    side: Side = ctx["side"]
    job_id = ctx["job_id"]
    for operation in ("get_job_status", "get_job_metadata", "get_job_result"):
        for queue_name in (None, side.queue_name, "elsewhere"):
            said = await side.call_from_job(operation, job_id, queue_name)
            note(ctx, operation, queue_name, said)
    note(ctx, await side.call_from_job("wait_for_result", job_id, side.queue_name, timeout=0))
    for policy in ("raise", "ignore_result", "replace", "return_existing"):
        said = await side.call_from_job(
            "enqueue", "echo", _job_id=job_id, _queue_name=side.queue_name, _on_conflict=policy
        )
        note(ctx, policy, said)


async def ask_to_stop(ctx: Context, *args: Any, **kwargs: Any) -> str:
    """Asks to be aborted, and waits for it if its worker allows that."""
    side: Side = ctx["side"]
    said = await side.call_from_job("cancel_job", ctx["job_id"], side.queue_name, timeout=0)
    note(ctx, "ask_to_stop", said)
    await wait_for_abort(ctx)
    return "went on"


async def wait_for_abort(ctx: Context) -> None:
    side: Side = ctx["side"]
    side.waiting += 1
    try:
        await asyncio.sleep(LONG if ctx["aborts"] else SHORT)
    finally:
        side.waiting -= 1


async def swallow_abort(ctx: Context, *args: Any, **kwargs: Any) -> str:
    try:
        await ask_to_stop(ctx)
    except asyncio.CancelledError:
        return "swallowed"
    return "went on"


async def fail_when_aborted(ctx: Context, *args: Any, **kwargs: Any) -> str:
    try:
        return await ask_to_stop(ctx)
    except asyncio.CancelledError:
        raise ValueError("while stopping") from None


async def retry_when_aborted(ctx: Context, *args: Any, **kwargs: Any) -> str:
    """A job that is asked to stop and retried has been asked once, not for good."""
    if ctx["job_try"] == 1:
        try:
            await ask_to_stop(ctx)
        except asyncio.CancelledError:
            raise Retry from None
    note(ctx, "retry_when_aborted")
    return "went on"


async def ask_and_retry(ctx: Context, *args: Any, **kwargs: Any) -> str:
    """Is asked to stop and retried before its worker heeds it."""
    side: Side = ctx["side"]
    if ctx["job_try"] == 1:
        await side.call_from_job("cancel_job", ctx["job_id"], side.queue_name, timeout=0)
        raise Retry
    note(ctx, "ask_and_retry")
    return "went on"


PLAIN = (
    *(echo, echo_first, strict, mutate),
    *(return_function, return_undecodable, return_unprintable, return_long_int, return_error),
    *(raise_error, raise_custom, raise_undecodable, raise_unpicklable, raise_group),
    *(raise_timeout, raise_cancelled, raise_stop),
    *(retry_once, retry_always, retry_later, retry_job),
    *(have_child, have_deferred_child, look_at_itself),
    *(ask_to_stop, swallow_abort, fail_when_aborted, retry_when_aborted, ask_and_retry),
)
FUNCTIONS = (
    *PLAIN,
    func(time_out, timeout=SHORT),
    func(time_out_and_swallow, timeout=SHORT),
    func(echo, name="keep_nothing", keep_result=0),
    func(echo, name="keep_long", keep_result=7240),
    func(echo, name="keep_forever", keep_result_forever=True),
    func(retry_always, name="try_twice", max_tries=2),
    func(echo, name="имя"),
)
NAMES = (
    *(function.__qualname__ for function in PLAIN),
    *("time_out", "time_out_and_swallow", "keep_nothing", "keep_long", "keep_forever"),
    *("try_twice", "имя", "nobody knows it"),
)
EVENTFUL = ("retry_once", "retry_always", "retry_later", "raise_cancelled", "retry_when_aborted")
"""Jobs that have more than one try, or that come back: more settings of a worker matter to them."""


async def on_job_start(ctx: Context) -> None:
    note(ctx, "on_job_start")


async def on_job_end(ctx: Context) -> None:
    note(ctx, "on_job_end")


async def after_job_end(ctx: Context) -> None:
    note(ctx, "after_job_end")


HOOKS = {
    "on_job_start": on_job_start,
    "on_job_end": on_job_end,
    "after_job_end": after_job_end,
}
