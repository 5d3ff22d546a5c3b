"""Queues that exist before a fork, as under a prefork server that loads the application first."""

from __future__ import annotations

import subprocess
import sys

import pytest

# In a process of its own: the tests' own has threads, which a fork does not copy.
SYNC = """
import os, sys
from arqade import SyncRedisArqQueue

def work(name):
    for number in range(200):
        job = queue.enqueue("work", name, number)
        assert job.args == (name, number), job
        assert queue.get_job_metadata(job.id) == job

def wait(job_id):
    try:
        queue.wait_for_result(job_id, timeout=0.1)
    except TimeoutError:
        return
    raise AssertionError("there is no result")

with SyncRedisArqQueue.from_url(sys.argv[1]) as queue:
    first = queue.enqueue("work")
    wait(first.id)
    assert queue.push_mode == "resp3"
    children = []
    for name in range(3):
        child = os.fork()
        if not child:
            try:
                work(name)
                wait(first.id)
            except BaseException as error:
                print(repr(error), flush=True)
                os._exit(1)
            os._exit(0)
        children.append(child)
    work("parent")
    wait(first.id)
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0, 0]
    work("parent again")
"""

ASYNC = """
import asyncio, os, sys
from arqade import RedisArqQueue, WrongEventLoopError

async def work(queue, name):
    jobs = await asyncio.gather(*(queue.enqueue("work", name, number) for number in range(200)))
    assert [job.args for job in jobs] == [(name, number) for number in range(200)]

async def refused(queue):
    try:
        await queue.enqueue("work")
    except WrongEventLoopError:
        return
    raise AssertionError("the parent's queue was used")

async def child(queue, url):
    await refused(queue)
    async with await RedisArqQueue.from_url(url) as own:
        await work(own, "child")

loop = asyncio.new_event_loop()
queue = loop.run_until_complete(RedisArqQueue.from_url(sys.argv[1]))
loop.run_until_complete(work(queue, "parent"))
pid = os.fork()
if not pid:
    try:
        asyncio.run(child(queue, sys.argv[1]))
    except BaseException as error:
        print(repr(error), flush=True)
        os._exit(1)
    os._exit(0)
assert os.waitpid(pid, 0)[1] == 0
loop.run_until_complete(work(queue, "parent again"))
loop.run_until_complete(queue.aclose())
loop.close()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")
@pytest.mark.parametrize(("program", "jobs"), [(SYNC, 1001), (ASYNC, 600)], ids=["sync", "async"])
def test_fork_with_open_queues(redis_url, raw, program, jobs):
    """Parent and children use connections of their own, and nobody gets another's reply."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program, redis_url],
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
    assert raw.zcard("arq:queue") == jobs
