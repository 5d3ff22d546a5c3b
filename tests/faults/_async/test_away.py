"""A server that is away for a while."""

from __future__ import annotations

import contextlib
import functools

from arqade import QueueConnectionError
from tests.faults._async.callers import enqueue_all, once_more
from tests.faults.ledger import FAULTS, LONG
from tests.faults.tasks import async_together, meanwhile

TURNS = 3 if LONG else 2
OUTAGE = 2.0 if LONG else 0.4
"""Seconds."""


async def test_for_a_while(fault_proxy, raw, open_queues, ledgers):
    """All are told ok, each job is there once."""
    budget = 4.5
    queues = await open_queues(fault_proxy.url, 5, retry_budget=budget)
    ledger = ledgers(f"server away {OUTAGE} s", budget=budget)
    before = fault_proxy.connections
    fault_proxy.away()
    with meanwhile(fault_proxy.back, after=OUTAGE):
        await enqueue_all(queues * 20, ledger)
    await once_more(queues, ledger)
    assert fault_proxy.connections > before
    ledger.audit(raw)


async def test_longer_than_the_budget(fault_proxy, raw, open_queues, ledgers):
    """All are refused within their budgets, and none of the jobs is there two seconds later."""
    budget = 0.4
    queues = await open_queues(fault_proxy.url, 5, retry_budget=budget)
    ledger = ledgers("server away longer than the budget", budget=budget)
    fault_proxy.away()

    async def find_out(queue):
        # A call that finds its connection broken can't know that it was so before it was sent.
        with contextlib.suppress(QueueConnectionError):
            await queue.ping()

    await async_together([functools.partial(find_out, queue) for queue in queues])
    await enqueue_all(queues * 20, ledger)
    assert len(ledger.of("refused")) == FAULTS
    fault_proxy.back()
    ledger.audit(raw, raised=True)
    await once_more(queues, ledger)
    assert len(ledger.of("ok")) == len(queues)


async def test_going_while_calls_are_on_their_way(fault_proxy, raw, open_queues, ledgers):
    """Calls that were sent when the server went are ok, too, once it is back."""
    budget = 4.0
    queues = await open_queues(fault_proxy.url, 5, retry_budget=budget)
    ledger = ledgers("server goes while calls are on their way", budget=budget)

    for turn in range(TURNS):
        numbers = range(turn * FAULTS, (turn + 1) * FAULTS)
        with meanwhile(fault_proxy.away, after=0.005), meanwhile(fault_proxy.back, after=0.2):
            await enqueue_all(queues * 4, ledger, numbers)
    await once_more(queues, ledger)
    ledger.audit(raw)
