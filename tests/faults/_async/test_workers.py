"""Jobs that a stock worker has run before the call's repeat reaches the server."""

from __future__ import annotations

import functools

import pytest
import redis

from arqade._concurrency import async_sleep
from tests.faults._async.callers import enqueue_all, enqueue_one, once_more
from tests.faults.ledger import FAULTS, LONG
from tests.faults.tasks import async_together
from tests.harness.fault_proxy import HOLE_BEFORE, REPLY_RESET, held, held_until
from tests.harness.states import QUEUE
from tests.harness.worker import RAN, WorkerProcess, started_jobs, wait_until

LATE = 2.3 if LONG else 0.8
"""Seconds that a first request is stuck; its repeat needs 0.3."""

TASKS = {0: "keep_nothing", 3600: "echo"}
"""By the seconds for which their results are kept."""


@pytest.mark.parametrize("keep_result", TASKS)
async def test_repeat_after_the_job_ran(
    fault_proxy, redis_url, raw, open_queues, ledgers, keep_result
):
    """The reply is lost, and the repeat comes when the job has run: it runs no second time."""
    queues = await open_queues(fault_proxy.url, 25, socket_timeout=5, retry_budget=8)
    ledger = ledgers(f"reply lost, repeat after the job ran, keep_result={keep_result}", budget=8)
    with redis.Redis.from_url(redis_url) as looking, WorkerProcess(redis_url):
        wait = held_until(lambda operation: looking.lpos(RAN, operation.job_id) is not None)
        fault_proxy.plan = lambda operation: (REPLY_RESET, wait, None)[min(operation.attempt, 2)]
        await enqueue_all(queues, ledger, task=TASKS[keep_result])
        assert fault_proxy.struck[wait.name] == FAULTS
        fault_proxy.plan = None
        await once_more(queues, ledger)
        wait_until(lambda: not raw.zcard(QUEUE))
    ledger.audit(raw, ran=started_jobs(raw))
    assert len(started_jobs(raw)) == FAULTS + len(queues)


@pytest.mark.parametrize("keep_result", TASKS)
async def test_request_that_comes_after_its_repeat(
    fault_proxy, redis_url, raw, open_queues, ledgers, keep_result
):
    """The first request is stuck, and delivered when its repeat's job has long run: once."""
    queues = await open_queues(fault_proxy.url, 25)
    ledger = ledgers(f"request held past its repeat, keep_result={keep_result}", budget=3)
    stuck = held(LATE)
    with WorkerProcess(redis_url):
        fault_proxy.plan = lambda operation: None if operation.attempt else stuck
        await enqueue_all(queues, ledger, task=TASKS[keep_result])
        fault_proxy.plan = None
        assert fault_proxy.struck[stuck.name] == FAULTS
        wait_until(lambda: not fault_proxy.stuck)
        await once_more(queues, ledger)
        wait_until(lambda: not raw.zcard(QUEUE))
    ledger.audit(raw, ran=started_jobs(raw))
    assert len(started_jobs(raw)) == FAULTS + len(queues)


async def test_request_that_comes_after_its_fence(
    fault_proxy, redis_url, raw, open_queues, ledgers
):
    """Who is told that it is uncertain or refused gets no job, when the request comes too late."""
    budget = 0.3
    queues = await open_queues(fault_proxy.url, 25, retry_budget=budget)
    ledger = ledgers("request held past the fence", budget=budget)
    stuck = held(budget + 1.2)
    with WorkerProcess(redis_url):
        fault_proxy.plan = lambda operation: HOLE_BEFORE if operation.attempt else stuck
        await enqueue_all(queues, ledger)
        assert len(ledger.of("uncertain")) == FAULTS
        wait_until(lambda: not fault_proxy.stuck)
        fault_proxy.plan = None
        await async_sleep(0.3)  # The worker looks every 0.05 s.
        # What was stuck has come: there is nothing more to wait for.
        ledger.audit(raw, ran=started_jobs(raw), raised=True, wait=0)
        assert started_jobs(raw) == []
        assert not raw.zcard(QUEUE)
        await once_more(queues, ledger)
        wait_until(lambda: len(started_jobs(raw)) == len(queues))


async def test_two_callers_with_one_id(fault_proxy, raw, open_queues, ledgers):
    """Half of the replies are lost, and of each pair of callers exactly one has made the job."""
    queues = await open_queues(fault_proxy.url, 20, retry_budget=5)
    pairs = list(zip(queues[::2], queues[1::2], strict=True))
    ledger = ledgers("two callers, one id, half the replies lost", budget=5)
    fault_proxy.plan = lambda operation: (
        REPLY_RESET if operation.number % 2 and operation.attempt < 2 else None
    )
    left = iter(range(FAULTS))

    async def meet(one, other):
        for number in left:
            await async_together(
                [
                    functools.partial(
                        enqueue_one, queue, ledger, number, owner=owner, _job_id=f"p{number}"
                    )
                    for queue, owner in ((one, "one"), (other, "other"))
                ]
            )

    await async_together([functools.partial(meet, *pair) for pair in pairs])
    assert fault_proxy.struck[REPLY_RESET.name] >= FAULTS / 2
    assert sorted(call.number for call in ledger.of("ok")) == list(range(FAULTS))
    assert sorted(call.number for call in ledger.of("exists")) == list(range(FAULTS))
    fault_proxy.plan = None
    await once_more(queues, ledger)
    ledger.audit(raw, raised=True)
