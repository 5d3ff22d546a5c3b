# Generated from tests/_async/test_migration.py by "make generate"; do not edit.
"""Old and new clients and workers on one queue: how a live fleet gets another codec, or key."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from datetime import UTC, datetime

import pytest

from arqade import JobDeserializationError, JobStatus, SyncRedisArqQueue
from tests.harness.payload_codecs import codec_named
from tests.harness.states import QUEUE, now_ms
from tests.harness.worker import READY, WorkerProcess, keys_of_arq, started_jobs, wait_until

PATIENCE = 20

ROLL_OUTS = {
    "pickle to JSON": ["stock", "reads-json", "writes-json", "json"],
    "pickle to signed JSON": ["stock", "reads-signed", "writes-signed", "signed-json"],
    "old key to new key": ["keys-old", "keys-old-new", "keys-new-old", "keys-new"],
}
"""The steps of a fleet, in the order of the docs. Two neighbours may run side by side."""

ARGS = (("a", [1]), b"\x00", datetime(2026, 11, 28, tzinfo=UTC))
"""What each job takes, beside its own id."""


def echoed(job_id):
    """Show what `echo` returns."""
    return repr({"args": (job_id, *ARGS), "kwargs": {}, "job_try": 1})


class StockClient:
    """A stock arq client, with the operations that are used here."""

    def __init__(self, stock):
        self._stock = stock

    def enqueue(self, job_id, **options):
        """Enqueue a job."""
        assert self._stock.enqueue_job("echo", job_id, *ARGS, _job_id=job_id, **options) == job_id

    def result(self, job_id):
        """Show what the job returned."""
        return self._stock.result(job_id, timeout=PATIENCE)

    def close(self):
        """It is not this test's own."""


class Client:
    """A client of arqade, likewise."""

    def __init__(self, queue):
        self._queue = queue

    def enqueue(self, job_id, **options):
        """Enqueue a job."""
        self._queue.enqueue("echo", job_id, *ARGS, _job_id=job_id, **options)

    def result(self, job_id):
        """Show what the job returned."""
        result = self._queue.wait_for_result(job_id, timeout=PATIENCE)
        assert (result.id, result.args) == (job_id, (job_id, *ARGS))
        return repr(result.unwrap())

    def close(self):
        """Close its queue."""
        self._queue.close()


class Fleet:
    """Clients and workers on one queue, each pair with the same settings."""

    def __init__(self, redis_url, raw, stock):
        self._redis_url = redis_url
        self._raw = raw
        self._stock = stock
        self._numbers = itertools.count()
        self.jobs = []
        self.clients = {}
        self.workers = {}

    def join(self, step):
        """Start a worker with a step's settings, and then such a client; the others go on."""
        settings = {} if step == "stock" else {"codec": step}
        worker = WorkerProcess(self._redis_url, max_jobs=1, poll_delay=0.01, **settings)
        self.workers[step] = worker
        while self.clients and READY not in worker.output:
            self.run_some()
        worker.wait_until_ready()
        if step == "stock":
            self.clients[step] = StockClient(self._stock)
        else:
            codec = codec_named(step)
            queue = SyncRedisArqQueue.from_url(self._redis_url, codec=codec)
            self.clients[step] = Client(queue)

    def enqueue(self, step, **options):
        """Let a step's client enqueue a job, and give the job's id."""
        job_id = f"{step}:{next(self._numbers)}"
        self.clients[step].enqueue(job_id, **options)
        self.jobs.append(job_id)
        return job_id

    def run_some(self):
        """Let each client enqueue some jobs, and each of them read all the results."""
        job_ids = [self.enqueue(step) for step in (*self.clients, *self.clients)]
        for job_id in job_ids:
            for client in self.clients.values():
                assert client.result(job_id) == echoed(job_id)

    def handled(self):
        """Tell whose jobs were run by which worker."""
        return {
            (client, step)
            for step, worker in self.workers.items()
            for client in re.findall(r"→ ([\w-]+):\d+:echo\(", worker.output)
        }

    def leave(self, step):
        """Stop a step's worker and client."""
        wait_until(lambda: self._raw.zcount(QUEUE, 0, now_ms()) == 0)
        self.workers[step].stop()
        self.workers.pop(step).close()
        self.clients.pop(step).close()

    def close(self):
        """Leave nothing behind."""
        for worker in self.workers.values():
            worker.close()
        for client in self.clients.values():
            client.close()


@pytest.mark.parametrize("name", ROLL_OUTS)
def test_roll_out(redis_url, raw, stock, name):
    """From step to step, with both at once, each job is run once, and each client reads it all.

    So it is with each client's jobs on each worker, and with those that wait for the next step.
    """
    steps = ROLL_OUTS[name]
    fleet = Fleet(redis_url, raw, stock)
    try:
        fleet.join(steps[0])
        for before, after in itertools.pairwise(steps):
            late = fleet.enqueue(before, _defer_by=3600)
            fleet.join(after)
            expected = set(itertools.product((before, after), repeat=2))
            for _ in range(200):
                fleet.run_some()
                if fleet.handled() >= expected:
                    break
            assert fleet.handled() >= expected
            fleet.leave(before)
            raw.zadd(QUEUE, {late: now_ms()})
            assert fleet.clients[after].result(late) == echoed(late)
        fleet.leave(steps[-1])
    finally:
        fleet.close()
    assert Counter(started_jobs(raw)) == Counter(fleet.jobs)
    assert keys_of_arq(raw) == {f"arq:result:{job_id}".encode() for job_id in fleet.jobs}


# --- the wrong order -------------------------------------------------------------------


@pytest.fixture(scope="module")
def workers(module_redis_url):
    """A process with stock workers, each on a queue of its codec's name, and one without codec."""
    codecs = ["json", "writes-json", "keys-old", "keys-new"]
    settings = {"codecs": codecs, "queue_name": "stock", "poll_delay": 0.02}
    with WorkerProcess(module_redis_url, **settings) as worker:
        yield worker


def opened(redis_url, codec_name, queue_name):
    """Open a queue with a codec, whose worker may have another one."""
    return SyncRedisArqQueue.from_url(
        redis_url, codec=codec_named(codec_name), default_queue_name=queue_name
    )


@pytest.mark.parametrize(
    ("writer", "worker", "reader"),
    [
        ("json", "stock", "reads-json"),
        ("writes-json", "stock", "reads-json"),
        ("signed-json", "stock", "reads-signed"),
        ("keys-new", "keys-old", "keys-old-new"),
        ("keys-new-old", "keys-old", "keys-old-new"),
        ("pickle", "json", "writes-json"),
        ("reads-json", "json", "writes-json"),
        ("keys-old", "keys-new", "keys-new-old"),
    ],
)
def test_worker_that_can_not_read_it_yet(workers, redis_url, raw, writer, worker, reader):
    """A job in a format, or with a key, that its worker does not know is destroyed, and not run."""
    with opened(redis_url, writer, worker) as queue:
        queue.enqueue("echo", 1, _job_id="j")
        wait_until(lambda: raw.zcard(worker) == 0)
        assert queue.get_job_status("j") is JobStatus.complete
    with opened(redis_url, reader, worker) as queue:
        result = queue.get_job_result("j")
    assert repr(result.result) == "DeserializationError('unable to deserialize job')"
    assert not result.success
    assert (result.name, result.args) == ("<unknown>", ())
    assert started_jobs(raw) == []
    assert keys_of_arq(raw) == {b"arq:result:j"}


@pytest.mark.parametrize(
    ("writer", "worker", "reader"),
    [("pickle", "writes-json", "reads-json"), ("pickle", "writes-json", "writes-json")],
)
def test_client_that_can_not_read_it_yet(workers, redis_url, raw, writer, worker, reader):
    """A result in a format that a client does not know is an error there, and lost for no other."""
    with opened(redis_url, writer, worker) as queue:
        queue.enqueue("echo", 1, _job_id="j")
        for read in (queue.wait_for_result, queue.get_job_result, queue.get_job_metadata):
            with pytest.raises(JobDeserializationError):
                read("j", **({"timeout": PATIENCE} if read == queue.wait_for_result else {}))
        assert queue.get_job_status("j") is JobStatus.complete
    with opened(redis_url, reader, worker) as queue:
        assert queue.get_job_result("j").unwrap()["args"] == (1,)
    assert started_jobs(raw) == ["j"]
