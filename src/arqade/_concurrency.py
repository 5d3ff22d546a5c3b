"""The only place where async and sync differ: pairs with the same meaning.

Of each pair the first is used in ``_async`` and replaced by the second in ``_sync``
(``[tool.arqade-unasync]`` in pyproject.toml).
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import anyio
from redis.exceptions import TimeoutError as RedisTimeoutError

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from contextlib import AbstractAsyncContextManager, AbstractContextManager

__all__ = [
    "async_checkpoint",
    "async_deadline",
    "async_drive",
    "async_read_reply",
    "async_sleep",
    "checkpoint",
    "deadline",
    "drive",
    "no_event_loop",
    "read_reply",
    "running_event_loop",
    "sleep",
]


T = TypeVar("T")


class _AsyncReadable(Protocol):
    async def read_response(self, disable_decoding: bool = ...) -> Any: ...


class _Readable(Protocol):
    socket_timeout: float | None

    def can_read(self, timeout: float = ...) -> bool: ...
    def read_response(self, disable_decoding: bool = ...) -> Any: ...


async def async_sleep(seconds: float) -> None:
    """Wait for so many seconds."""
    await anyio.sleep(seconds)


def sleep(seconds: float) -> None:
    """Wait for so many seconds."""
    time.sleep(seconds)


async def async_checkpoint() -> None:
    """Let a cancellation of the caller that is pending strike here, and not further on.

    redis-py looks whether an idle connection has data within ``asyncio.timeout(0)``, which from
    Python 3.11.3 on takes a pending cancellation for its own end and swallows it.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        await asyncio.sleep(0)


def checkpoint() -> None:
    """Do nothing: blocking code is not cancelled."""


def async_deadline(seconds: float) -> AbstractAsyncContextManager[object]:
    """Raise `TimeoutError` if the block takes longer than so many seconds."""
    # Not anyio's: redis.asyncio needs asyncio, and this costs a tenth of a cancel scope.
    return asyncio.timeout(seconds)


def deadline(seconds: float) -> AbstractContextManager[object]:
    """Do nothing: in a blocking call, the socket's time-outs and `read_reply` end it."""
    return contextlib.nullcontext(seconds)


async def async_read_reply(connection: _AsyncReadable, timeout: float) -> Any:  # noqa: ARG001
    """Read one reply as bytes, within the seconds of the `async_deadline` around it."""
    return await connection.read_response(disable_decoding=True)


def read_reply(connection: _Readable, timeout: float) -> Any:
    """Read one reply as bytes, within so many seconds.

    Raises:
        redis.exceptions.TimeoutError: No reply has come by then.
    """
    limit = connection.socket_timeout
    if (limit is None or timeout < limit) and not connection.can_read(max(timeout, 0)):
        raise RedisTimeoutError(f"no reply within {timeout:.3f} seconds")
    return connection.read_response(disable_decoding=True)


async def async_drive(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end and give its value."""
    return await work


def drive(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end and give its value, in an event loop of its own."""
    with ThreadPoolExecutor(1) as thread:  # The caller's thread may run a loop itself.
        return thread.submit(asyncio.run, work).result()


def running_event_loop() -> object:
    """Give the event loop that runs the caller."""
    return asyncio.get_running_loop()


def no_event_loop() -> object:
    """Give None: blocking code belongs to no event loop."""
    return None
