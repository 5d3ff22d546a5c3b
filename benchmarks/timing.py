"""Ways to call an operation many times, with the seconds that each call took."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import threading
    from collections.abc import Awaitable, Callable, Sequence
    from concurrent.futures import Executor


def one_by_one(call: Callable[..., object], args: Sequence[Any], calls: int) -> list[float]:
    """Call a function, again and again."""
    clock = time.perf_counter
    seconds = []
    for _ in range(calls):
        start = clock()
        call(*args)
        seconds.append(clock() - start)
    return seconds


async def one_by_one_async(
    call: Callable[..., Awaitable[object]], args: Sequence[Any], calls: int
) -> list[float]:
    """Await a coroutine function's calls, one after the other."""
    clock = time.perf_counter
    seconds = []
    for _ in range(calls):
        start = clock()
        await call(*args)
        seconds.append(clock() - start)
    return seconds


async def by_many_tasks(
    call: Callable[..., Awaitable[object]], args: Sequence[Any], calls: int, width: int
) -> list[float]:
    """Let so many tasks share the calls; each of them makes its own one by one."""
    share = calls // width
    parts = await asyncio.gather(*(one_by_one_async(call, args, share) for _ in range(width)))
    return [second for part in parts for second in part]


def by_many_threads(
    call: Callable[..., object],
    args: Sequence[Any],
    calls: int,
    barrier: threading.Barrier,
    threads: Executor,
) -> list[float]:
    """Let threads share the calls; each of them makes its own one by one.

    Args:
        call: The operation.
        args: Its arguments.
        calls: How often it is called in all.
        barrier: Lets all threads begin at once, and this one with them.
        threads: The threads; they stay between the rounds, as do their connections.
    """
    width = barrier.parties - 1

    def run() -> list[float]:
        barrier.wait()
        return one_by_one(call, args, calls // width)

    parts = [threads.submit(run) for _ in range(width)]
    barrier.wait()
    return [second for part in parts for second in part.result()]
