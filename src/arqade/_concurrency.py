"""The only place where async and sync differ: pairs with the same meaning.

Of each pair the first is used in ``_async`` and replaced by the second in ``_sync``
(``[tool.arqade-unasync]`` in pyproject.toml).
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine, Iterator

__all__ = [
    "AsyncTurns",
    "Turns",
    "async_drive",
    "async_sleep",
    "drive",
    "no_event_loop",
    "running_event_loop",
    "sleep",
]


T = TypeVar("T")


async def async_sleep(seconds: float) -> None:
    """Wait for so many seconds."""
    from anyio import sleep as any_sleep  # noqa: PLC0415 - asyncio needs it in no other place

    await any_sleep(seconds)


def sleep(seconds: float) -> None:
    """Wait for so many seconds."""
    time.sleep(seconds)


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


class AsyncTurns:
    """Lets one caller at a time do something."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()

    @contextlib.asynccontextmanager
    async def turn(self, end: float) -> AsyncIterator[None]:
        """Wait for one's turn.

        Args:
            end: Until when to wait, by the monotonic clock.

        Raises:
            TimeoutError: It did not come in time.
        """
        async with asyncio.timeout(max(end - time.monotonic(), 0)):
            await self._lock.acquire()
        try:
            yield
        finally:
            self._lock.release()


class Turns:
    """Lets one caller at a time do something."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def turn(self, end: float) -> Iterator[None]:
        """Wait for one's turn.

        Args:
            end: Until when to wait, by the monotonic clock.

        Raises:
            TimeoutError: It did not come in time.
        """
        if not self._lock.acquire(timeout=max(end - time.monotonic(), 0)):
            raise TimeoutError
        try:
            yield
        finally:
            self._lock.release()
