# Generated from tests/_async/test_signed.py by "make generate"; do not edit.
"""Signed payloads on real workers: what others wrote, or put elsewhere, is neither run nor read."""

from __future__ import annotations

import os

import pytest

from arqade import JobDeserializationError, SyncRedisArqQueue
from arqade.codecs import PickleCodec, SignedCodec
from tests.harness.deadly import Calling
from tests.harness.payload_codecs import KEYS, codec_named
from tests.harness.states import now_ms
from tests.harness.worker import WorkerProcess, started_jobs, wait_until

SIGNED = ["signed-json", "signed-msgpack", "signed-pickle", "signed-restricted", "writes-signed"]
UNSIGNED = ["json", "msgpack", "pickle", "restricted"]
PATIENCE = 20

REFUSED = "DeserializationError('unable to deserialize job')"
"""What a worker stores for a job that it can't read, and so does not run."""


@pytest.fixture(scope="module")
def worker(module_redis_url):
    """A process with a stock worker for each codec, whose queue is named after it."""
    codecs = [*SIGNED, *UNSIGNED, "mail", "bills", "strict"]
    with WorkerProcess(module_redis_url, codecs=codecs, poll_delay=0.02) as worker:
        yield worker


def opened(redis_url, codec_name, queue_name=None):
    """Open a queue whose worker has the same codec, or one without a worker."""
    return SyncRedisArqQueue.from_url(
        redis_url, codec=codec_named(codec_name), default_queue_name=queue_name or codec_name
    )


def put_job(raw, queue_name, job_id, data):
    """Write a job as someone does who has no key."""
    raw.set(f"arq:job:{job_id}", data)
    raw.zadd(queue_name, {job_id: now_ms()})


def end_of(queue, job_id):
    """Wait for a job's result, and give it as text."""
    return repr(queue.wait_for_result(job_id, timeout=PATIENCE).result)


def collect(jobs, found):
    """Note the ids of what comes before an error."""
    for job in jobs:
        found.append(job.id)


def assert_unreadable(queue, job_id):
    """Check that no operation gives a job or its result, and that its state can be asked."""
    for read in (queue.get_job_result, queue.get_job_metadata, queue.wait_for_result):
        with pytest.raises(JobDeserializationError) as caught:
            read(job_id)
        assert caught.value.job_id == job_id
    assert queue.get_job_status(job_id) == "complete"


# --- what was signed for another place -------------------------------------------------


@pytest.mark.parametrize("codec_name", [*SIGNED, *UNSIGNED])
def test_result_put_back_as_a_job(worker, redis_url, raw, codec_name):
    """A signed result is not run as a job; one without a signature is."""
    with opened(redis_url, codec_name) as queue:
        queue.enqueue("give_back", 1, _job_id="j")
        ended = end_of(queue, "j")
        put_job(raw, codec_name, "copy", raw.get("arq:result:j"))
        copied = end_of(queue, "copy")
    assert ended == "{'args': (1,), 'kwargs': {}}"
    if codec_name in SIGNED:
        assert copied == REFUSED
        assert started_jobs(raw) == ["j"]
    else:
        assert copied == ended
        assert started_jobs(raw) == ["j", "copy"]


@pytest.mark.parametrize("codec_name", SIGNED)
def test_payload_put_under_the_other_key(worker, redis_url, raw, codec_name):
    """A client reads no job as a result, and no result as a job; nor with the other's mark."""
    with opened(redis_url, codec_name) as queue:
        queue.enqueue("give_back", 1, _job_id="j")
        end_of(queue, "j")
    result = raw.get("arq:result:j")
    with opened(redis_url, codec_name, "without a worker") as queue:
        queue.enqueue("give_back", 1, _job_id="waits")
        job = raw.get("arq:job:waits")
        assert (job[4:5], result[4:5]) == (b"j", b"r")
        for job_id, data in (("copy", job), ("marked", job[:4] + b"r" + job[5:])):
            raw.set(f"arq:result:{job_id}", data)
            assert_unreadable(queue, job_id)
        for data in (result, result[:4] + b"j" + result[5:]):
            put_job(raw, "without a worker", "waits", data)
            with pytest.raises(JobDeserializationError):
                queue.get_job_metadata("waits")


@pytest.mark.parametrize("codec_name", [*SIGNED, *UNSIGNED])
def test_result_put_under_another_id(worker, redis_url, raw, codec_name):
    """A signed result is refused under another job's id; one without a signature is believed."""
    with opened(redis_url, codec_name) as queue:
        queue.enqueue("give_back", 1, _job_id="j")
        ended = end_of(queue, "j")
        raw.set("arq:result:other", raw.get("arq:result:j"))
        if codec_name in UNSIGNED:
            assert end_of(queue, "other") == ended
            return
        assert_unreadable(queue, "other")
        for results in (queue.iter_results(), queue.as_completed(["j", "other"], timeout=5)):
            found = []
            with pytest.raises(JobDeserializationError, match="other"):
                collect(results, found)
            assert found == ["j"]


@pytest.mark.parametrize(("context", "runs"), [("bills", False), ("mail", True)])
def test_job_put_into_another_queue(worker, redis_url, raw, context, runs):
    """A job is not run for a queue of another context; its own worker runs it from there."""
    with opened(redis_url, "mail") as mail:
        mail.enqueue("give_back", 1, _job_id="j", _defer_by=3600)
        put_job(raw, context, "copy", raw.get("arq:job:j"))
        wait_until(lambda: raw.zcard(context) == (context == "mail"))
        with opened(redis_url, context) as queue:
            assert (end_of(queue, "copy") == REFUSED) is not runs
            assert queue.get_job_result("copy").success is runs
        assert started_jobs(raw) == ["copy"] * runs
        if not runs:
            assert_unreadable(mail, "copy")


# --- what was not signed with a key ----------------------------------------------------


def evil(path, *, result=False):
    """Make an envelope whose unpickling makes a folder."""
    envelope = {"t": 1, "f": "give_back", "a": (Calling(os.mkdir, str(path)),), "k": {}, "et": 1}
    return envelope | ({"s": True, "r": 1, "st": 1, "ft": 1, "q": "q"} if result else {})


def forged(envelope):
    """Give bytes that nobody has signed who has the key, by how they were made."""
    pickled = PickleCodec().dumps(envelope)

    def sign(envelope, key="old", context=""):
        return SignedCodec(PickleCodec(), [KEYS[key]], context=context).dumps(envelope)

    genuine = sign({**envelope, "a": ()})
    return {
        "unsigned": pickled,
        "strange": sign(envelope, "strange"),
        "context": sign(envelope, context="elsewhere"),
        "zeros": genuine[:5] + bytes(32) + pickled,
        "signature": genuine[:37] + pickled,
        "longer": genuine + pickled,
        "header": genuine[:37],
        "short": genuine[:20],
        "magic": b"aqs2" + sign(envelope)[4:],
        "nothing": b"aqs1",
    }


@pytest.mark.parametrize("codec_name", ["signed-pickle", "pickle", "strict"])
def test_worker_unpickles_no_forged_job(worker, redis_url, raw, tmp_path, codec_name):
    """A worker unpickles no job that is not signed with its key; one without keys does."""
    made = tmp_path / "made"
    forgeries = forged(evil(made))
    if codec_name != "signed-pickle":
        forgeries = {"unsigned": forgeries["unsigned"]}
    for name, data in forgeries.items():
        put_job(raw, codec_name, name, data)
    with opened(redis_url, codec_name) as queue:
        ends = {name: end_of(queue, name) for name in forgeries}
    if codec_name == "pickle":
        assert made.exists()
    else:
        assert ends == dict.fromkeys(forgeries, REFUSED)
        assert started_jobs(raw) == []
        assert not made.exists()


@pytest.mark.parametrize("codec_name", ["signed-pickle", "pickle", "strict"])
def test_client_unpickles_no_forged_payload(redis_url, raw, tmp_path, codec_name):
    """Nor does a client: neither a job nor a result, by no way of reading."""
    made = tmp_path / "made"
    jobs, results = forged(evil(made)), forged(evil(made, result=True))
    for name, data in jobs.items():
        put_job(raw, "without a worker", f"job: {name}", data)
    for name, data in results.items():
        raw.set(f"arq:result:{name}", data)
    with opened(redis_url, codec_name, "without a worker") as queue:
        if codec_name == "pickle":
            assert queue.get_job_result("unsigned").success
            assert made.exists()
            return
        for name in results:
            assert_unreadable(queue, name)
        for name in jobs:
            with pytest.raises(JobDeserializationError):
                queue.get_job_metadata(f"job: {name}")
            assert queue.get_job_status(f"job: {name}") == "queued"
        for listing in (queue.iter_jobs(), queue.iter_results()):
            found = []
            with pytest.raises(JobDeserializationError, match=r"^10 of the jobs can't be decoded"):
                collect(listing, found)
            assert found == []
    assert not made.exists()


# --- what belongs there ----------------------------------------------------------------


@pytest.mark.parametrize("codec_name", [*SIGNED, "json", "msgpack", "mail"])
def test_job_that_reads_others(worker, redis_url, codec_name):
    """In a job, arq's own ``ctx["redis"]`` enqueues jobs, and reads results and jobs."""
    with opened(redis_url, codec_name) as queue:
        queue.enqueue("read_others", _job_id="j")
        result = queue.wait_for_result("j", timeout=PATIENCE)
    echoed = {"args": (1,), "kwargs": {}, "job_try": 1}
    assert result.unwrap() == [echoed, echoed, ["echo"], "read_others"]


@pytest.mark.parametrize("codec_name", [*SIGNED, "mail"])
def test_no_key_is_told(worker, redis_url, codec_name):
    """Neither a worker's words nor a client's errors have a key in them."""
    codec = codec_named(codec_name)
    told = [repr(codec), worker.output, repr(codec.worker_settings())]
    for data in (b"", b"aqs1", codec.dumps({"f": "x"})[:-1]):
        with pytest.raises(JobDeserializationError) as caught:
            codec.loads(data)
        told.append(repr(caught.value))
    for key in KEYS.values():
        assert not any(repr(key)[2:-1] in text or key.hex() in text for text in told)
