from __future__ import annotations

import pickle
from datetime import UTC, datetime, timedelta

import pytest

from arqade import (
    JobDeserializationError,
    JobNotQueued,
    JobRequest,
    JobStatus,
    QueueServerError,
    RedisArqQueue,
)
from tests.harness.functions import worker_function
from tests.harness.states import (
    HOUR_MS,
    QUEUE,
    STATES,
    job_bytes,
    now_ms,
    put_complete,
    put_expired,
    put_finished_cron,
    put_in_progress,
    put_queued,
    snapshot,
)

DAY_MS = 86_400_000


async def test_job_has_arqs_keys(queue, raw):
    """A job is arq's envelope under arq's key, and its id in the queue at its time."""
    job = await queue.enqueue("work", 1, b=2, _job_id="k")
    data = raw.get("arq:job:k")
    expected = {"t": None, "f": "work", "a": (1,), "k": {"b": 2}, "et": job.score}
    assert pickle.loads(data) == expected
    assert list(pickle.loads(data)) == list(expected)
    assert data == pickle.dumps(expected, protocol=4)
    assert raw.zrange(QUEUE, 0, -1, withscores=True) == [(b"k", job.score)]
    assert DAY_MS - 60_000 < raw.pttl("arq:job:k") <= DAY_MS
    markers = raw.keys("arqade:*")
    assert len(markers) == 1
    assert 0 < raw.pttl(markers[0]) <= 120_000
    assert raw.dbsize() == 3


async def test_metadata_says_what_was_sent(queue):
    """The metadata of an enqueue is what a later look says."""
    job = await queue.enqueue("work", 1, b=2, _job_id="k")
    assert (job.id, job.name, job.args, job.kwargs) == ("k", "work", (1,), {"b": 2})
    assert (job.status, job.queue_name, job.job_try) == (JobStatus.queued, QUEUE, None)
    assert job.enqueue_time.tzinfo is UTC
    assert job.enqueue_time.microsecond % 1000 == 0
    assert job.score == round(job.enqueue_time.timestamp() * 1000)
    seen = await queue.get_job_metadata("k")
    assert seen == job
    assert (seen.score, seen.job_try) == (job.score, job.job_try)


async def test_ids_are_random(queue):
    """A job without an id gets one of its own."""
    jobs = [await queue.enqueue("work") for _ in range(3)]
    assert len({job.id for job in jobs}) == 3


async def test_time_is_the_servers(queue, raw):
    """A job's times are those of the server's clock."""
    seconds, microseconds = raw.time()
    job = await queue.enqueue("work")
    assert abs(job.score - (seconds * 1000 + microseconds // 1000)) < 30_000


@pytest.mark.parametrize("skew", [-2 * DAY_MS, -HOUR_MS, -5000, 900, 5000, HOUR_MS])
async def test_wrong_clock_is_put_right(queue, raw, skew):
    """A client whose clock is wrong enqueues for now by the server's clock, and once."""
    clock = queue._connections.clock
    clock.learn(clock.now() + skew)
    job = await queue.enqueue("work", _job_id="k")
    seconds, microseconds = raw.time()
    server_time = seconds * 1000 + microseconds // 1000
    assert job.score <= server_time + 1  # Times are rounded, this one is cut off.
    # What is off by no more than the fence allows is known only after the first reply.
    assert server_time - job.score < (30_000 if skew == -5000 else 20_000)
    assert raw.zscore(QUEUE, "k") == job.score
    later = await queue.enqueue("work")
    assert server_time <= later.score + 1000


@pytest.mark.parametrize(
    ("option", "least", "most"),
    [
        ({"_defer_by": 90}, 90_000, 90_000),
        ({"_defer_by": 0.5}, 500, 500),
        ({"_defer_by": timedelta(days=2)}, 2 * DAY_MS, 2 * DAY_MS),
        ({"_defer_until": datetime.now(UTC) + timedelta(hours=1)}, 0, HOUR_MS),
        ({"_defer_until": datetime.now() + timedelta(hours=1)}, 0, HOUR_MS),  # noqa: DTZ005
    ],
    ids=["seconds", "fraction", "timedelta", "until", "naive until"],
)
async def test_deferred_job(queue, raw, option, least, most):
    """A deferred job is due later and lives for a day after that."""
    job = await queue.enqueue("work", _job_id="k", **option)
    assert job.status is JobStatus.deferred
    delay = job.score - round(job.enqueue_time.timestamp() * 1000)
    assert least <= delay <= most
    assert raw.zscore(QUEUE, "k") == job.score
    assert delay + DAY_MS - 60_000 < raw.pttl("arq:job:k") <= delay + DAY_MS
    assert await queue.get_job_status("k") is JobStatus.deferred


@pytest.mark.parametrize(
    "option", [{"_defer_by": 0}, {"_defer_until": datetime(1971, 1, 1, tzinfo=UTC)}], ids=str
)
async def test_deferred_into_the_past_is_now(queue, raw, option):
    """A time that has passed means now; the job lives for a day all the same."""
    job = await queue.enqueue("work", _job_id="k", **option)
    assert job.status is JobStatus.queued
    assert job.score == round(job.enqueue_time.timestamp() * 1000)
    assert raw.pttl("arq:job:k") > DAY_MS - 60_000


@pytest.mark.parametrize(
    ("expires", "life"), [(60, 60_000), (timedelta(minutes=1), 60_000), (0.0001, 1)], ids=str
)
async def test_expires_is_the_jobs_life(queue, raw, expires, life):
    """`_expires` is how long the job's envelope lives."""
    await queue.enqueue("work", _job_id="k", _expires=expires)
    assert raw.pttl("arq:job:k") <= life
    assert life == 1 or raw.pttl("arq:job:k") > life - 30_000


async def test_queue_sets_the_life_of_its_jobs(redis_url, raw):
    """`expires_extra_ms` is how long jobs live after they are due."""
    async with await RedisArqQueue.from_url(redis_url, expires_extra_ms=50_000) as queue:
        await queue.enqueue("work", _job_id="k")
        assert 20_000 < raw.pttl("arq:job:k") <= 50_000


async def test_other_queue_and_try(queue, raw):
    """A job goes into the queue that is named, with the try that is given."""
    job = await queue.enqueue("work", _job_id="k", _queue_name="mail", _job_try=3)
    assert (job.queue_name, job.job_try) == ("mail", 3)
    assert raw.zscore("mail", "k") == job.score
    assert pickle.loads(raw.get("arq:job:k"))["t"] == 3
    assert await queue.get_job_metadata("k", "mail") == job


async def test_default_queue_name(redis_url, raw):
    """A queue's default name is used where none is given."""
    async with await RedisArqQueue.from_url(redis_url, default_queue_name="mail") as queue:
        assert queue.default_queue_name == "mail"
        job = await queue.enqueue("work")
        assert job.queue_name == "mail"
        assert raw.zcard("mail") == 1


async def test_worker_function_names_the_task(queue):
    """A worker's function stands for its qualified name, as in arq."""
    job = await queue.enqueue(worker_function, 5)
    assert (job.name, job.args) == ("worker_function", (5,))


async def test_request(queue):
    """A `JobRequest` carries arguments and options; options of the call win."""
    request = JobRequest("work", (1,), {"_odd": 2}, job_id="k", defer_by=50, queue_name="mail")
    job = await queue.enqueue(
        request, _job_id="other", _defer_until=datetime(1999, 1, 1, tzinfo=UTC)
    )
    assert (job.id, job.args, job.kwargs, job.queue_name) == ("other", (1,), {"_odd": 2}, "mail")
    assert job.status is JobStatus.queued
    assert (await queue.enqueue(request)).id == "k"


async def test_task_may_have_parameters_of_any_name(queue):
    """Arguments named like those of `enqueue` itself reach the task."""
    job = await queue.enqueue("work", task=1, self=2, args=3, job_id=4, timeout=5)
    assert job.kwargs == {"task": 1, "self": 2, "args": 3, "job_id": 4, "timeout": 5}


@pytest.mark.parametrize("state", STATES)
async def test_same_id_is_refused_with_the_reason(queue, raw, state):
    """A job whose id is taken is refused, with the state of the one that is there."""
    STATES[state](raw)
    before = snapshot(raw)
    with pytest.raises(JobNotQueued) as caught:
        await queue.enqueue("other", _job_id="k")
    assert (caught.value.job_id, caught.value.reason) == ("k", state)
    assert str(caught.value).startswith("Job was not queued because it already exists. id=k")
    assert snapshot(raw) == before
    assert not raw.keys("arqade:*")


@pytest.mark.parametrize("state", STATES)
async def test_return_existing(queue, raw, state):
    """`return_existing` gives the metadata of the job that is there, and changes nothing."""
    STATES[state](raw)
    before = snapshot(raw)
    job = await queue.enqueue("other", _job_id="k", _on_conflict="return_existing")
    assert (job.name, job.args, job.status) == ("work", (1,), state)
    assert job == await queue.get_job_metadata("k")
    assert snapshot(raw) == before


async def test_return_existing_of_another_queue(queue, raw):
    """A finished job of another queue is returned; one that waits there can only be refused."""
    put_complete(raw, "done", "mail")
    job = await queue.enqueue(
        "other", _job_id="done", _queue_name=QUEUE, _on_conflict="return_existing"
    )
    assert job.queue_name == "mail"
    put_queued(raw, "waiting", "mail")
    put_in_progress(raw, "running", "mail")
    for job_id, reason in [("waiting", "queued"), ("running", "in_progress")]:
        with pytest.raises(JobNotQueued) as caught:
            await queue.enqueue("other", _job_id=job_id, _on_conflict="return_existing")
        assert caught.value.reason == reason


async def test_return_existing_that_cannot_be_decoded(queue, raw):
    """A job that is there and can't be decoded is an error that names it."""
    raw.set("arq:job:k", b"garbage")
    raw.zadd(QUEUE, {"k": 5})
    with pytest.raises(JobDeserializationError) as caught:
        await queue.enqueue("other", _job_id="k", _on_conflict="return_existing")
    assert caught.value.job_id == "k"


async def test_ignore_result(queue, raw):
    """`ignore_result` enqueues over a kept result, which is gone then."""
    put_complete(raw)
    job = await queue.enqueue("other", _job_id="k", _on_conflict="ignore_result")
    assert await queue.get_job_metadata("k") == job
    assert job.status is JobStatus.queued
    assert not raw.exists("arq:result:k")


@pytest.mark.parametrize("state", ["queued", "deferred", "in_progress"])
async def test_ignore_result_ignores_no_job(queue, raw, state):
    """`ignore_result` is refused by a job that is not finished."""
    STATES[state](raw)
    before = snapshot(raw)
    with pytest.raises(JobNotQueued) as caught:
        await queue.enqueue("other", _job_id="k", _on_conflict="ignore_result")
    assert caught.value.reason == state
    assert snapshot(raw) == before


@pytest.mark.parametrize("state", ["queued", "deferred", "complete"])
async def test_replace(queue, raw, state):
    """`replace` puts new arguments and a new time in the place of a job, and drops a result."""
    STATES[state](raw)
    raw.set("arq:retry:k", 3)
    job = await queue.enqueue("other", 9, _job_id="k", _defer_by=60, _on_conflict="replace")
    assert await queue.get_job_metadata("k") == job
    assert (job.name, job.args, job.status) == ("other", (9,), JobStatus.deferred)
    assert raw.zrange(QUEUE, 0, -1, withscores=True) == [(b"k", job.score)]
    assert not raw.exists("arq:result:k", "arq:in-progress:k")
    assert raw.get("arq:retry:k") is None


async def test_replace_spares_a_running_job(queue, raw):
    """`replace` is refused while a worker runs the job."""
    put_in_progress(raw)
    before = snapshot(raw)
    with pytest.raises(JobNotQueued) as caught:
        await queue.enqueue("other", _job_id="k", _on_conflict="replace")
    assert caught.value.reason == "in_progress"
    assert snapshot(raw) == before


async def test_replace_spares_another_queue(queue, raw):
    """`replace` is refused if the job waits in another queue: its worker would run the new one."""
    put_queued(raw, queue="mail")
    before = snapshot(raw)
    with pytest.raises(JobNotQueued):
        await queue.enqueue("other", _job_id="k", _on_conflict="replace")
    assert snapshot(raw) == before


@pytest.mark.parametrize("policy", ["raise", "return_existing", "ignore_result", "replace"])
async def test_no_conflict(queue, raw, policy):
    """An expired job and a finished cron job's mark stand in no one's way."""
    put_expired(raw, "expired")
    raw.set("arq:retry:expired", 2)
    put_finished_cron(raw, "cron")
    for job_id in ("new", "expired", "cron"):
        job = await queue.enqueue("other", _job_id=job_id, _on_conflict=policy)
        assert raw.zscore(QUEUE, job_id) == job.score
    assert not raw.exists("arq:retry:expired")
    assert raw.exists("arq:in-progress:cron")


@pytest.mark.parametrize("policy", ["raise", "return_existing", "ignore_result", "replace"])
async def test_running_job_without_envelope_is_a_conflict(queue, raw, policy):
    """A job whose envelope expired while it runs is in the way: its end would take the new one."""
    put_in_progress(raw)
    raw.delete("arq:job:k")
    before = snapshot(raw)
    with pytest.raises(JobNotQueued) as caught:
        await queue.enqueue("other", _job_id="k", _on_conflict=policy)
    assert caught.value.reason == "in_progress"
    assert snapshot(raw) == before


async def test_token_makes_one_job_of_two_calls(queue, raw):
    """Two calls with one token make one job, whatever has become of it in between."""
    first = await queue.enqueue("work", 1, _token="t")
    raw.delete(f"arq:job:{first.id}", QUEUE)  # It has run, and its worker keeps no results.
    second = await queue.enqueue("work", 1, _token="t")
    assert second == first
    assert second.score == first.score
    assert not raw.exists(QUEUE)


async def test_token_is_of_one_call(queue):
    """Without a token two calls are two jobs."""
    assert (await queue.enqueue("work")).id != (await queue.enqueue("work")).id


@pytest.mark.parametrize("policy", ["ignore_result", "replace"])
async def test_result_beside_a_running_job_stays(queue, raw, policy):
    """A kept result is not lost to a job that a running one without an envelope keeps out."""
    put_in_progress(raw)
    raw.delete("arq:job:k")
    put_complete(raw)
    before = snapshot(raw)
    with pytest.raises(JobNotQueued):
        await queue.enqueue("other", _job_id="k", _on_conflict=policy)
    assert snapshot(raw) == before


@pytest.mark.parametrize(
    ("key", "policy"),
    [
        (QUEUE, "raise"),
        ("arq:job:k", "raise"),
        ("arq:job:k", "replace"),
        ("arq:result:k", "raise"),
        ("arqade:once:t", "raise"),
    ],
)
async def test_key_of_a_wrong_type(queue, raw, key, policy):
    """A key that another program took is an error that says so, and nothing is written."""
    raw.rpush(key, 1)
    before = raw.keys()
    with pytest.raises(QueueServerError, match=r"the job was not queued.*WRONGTYPE"):
        await queue.enqueue("work", _job_id="k", _on_conflict=policy, _token="t")
    assert raw.keys() == before
    assert raw.lrange(key, 0, -1) == [b"1"]


async def test_existing_job_lives_on_when_replacing_fails(redis_url, raw):
    """A replacement that the server refuses half way leaves the old job as it was."""
    raw.psetex("arq:job:k", HOUR_MS, job_bytes("old"))
    raw.zadd(QUEUE, {"k": now_ms() + HOUR_MS})
    raw.set("arq:job:forever", job_bytes("old"))
    raw.zadd(QUEUE, {"forever": now_ms() + HOUR_MS})
    before = {key: raw.get(key) for key in ("arq:job:k", "arq:job:forever")}
    raw.acl_setuser(
        "replacer",
        enabled=True,
        passwords=["+pw"],
        keys=["*"],
        commands=["+@all", "-zadd"],
        reset=True,
    )
    try:
        url = redis_url.replace("redis://", "redis://replacer").replace(
            raw.connection_pool.connection_kwargs["password"], "pw"
        )
        async with await RedisArqQueue.from_url(url) as queue:
            for job_id in ("k", "forever", "new"):
                with pytest.raises(QueueServerError, match="permissions"):
                    await queue.enqueue("new", _job_id=job_id, _on_conflict="replace")
    finally:
        raw.acl_deluser("replacer")
    assert {key: raw.get(key) for key in before} == before
    assert raw.pttl("arq:job:k") > HOUR_MS - 60_000
    assert raw.pttl("arq:job:forever") == -1
    assert not raw.exists("arq:job:new")
    assert not raw.keys("arqade:*")
