"""Waiting for results, and how they are heard of."""

from __future__ import annotations

import contextlib
import os
import random
import threading
import time
from urllib.parse import urlsplit

import pytest

from arqade import (
    JobDeserializationError,
    JobNotFound,
    MockArqQueue,
    QueueClosed,
    RedisArqQueue,
    RedisSettings,
)
from tests.harness.states import looks, put_complete, put_queued, result_bytes

WAITS = int(os.environ.get("ARQADE_PUSH_WAITS", "300"))
"""How many results are waited for in the test that none gets lost."""

LEAST = "-@all +client|tracking +ping +strlen +get +evalsha +eval +exists +zscore +time"
"""What a user needs to wait for results."""


@contextlib.contextmanager
def meanwhile(work, *, after=0.1):
    """Do something in a thread while the block runs."""

    def do():
        time.sleep(after)
        work()

    thread = threading.Thread(target=do)
    thread.start()
    try:
        yield
    finally:
        thread.join()


def finish(raw, job_id="k", queue="arq:queue"):
    """End a job as a stock worker does, in one transaction."""
    with raw.pipeline() as pipe:
        pipe.set(f"arq:result:{job_id}", result_bytes(job_id, queue=queue), px=3_600_000)
        pipe.delete(f"arq:in-progress:{job_id}", f"arq:retry:{job_id}", f"arq:job:{job_id}")
        pipe.zrem(queue, job_id)
        pipe.execute()


def vanish(raw, job_id="k", queue="arq:queue"):
    """End a job as a stock worker does that keeps no result."""
    with raw.pipeline() as pipe:
        pipe.delete(f"arq:in-progress:{job_id}", f"arq:retry:{job_id}", f"arq:job:{job_id}")
        pipe.zrem(queue, job_id)
        pipe.execute()


def user(raw, url, *rules):
    """A user with these permissions, as part of a URL."""
    raw.execute_command("ACL", "SETUSER", "someone", "reset", "on", ">pw", "~*", "&*", *rules)
    parts = urlsplit(url)
    return f"redis://someone:pw@{parts.hostname}:{parts.port}"


async def test_push_mode(queue, raw):
    """How results are heard of is known after the first wait that had to wait."""
    assert queue.push_mode is None
    put_complete(raw, "done")
    await queue.wait_for_result("done")
    assert queue.push_mode is None
    put_queued(raw)
    with meanwhile(lambda: finish(raw)):
        await queue.wait_for_result("k", timeout=10)
    assert queue.push_mode == "resp3"


async def test_result_is_pushed(queue, raw):
    """A result is there as soon as it is stored, and the server is not asked meanwhile."""
    put_queued(raw)
    before = looks(raw)
    with meanwhile(lambda: finish(raw), after=1):
        start = time.monotonic()
        result = await queue.wait_for_result("k", timeout=10)
        waited = time.monotonic() - start
    assert result.result == 42
    assert 0.9 <= waited <= 3
    # Polling would take some fifteen.
    assert looks(raw) - before <= 6


async def test_job_that_vanishes(queue, raw):
    """A job that ends without a result is noticed at once, by its envelope."""
    put_queued(raw)
    with meanwhile(lambda: vanish(raw)), pytest.raises(JobNotFound):
        await queue.wait_for_result("k", timeout=4)


async def test_changes_that_are_no_result(queue, raw):
    """Frames for other changes end no wait."""
    put_queued(raw)

    def change():
        for _ in range(5):
            raw.pexpire("arq:job:k", 3_000_000)
            put_queued(raw)
            time.sleep(0.02)
        finish(raw)

    with meanwhile(change):
        assert (await queue.wait_for_result("k", timeout=10)).id == "k"


async def test_running_job_whose_envelope_expired(queue, raw):
    """A running job is waited for even without its envelope, without asking all the time."""
    put_queued(raw)
    raw.set("arq:in-progress:k", "1", px=60_000)
    raw.delete("arq:job:k")
    before = looks(raw)
    with meanwhile(lambda: finish(raw), after=0.6):
        assert (await queue.wait_for_result("k", timeout=10)).id == "k"
    assert looks(raw) - before <= 8


@pytest.mark.parametrize(
    ("rules", "mode"),
    [
        (["+@all"], "resp3"),
        (["+@all", "-hello", "-client|tracking"], "polling"),
        (["+@all", "-client|tracking"], "polling"),
        # What reading and waiting need at least; EVALSHA's own commands among them.
        (
            [
                "-@all",
                "+client|tracking",
                "+ping",
                "+strlen",
                "+get",
                "+evalsha",
                "+eval",
                "+exists",
                "+zscore",
                "+time",
            ],
            "resp3",
        ),
    ],
    ids=["all", "no tracking, no HELLO", "no tracking", "least"],
)
async def test_modes(redis_url, raw, rules, mode):
    """The queue takes the best way that its user may use, and every way works."""
    put_queued(raw)
    async with await RedisArqQueue.from_url(user(raw, redis_url, *rules)) as queue:
        with meanwhile(lambda: finish(raw)):
            assert (await queue.wait_for_result("k", timeout=10)).result == 42
        assert queue.push_mode == mode


async def test_resp2(proxy, raw):
    """Where there is no RESP3 the server pushes messages."""
    proxy.resp2_only = True
    async with await RedisArqQueue.from_url(proxy.url) as queue:
        for number in range(3):
            put_queued(raw, f"k{number}")
            before = looks(raw)
            with meanwhile(lambda number=number: finish(raw, f"k{number}"), after=0.5):
                assert (await queue.wait_for_result(f"k{number}", timeout=10)).result == 42
            # At first it has to find out that there is no RESP3, and polls meanwhile.
            assert number == 0 or looks(raw) - before <= 6
        assert queue.push_mode == "resp2"


@pytest.mark.parametrize("fault", ["broken", "broken and away", "silent"])
async def test_faults_while_waiting(proxy, raw, fault):
    """A wait outlives its connections, and finds a result that came meanwhile."""
    put_queued(raw)

    def strike():
        if fault == "broken and away":
            proxy.refuse = True
        if fault == "silent":
            proxy.swallow_replies = True
        else:
            proxy.break_connections()
        time.sleep(0.1)
        finish(raw)
        time.sleep(0.3)
        proxy.refuse = proxy.swallow_replies = False

    settings = RedisSettings.from_url(proxy.url, socket_timeout=0.5)
    async with await RedisArqQueue.initialize(settings) as queue:
        with meanwhile(strike, after=0.3):
            assert (await queue.wait_for_result("k", timeout=10)).result == 42
        assert queue.push_mode == "resp3"


async def test_no_result_gets_lost(queue, raw):
    """However a result and its wait meet, the wait ends."""
    dice = random.Random(5)
    for number in range(WAITS):
        put_queued(raw, f"k{number}")
        with meanwhile(
            lambda number=number: finish(raw, f"k{number}"), after=dice.choice([0, 0.001, 0.003])
        ):
            assert (await queue.wait_for_result(f"k{number}", timeout=4)).result == 42


async def test_wait_ends_in_time(queue, raw):
    """A wait ends when its time is over, whatever the server may push."""
    put_queued(raw)
    for timeout in (0, 0.001, 0.3):
        start = time.monotonic()
        with pytest.raises(TimeoutError):
            await queue.wait_for_result("k", timeout=timeout)
        assert timeout <= time.monotonic() - start <= timeout + 1


@pytest.fixture(params=["redis", "mock"])
async def either(request, redis_url, raw):
    """The real queue and the mock, and what finishes a job of theirs."""
    if request.param == "mock":
        async with MockArqQueue() as queue:
            yield queue, lambda job_id: complete(queue, job_id)
    else:
        async with await RedisArqQueue.from_url(redis_url) as queue:
            yield queue, lambda job_id: finish(raw, job_id)


def complete(queue, job_id):
    """End a job of a mock, from any thread."""
    key = f"arq:result:{job_id}"
    with queue.store.lock:
        queue.store.finish(job_id, "arq:queue")
        queue.store.set(key, result_bytes(job_id))


async def collect(found, results):
    """Note the ids of results until there are no more."""
    async for result in results:
        found.append(result.id)


async def test_as_completed(either):
    """Results come in the order in which the jobs finish, each once."""
    queue, end = either
    jobs = [(await queue.enqueue("work")).id for _ in range(30)]
    order = random.Random(6).sample(jobs, len(jobs))

    def work():
        for job_id in order:
            end(job_id)
            time.sleep(0.02)

    with meanwhile(work):
        found = [result.id async for result in queue.as_completed([*jobs, jobs[0]], timeout=20)]
    assert sorted(found) == sorted(jobs)
    if queue.push_mode == "resp3":
        assert found == order


async def test_as_completed_of_finished_jobs(either):
    """Results that are there come at once; of nothing comes nothing."""
    queue, end = either
    jobs = [(await queue.enqueue("work")).id for _ in range(150)]
    for job_id in jobs:
        end(job_id)
    found = [result.id async for result in queue.as_completed(iter(jobs), timeout=0)]
    assert sorted(found) == sorted(jobs)
    found.clear()
    await collect(found, queue.as_completed([]))
    assert found == []


async def test_as_completed_out_of_time(either):
    """What is there in time comes before the time-out."""
    queue, end = either
    done, waiting = [(await queue.enqueue("work")).id for _ in range(2)]
    end(done)
    found = []
    with pytest.raises(TimeoutError, match="1 of 2"):
        await collect(found, queue.as_completed([done, waiting], timeout=0.1))
    assert found == [done]


async def test_as_completed_names_what_is_missing_at_the_end(either):
    """Unknown jobs keep no result back: they are named when all others have come."""
    queue, end = either
    job = await queue.enqueue("work")
    found = []
    with meanwhile(lambda: end(job.id)), pytest.raises(JobNotFound) as caught:
        await collect(found, queue.as_completed(["gone", job.id, "away"], timeout=10))
    assert found == [job.id]
    assert caught.value.job_id == "gone"
    assert "away" in "".join(caught.value.__notes__)


async def test_as_completed_with_a_result_that_is_none(queue, raw):
    """A result that can't be decoded is named when all others have come."""
    raw.set("arq:result:bad", b"garbage")
    put_complete(raw, "good")
    found = []
    with pytest.raises(JobDeserializationError) as caught:
        await collect(found, queue.as_completed(["bad", "good"], timeout=10))
    assert (found, caught.value.job_id) == (["good"], "bad")


async def test_as_completed_is_left_early(either):
    """An iteration that is left in the middle leaves nothing behind."""
    queue, end = either
    jobs = [(await queue.enqueue("work")).id for _ in range(3)]
    end(jobs[0])
    results = queue.as_completed(jobs, timeout=10)
    assert (await anext(results)).id == jobs[0]
    await results.aclose()
    assert (await queue.wait_for_result(jobs[0])).id == jobs[0]


@pytest.mark.parametrize(
    ("job_ids", "options", "error"),
    [
        ("abc", {}, TypeError),
        ([5], {}, TypeError),
        ([""], {}, ValueError),
        (None, {}, TypeError),
        (["a"], {"queue_name": ""}, ValueError),
        (["a"], {"timeout": "soon"}, TypeError),
        (["a"], {"timeout": float("nan")}, ValueError),
    ],
)
async def test_as_completed_bad_arguments(either, job_ids, options, error):
    """Wrong arguments are refused when the method is called."""
    queue, _ = either
    with pytest.raises(error):
        queue.as_completed(job_ids, **options)


async def test_as_completed_of_a_closed_queue(either):
    """A closed queue gives no results."""
    queue, _ = either
    await queue.aclose()
    with pytest.raises(QueueClosed):
        await anext(queue.as_completed(["a"]))
