from __future__ import annotations

import threading

import pytest

from arqade import QueueConnectionError, RedisArqQueue, RedisSettings
from tests.harness.states import put_complete, put_queued
from tests.harness.tls import tls_url


async def test_queue_over_tls(redis_url, raw, tmp_path):
    """Everything works over TLS, pushed results and large jobs too."""
    with tls_url(redis_url, tmp_path) as url:
        async with await RedisArqQueue.from_url(url) as queue:
            job = await queue.enqueue("work", b"0" * 3_000_000)
            assert await queue.get_job_metadata(job.id) == job
            put_queued(raw)
            timer = threading.Timer(0.2, put_complete, (raw,))
            timer.start()
            assert (await queue.wait_for_result("k", timeout=10)).result == 42
            timer.join()
            assert queue.push_mode == "resp3"
        # What follows keeps the two contexts apart, which are of two kinds.
        assert url.startswith("rediss://")


async def test_certificate_of_another_host(redis_url, tmp_path):
    """A server that shows another host's certificate is refused."""
    with tls_url(redis_url, tmp_path, host="localhost.invalid") as url:
        settings = RedisSettings.from_url(url, conn_retries=0)
        with pytest.raises(QueueConnectionError, match="certificate was refused"):
            await RedisArqQueue.initialize(settings)
