"""Many jobs at once, under faults."""

from __future__ import annotations

import pytest

from arqade import EnqueueManyError, JobRequest
from tests.faults._async.callers import once_more
from tests.faults.ledger import CANARY, FAULTS, LONG, kinds
from tests.harness.fault_proxy import HOLE_AFTER, HOLE_BEFORE, LOST, REPLY_CUT, every, late

CHUNK = 10
BUDGET = 3.0
EVERY = 10 if LONG else 16


def requests(count):
    """Jobs with ids of their own."""
    for number in range(count):
        yield JobRequest("echo", (CANARY, number, ""), job_id=f"k{number}")


def requests_until(count, strike):
    """Jobs, half of which are taken when something happens."""
    for number, request in enumerate(requests(count)):
        if number == count // 2:
            strike()
        yield request


async def enqueue_many(queue, ledger, jobs):
    """Enqueue them, and write down what came of each; give the error."""
    try:
        found = await queue.enqueue_many(jobs, chunk_size=CHUNK)
    except EnqueueManyError as error:
        ledger.settle_many(error=error)
        return error
    ledger.settle_many(found)
    return None


@kinds(request_or_reply_lost=LOST, no_answer_in_time=(HOLE_BEFORE, HOLE_AFTER, late(0.3)))
async def test_chunks_are_struck(fault_proxy, raw, open_queues, ledgers, row, faults):
    """All jobs are told ok in their order, and each is there once."""
    (queue,) = await open_queues(fault_proxy.url)
    fault_proxy.plan = every(EVERY, *faults)
    ledger = ledgers(f"enqueue_many, {row}", budget=BUDGET)
    assert await enqueue_many(queue, ledger, requests(FAULTS * CHUNK)) is None
    assert sum(fault_proxy.struck.values()) >= FAULTS // EVERY
    assert [call.job.id for call in ledger.calls] == [f"k{n}" for n in range(FAULTS * CHUNK)]
    fault_proxy.plan = None
    await once_more([queue], ledger)
    ledger.audit(raw)


async def test_server_goes_away(fault_proxy, raw, open_queues, ledgers):
    """The error's lists are right: what is there, what is not, and what can't be known."""
    (queue,) = await open_queues(fault_proxy.url, retry_budget=0.4)
    ledger = ledgers("enqueue_many, server away longer than the budget", budget=BUDGET)
    error = await enqueue_many(queue, ledger, requests_until(FAULTS * CHUNK, fault_proxy.away))
    # At least those of the chunks that were answered before the next one could be sent.
    assert len(error.enqueued) >= FAULTS * CHUNK // 2 - 6 * CHUNK
    assert error.not_enqueued
    fault_proxy.back()
    ledger.audit(raw, raised=True)
    await once_more([queue], ledger)
    assert ledger.calls[-1].outcome == "ok"


@pytest.mark.parametrize("fault", [HOLE_BEFORE, HOLE_AFTER, REPLY_CUT], ids=lambda f: f.name)
async def test_answers_never_come(fault_proxy, raw, open_queues, ledgers, fault):
    """What was sent and not answered is uncertain, and nothing is told to be what it is not."""
    (queue,) = await open_queues(fault_proxy.url, retry_budget=0.4)
    ledger = ledgers(f"enqueue_many, {fault.name} for ever", budget=BUDGET)

    def strike():
        fault_proxy.plan = lambda _: fault

    error = await enqueue_many(queue, ledger, requests_until(FAULTS * CHUNK, strike))
    assert error.uncertain
    assert len({*error.enqueued, *error.not_enqueued, *error.uncertain}) == len(ledger.calls)
    # What was sent last may still be on its way to the proxy.
    ledger.audit(raw, raised=True, wait=0.3)
    fault_proxy.plan = None
    await once_more([queue], ledger)
    assert ledger.calls[-1].outcome == "ok"
