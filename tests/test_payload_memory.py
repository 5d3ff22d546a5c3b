"""How much memory it takes to read jobs and results that are large, or too large."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.harness.states import (
    QUEUE,
    now_ms,
    put_complete,
    put_queued,
)

MIB = 1024 * 1024
LIMIT = 8 * MIB
HUGE = 300 * MIB
ONE = 2
"""How often one is in memory at most: in the parser and as a reply, then as a reply and decoded."""

ROOM = 4 * MIB
"""What the interpreter and the library may take besides."""

# In a process of its own, whose peak is known. The peak of `resource.getrusage` is that of the
# process before exec(), too.
SCRIPT = """
import asyncio, json, sys
from pathlib import Path
import arqade

def peak():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))

async def answer(queue, operation, args, kwargs):
    names = []
    try:
        found = getattr(queue, operation)(*args, **kwargs)
        if hasattr(found, "__aiter__"):
            async for job in found:
                names.append(job.id)
                del job
        elif hasattr(found, "__next__"):
            for job in found:
                names.append(job.id)
                del job
        else:
            if hasattr(found, "__await__"):
                found = await found
            names += [job and job.id for job in (found if isinstance(found, list) else [found])]
    except arqade.PayloadTooLarge as error:
        names.append({"id": error.job_id, "size": error.size})
    except arqade.JobDeserializationError as error:
        names.append({"undecodable": error.job_id})
    return names

async def answer_all(queue, calls):
    return [await answer(queue, *call) for call in calls]

async def with_async_queue(url, limit, warm_up, calls):
    async with await arqade.RedisArqQueue.from_url(url, max_payload_bytes=limit) as queue:
        await answer_all(queue, warm_up)
        before = peak()
        return await answer_all(queue, calls), peak() - before

def with_sync_queue(url, limit, warm_up, calls):
    def drive(work):
        try:
            work.send(None)
        except StopIteration as end:
            return end.value

    with arqade.SyncRedisArqQueue.from_url(url, max_payload_bytes=limit) as queue:
        drive(answer_all(queue, warm_up))
        before = peak()
        return drive(answer_all(queue, calls)), peak() - before

kind, *arguments = json.loads(sys.stdin.read())
if kind == "async":
    told = asyncio.run(with_async_queue(*arguments))
else:
    told = with_sync_queue(*arguments)
print(json.dumps(told))
"""

EACH_KIND = pytest.mark.parametrize("kind", ["async", "sync"])

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="the peak of a process is told by Linux alone"
)


def run(kind, url, warm_up, calls):
    """Make calls in a process of its own; give what they gave, and the growth of its memory."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        input=json.dumps([kind, url, LIMIT, warm_up, calls]),
        capture_output=True,
        text=True,
        timeout=50,
        # What is freed goes back to the system at once, and does not hide in the heap.
        env={**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536"},
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


def reads_of(job_id):
    """Every read that brings the bytes of a finished job, by itself or among others."""
    existing = {"_job_id": job_id, "_on_conflict": "return_existing"}
    return [
        ["get_job_metadata", [job_id], {}],
        ["get_job_result", [job_id], {}],
        ["wait_for_result", [job_id], {"timeout": 10}],
        ["get_jobs_metadata", [["small", job_id]], {}],
        ["as_completed", [["small", job_id]], {"timeout": 10}],
        ["iter_results", [], {}],
        ["iter_jobs", [], {"status": "complete"}],
        ["enqueue", ["work"], existing],
    ]


def reads_of_waiting(job_id):
    """The same for a job that waits."""
    return [
        ["get_job_metadata", [job_id], {}],
        ["get_jobs_metadata", [["small", job_id]], {}],
        ["iter_jobs", [], {}],
        ["enqueue", ["work"], {"_job_id": job_id, "_on_conflict": "return_existing"}],
    ]


@EACH_KIND
def test_what_is_far_too_large(redis_url, raw, kind):
    """A job and a result of 300 MB are errors, and none of their bytes is read."""
    put_complete(raw, "small")
    put_queued(raw, "waiting")
    warm_up = [*reads_of("small"), *reads_of_waiting("waiting")]
    # The server makes them: they are never in the memory of a client.
    raw.setrange("arq:result:huge", HUGE - 1, b"x")
    raw.setrange("arq:job:huger", HUGE, b"x")
    raw.zadd(QUEUE, {"huger": now_ms()})
    try:
        calls = [*reads_of("huge"), *reads_of_waiting("huger")]
        answers, growth = run(kind, redis_url, warm_up, calls)
    finally:
        raw.delete("arq:result:huge", "arq:job:huger")
    result, job = {"id": "huge", "size": HUGE}, {"id": "huger", "size": HUGE + 1}
    assert answers == [
        *([result] for _ in range(4)),
        *(["small", result] for _ in range(3)),
        [result],
        *([job] for _ in range(2)),
        ["waiting", job],
        [job],
    ]
    assert growth < 2 * LIMIT


@EACH_KIND
def test_what_is_just_small_enough(redis_url, raw, kind):
    """Reading what is as large as it may be takes a fixed number of times its size."""
    put_complete(raw, "small")
    put_complete(raw, "large", value=bytes(LIMIT - 1000))
    # Each for itself: the others list small ones.
    calls = [call for call in reads_of("large") if "large" in call[1] or "_job_id" in call[2]]
    warm_up = [call for call in reads_of("small") if call[0] in {name for name, *_ in calls}]
    answers, growth = run(kind, redis_url, warm_up, calls)
    assert answers == [["large"]] * len(calls)
    assert LIMIT < growth < ONE * LIMIT + ROOM


@EACH_KIND
@pytest.mark.parametrize("number", range(3), ids=["as_completed", "iter_results", "iter_jobs"])
def test_many_that_are_just_small_enough(redis_url, raw, kind, number):
    """Going through many takes the last one more, which the caller holds while the next is read."""
    names = [f"large{n}" for n in range(6)]
    for name in names:
        put_complete(raw, name, value=bytes(LIMIT - 1000))
    call = [
        ["as_completed", [names], {"timeout": 10}],
        ["iter_results", [], {}],
        ["iter_jobs", [], {"status": "complete"}],
    ][number]
    put_complete(raw, "small")
    warm_up = [["get_job_result", ["small"], {}]]
    (found,), growth = run(kind, redis_url, warm_up, [call])
    assert sorted({*found} - {"small"}) == names
    assert growth < (ONE + 1) * LIMIT + ROOM


@EACH_KIND
@pytest.mark.parametrize("operation", ["as_completed", "iter_results", "get_jobs_metadata"])
def test_many_that_cannot_be_decoded(redis_url, raw, kind, operation):
    """An error that is raised after the others keeps none of the bytes until then."""
    names = [f"large{n}" for n in range(6)]
    for name in names:
        raw.setrange(f"arq:result:{name}", LIMIT - 1, b"x")
    arguments = [] if operation == "iter_results" else [names]
    warm_up = [["get_jobs_metadata", [["none"]], {}]]
    (found,), growth = run(kind, redis_url, warm_up, [[operation, arguments, {}]])
    assert [bad["undecodable"] in names for bad in found] == [True]
    assert growth < ONE * LIMIT + ROOM
