from __future__ import annotations

import asyncio

import pytest

from arqade import _concurrency
from arqade._concurrency import (
    async_drive,
    async_sleep,
    drive,
    no_event_loop,
    running_event_loop,
    sleep,
)


async def test_async_sleep(monkeypatch):
    """The async sleep is anyio's."""
    slept = []

    async def fake(seconds):
        slept.append(seconds)

    monkeypatch.setattr("anyio.sleep", fake)
    await async_sleep(0.25)
    assert slept == [0.25]


def test_sleep(monkeypatch):
    """The blocking sleep is that of the standard library."""
    slept = []
    monkeypatch.setattr(_concurrency.time, "sleep", slept.append)
    sleep(0.25)
    assert slept == [0.25]


async def test_running_event_loop():
    """The async side belongs to the loop that runs it."""
    assert running_event_loop() is asyncio.get_running_loop()


def test_no_event_loop():
    """The blocking side belongs to no loop."""
    assert no_event_loop() is None
    with pytest.raises(RuntimeError):
        running_event_loop()


async def work(error=None):
    """A coroutine that waits, and then gives a value or raises."""
    await asyncio.sleep(0)
    if error is not None:
        raise error
    return 42


async def test_async_drive():
    """A coroutine runs to its end, and its errors pass."""
    assert await async_drive(work()) == 42
    with pytest.raises(KeyError):
        await async_drive(work(KeyError()))


def test_drive():
    """Blocking code runs a coroutine to its end, and its errors pass."""
    assert drive(work()) == 42
    with pytest.raises(KeyError):
        drive(work(KeyError()))


async def test_drive_inside_an_event_loop():
    """Blocking code may run a coroutine even where an event loop runs."""
    assert drive(work()) == 42
