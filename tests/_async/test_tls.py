from __future__ import annotations

import threading

import pytest

from arqade import QueueConnectionError, RedisArqQueue, RedisSettings
from tests.harness.states import put_complete, put_queued
from tests.harness.tls import tls_url


@pytest.fixture
def secure_url(redis_url, tmp_path):
    """The server behind TLS."""
    with tls_url(redis_url, tmp_path) as url:
        yield url


async def test_queue_over_tls(secure_url, raw):
    """Everything works over TLS, pushed results and large jobs too."""
    async with await RedisArqQueue.from_url(secure_url) as queue:
        job = await queue.enqueue("work", b"0" * 3_000_000)
        assert await queue.get_job_metadata(job.id) == job
        put_queued(raw)
        timer = threading.Timer(0.2, put_complete, (raw,))
        timer.start()
        assert (await queue.wait_for_result("k", timeout=10)).result == 42
        timer.join()
        assert queue.push_mode == "resp3"


async def test_certificate_of_another_host(redis_url, tmp_path):
    """A server that shows another host's certificate is refused."""
    with tls_url(redis_url, tmp_path, host="localhost.invalid") as url:
        settings = RedisSettings.from_url(url, conn_retries=0)
        with pytest.raises(QueueConnectionError, match="certificate was refused"):
            await RedisArqQueue.initialize(settings)
