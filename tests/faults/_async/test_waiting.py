"""Waiting for results through faults."""

from __future__ import annotations

import functools
import time

import pytest

from arqade import JobNotFound
from tests.faults.ledger import FAULTS, LONG
from tests.faults.tasks import async_together, meanwhile
from tests.harness.states import QUEUE, put_queued, result_bytes

WAITS = min(FAULTS, 100)
"""So many wait at the same time."""

OUTAGE = 2.0 if LONG else 0.4
"""Seconds without a server."""

SAFETY_PAUSE = 5.0 if LONG else 0.6
"""Seconds between looks although the server pushes."""

LONGEST = 15.0
"""Seconds that a waiter has."""


def finish(raw, number):
    """End a job as a stock worker does, in one transaction."""
    with raw.pipeline() as pipe:
        pipe.set(f"arq:result:k{number}", result_bytes(f"k{number}", number), px=3_600_000)
        forget(pipe, number)
        pipe.execute()


def forget(raw, number):
    """End a job as a stock worker does that keeps no result."""
    raw.delete(f"arq:in-progress:k{number}", f"arq:retry:k{number}", f"arq:job:k{number}")
    raw.zrem(QUEUE, f"k{number}")


def end_all(raw, end):
    """End all jobs."""
    for number in range(WAITS):
        end(raw, number)


async def wait_for_all(queue, ledger, *, found, within, queue_name=None):
    """Wait for all jobs at the same time; each waiter gets the right answer."""

    async def wait(number):
        answer = None
        with ledger.reading(number, budget=within) as call:
            answer = await queue.wait_for_result(f"k{number}", queue_name, timeout=LONGEST)
        if not found:
            ledger.count("ok" if isinstance(call.error, JobNotFound) else "raised")
        elif answer is None:
            ledger.count("raised", f"{call} got no answer")
        else:
            ledger.count("ok")
            ledger.check_reply(call, matches=(answer.id, answer.result) == (f"k{number}", number))

    await async_together([functools.partial(wait, number) for number in range(WAITS)])
    assert ledger.problems == []
    assert ledger.counted("ok") == WAITS


@pytest.fixture
async def waiting(fault_proxy, raw, open_queues, ledgers):
    """A queue with jobs that wait for a worker."""
    for number in range(WAITS):
        put_queued(raw, f"k{number}")
    (queue,) = await open_queues(fault_proxy.url, retry_budget=4, max_connections=WAITS)
    return queue


async def test_connection_is_reset(waiting, fault_proxy, raw, ledgers):
    """The results come although connections break while they are waited for."""

    def strike():
        for _ in range(5):
            fault_proxy.break_all()
            time.sleep(0.1)
        end_all(raw, finish)
        fault_proxy.break_all()

    ledger = ledgers("waiting: connection reset", budget=LONGEST)
    with meanwhile(strike, after=0.3):
        await wait_for_all(waiting, ledger, found=True, within=6)


async def test_pushes_vanish(waiting, fault_proxy, raw, ledgers, monkeypatch):
    """Results of which no push came are found by the look from time to time."""

    def strike():
        fault_proxy.mute_listeners()
        end_all(raw, finish)

    monkeypatch.setattr("arqade._protocol.tracking.SAFETY_PAUSE", SAFETY_PAUSE)
    ledger = ledgers("waiting: push black-holed", budget=LONGEST)
    with meanwhile(strike, after=0.5):
        await wait_for_all(waiting, ledger, found=True, within=8)


async def test_server_is_away(waiting, fault_proxy, raw, ledgers):
    """Results that come during an outage are found after it."""

    def strike():
        fault_proxy.away()
        end_all(raw, finish)
        time.sleep(OUTAGE)
        fault_proxy.back()

    ledger = ledgers(f"waiting: server away {OUTAGE} s", budget=LONGEST)
    with meanwhile(strike, after=0.3):
        await wait_for_all(waiting, ledger, found=True, within=6)


async def test_result_is_not_kept(waiting, raw, ledgers):
    """Whoever waits for a result that is never kept is told so when the job ends."""
    ledger = ledgers("waiting: result never kept", budget=LONGEST)
    with meanwhile(lambda: end_all(raw, forget), after=0.3):
        await wait_for_all(waiting, ledger, found=False, within=3)


async def test_job_expires(waiting, raw, ledgers):
    """Whoever waits for a job that expires is told so."""
    for number in range(WAITS):
        raw.pexpire(f"arq:job:k{number}", 500)
    ledger = ledgers("waiting: job expired", budget=LONGEST)
    await wait_for_all(waiting, ledger, found=False, within=7)


async def test_wrong_queue(waiting, ledgers):
    """Whoever waits in a queue where the job is not is told so at once."""
    ledger = ledgers("waiting: wrong queue", budget=LONGEST)
    await wait_for_all(waiting, ledger, found=False, within=1, queue_name="other")
