"""The only place where async and sync differ: pairs with the same meaning.

Of each pair the first is used in ``_async`` and replaced by the second in ``_sync``
(``[tool.arqade-unasync]`` in pyproject.toml).
"""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine

__all__ = [
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
