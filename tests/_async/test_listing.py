from __future__ import annotations

import pickle

import pytest
import redis

from arqade import (
    JobDeserializationError,
    JobRequest,
    JobStatus,
    QueueServerError,
    QueueStats,
    RedisArqQueue,
    SyncRedisArqQueue,
    WorkerHealth,
)
from tests.harness.states import (
    QUEUE,
    job_bytes,
    now_ms,
    put_complete,
    put_deferred,
    put_expired,
    put_in_progress,
    put_queued,
    snapshot,
)

RECORD = b"Nov-22 19:53:23 j_complete=7 j_failed=1 j_retried=2 j_ongoing=3 queued=4"


@pytest.fixture
def states(raw):
    """A job of each state, one whose envelope expired, and some of another queue."""
    put_queued(raw, "queued")
    put_deferred(raw, "deferred")
    put_in_progress(raw, "in_progress")
    put_complete(raw, "complete")
    put_expired(raw, "expired")
    put_queued(raw, "elsewhere", "mail")
    put_complete(raw, "done elsewhere", "mail")


WAITING = ["deferred", "in_progress", "queued"]


async def names(jobs):
    return sorted([job.id async for job in jobs])


async def collect(jobs, found):
    """Leave what came before an error."""
    async for job in jobs:
        found.append(job)


# --- get_jobs_metadata -----------------------------------------------------------------


async def test_many_metadata(queue, states):
    """Metadata are those of single looks, in order; None for what is not there."""
    asked = ["complete", "expired", "queued", "no", *WAITING, "queued", "elsewhere"]
    jobs = await queue.get_jobs_metadata(name for name in asked)
    there = ["complete", None, "queued", None, *WAITING, "queued", None]
    assert [job and job.id for job in jobs] == there
    for job in filter(None, jobs):
        single = await queue.get_job_metadata(job.id)
        assert (job, job.score, type(job)) == (single, single.score, type(single))
    assert jobs[2] is not jobs[7]
    found = await queue.get_jobs_metadata(["done elsewhere", "complete"], QUEUE)
    assert [job and job.id for job in found] == [None, "complete"]
    assert (await queue.get_jobs_metadata(["done elsewhere"]))[0].queue_name == "mail"
    assert await queue.get_jobs_metadata([]) == []


async def test_many_large_metadata(queue, raw):
    """More than a reply may hold is read in parts."""
    for n in range(9):
        put_queued(raw, f"j{n}")
        raw.set(f"arq:job:j{n}", job_bytes("work", bytes(300_000)))
    jobs = await queue.get_jobs_metadata([f"j{n}" for n in range(9)])
    assert [job.id for job in jobs] == [f"j{n}" for n in range(9)]


async def test_undecodable_among_many(queue, raw, states):
    """Jobs that can't be decoded are named together, the first one as the error's own."""
    for name in ("bad", "worse"):
        raw.set(f"arq:job:{name}", b"garbage")
        raw.zadd(QUEUE, {name: 5})
    with pytest.raises(JobDeserializationError, match="ids=worse, bad") as caught:
        await queue.get_jobs_metadata(["queued", "worse", "deferred", "bad"])
    assert caught.value.job_id == "worse"
    assert isinstance(caught.value.__cause__, JobDeserializationError)


@pytest.mark.parametrize(
    ("job_ids", "error"),
    [("abc", TypeError), (5, TypeError), ([5], TypeError), (["k", ""], ValueError)],
)
async def test_wrong_ids(queue, job_ids, error):
    """Wrong ids are refused before anything is sent."""
    with pytest.raises(error):
        await queue.get_jobs_metadata(job_ids)


@pytest.mark.parametrize(("queue_name", "error"), [("", ValueError), (5, TypeError)])
async def test_wrong_queue_names(queue, queue_name, error):
    """Every operation refuses names that can't be, iterators at once."""
    for operation in ("get_queue_stats", "get_worker_health", "purge"):
        with pytest.raises(error):
            await getattr(queue, operation)(queue_name)
    with pytest.raises(error):
        await queue.get_jobs_metadata(["k"], queue_name)
    with pytest.raises(error):
        queue.iter_jobs(queue_name)
    with pytest.raises(error):
        queue.iter_results(queue_name)


# --- iterating -------------------------------------------------------------------------


async def test_iter_jobs(queue, states):
    """All jobs that are in the queue are given, as single looks show them, or those of a state."""
    assert await names(queue.iter_jobs()) == WAITING
    assert await names(queue.iter_jobs("mail")) == ["elsewhere"]
    assert await names(queue.iter_jobs("none")) == []
    for status in WAITING:
        async for job in queue.iter_jobs(status=status):
            single = await queue.get_job_metadata(status)
            assert (job, job.score) == (single, single.score)
            assert job.status is JobStatus(status)
        assert await names(queue.iter_jobs(QUEUE, status=JobStatus(status))) == [status]
    assert await names(queue.iter_jobs(status="complete")) == ["complete"]
    assert await names(queue.iter_jobs(status="not_found")) == []
    found = []
    await collect(queue.iter_jobs("mail", status="complete"), found)
    assert found == [await queue.get_job_metadata("done elsewhere")]


async def test_wrong_status(queue):
    """There are no other states."""
    with pytest.raises(ValueError, match="status must be one of deferred, queued"):
        queue.iter_jobs(status="done")
    with pytest.raises(TypeError, match="status must be a JobStatus"):
        queue.iter_jobs(status=5)


async def test_iter_results(queue, raw, states):
    """The results of a queue are given, and what is no result is passed over."""
    raw.rpush("arq:result:list", 1)
    put_complete(raw, "ключ")
    assert await names(queue.iter_results()) == ["complete", "ключ"]
    found = []
    await collect(queue.iter_results("mail"), found)
    assert found == [await queue.get_job_result("done elsewhere")]


async def test_undecodable_in_a_listing(queue, raw, states):
    """The good ones come, and then an error that names the bad ones."""
    raw.set("arq:job:bad", b"garbage")
    raw.set("arq:result:worse", b"garbage")
    raw.set("arq:result:bare", pickle.dumps(5))
    raw.zadd(QUEUE, {"bad": 5, b"\xff": 6})
    for jobs, good, bad in [
        (queue.iter_jobs(), WAITING, ["bad", "\\xff"]),
        (queue.iter_results(), ["complete"], ["bare", "worse"]),
        (queue.iter_jobs(status="complete"), ["complete"], ["bare", "worse"]),
    ]:
        found = []
        with pytest.raises(JobDeserializationError, match="2 of the jobs") as caught:
            await collect(jobs, found)
        assert sorted(job.id for job in found) == good
        assert caught.value.job_id in bad
        assert all(name in str(caught.value) for name in bad)


async def test_iterating_may_be_given_up(queue, states):
    """Who has seen enough just leaves."""
    async for job in queue.iter_jobs():
        assert job.id in WAITING
        break
    await queue.ping()


async def test_iterating_while_all_changes(queue, redis_url, raw):
    """What is in the queue all the time is given, and nothing twice, whatever others do."""
    steady = [f"s{n}" for n in range(1500)]
    shaky = [f"x{n}" for n in range(1500)]
    await queue.enqueue_many(
        [JobRequest("work", job_id=name) for name in steady + shaky], chunk_size=500
    )
    found = []
    with SyncRedisArqQueue.from_url(redis_url) as other:
        async for job in queue.iter_jobs():
            found.append(job.id)
            if len(found) % 20 == 0:
                n = len(found) // 20 * 15
                for name in shaky[n - 15 : n]:
                    other.cancel_job(name)
                later = [
                    JobRequest("work", job_id=name, defer_by=50, on_conflict="replace")
                    for name in steady[n - 15 : n]
                ]
                other.enqueue_many([*later, JobRequest("new"), JobRequest("new")])
    assert len(found) == len(set(found))
    assert set(steady) <= set(found)
    raw.flushdb()
    assert await names(queue.iter_jobs()) == []


async def test_results_of_many_keys(queue, raw):
    """Results are found among other keys, page by page."""
    with raw.pipeline() as pipe:
        pipe.mset({f"other:{n}": 1 for n in range(3000)})
        for n in range(700):
            put_complete(pipe, f"j{n}", "mail" if n % 7 == 0 else QUEUE)
        pipe.execute()
    assert len(await names(queue.iter_results())) == 600
    assert len(await names(queue.iter_results("mail"))) == 100


# --- counting, health, purge -----------------------------------------------------------


async def test_stats(queue, raw, states):
    """Jobs are counted by their states; an entry without an envelope waits, too."""
    oldest = min(score for _, score in raw.zrange(QUEUE, 0, -1, withscores=True))
    stats = await queue.get_queue_stats()
    assert stats == QueueStats(QUEUE, 2, 1, 1, oldest)
    assert type(stats.oldest_score) is int
    assert QueueStats.from_dict(stats.to_dict()) == stats
    assert await queue.get_queue_stats("none") == QueueStats("none", 0, 0, 0, None)


async def test_stats_of_many(queue, raw):
    """Running jobs are found among the ten thousand that have been due for longest."""
    now = now_ms()
    raw.zadd(QUEUE, {f"j{n}": now - 20_000 + n for n in range(12_000)})
    raw.mset({f"arq:in-progress:j{n}": 1 for n in (5, 999, 1000, 9_999, 10_000)})
    assert await queue.get_queue_stats() == QueueStats(QUEUE, 11_996, 0, 4, now - 20_000)


async def test_health(queue, raw):
    """A worker's record is read; there may be none, or something else."""
    assert await queue.get_worker_health() is None
    raw.psetex("mail:health-check", 60_000, RECORD)
    health = await queue.get_worker_health("mail")
    assert 50 < health.expires_in <= 60
    health.expires_in = None
    assert health == WorkerHealth("mail", "Nov-22 19:53:23", 7, 1, 2, 3, 4, None)
    assert WorkerHealth.from_dict(health.to_dict()) == health
    raw.persist("mail:health-check")
    assert await queue.get_worker_health("mail") == health
    raw.set("arq:queue:health-check", b"ok")
    with pytest.raises(QueueServerError, match="no record of an arq worker"):
        await queue.get_worker_health()


async def test_purge(queue, raw, states):
    """What has not started is removed, with all that belongs to it; all else stays."""
    raw.set("arq:retry:queued", 1)
    raw.zadd("arq:abort", {"queued": 5, "in_progress": 5})
    before = snapshot(raw)
    assert await queue.purge() == 3
    assert raw.zrange(QUEUE, 0, -1) == [b"in_progress"]
    assert raw.zrange("arq:abort", 0, -1) == [b"in_progress"]
    gone = {b"arq:job:queued", b"arq:job:deferred", b"arq:retry:queued"}
    after = snapshot(raw)
    assert before.keys() - after.keys() == gone
    assert after.keys() <= before.keys()
    assert await queue.purge() == 0
    assert await queue.purge("none") == 0


async def test_purge_of_many(queue, raw):
    """Running jobs are passed over wherever they are, and their places are not overlooked."""
    raw.zadd(QUEUE, {f"j{n}": n + 1 for n in range(3000)})
    running = [*range(0, 1400, 2), 2999]
    raw.mset({f"arq:in-progress:j{n}": 1 for n in running})
    assert await queue.purge() == 3000 - len(running)
    assert raw.zrange(QUEUE, 0, -1) == [f"j{n}".encode() for n in running]


async def test_purge_stops_a_worker_that_has_seen_a_job(queue, raw):
    """A worker that is about to claim a removed job finds its transaction broken."""
    put_queued(raw)
    with raw.pipeline() as worker:
        worker.watch("arq:in-progress:k")
        assert worker.zscore(QUEUE, "k")
        assert await queue.purge() == 1
        worker.multi()
        worker.psetex("arq:in-progress:k", 5000, b"1")
        with pytest.raises(redis.WatchError):
            worker.execute()


async def test_purge_beside_a_busy_producer(proxy, redis_url):
    """New jobs do not keep it going for ever."""

    class Busy(RedisArqQueue):
        parts = 0

    async with await Busy.from_url(proxy.url) as queue:
        await queue.enqueue_many([JobRequest("work") for _ in range(1200)], chunk_size=400)
        run = queue._sender.run

        async def run_and_enqueue(command, **options):
            queue.parts += 1
            with SyncRedisArqQueue.from_url(redis_url) as other:
                other.enqueue_many([JobRequest("work") for _ in range(600)], chunk_size=600)
            return await run(command, **options)

        queue._sender.run = run_and_enqueue
        assert 1200 <= await queue.purge() <= 2000
        assert queue.parts <= 20
