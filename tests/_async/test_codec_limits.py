"""What a codec is spared, and what a worker with one outlives: large payloads, and deadly ones."""

from __future__ import annotations

import math
import pickle

import pytest

from arqade import (
    EnqueueManyError,
    JobDeserializationError,
    JobRequest,
    MockArqQueue,
    PayloadTooLarge,
    RedisArqQueue,
)
from arqade.codecs import SignedCodec
from tests.harness.payload_codecs import CODECS, KEYS, Recording, codec_named
from tests.harness.states import now_ms
from tests.harness.worker import WorkerProcess, started_jobs, wait_until

PATIENCE = 10
REFUSED = "DeserializationError('unable to deserialize job')"
"""What a worker stores for a job that it can't read, and so does not run."""

CHECKED = ["restricted", "json", "msgpack", "writes-json", "signed-json", "signed-pickle"]
"""Codecs whose workers look at a job's fields; plain pickle has arq's own way, as ever."""


@pytest.fixture(scope="module")
def worker(module_redis_url):
    """A process with a stock worker for each codec, whose queue is named after it."""
    codecs = [*CHECKED, "small-json", "small-restricted"]
    with WorkerProcess(module_redis_url, codecs=codecs, poll_delay=0.02) as worker:
        yield worker


async def opened(redis_url, codec_name, **options):
    """Open a queue whose worker has the same codec."""
    options = {"codec": codec_named(codec_name), "default_queue_name": codec_name, **options}
    return await RedisArqQueue.from_url(redis_url, **options)


def put_job(raw, queue_name, job_id, data):
    raw.set(f"arq:job:{job_id}", data)
    raw.zadd(queue_name, {job_id: now_ms()})


# --- large ones ------------------------------------------------------------------------


@pytest.mark.parametrize("codec_name", CODECS)
async def test_job_that_is_too_large_to_be_sent(redis_url, raw, codec_name):
    """A job may have as many bytes as the limit says; of a larger one nothing is written."""
    data = b"0" * 500
    async with await opened(redis_url, codec_name, default_queue_name="q") as queue:
        await queue.enqueue("x", data, _job_id="j")
    size = raw.strlen("arq:job:j")
    assert size > len(data)
    raw.flushdb()
    options = {"default_queue_name": "q", "max_payload_bytes": size - 1}
    mock = MockArqQueue(codec=codec_named(codec_name), **options)
    async with await opened(redis_url, codec_name, **options) as real:
        for queue in (real, mock):
            with pytest.raises(PayloadTooLarge) as caught:
                await queue.enqueue("x", data, _job_id="j")
            with pytest.raises(EnqueueManyError) as caught_many:
                await queue.enqueue_many([JobRequest("x", [data], job_id="j")])
            for error in (caught.value, caught_many.value.__cause__):
                assert (error.size, error.limit, error.job_id) == (size, size - 1, "j")
    assert raw.dbsize() == len(mock.jobs) == 0
    options["max_payload_bytes"] = size
    async with await opened(redis_url, codec_name, **options) as queue:
        assert (await queue.enqueue("x", data, _job_id="j")).id == "j"


async def collect(jobs):
    """Read a listing to its end."""
    async for _ in jobs:
        pass


@pytest.mark.parametrize("codec_name", CODECS)
async def test_what_is_too_large_is_not_decoded(redis_url, raw, codec_name):
    """No codec gets to see bytes over the limit, whatever reads them; it does see smaller ones."""
    codec = Recording(codec_named(codec_name))
    put_job(raw, "q", "j", b"x" * 1000)
    put_job(raw, "q", "small", b"x" * 999)
    raw.set("arq:result:r", b"x" * 1000)
    options = {"codec": codec, "default_queue_name": "q", "max_payload_bytes": 999}
    async with await RedisArqQueue.from_url(redis_url, **options) as queue:
        for read in (
            lambda: queue.get_job_metadata("j"),
            lambda: queue.get_job_metadata("r"),
            lambda: queue.get_job_result("r"),
            lambda: queue.wait_for_result("r", timeout=5),
            lambda: queue.get_jobs_metadata(["j", "r"]),
            lambda: collect(queue.iter_results()),
            lambda: collect(queue.as_completed(["r"], timeout=5)),
            lambda: queue.enqueue("x", _job_id="r", _on_conflict="return_existing"),
            lambda: queue.enqueue("x", _job_id="j", _on_conflict="return_existing"),
        ):
            with pytest.raises(PayloadTooLarge) as caught:
                await read()
            assert (caught.value.size, caught.value.limit) == (1000, 999)
        assert codec.decoded == []
        with pytest.raises(JobDeserializationError):
            await queue.get_job_metadata("small")
        assert codec.decoded == [b"x" * 999]


@pytest.mark.parametrize("codec_name", ["small-json", "small-restricted"])
async def test_limit_of_a_worker(worker, redis_url, raw, codec_name):
    """A worker whose codec has a limit fails larger jobs, and runs those within it."""
    codec = codec_named(codec_name.removeprefix("small-"))
    async with await opened(redis_url, codec_name, codec=codec) as queue:
        await queue.enqueue("give_back", b"0" * 1000, _job_id="large")
        await queue.enqueue("give_back", b"0", _job_id="small")
        assert repr((await queue.wait_for_result("large", timeout=PATIENCE)).result) == REFUSED
        assert (await queue.wait_for_result("small", timeout=PATIENCE)).success
    assert started_jobs(raw) == ["small"]


# --- deadly ones -----------------------------------------------------------------------

GOOD = {"t": None, "f": "give_back", "a": (), "k": {}, "et": 1}
MISSING = object()
DEADLY = [
    ("t", ["x", [1], 1.5, True, math.nan, 10**5000, {}, b"1", MISSING]),
    ("f", [None, 5, ["give_back"], {}, b"give_back", MISSING]),
    ("a", [None, 5, "x", {}, {"x": 1}, {1}, b"x", MISSING]),
    ("k", [None, 5, "x", [], [["a", 1]], {1: 2}, {None: 1}, {"a": 1, (): 2}, {b"a": 1}, MISSING]),
    (
        "et",
        [
            *(None, "1", [1], 1.5, True, math.nan, math.inf, -math.inf),
            *(10**20, -(10**17), -1, 10**5000, 253_402_300_800_000, MISSING),
        ],
    ),
]
ENVELOPES = [
    {name: part for name, part in {**GOOD, field: value}.items() if part is not MISSING}
    for field, values in DEADLY
    for value in values
] + [{}]

DEEP = 100_000
BODIES = {
    "json": [
        *(b"[]", b"null", b'"x"', b"5", b"{}", b"{", b'{"f":' * DEEP, b'{"a":' + b"[" * DEEP),
        *(b'{"t":' + b"9" * 10_000 + b"}", b'{"t":NaN}', b'{"$int":"0x1"}', b'{"$model":["X",{}]}'),
    ],
    "msgpack": [
        *(b"\x90", b"\xc0", b"\x05", b"\x80", b"\x81", b"\x91" * DEEP, b"\x81\xa1a" * DEEP),
        *(b"\xdf\xff\xff\xff\xff", b"\xdd\xff\xff\xff\xff", b"\xc6\xff\xff\xff\xff", b"\xc1"),
        b"\xc7\xff\x0b" * 100,
    ],
    "pickle": [
        *(b"N.", b"].", b"}.", b".", b"\x80\x04", b"\x80\xff.", b"(" * DEEP, b"]" * DEEP + b"."),
        *(pickle.dumps(5), pickle.dumps(exit), b"cos\ngetcwd\n(tR.", b"P1\n.", b"\x82\x01."),
        b"\x8e" + b"\xff" * 7 + b"\x7f",
    ],
}
"""What is no envelope at all."""


class Writing:
    """An inner codec that writes given bytes, to have them signed."""

    def __init__(self, data):
        self.data = data

    def dumps(self, envelope, /):
        return self.data

    def loads(self, data, /):
        raise NotImplementedError


def deadly_payloads(codec_name):
    """Give bytes that a worker with this codec must refuse, with its signature if it wants one.

    They were written by someone who has the key: by a client with a defect, say.
    """
    kinds = codec_name.removeprefix("signed-").replace("restricted", "pickle").split("-")
    kinds = ["json", "pickle"] if "writes" in kinds else kinds
    encoders = {kind: codec_named(kind) for kind in kinds}
    bodies = [encoders[kind].dumps(envelope) for kind in kinds for envelope in ENVELOPES]
    bodies += [body for kind in kinds for body in BODIES[kind]]
    if codec_name.startswith("signed-"):
        return [SignedCodec(Writing(body), [KEYS["old"]]).dumps({}) for body in bodies]
    return bodies


@pytest.mark.parametrize("codec_name", CHECKED)
async def test_worker_outlives_deadly_payloads(worker, redis_url, raw, codec_name):
    """A worker refuses what it would stumble over, and runs the next good job."""
    payloads = deadly_payloads(codec_name)
    for number, data in enumerate(payloads):
        put_job(raw, codec_name, f"bad-{number}", data)
    async with await opened(redis_url, codec_name) as queue:
        await queue.enqueue("give_back", _job_id="good")
        assert (await queue.wait_for_result("good", timeout=PATIENCE)).success
        wait_until(lambda: raw.zcard(codec_name) == 0)
        ends = {
            data[:60]: repr((await queue.get_job_result(f"bad-{number}")).result)
            for number, data in enumerate(payloads)
        }
        assert {data: end for data, end in ends.items() if end != REFUSED} == {}
    assert started_jobs(raw) == ["good"]
