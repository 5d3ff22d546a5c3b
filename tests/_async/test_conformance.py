from __future__ import annotations

import pytest
from redis.asyncio import Redis

from arqade import JSONCodec, MockArqQueue, MsgpackCodec, PickleCodec, RedisArqQueue
from arqade.testing import QueueConformance


def check_nothing_is_left(raw):
    """Check that the suite has removed its jobs: only markers of tokens may be there."""
    assert [key for key in raw.scan_iter() if not key.startswith(b"arqade:once:")] == []


class TestRedis(QueueConformance):
    @pytest.fixture
    async def queue(self, redis_url, raw):
        async with await RedisArqQueue.from_url(redis_url) as queue:
            yield queue
        check_nothing_is_left(raw)


class TestBorrowed(QueueConformance):
    @pytest.fixture
    async def queue(self, redis_url, raw):
        async with Redis.from_url(redis_url) as client, RedisArqQueue(client) as queue:
            yield queue
        check_nothing_is_left(raw)


class TestJSON(QueueConformance):
    @pytest.fixture
    async def queue(self, redis_url, raw):
        async with await RedisArqQueue.from_url(redis_url, codec=JSONCodec()) as queue:
            yield queue
        check_nothing_is_left(raw)


class TestMock(QueueConformance):
    @pytest.fixture(params=[PickleCodec(), MsgpackCodec()], ids=lambda codec: type(codec).__name__)
    async def queue(self, request):
        async with MockArqQueue(codec=request.param) as queue:
            yield queue
            if "closed" not in repr(queue):
                assert queue.jobs == []
