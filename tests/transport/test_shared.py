"""The connection that the tasks of an event loop share."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import time

import pytest
from redis.asyncio import BlockingConnectionPool, ConnectionPool, Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from arqade import RedisArqQueue
from arqade._transport.lines import LineBroken
from arqade._transport.redis_py import pack_command
from arqade._transport.shared import MAX_IN_FLIGHT, TOGETHER, SharedConnection
from arqade._transport.shared_pipe import SharedPipe


@contextlib.asynccontextmanager
async def shared(url, *, owned=True, socket_timeout=None, heartbeat=0, pool=None):
    """A shared connection to a server."""
    pool = pool or BlockingConnectionPool.from_url(url, protocol=2)
    line = SharedConnection(pool, owned=owned, socket_timeout=socket_timeout, heartbeat=heartbeat)
    try:
        yield line
    finally:
        await line.aclose()
        await pool.aclose()


def soon(seconds=10):
    """A moment by which every call should have ended."""
    return time.monotonic() + seconds


def echo(text):
    """A command whose reply tells whose it is."""
    return pack_command(("ECHO", text))


async def test_one_call(redis_url):
    """A reply is what the server said, as bytes."""
    async with shared(redis_url) as line:
        assert await line.exchange(echo("é"), soon()) == "é".encode()
        assert await line.exchange(pack_command(("TIME",)), soon())


async def test_refusals_are_redis_pys(redis_url):
    """A refusal raises redis-py's error for it, and the connection stays."""
    async with shared(redis_url) as line:
        with pytest.raises(NoScriptError):
            await line.exchange(pack_command(("EVALSHA", "0" * 40, 0)), soon())
        with pytest.raises(ResponseError, match="unknown command"):
            await line.exchange(pack_command(("NONSENSE",)), soon())
        assert await line.exchange(echo("a"), soon()) == b"a"


async def test_callers_share_a_connection_and_their_commands_leave_together(proxy):
    """A thousand callers at once use one connection and a few round trips."""
    async with shared(proxy.url) as line:
        await line.exchange(echo("first"), soon())
        before = proxy.round_trips
        replies = await asyncio.gather(*(line.exchange(echo(n), soon()) for n in range(1000)))
        assert replies == [b"%d" % n for n in range(1000)]
        assert proxy.round_trips - before <= 1000 / TOGETHER + 10
        assert proxy.connections == 1


async def test_cancelled_callers_cross_no_replies(redis_url):
    """Callers that are cancelled at any moment leave no reply for others."""
    dice = random.Random(4)

    async def call(line, number):
        assert await line.exchange(echo(number), soon()) == b"%d" % number
        return number

    async with shared(redis_url) as line:
        for _ in range(30):
            tasks = [asyncio.create_task(call(line, number)) for number in range(50)]
            for task in dice.sample(tasks, 25):
                for _ in range(dice.randrange(3)):
                    await asyncio.sleep(0)
                task.cancel()
            answers = await asyncio.gather(*tasks, return_exceptions=True)
            assert {type(answer) for answer in answers} <= {int, asyncio.CancelledError}
        assert await call(line, -1) == -1
        assert not line._in_flight


async def test_caller_out_of_time(redis_url, raw):
    """A caller whose time is over leaves; its reply is dropped, and the connection stays."""
    async with shared(redis_url) as line:
        await line.exchange(echo("first"), soon())
        raw.client_pause(300)
        with pytest.raises(LineBroken, match=r"no reply in time|TimeoutError") as caught:
            await line.exchange(echo("late"), soon(0.05))
        assert caught.value.sent
        connection = line._connection
        assert await line.exchange(echo("next"), soon()) == b"next"
        assert line._connection is connection


async def test_silent_server(redis_url, raw):
    """A server that answers nothing for the socket's time-out is given up, for all callers."""
    async with shared(redis_url, socket_timeout=0.1) as line:
        await line.exchange(echo("first"), soon())
        raw.client_pause(400)
        calls = (line.exchange(echo(n), soon()) for n in range(3))
        for error in await asyncio.gather(*calls, return_exceptions=True):
            assert isinstance(error, LineBroken)
            assert error.sent
            assert isinstance(error.error, RedisTimeoutError)
        await asyncio.sleep(0.4)
        assert await line.exchange(echo("next"), soon()) == b"next"


async def test_broken_connection(proxy):
    """Every caller in flight is told; the next call has a new connection."""
    async with shared(proxy.url) as line:
        await line.exchange(echo("first"), soon())
        calls = [asyncio.create_task(line.exchange(echo(n), soon())) for n in range(3)]
        await asyncio.sleep(0)
        proxy.break_connections()
        errors = [e for e in await asyncio.gather(*calls, return_exceptions=True) if e is not None]
        assert all(isinstance(error, LineBroken | bytes) for error in errors)
        assert await line.exchange(echo("next"), soon()) == b"next"
        assert proxy.connections == 2


async def test_connection_that_broke_while_idle_is_noticed_before_sending(proxy):
    """What must not be sent twice is not sent on a connection that is known to be broken."""
    async with shared(proxy.url) as line:
        await line.exchange(echo("first"), soon())
        proxy.break_connections()
        time.sleep(0.05)  # noqa: ASYNC251 - the event loop shall not look meanwhile
        assert await line.exchange(echo("once"), soon(), once=True) == b"once"


async def test_no_server():
    """Without a connection nothing was sent, and attempts keep a distance."""
    pool = BlockingConnectionPool(port=1, protocol=2)
    async with shared(None, pool=pool) as line:
        start = time.monotonic()
        for _ in range(4):
            with pytest.raises(LineBroken) as caught:
                await line.exchange(echo("a"), soon())
            assert not caught.value.sent
            assert isinstance(caught.value.error, RedisConnectionError)
        assert time.monotonic() - start >= 0.15
        errors = await asyncio.gather(
            *(line.exchange(echo(n), soon()) for n in range(3)), return_exceptions=True
        )
        assert len({id(error.error) for error in errors}) == 3


async def test_back_pressure(redis_url, raw):
    """While the server is slow, callers wait, and no more than so many bytes are under way."""
    payload = "x" * 300_000
    async with shared(redis_url) as line:
        await line.exchange(echo("first"), soon())
        raw.client_pause(200)
        calls = [asyncio.create_task(line.exchange(echo(payload), soon())) for _ in range(60)]
        await asyncio.sleep(0.1)
        assert 0 < line._in_flight_bytes <= MAX_IN_FLIGHT
        assert len(line._waiting) >= 60 - MAX_IN_FLIGHT // 300_000
        calls[-1].cancel()
        replies = await asyncio.gather(*calls, return_exceptions=True)
        assert [len(reply) for reply in replies[:-1]] == [300_000] * 59
        assert line._in_flight_bytes == 0
        assert not line._waiting


async def test_command_that_is_larger_than_the_limit(redis_url):
    """One command always may be under way."""
    payload = "x" * (MAX_IN_FLIGHT + 1)
    async with shared(redis_url) as line:
        replies = await asyncio.gather(*(line.exchange(echo(payload), soon()) for _ in range(3)))
        assert [len(reply) for reply in replies] == [len(payload)] * 3


@pytest.mark.parametrize("make_pool", [ConnectionPool, BlockingConnectionPool])
async def test_borrowed_connection_goes_back(redis_url, raw, make_pool):
    """A borrowed pool gets its connection back when no call is left."""
    pool = make_pool.from_url(redis_url, max_connections=1)
    client = Redis(connection_pool=pool)
    assert await client.ping()
    before = len(raw.client_list())
    async with shared(redis_url, owned=False, pool=pool) as line:
        for _ in range(3):
            replies = await asyncio.gather(*(line.exchange(echo(n), soon()) for n in range(5)))
            assert replies == [b"0", b"1", b"2", b"3", b"4"]
            await asyncio.sleep(0.01)
            assert await client.ping()
        assert len(raw.client_list()) == before
    assert await client.ping()
    await client.aclose(close_connection_pool=True)


async def test_borrowed_pool_that_is_closed_by_its_owner(redis_url):
    """A queue on a borrowed pool leaves nothing open, closed or not."""
    client = Redis.from_url(redis_url)
    queue = RedisArqQueue(client)
    await queue.enqueue("work")
    await client.aclose(close_connection_pool=True)
    await queue.enqueue("work")
    await client.aclose(close_connection_pool=True)


async def test_heartbeat(proxy):
    """An idle connection that has died is noticed, and replaced when it is needed."""
    async with shared(proxy.url, socket_timeout=0.1, heartbeat=0.05) as line:
        await line.exchange(echo("first"), soon())
        before = proxy.round_trips
        await asyncio.sleep(0.25)
        assert proxy.round_trips - before >= 2
        assert line._transport is not None
        assert await line.exchange(echo("next"), soon()) == b"next"


async def test_closing_while_calls_are_in_flight(redis_url, raw):
    """Calls in flight fail, and say that they were sent."""
    async with shared(redis_url) as line:
        await line.exchange(echo("first"), soon())
        raw.client_pause(100)
        call = asyncio.create_task(line.exchange(echo("a"), soon()))
        await asyncio.sleep(0.02)
        await line.aclose()
        with pytest.raises(LineBroken, match=r"closed|ConnectionError") as caught:
            await call
        assert caught.value.sent


async def test_call_that_comes_after_closing(redis_url, raw):
    """A caller that was on its way meanwhile is told so, and opens nothing."""
    async with shared(redis_url) as line:
        await line.exchange(echo("a"), soon())
        await line.aclose()
        before = raw.info("stats")["total_connections_received"]
        with pytest.raises(LineBroken, match="closed") as caught:
            await line.exchange(echo("b"), soon())
        assert not caught.value.sent
        assert raw.info("stats")["total_connections_received"] == before


async def test_closing_while_connecting():
    """A call that waits for a connection fails, and says that it was not sent."""
    # Nobody accepts, and so nobody answers the login.
    server = socket.create_server(("127.0.0.1", 0))
    pool = BlockingConnectionPool(port=server.getsockname()[1], password="pw")
    with server:
        async with shared(None, pool=pool) as line:
            call = asyncio.create_task(line.exchange(echo("a"), soon()))
            await asyncio.sleep(0.05)
            await line.aclose()
            with pytest.raises(LineBroken) as caught:
                await call
            assert not caught.value.sent


async def test_pipe(proxy):
    """Commands of a pipe leave before the replies to earlier ones have come."""
    async with shared(proxy.url) as line:
        pipe = SharedPipe(line)
        for number in range(4):
            assert await pipe.send(echo(number), soon())
        assert [await pipe.receive(soon()) for _ in range(4)] == [b"0", b"1", b"2", b"3"]
        assert not pipe.failed
        await pipe.aclose()


async def test_pipe_stops_after_a_refusal(redis_url):
    """After a refusal nothing more is sent; what was sent has its reply."""
    async with shared(redis_url) as line:
        await line.exchange(echo("first"), soon())
        pipe = SharedPipe(line)
        assert await pipe.send(pack_command(("NONSENSE",)), soon())
        # The refusal may be here already.
        sent = await pipe.send(echo(1), soon())
        while not pipe.failed:  # noqa: ASYNC110 - a pipe tells only who sends or receives
            await asyncio.sleep(0)
        assert not await pipe.send(echo(2), soon())
        with pytest.raises(ResponseError):
            await pipe.receive(soon())
        if sent:
            assert await pipe.receive(soon()) == b"1"
        await pipe.aclose()


async def test_pipe_that_breaks(proxy):
    """Where the connection breaks, what was sent has no reply, and nothing more is sent."""
    async with shared(proxy.url) as line:
        await line.exchange(echo("first"), soon())
        pipe = SharedPipe(line)
        proxy.swallow_replies = True
        assert await pipe.send(pack_command(("EVALSHA", "0" * 40, 0)), soon())
        await asyncio.sleep(0.02)
        proxy.break_connections()
        while not pipe.failed:  # noqa: ASYNC110 - a pipe tells only who sends or receives
            await asyncio.sleep(0)
        assert not await pipe.send(echo(2), soon())
        with pytest.raises(LineBroken) as caught:
            await pipe.receive(soon())
        assert caught.value.sent
        await pipe.aclose()
