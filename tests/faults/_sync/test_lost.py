# Generated from tests/faults/_async/test_lost.py by "make generate"; do not edit.
"""Requests and replies that get lost, vanish or come late, of one command at a time."""

from __future__ import annotations

import pytest

from tests.faults._sync.callers import enqueue_all, once_more
from tests.faults.ledger import FAULTS, kinds
from tests.harness.fault_proxy import HOLE_AFTER, HOLE_BEFORE, LOST, every, first, late

BUDGET = 3.0
CALLERS = 25
"""Each has a connection of its own, so that a fault strikes one call."""

SHARED = 20
"""So many have one connection, so that a fault strikes what is on its way with it."""

LATE = late(0.35)
SLOW = (HOLE_BEFORE, HOLE_AFTER, LATE)


@pytest.mark.parametrize("fault", LOST, ids=lambda fault: fault.name)
def test_each_call_is_struck(fault_proxy, raw, open_queues, ledgers, fault):
    """All are told ok, and each job is there once."""
    queues = open_queues(fault_proxy.url, CALLERS)
    fault_proxy.plan = first(1, fault)
    ledger = ledgers(fault.name, budget=BUDGET)
    enqueue_all(queues, ledger)
    assert fault_proxy.struck[fault.name] >= FAULTS
    fault_proxy.plan = None
    once_more(queues, ledger)
    ledger.audit(raw)


@kinds(request_or_reply_lost=LOST)
def test_three_times_in_a_row(fault_proxy, raw, open_queues, ledgers, row, faults):
    """All are told ok, and each job is there once."""
    queues = open_queues(fault_proxy.url, CALLERS)
    fault_proxy.plan = first(3, *faults)
    ledger = ledgers(f"{row}, three times in a row", budget=BUDGET)
    enqueue_all(queues, ledger)
    assert sum(fault_proxy.struck.values()) >= FAULTS * 3
    fault_proxy.plan = None
    once_more(queues, ledger)
    ledger.audit(raw)


@pytest.mark.parametrize("fault", SLOW, ids=lambda fault: fault.name)
def test_no_answer_in_time(fault_proxy, raw, open_queues, ledgers, fault):
    """All are told ok within their budgets, each job is there once, no late reply is misread."""
    queues = open_queues(fault_proxy.url, CALLERS)
    fault_proxy.plan = first(1, fault)
    ledger = ledgers(fault.name, budget=BUDGET)
    enqueue_all(queues, ledger, read=True)
    assert fault_proxy.struck[fault.name] >= FAULTS
    fault_proxy.plan = None
    once_more(queues, ledger)
    ledger.audit(raw)


@kinds(request_or_reply_lost=LOST, no_answer_in_time=SLOW)
def test_many_callers_share_a_queue(fault_proxy, raw, open_queues, ledgers, row, faults):
    """The same holds for whoever has a command on its way beside the one that is struck."""
    (queue,) = open_queues(fault_proxy.url)
    fault_proxy.plan = every(40, *faults)
    ledger = ledgers(f"{row}, {SHARED} callers share a queue", budget=BUDGET)
    enqueue_all([queue] * SHARED, ledger, range(FAULTS * 2), read=True)
    assert sum(fault_proxy.struck.values()) >= FAULTS // 10
    fault_proxy.plan = None
    once_more([queue], ledger)
    ledger.audit(raw)
