# Generated from tests/faults/_async/test_random.py by "make generate"; do not edit.
"""Faults of all kinds at random."""

from __future__ import annotations

import pytest

from tests.faults._sync.callers import enqueue_all, once_more
from tests.faults.ledger import FAULTS
from tests.harness.fault_proxy import HOLE_AFTER, HOLE_BEFORE, LOST, dice, held, late

FRAMES = (*LOST, HOLE_BEFORE, HOLE_AFTER, late(0.3), held(0.3))

BUDGET = 5.0
"""Some calls are struck four times."""


@pytest.mark.parametrize("seed", range(1, 6))
def test_every_tenth_frame(fault_proxy, raw, open_queues, ledgers, seed):
    """All are told ok, each job is there once, and no reply goes to another caller."""
    queues = open_queues(fault_proxy.url, 25, retry_budget=BUDGET)
    fault_proxy.plan = dice(seed, 0.1, FRAMES)
    ledger = ledgers("each frame 10 % faulty, five seeds", budget=BUDGET)
    enqueue_all(queues, ledger, read=True)
    assert sum(fault_proxy.struck.values())
    fault_proxy.plan = None
    once_more(queues, ledger)
    ledger.audit(raw)


def test_shared_connection(fault_proxy, raw, open_queues, ledgers):
    """The same holds on a connection that many callers share."""
    (queue,) = open_queues(fault_proxy.url, retry_budget=BUDGET)
    fault_proxy.plan = dice(6, 0.02, FRAMES)
    ledger = ledgers("each frame 2 % faulty, 20 callers share a queue", budget=BUDGET)
    enqueue_all([queue] * 20, ledger, range(FAULTS * 2), read=True)
    assert sum(fault_proxy.struck.values())
    fault_proxy.plan = None
    once_more([queue], ledger)
    ledger.audit(raw)
