"""The event loop that uvicorn takes where it is installed."""

from __future__ import annotations

import asyncio
import threading

import pytest

from arqade import RedisArqQueue
from tests.harness.states import put_complete, put_queued
from tests.harness.tls import tls_url

uvloop = pytest.importorskip("uvloop", reason="installed beside the oldest redis-py only")


async def use(url, raw):
    """Callers side by side, some of which are cancelled, and one that waits for a result."""
    async with await RedisArqQueue.from_url(url) as queue:
        tasks = [asyncio.create_task(queue.enqueue("work", n)) for n in range(200)]
        await asyncio.sleep(0)
        for task in tasks[::3]:
            task.cancel()
        answers = await asyncio.gather(*tasks, return_exceptions=True)
        for number, answer in enumerate(answers):
            if not isinstance(answer, asyncio.CancelledError):
                assert answer.args == (number,)
                assert await queue.get_job_metadata(answer.id) == answer
        put_queued(raw)
        timer = threading.Timer(0.2, put_complete, (raw,))
        timer.start()
        assert (await queue.wait_for_result("k", timeout=10)).result == 42
        timer.join()
        assert queue.push_mode == "resp3"


def test_queue_on_uvloop(redis_url, raw):
    """A queue works on uvloop as it does on asyncio's own loop."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(use(redis_url, raw))


def test_queue_over_tls_on_uvloop(redis_url, raw, tmp_path):
    """So it does over TLS."""
    with (
        tls_url(redis_url, tmp_path) as url,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        runner.run(use(url, raw))
