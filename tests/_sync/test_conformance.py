# Generated from tests/_async/test_conformance.py by "make generate"; do not edit.
from __future__ import annotations

import pytest
from redis import Redis

from arqade import JSONCodec, MsgpackCodec, PickleCodec, SyncMockArqQueue, SyncRedisArqQueue
from arqade.testing import SyncQueueConformance


def check_nothing_is_left(raw):
    """Check that the suite has removed its jobs: only markers of tokens may be there."""
    assert [key for key in raw.scan_iter() if not key.startswith(b"arqade:once:")] == []


class TestRedis(SyncQueueConformance):
    @pytest.fixture
    def queue(self, redis_url, raw):
        with SyncRedisArqQueue.from_url(redis_url) as queue:
            yield queue
        check_nothing_is_left(raw)


class TestBorrowed(SyncQueueConformance):
    @pytest.fixture
    def queue(self, redis_url, raw):
        with Redis.from_url(redis_url) as client, SyncRedisArqQueue(client) as queue:
            yield queue
        check_nothing_is_left(raw)


class TestJSON(SyncQueueConformance):
    @pytest.fixture
    def queue(self, redis_url, raw):
        with SyncRedisArqQueue.from_url(redis_url, codec=JSONCodec()) as queue:
            yield queue
        check_nothing_is_left(raw)


class TestMock(SyncQueueConformance):
    @pytest.fixture(params=[PickleCodec(), MsgpackCodec()], ids=lambda codec: type(codec).__name__)
    def queue(self, request):
        with SyncMockArqQueue(codec=request.param) as queue:
            yield queue
            if "closed" not in repr(queue):
                assert queue.jobs == []
