"""Callers that are cancelled at random moments; threads can't be."""

from __future__ import annotations

import asyncio
import contextlib
import random

import anyio
import pytest
from redis.asyncio import BlockingConnectionPool, Redis

from arqade import RedisArqQueue, RedisSettings
from tests.faults.ledger import CANARY, FAULTS, LONG
from tests.harness.fault_proxy import LOST, dice, late

BUDGET = 6.0
"""A fault strikes all callers of a connection, some of them many times."""
CALLERS = 10

CALLS = FAULTS if LONG else -(-FAULTS // 4)
"""Of each kind of queue and network; a row has four of them."""


async def by_task(call, seconds):
    """Cancel the caller's task."""
    task = asyncio.create_task(call)
    await asyncio.sleep(seconds)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def by_wait_for(call, seconds):
    """Give up with asyncio's own tool."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(call, seconds)


async def by_scope(call, seconds):
    """Give up with anyio's."""
    with anyio.move_on_after(seconds):
        await call


@contextlib.asynccontextmanager
async def owned_queue(url):
    """A queue with connections of its own."""
    settings = RedisSettings.from_url(url, socket_timeout=0.1, retry_budget=BUDGET)
    async with await RedisArqQueue.initialize(settings) as queue:
        yield queue


@contextlib.asynccontextmanager
async def borrowed_queue(url):
    """A queue on a pool of two connections."""
    pool = BlockingConnectionPool.from_url(url, max_connections=2, timeout=2, socket_timeout=0.1)
    async with Redis(connection_pool=pool) as client, RedisArqQueue(client) as queue:
        yield queue
        # Both connections are to be had.
        one, other = await pool.get_connection(), await pool.get_connection()
        await pool.release(one)
        await pool.release(other)
    await pool.aclose()


@pytest.mark.parametrize("faulty", [False, True], ids=["slow", "faulty"])
@pytest.mark.parametrize("open_queue", [owned_queue, borrowed_queue])
@pytest.mark.parametrize("cancel", [by_task, by_wait_for, by_scope])
async def test_cancelled_at_random(fault_proxy, raw, ledgers, cancel, open_queue, faulty):
    """No later reply is crossed, no connection is leaked, and no job is there twice."""
    name = cancel.__name__.replace("_", " ")
    ledger = ledgers(f"cancelled {name}, then reuse", budget=BUDGET)
    moments = random.Random(name)
    slow = dice(8, 0.5, [late(0.001), late(0.003)])
    wrong = dice(9, 0.08, [*LOST, late(0.003), late(0.15)])
    fault_proxy.plan = wrong if faulty else slow
    left = iter(range(CALLS))

    async def enqueue(queue, number):
        with ledger.calling(number) as call:
            call.job = await queue.enqueue("echo", CANARY, number, "", _defer_by=number + 1)

    async def read(queue, number):
        with ledger.reading(number) as call:
            found = await queue.get_job_metadata(ledger.job_of(number).id)
            ledger.check_reply(call, matches=found.args[1] == number)

    async def caller(queue):
        for number in left:
            await cancel(enqueue(queue, number), moments.uniform(0, 0.008))
            # Reuse: the same connection, before the reply to the cancelled call has come.
            again = number + 1_000_000
            await enqueue(queue, again)
            if ledger.job_of(again):
                await cancel(read(queue, again), moments.uniform(0, 0.004))
                await read(queue, again)

    async with open_queue(fault_proxy.url) as queue:
        await asyncio.gather(*(caller(queue) for _ in range(CALLERS)))
        fault_proxy.plan = None
        await enqueue(queue, 2_000_000)
        # What was broken is closed by now, but for what the network still has to tell.
        await asyncio.sleep(0.05)
        assert fault_proxy.open <= (1 if open_queue is owned_queue else 2)
    await asyncio.sleep(0.05)
    assert fault_proxy.open == 0
    assert len(ledger.of("ok")) >= CALLS + 1
    ledger.audit(raw)
