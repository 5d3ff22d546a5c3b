# Generated from tests/faults/_async/test_kill.py by "make generate"; do not edit.
"""A server that is killed and comes back."""

from __future__ import annotations

import time

import redis

from tests.faults._sync.callers import enqueue_all, once_more
from tests.faults.killable import PASSWORD, KillableServer
from tests.faults.ledger import FAULTS
from tests.faults.tasks import meanwhile

KILLS = 5
BUDGET = 10.0
PATIENCE = 120.0


def test_kill_and_restart(open_queues, ledgers):
    """With an append-only file no job is lost or doubled, and no caller is told of it."""
    total = FAULTS * 10
    ledger = ledgers("kill -9 and restart, five times, AOF on", budget=BUDGET, secrets=[PASSWORD])
    with KillableServer() as server:
        (queue,) = open_queues(server.url, retry_budget=BUDGET, socket_timeout=1)

        def kill():
            end = time.monotonic() + PATIENCE
            for turn in range(1, KILLS + 1):
                while len(ledger.calls) < turn * total / (KILLS + 1):
                    assert time.monotonic() < end
                    time.sleep(0.002)
                server.kill()
                server.start()

        with meanwhile(kill):
            enqueue_all([queue] * 20, ledger, range(total))
        once_more([queue], ledger)
        with redis.Redis.from_url(server.url) as raw:
            ledger.audit(raw)
