from __future__ import annotations

import asyncio

import pytest
from redis.exceptions import TimeoutError as RedisTimeoutError

from arqade import _concurrency
from arqade._concurrency import (
    async_checkpoint,
    async_deadline,
    async_drive,
    async_read_reply,
    async_sleep,
    checkpoint,
    deadline,
    drive,
    no_event_loop,
    read_reply,
    running_event_loop,
    sleep,
)


class Connection:
    """A blocking connection of redis-py that has a reply, or none."""

    def __init__(self, *, socket_timeout, readable=True):
        self.socket_timeout = socket_timeout
        self.asked = []
        self._readable = readable

    def can_read(self, timeout=0):
        self.asked.append(timeout)
        return self._readable

    def read_response(self, disable_decoding=False):  # noqa: FBT002 - redis-py's signature
        assert disable_decoding
        return b"reply"


class AsyncConnection:
    """An asynchronous connection of redis-py that has a reply."""

    async def read_response(self, disable_decoding=False):  # noqa: FBT002 - redis-py's signature
        assert disable_decoding
        return b"reply"


async def test_async_sleep(monkeypatch):
    """The async sleep is anyio's."""
    slept = []

    async def fake(seconds):
        slept.append(seconds)

    monkeypatch.setattr("arqade._concurrency.anyio.sleep", fake)
    await async_sleep(0.25)
    assert slept == [0.25]


def test_sleep(monkeypatch):
    """The blocking sleep is that of the standard library."""
    slept = []
    monkeypatch.setattr(_concurrency.time, "sleep", slept.append)
    sleep(0.25)
    assert slept == [0.25]


@pytest.mark.parametrize("seconds", [0, -1])
async def test_async_deadline(seconds):
    """A block that outlasts the deadline ends with a `TimeoutError`."""
    with pytest.raises(TimeoutError):
        async with async_deadline(seconds):
            await asyncio.Event().wait()


async def test_async_deadline_in_time():
    """A block that ends in time is not disturbed, and its own errors pass."""
    async with async_deadline(3600):
        await asyncio.sleep(0)
    with pytest.raises(KeyError):
        async with async_deadline(3600):
            raise KeyError


def test_deadline():
    """The blocking deadline does nothing."""
    with deadline(0):
        done = True
    assert done


async def test_async_read_reply():
    """A reply is read as bytes."""
    assert await async_read_reply(AsyncConnection(), 5) == b"reply"


@pytest.mark.parametrize(
    ("socket_timeout", "timeout", "asked"),
    [
        (5, 3, [3]),
        (None, 3, [3]),
        (None, -1, [0]),
        (5, -1, [0]),
        (5, 0, [0]),
        (5, 5, []),
        (5, 9, []),
    ],
)
def test_read_reply(socket_timeout, timeout, asked):
    """A reply is waited for as long as is left, if the socket would wait longer."""
    connection = Connection(socket_timeout=socket_timeout)
    assert read_reply(connection, timeout) == b"reply"
    assert connection.asked == asked


@pytest.mark.parametrize(("socket_timeout", "timeout"), [(5, 3), (None, 3), (5, 0), (None, -2)])
def test_no_reply(socket_timeout, timeout):
    """No reply in time is redis-py's time-out."""
    connection = Connection(socket_timeout=socket_timeout, readable=False)
    with pytest.raises(RedisTimeoutError, match=f"no reply within {timeout:.3f} seconds"):
        read_reply(connection, timeout)


async def test_running_event_loop():
    """The async side belongs to the loop that runs it."""
    assert running_event_loop() is asyncio.get_running_loop()


def test_no_event_loop():
    """The blocking side belongs to no loop."""
    assert no_event_loop() is None
    with pytest.raises(RuntimeError):
        running_event_loop()


async def test_async_checkpoint():
    """A cancellation that is pending strikes at a checkpoint; without one it does nothing."""
    passed = []

    async def work():
        await async_checkpoint()
        passed.append("before")
        asyncio.current_task().cancel()
        await async_checkpoint()
        passed.append("after")

    with pytest.raises(asyncio.CancelledError):
        await asyncio.create_task(work())
    assert passed == ["before"]


def test_checkpoint():
    """Blocking code has no cancellation to look for."""
    assert checkpoint() is None


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
