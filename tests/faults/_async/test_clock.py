"""Machines whose clocks are wrong."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest
from redis.asyncio import Redis

from arqade import RedisArqQueue
from tests.faults._async.callers import enqueue_one
from tests.faults.ledger import FAULTS
from tests.harness.fault_proxy import REPLY_RESET, dice

BUDGET = 10.0
DEFER_MS = 30_000
ROUNDING_MS = 2
"""A deferral is added to an estimate of the server's time."""

LATENESS_MS = 500
"""How old that estimate may be, after calls that were repeated."""

OFFSETS = {"-2 d": -172_800, "-1 h": -3600, "+5 s": 5, "+1 h": 3600}


@pytest.mark.parametrize("offset", OFFSETS)
async def test_wrong_clock(fault_proxy, raw, ledgers, monkeypatch, offset):
    """A first call's job is due by the server's clock, now or later, even if replies get lost."""
    clock = SimpleNamespace(time=lambda: time.time() + OFFSETS[offset], monotonic=time.monotonic)
    monkeypatch.setattr("arqade._protocol.clock.time", clock)
    ledger = ledgers(f"client clock {offset}", budget=BUDGET)
    fault_proxy.plan = dice(7, 0.04, [REPLY_RESET])
    async with Redis.from_url(fault_proxy.url) as client:
        for number in range(FAULTS):
            deferral = DEFER_MS if number % 3 == 2 else 0
            queue = RedisArqQueue(client)
            before = server_ms(raw)
            await enqueue_one(
                queue, ledger, number, _defer_by=deferral / 1000 if deferral else None
            )
            after = server_ms(raw)
            await queue.aclose()
            job = ledger.calls[-1].job
            assert job is not None
            enqueue_time = job.enqueue_time.timestamp() * 1000
            assert before - LATENESS_MS <= enqueue_time <= after + ROUNDING_MS
            assert before - LATENESS_MS <= job.score - deferral <= after + ROUNDING_MS
    ledger.audit(raw)


def server_ms(raw):
    """The server's time."""
    seconds, micros = raw.time()
    return seconds * 1000 + micros / 1000
