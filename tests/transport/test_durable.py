"""Commands that are followed by a WAIT, on the connections of tasks and of threads."""

from __future__ import annotations

import asyncio
import contextlib
import time

import pytest
from redis import BlockingConnectionPool as BlockingPool
from redis.asyncio import BlockingConnectionPool
from redis.exceptions import NoScriptError

from arqade._transport.lines import WAIT_TIME, LineBroken
from arqade._transport.redis_py import pack_command
from arqade._transport.shared import SharedConnection
from arqade._transport.shared_durable import DurableConnection
from arqade._transport.shared_pipe import SharedPipe
from arqade._transport.thread_durable import DurableThreads
from arqade._transport.thread_pipe import ThreadPipe
from arqade._transport.threads import ThreadConnections

# The tests' server has no replica: it is content with none, and waits for one in vain.
ENOUGH, TOO_MANY = 0, 1
NO_SCRIPT = pack_command(("EVALSHA", "0" * 40, 0))


@contextlib.asynccontextmanager
async def durable(url, *, replicas=ENOUGH, owned=True):
    """A connection for tasks."""
    pool = BlockingConnectionPool.from_url(url, protocol=2, max_connections=2, timeout=1)
    shared = SharedConnection(pool, owned=owned, socket_timeout=5)
    line = DurableConnection(shared)
    line.replicas = replicas
    try:
        yield line
    finally:
        await line.aclose()
        await shared.aclose()
        await pool.aclose()


@contextlib.contextmanager
def durable_threads(url, *, replicas=TOO_MANY):
    """Connections for threads."""
    pool = BlockingPool.from_url(url, protocol=2, max_connections=2, timeout=1)
    shared = ThreadConnections(pool, owned=True, socket_timeout=None)
    line = DurableThreads(shared)
    line.replicas = replicas
    try:
        yield line
    finally:
        shared.close()
        pool.disconnect()


def soon(seconds=10):
    return time.monotonic() + seconds


def count(name="n"):
    """A command that writes, and whose reply tells whose it is."""
    return pack_command(("INCR", name))


async def test_replies_are_the_callers_own(redis_url):
    """Each caller gets the reply to its own command, and not that to WAIT."""
    async with durable(redis_url) as line:
        calls = [line.exchange(count(str(n % 3)), soon()) for n in range(300)]
        found = await asyncio.gather(*calls)
        assert found == [n // 3 + 1 for n in range(300)]


async def test_callers_share_a_wait(raw, proxy):
    """Callers at the same time don't wait for one another's replicas one by one."""
    async with durable(proxy.url, replicas=TOO_MANY) as line:
        start = time.monotonic()
        calls = [line.exchange(count(), soon()) for _ in range(20)]
        found = await asyncio.gather(*calls, return_exceptions=True)
        assert [type(error) for error in found] == [LineBroken] * 20
        assert all(error.sent for error in found)
        assert time.monotonic() - start < 4 * WAIT_TIME
        assert raw.info("commandstats")["cmdstat_incr"]["calls"] >= 20


async def test_refusal(redis_url):
    """A refusal is raised without a WAIT, and the connection stays."""
    async with durable(redis_url) as line:
        with pytest.raises(NoScriptError):
            await line.exchange(NO_SCRIPT, soon())
        assert await line.exchange(count(), soon()) == 1


async def test_connection_that_breaks_before_the_replicas_confirm(proxy):
    """Nobody can tell then whether they have it: another connection's WAIT could not."""
    async with durable(proxy.url, replicas=TOO_MANY) as line:
        call = asyncio.create_task(line.exchange(count(), soon()))
        await asyncio.sleep(WAIT_TIME / 2)
        proxy.break_connections()
        line.replicas = ENOUGH
        with pytest.raises(LineBroken) as caught:
            await call
        assert caught.value.sent
        assert await line.exchange(count(), soon()) == 2


async def test_connection_that_is_renewed_after_the_answer(redis_url):
    """An answer of a connection that was given up meanwhile is not confirmed by the next one."""
    async with durable(redis_url) as line:
        await line.exchange(count(), soon())
        call = line.start(count(), soon())
        line._unconfirmed.append((call, 2))
        line.renew(ConnectionError("moved"))
        with pytest.raises(LineBroken, match="moved"):
            await call.reply
        assert await line.exchange(count(), soon()) in {2, 3}


async def test_caller_out_of_time(redis_url):
    """A caller whose time is over while the replicas are waited for has sent its command."""
    async with durable(redis_url, replicas=TOO_MANY) as line:
        with pytest.raises(LineBroken, match="did not confirm in time") as caught:
            await line.exchange(count(), soon(0.2))
        assert caught.value.sent


async def test_server_that_has_gone(proxy):
    """What was not sent is known not to be."""
    proxy.refuse = True
    async with durable(proxy.url) as line:
        with pytest.raises(LineBroken) as caught:
            await line.exchange(count(), soon())
        assert not caught.value.sent


async def test_cancelled_callers(redis_url):
    """A cancelled caller leaves the others their replies."""
    async with durable(redis_url) as line:
        for number in range(1, 60, 2):
            cancelled = asyncio.create_task(line.exchange(count(), soon()))
            other = asyncio.create_task(line.exchange(count(), soon()))
            await asyncio.sleep(0)
            cancelled.cancel()
            assert await other in {number, number + 1}
            assert await line.exchange(pack_command(("SET", "n", number + 1)), soon()) == b"OK"


async def test_cancelled_before_it_was_sent(redis_url):
    """The command of a caller that was cancelled while it waited for a connection is not sent."""
    async with durable(redis_url) as line:
        cancelled = asyncio.create_task(line.exchange(count(), soon()))
        await asyncio.sleep(0)
        cancelled.cancel()
        assert await line.exchange(count(), soon()) == 1


async def test_pipe(redis_url):
    """Commands of a pipe are confirmed, each in its turn."""
    async with durable(redis_url) as line:
        pipe = SharedPipe(line)
        for _ in range(5):
            assert await pipe.send(count(), soon())
        assert [await pipe.receive(soon()) for _ in range(5)] == [1, 2, 3, 4, 5]
        await pipe.aclose()


async def test_borrowed_connection_goes_back(redis_url, raw):
    """A borrowed connection goes back when the replicas have confirmed."""
    async with durable(redis_url, owned=False) as line:
        await asyncio.gather(*(line.exchange(count(), soon()) for _ in range(10)))
        await asyncio.sleep(0.01)
        assert line._transport is None
        assert await line.exchange(count(), soon()) == 11


def test_threads_are_not_confirmed(redis_url):
    """A thread's command that no replica has is sent, and its connection not used again."""
    with durable_threads(redis_url) as line:
        with pytest.raises(LineBroken, match="0 of 1 replicas") as caught:
            line.exchange(count(), soon())
        assert caught.value.sent
        with pytest.raises(LineBroken, match="did not confirm in time") as caught:
            line.exchange(count(), soon(0.2))
        assert caught.value.sent


def test_threads_pipe(redis_url):
    """Commands of a thread's pipe are confirmed until one is not."""
    with durable_threads(redis_url) as line:
        pipe = ThreadPipe(line)
        line.replicas = ENOUGH
        assert pipe.send(count(), soon())
        line.replicas = TOO_MANY
        assert pipe.send(count(), soon())
        assert pipe.receive(soon()) == 1
        with pytest.raises(LineBroken):
            pipe.receive(soon())
        assert not pipe.send(count(), soon())
        pipe.close()


def test_threads_refusal(redis_url):
    """A refusal is redis-py's, whatever becomes of the WAIT."""
    with durable_threads(redis_url) as line:
        with pytest.raises(NoScriptError):
            line.exchange(NO_SCRIPT, soon())
        line.replicas = ENOUGH
        assert line.exchange(count(), soon()) == 1


def test_threads_server_that_has_gone(proxy):
    """What was not sent is known not to be."""
    proxy.refuse = True
    with durable_threads(proxy.url) as line:
        with pytest.raises(LineBroken) as caught:
            line.exchange(count(), soon())
        assert not caught.value.sent
