# Generated from tests/_async/test_enqueue_many.py by "make generate"; do not edit.
from __future__ import annotations

import os
import threading
import time
from urllib.parse import urlsplit

import pytest

from arqade import (
    EnqueueManyError,
    JobRequest,
    JobSerializationError,
    JobStatus,
    PayloadTooLarge,
    QueueClosed,
    QueueConnectionError,
    QueueServerError,
    RedisSettings,
    SyncMockArqQueue,
    SyncRedisArqQueue,
)
from arqade._protocol import scripts
from tests.harness.states import (
    QUEUE,
    put_complete,
    put_deferred,
    put_in_progress,
    put_queued,
    snapshot,
)


def requests_of(count, **options):
    return [JobRequest("work", (n,), job_id=f"j{n}", **options) for n in range(count)]


def ids(numbers):
    return [f"j{n}" for n in numbers]


def test_jobs_are_those_of_enqueue(queue, raw):
    """Each job is as if enqueued by itself, and the results are in the order of the requests."""
    requests = [
        JobRequest("work", (1,), {"b": 2}),
        JobRequest("other", job_id="k", queue_name="mail", defer_by=60, expires=90, job_try=3),
        JobRequest("work", job_id="again", on_conflict="replace"),
        JobRequest("other", job_id="again", on_conflict="replace"),
    ]
    one, two, three, four = queue.enqueue_many(requests)
    assert (one.name, one.args, one.kwargs, one.status) == ("work", (1,), {"b": 2}, "queued")
    assert (len(one.id), one.queue_name, one.score) == (32, QUEUE, raw.zscore(QUEUE, one.id))
    assert (two.id, two.queue_name, two.job_try, two.status) == ("k", "mail", 3, "deferred")
    assert two.score == raw.zscore("mail", "k")
    assert 60_000 < raw.pttl("arq:job:k") <= 90_000
    assert (three.name, four.name, raw.zcard(QUEUE)) == ("work", "other", 2)
    for job in (one, two, four):
        assert queue.get_job_metadata(job.id, job.queue_name) == job
        assert queue.get_job_metadata(job.id, job.queue_name).score == job.score


def test_order_chunks_and_progress(queue, raw):
    """Results keep the order of the requests over chunks; progress counts settled requests."""
    told = []
    requests = [JobRequest("work", (n,)) for n in range(25)]
    jobs = queue.enqueue_many(iter(requests), chunk_size=4, progress=told.append)
    assert [job.args for job in jobs] == [(n,) for n in range(25)]
    assert len({job.id for job in jobs}) == 25
    assert told == [4, 8, 12, 16, 20, 24, 25]
    assert raw.zcard(QUEUE) == 25
    assert len(raw.keys("arqade:once:*")) == 7
    assert queue.enqueue_many([]) == []


def test_large_jobs_go_in_small_chunks(queue, raw):
    """A chunk ends when it has grown large; all jobs are there."""
    told = []
    requests = [JobRequest("work", (os.urandom(100_000),)) for _ in range(7)]
    queue.enqueue_many(requests, progress=told.append)
    assert told == [3, 6, 7]
    assert raw.zcard(QUEUE) == 7


def test_nothing_is_collected_on_demand(queue, raw):
    """Without results there is an empty list, and the jobs are there."""
    assert queue.enqueue_many(requests_of(10), chunk_size=3, collect=False) == []
    assert raw.zcard(QUEUE) == 10


def test_iterable_that_has_to_be_waited_for(queue):
    """Requests may come from a generator that is waited for."""

    def produce():
        for n in range(5):
            yield JobRequest("work", job_id=f"j{n}")

    jobs = queue.enqueue_many(produce(), chunk_size=2)
    assert [job.id for job in jobs] == ids(range(5))


def test_ids_that_are_taken(queue, raw):
    """A taken id gives None, or the job that is there; it stops no other, and is no error."""
    put_queued(raw, "j1")
    put_complete(raw, "j2")
    put_in_progress(raw, "j3")
    put_deferred(raw, "elsewhere", "mail")
    raw.set("arq:job:garbage", b"garbage")
    raw.zadd(QUEUE, {"garbage": 5})
    before = snapshot(raw)
    for policy in ("raise", "ignore_result", "return_existing"):
        taken = ["j1", "j3"] if policy == "ignore_result" else ["j1", "j2", "j3"]
        requests = [JobRequest("other", job_id=name, on_conflict=policy) for name in taken]
        jobs = queue.enqueue_many(requests)
        if policy == "return_existing":
            assert [(job.name, job.id) for job in jobs] == [("work", name) for name in taken]
            assert jobs[1].status is JobStatus.complete
        else:
            assert jobs == [None] * len(taken)
        assert snapshot(raw) == before
    untold = [
        JobRequest("other", job_id=name, on_conflict="return_existing")
        for name in ("elsewhere", "garbage")
    ]
    assert queue.enqueue_many(untold) == [None, None]
    assert snapshot(raw) == before
    jobs = queue.enqueue_many(requests_of(5, on_conflict="replace"))
    assert [job and job.id for job in jobs] == ["j0", "j1", "j2", None, "j4"]
    assert queue.get_job_status("j2") is JobStatus.queued
    jobs = queue.enqueue_many(requests_of(2) + [JobRequest("work", job_id="new")] * 2)
    assert [job and job.id for job in jobs] == [None, None, "new", None]


def test_repeated_call_answers_alike(queue, raw):
    """A chunk that is sent twice makes no second job; what it lacked is tried again."""
    put_queued(raw, "j1")
    maker = [word for n in range(3) for word in (f"j{n}", QUEUE, b"x", "raise 5000 60000 0 0")]
    now = queue._sender.clock.now()
    command = scripts.enqueue_many(maker, now=now, token="t", fence=now + 20_000, max_bytes=9)
    first = queue._sender.run(command)
    assert first.answers == [5000, [b"exists", b"queued"], 5000]
    raw.delete("arq:job:j0", "arq:job:j2", QUEUE)  # They have run, and there are no results.
    second = queue._sender.run(command)
    sent = str(now).encode()
    repeated = [[b"repeated", b"5000", sent, name] for name in (b"j0", b"j2")]
    assert second.answers == [repeated[0], [b"exists", b"queued"], repeated[1]]
    raw.delete("arq:job:j1")
    assert queue._sender.run(command).answers == [repeated[0], 5000, repeated[1]]
    raw.delete("arq:job:j1")
    last = queue._sender.run(command).answers
    assert last == [repeated[0], [b"repeated", b"5000", sent, b"j1"], repeated[1]]
    late = scripts.enqueue_many(
        [*maker, "new", QUEUE, b"x", "raise 5000 60000 0 1"],
        now=now,
        token="t",
        fence=now - 5,
        max_bytes=9,
    )
    answers = queue._sender.run(late).answers
    assert answers == [*last, [b"late"]]
    assert not raw.exists("arq:job:new")


@pytest.mark.parametrize("skew", [-100_000_000, -20_000, 5000, 100_000_000])
def test_wrong_clock_is_put_right(queue, raw, skew):
    """A client whose clock is wrong enqueues each job once, for now by the server's clock."""
    clock = queue._sender.clock
    clock.learn(clock.now() + skew)
    jobs = queue.enqueue_many(requests_of(10), chunk_size=3)
    seconds, _ = raw.time()
    assert all(abs(job.score / 1000 - seconds) < 15 for job in jobs)
    assert raw.zcard(QUEUE) == 10


# --- failures --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bad", "cause"),
    [
        ("no request", TypeError),
        (None, TypeError),
        (JobRequest("work", (threading.Lock(),), job_id="bad"), JobSerializationError),
        (JobRequest("work", (b"x" * 2000,), job_id="bad"), PayloadTooLarge),
        (JobRequest("work", job_id="bad", defer_by=253_402_300_000), ValueError),
    ],
)
@pytest.mark.parametrize("collect", [True, False])
def test_bad_request(redis_url, raw, bad, cause, collect):
    """What can't be enqueued ends the call after the chunks before it; the error tells which."""
    requests = [*requests_of(10), bad, JobRequest("work", job_id="after"), *requests_of(9)]
    with SyncRedisArqQueue.from_url(redis_url, max_payload_bytes=1000) as queue:
        with pytest.raises(EnqueueManyError) as caught:
            queue.enqueue_many(requests, chunk_size=4, collect=collect)
        queue.ping()
    error = caught.value
    named = ["bad"] if isinstance(bad, JobRequest) else []
    assert type(error.__cause__) is cause
    # Without results, those that were answered before are not kept.
    assert error.enqueued == (ids(range(8)) if collect else ids(range(4, 8)))
    assert error.not_enqueued == [*ids([8, 9]), *named, "after"]
    assert error.uncertain == []
    assert raw.zcard(QUEUE) == 8


def test_iterable_that_raises(queue, raw):
    """An iterable's error ends the call; what was taken and not sent is named."""

    def produce():
        yield from requests_of(5)
        yield JobRequest("work")
        raise OSError("no more")

    with pytest.raises(EnqueueManyError, match="4 are, 2 are not") as caught:
        queue.enqueue_many(produce(), chunk_size=4)
    assert isinstance(caught.value.__cause__, OSError)
    assert caught.value.enqueued == ids(range(4))
    assert caught.value.not_enqueued[0] == "j4"
    assert len(caught.value.not_enqueued[1]) == 32
    assert raw.zcard(QUEUE) == 4


def test_progress_that_raises(queue, raw):
    """An error of the caller's function ends the call as others do."""
    with pytest.raises(EnqueueManyError) as caught:
        queue.enqueue_many(requests_of(100), chunk_size=2, progress=lambda _: 1 / 0)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    assert raw.zcard(QUEUE) == len(caught.value.enqueued) < 20


def test_wrong_arguments(queue, raw):
    """What is wrong before anything is taken raises as it is."""
    for size in (0, 1001, -1):
        with pytest.raises(ValueError, match="chunk_size must be from 1 to 1000"):
            queue.enqueue_many(requests_of(1), chunk_size=size)
    for size in ("5", True, 5.0):
        with pytest.raises(TypeError, match="chunk_size must be an int"):
            queue.enqueue_many(requests_of(1), chunk_size=size)
    for requests in (5, None, JobRequest("work")):
        with pytest.raises(TypeError, match="not iterable"):
            queue.enqueue_many(requests)
    queue.close()
    untouched = iter(requests_of(1))
    with pytest.raises(QueueClosed):
        queue.enqueue_many(untouched)
    assert len(list(untouched)) == 1
    assert raw.dbsize() == 0


@pytest.mark.parametrize("key", ["arq:job:j1", "arq:result:j1", "mail"])
def test_key_of_a_wrong_type(queue, raw, key):
    """A job whose key another program took is refused by itself; nothing of it is written."""
    raw.rpush(key, 1)
    requests = requests_of(3)
    requests[1] = JobRequest("work", job_id="j1", queue_name="mail")
    with pytest.raises(EnqueueManyError, match="WRONGTYPE") as caught:
        queue.enqueue_many(requests)
    assert isinstance(caught.value.__cause__, QueueServerError)
    assert caught.value.enqueued == ["j0", "j2"]
    assert caught.value.not_enqueued == ["j1"]
    assert raw.zrange(QUEUE, 0, -1) == [b"j0", b"j2"]
    assert raw.exists("arq:job:j1", "arq:result:j1", "mail") == 1
    assert raw.lrange(key, 0, -1) == [b"1"]


def test_server_without_memory(queue, raw):
    """A server that takes no more refuses the chunk as a whole, and nothing is written."""
    queue.enqueue_many(requests_of(2))
    before = raw.dbsize()
    raw.config_set("maxmemory", 1)
    try:
        with pytest.raises(EnqueueManyError, match="maxmemory") as caught:
            queue.enqueue_many([JobRequest("work", job_id=f"x{n}") for n in range(3)])
    finally:
        raw.config_set("maxmemory", 0)
    assert caught.value.not_enqueued == ["x0", "x1", "x2"]
    assert caught.value.enqueued == caught.value.uncertain == []
    assert raw.dbsize() == before


@pytest.mark.parametrize("fault", ["cut_requests", "cut_replies"])
def test_lost_requests_and_replies(proxy, raw, fault):
    """Whatever gets lost, each job is enqueued once, and called ok."""
    with SyncRedisArqQueue.from_url(proxy.url) as queue:
        queue.enqueue_many(requests_of(1))
        setattr(proxy, fault, 3)
        jobs = queue.enqueue_many(requests_of(40), chunk_size=4)
        assert getattr(proxy, fault) == 0
    assert jobs[0] is None
    assert [job.id for job in jobs[1:]] == ids(range(1, 40))
    assert raw.zcard(QUEUE) == 40


@pytest.mark.parametrize("collect", [True, False])
def test_answers_that_do_not_come(proxy, raw, collect):
    """When answers stop coming, the error tells which jobs are there, and which may be."""
    settings = RedisSettings.from_url(proxy.url, socket_timeout=0.1, retry_budget=0.3)
    taken = []

    def produce():
        for request in requests_of(100):
            taken.append(request.job_id)
            yield request

    def stop(count):
        proxy.swallow_replies = count >= 10

    with SyncRedisArqQueue.initialize(settings) as queue:
        queue.enqueue("work", _job_id="x")
        with pytest.raises(EnqueueManyError) as caught:
            queue.enqueue_many(produce(), chunk_size=5, progress=stop, collect=collect)
        proxy.swallow_replies = False
    error = caught.value
    assert isinstance(error.__cause__, QueueConnectionError)
    assert error.uncertain
    told = [*error.enqueued, *error.uncertain, *error.not_enqueued]
    assert told == taken[len(taken) - len(told) :]
    assert (told == taken) or not collect
    there = {name.decode() for name in raw.zrange(QUEUE, 0, -1)}
    assert there.issuperset(error.enqueued)
    assert there.isdisjoint(error.not_enqueued)
    assert there <= {"x", *taken}.difference(error.not_enqueued)


def test_server_that_stays_away(proxy, raw):
    """Jobs that could not be sent are not enqueued, and not there afterwards."""
    settings = RedisSettings.from_url(proxy.url, retry_budget=0.3)
    with SyncRedisArqQueue.initialize(settings) as queue:
        proxy.refuse = True
        proxy.break_connections()
        with pytest.raises(EnqueueManyError) as caught:
            queue.enqueue_many(requests_of(6), chunk_size=3)
    error = caught.value
    assert [*error.uncertain, *error.not_enqueued] == ids(range(6))
    assert error.enqueued == []
    assert raw.zcard(QUEUE) == 0


def test_failing_mock():
    """A mock that fails does so as a server does."""
    with SyncMockArqQueue() as mock:
        with mock.failing(QueueConnectionError("down")), pytest.raises(EnqueueManyError) as caught:
            mock.enqueue_many(requests_of(3))
        assert str(caught.value.__cause__) == "down"
        assert caught.value.not_enqueued == ids(range(3))
        mock.assert_nothing_enqueued()


def test_slow_iterable(redis_url, raw):
    """An iterable may take longer for a chunk than the budget of a call, on any server."""
    settings = RedisSettings.from_url(redis_url, retry_budget=0.3)

    def produce():
        for request in requests_of(3):
            yield request
            time.sleep(0.4)

    with SyncRedisArqQueue.initialize(settings) as queue:
        raw.script_flush()
        found = queue.enqueue_many(produce(), chunk_size=1)
    assert [job.id for job in found] == ids(range(3))
    assert raw.zcard(QUEUE) == 3


def test_user_who_may_not_write_jobs(redis_url, raw):
    """Where the job's key is refused nothing stays, and a repetition is refused, too."""
    rules = ["reset", "on", ">pw", "+@all", "~arqade:once:*", "~arq:queue"]
    raw.execute_command("ACL", "SETUSER", "halfway", *rules)
    parts = urlsplit(redis_url)
    url = f"redis://halfway:pw@{parts.hostname}:{parts.port}"
    with SyncRedisArqQueue.from_url(url) as queue:
        for _ in range(2):
            with pytest.raises(QueueServerError):
                queue.enqueue("work", _token="t")
            with pytest.raises(EnqueueManyError) as caught:
                queue.enqueue_many(requests_of(2))
            assert caught.value.not_enqueued == ids(range(2))
            with pytest.raises(EnqueueManyError):
                queue.enqueue_many([JobRequest("work")])
    assert raw.dbsize() == 0
