# Generated from tests/_async/test_durability.py by "make generate"; do not edit.
"""Enqueues that count only once the replicas have the jobs."""

from __future__ import annotations

import functools

import pytest
from redis import BlockingConnectionPool, Redis

from arqade import (
    ConfigurationError,
    EnqueueManyError,
    EnqueueUncertain,
    JobRequest,
    JobStatus,
    RedisSettings,
    SyncRedisArqQueue,
)
from tests.faults.tasks import meanwhile, together
from tests.harness.fault_proxy import FaultProxy, every, late
from tests.harness.sentinels import SentinelCluster


@pytest.fixture(scope="module")
def servers():
    """A primary and two replicas."""
    with SentinelCluster(replicas=2, sentinels=1) as cluster:
        yield cluster.servers


@pytest.fixture
def primary(servers):
    """The primary, empty."""
    servers[0].client.flushall()
    return servers[0]


@pytest.fixture
def frozen(servers):
    """A replica that confirms nothing until it is thawed."""
    servers[2].freeze()
    yield servers[2]
    servers[2].thaw()


def settings(primary, **changes):
    """Settings of clients whose jobs must be on the replicas."""
    host, port = primary.address
    fields = {
        "password": primary.password,
        "durability": "all-replicas",
        "retry_budget": 1.5,
        **changes,
    }
    return RedisSettings(host, port, **fields)


@pytest.fixture
def queue(primary):
    """A queue whose jobs must be on the replicas."""
    with SyncRedisArqQueue.initialize(settings(primary)) as queue:
        yield queue


def test_job_is_on_all_replicas(queue, servers):
    """When an enqueue is confirmed, all replicas have the job."""
    for _ in range(100):
        job = queue.enqueue("work")
        for server in servers:
            assert server.client.zscore("arq:queue", job.id) == job.score


def test_many_jobs_are_on_all_replicas(queue, servers):
    """When a bulk enqueue is confirmed, all replicas have its jobs."""
    jobs = queue.enqueue_many(JobRequest("work") for _ in range(2000))
    assert len(jobs) == 2000
    for server in servers:
        assert server.client.zcard("arq:queue") == 2000


def test_many_callers(queue, servers):
    """Callers at the same time are all confirmed."""
    jobs = [functools.partial(queue.enqueue, "work", number) for number in range(200)]
    together(jobs)
    for server in servers:
        assert server.client.zcard("arq:queue") == 200


def test_replica_that_does_not_confirm(queue, primary, frozen):
    """A job that a replica lacks is uncertain, and stays one job when it is settled."""
    with pytest.raises(EnqueueUncertain) as caught:
        queue.enqueue("work", _job_id="k")
    assert "confirm" in str(caught.value.__cause__)
    # Another connection, which has written nothing: WAIT alone would be content.
    with SyncRedisArqQueue.initialize(settings(primary)) as other:
        with pytest.raises(EnqueueUncertain):
            other.enqueue("work", _job_id="k", _token=caught.value.token)
    assert primary.client.zcard("arq:queue") == 1
    frozen.thaw()
    job = queue.enqueue("work", _job_id="k", _token=caught.value.token)
    assert job.score == frozen.client.zscore("arq:queue", "k")
    assert primary.client.zcard("arq:queue") == 1


def test_chunk_that_is_not_confirmed(queue, primary, frozen):
    """Jobs of a bulk enqueue that a replica lacks are uncertain."""
    with pytest.raises(EnqueueManyError) as caught:
        queue.enqueue_many([JobRequest("work", job_id=f"k{n}") for n in range(3)])
    assert caught.value.uncertain == ["k0", "k1", "k2"]
    assert not caught.value.enqueued
    assert not caught.value.not_enqueued


def test_replica_that_is_late(queue, frozen):
    """A replica that confirms within the budget is waited for."""
    with meanwhile(frozen.thaw, after=0.7):
        job = queue.enqueue("work")
    assert frozen.client.zscore("arq:queue", job.id) == job.score


def test_reading_waits_for_no_replica(queue, primary, frozen):
    """While enqueues wait for a replica, other operations don't."""
    answers = []

    def enqueue():
        with pytest.raises(EnqueueUncertain):
            queue.enqueue("work", _job_id="k")
        answers.append("enqueue")

    def read():
        answers.extend([queue.get_job_status("other") for _ in range(20)])

    together([enqueue, read])
    assert answers == [JobStatus.not_found] * 20 + ["enqueue"]


def test_no_replica(redis_url):
    """A job that is on one server alone is on no replica, and uncertain."""
    one = RedisSettings.from_url(redis_url, durability="all-replicas", retry_budget=0.8)
    with SyncRedisArqQueue.initialize(one) as queue:
        with pytest.raises(EnqueueUncertain):
            queue.enqueue("work")


def test_user_who_may_not_wait(primary):
    """Where the server refuses to wait, the job is written and not confirmed."""
    rules = ("reset", "on", ">pw", "~*", "+@all", "-wait")
    primary.client.execute_command("ACL", "SETUSER", "someone", *rules)
    someone = settings(primary, username="someone", password="pw")
    with SyncRedisArqQueue.initialize(someone) as queue:
        with pytest.raises(EnqueueUncertain) as caught:
            queue.enqueue("work", _job_id="k")
    assert "wait" in str(caught.value.__cause__)
    assert primary.client.zcard("arq:queue") == 1


def test_borrowed_pool(primary, servers):
    """A borrowed pool's jobs are confirmed, too, and its connections go back to it."""
    host, port = primary.address
    pool = BlockingConnectionPool(
        host=host, port=port, password=primary.password, max_connections=2, timeout=1
    )
    client = Redis(connection_pool=pool)
    with SyncRedisArqQueue(client, durability="all-replicas") as queue:
        for _ in range(5):
            job = queue.enqueue("work")
            assert servers[1].client.zscore("arq:queue", job.id) == job.score
            assert client.ping()
    pool.close()


def test_option_of_the_queue(primary, frozen):
    """It may be named where the queue is opened, and wins over the settings."""
    plain, durable = settings(primary, durability="primary"), settings(primary)
    for given in (plain, durable):
        opened = SyncRedisArqQueue.initialize(given, durability="all-replicas")
        with opened as queue:
            with pytest.raises(EnqueueUncertain):
                queue.enqueue("work")
    host, port = primary.address
    url = f"redis://:{primary.password}@{host}:{port}/0?retry_budget=1.5&durability=all-replicas"
    with SyncRedisArqQueue.from_url(url, durability="primary") as queue:
        queue.enqueue("work")


def test_options(redis_url):
    """What is no durability is refused."""
    with pytest.raises(ConfigurationError, match="durability must be 'primary' or 'all-replicas'"):
        RedisSettings(durability="some")
    client = Redis.from_url(redis_url)
    with pytest.raises(ValueError, match="durability must be primary or all-replicas"):
        SyncRedisArqQueue(client, durability="some")
    assert (
        RedisSettings.from_url(redis_url + "?durability=all-replicas").durability == "all-replicas"
    )
    client.close()


def test_slow_server(primary):
    """A server that nobody can replace has the whole budget to answer."""
    host, port = primary.address
    with FaultProxy(f"redis://:{primary.password}@{host}:{port}", every(1, late(1.2))) as proxy:
        slow = RedisSettings.from_url(proxy.url, durability="all-replicas", retry_budget=4.0)
        with SyncRedisArqQueue.initialize(slow) as queue:
            queue.enqueue("work")
