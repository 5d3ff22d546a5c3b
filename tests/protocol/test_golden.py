from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta

import pytest

from arqade import exceptions
from arqade._protocol.payloads import (
    as_metadata,
    decode_job,
    decode_result,
    encode_job,
    encode_result,
    job_times,
)
from arqade.codecs import PickleCodec
from arqade.exceptions import JobDeserializationError
from arqade.models import JobRequest, JobStatus
from tests.protocol.golden import (
    CAPTURES,
    OPTIONS,
    VALUES,
    comparable,
    content,
    results,
    results_with,
    samples,
)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
CODEC = PickleCodec()

READABLE = results(readable=True)
UNREADABLE = results(readable=False)
FROM_ARQ = results_with("JobExecutionFailed")


@pytest.fixture
def without_arq(monkeypatch):
    """An environment in which arq can't be imported, whether it is installed or not."""
    for name in ("arq", "arq.jobs", "arq.worker"):
        monkeypatch.setitem(sys.modules, name, None)


def read_job(data):
    return decode_job(
        data, job_id="j", queue_name="q", status=JobStatus.queued, score=5, codec=CODEC
    )


def read_result(data):
    return decode_result(data, job_id="r", queue_name="elsewhere", codec=CODEC)


def milliseconds(time):
    return (time - EPOCH) / timedelta(milliseconds=1)


def test_captures_are_those_of_two_versions():
    """There are two captures, with 34 jobs each."""
    actual = [(capture["arq"], len(capture["jobs"])) for capture in CAPTURES]
    assert actual == [("0.28.0", 34), ("0.26.1", 34)]


@pytest.mark.parametrize("sample", samples("jobs"))
def test_values_are_those_described(sample):
    """The values that the tests here compare with are those that the captures describe."""
    label = sample["label"]
    if label in OPTIONS:
        assert "repr" not in sample
    elif label == "ordereddict":
        # Python 3.12 prints it in another way.
        assert sample["repr"] in ("OrderedDict({'a': 1})", "OrderedDict([('a', 1)])")
    else:
        assert repr(VALUES[label]) == sample["repr"]


@pytest.mark.parametrize("sample", samples("jobs"))
def test_job_is_read(sample):
    """A job that stock arq wrote decodes to what was enqueued."""
    args, kwargs = content(sample["label"])
    job = read_job(sample["bytes"])
    assert [comparable(value) for value in job.args] == [comparable(value) for value in args]
    assert list(job.kwargs) == list(kwargs)
    assert [comparable(job.kwargs[name]) for name in kwargs] == [
        comparable(value) for value in kwargs.values()
    ]
    assert (job.id, job.name, job.queue_name, job.status) == ("j", "ok", "q", JobStatus.queued)
    assert job.job_try == OPTIONS.get(sample["label"], {}).get("job_try")
    assert job.score == 5


@pytest.mark.parametrize("sample", samples("jobs"))
def test_enqueue_time_is_read(sample):
    """The enqueue time is the envelope's, to the millisecond, aware and in UTC."""
    job = read_job(sample["bytes"])
    assert milliseconds(job.enqueue_time) == CODEC.loads(sample["bytes"])["et"]
    assert job.enqueue_time.tzinfo is UTC


@pytest.mark.parametrize("sample", samples("jobs"))
def test_job_is_written_as_by_arq(sample):
    """The same job gets the same bytes from arqade as from stock arq."""
    args, kwargs = content(sample["label"])
    options = OPTIONS.get(sample["label"], {})
    data = encode_job(
        JobRequest("ok", args, kwargs, **options),
        job_id=sample["job_id"],
        enqueue_time=CODEC.loads(sample["bytes"])["et"],
        codec=CODEC,
        max_bytes=1_000_000,
    )
    assert data == sample["bytes"]


@pytest.mark.parametrize("sample", [s for s in samples("jobs") if "score" in s.values[0]])
def test_times_are_reckoned_as_by_arq(sample):
    """The same options give the same score as in stock arq, and the life that it gave the key."""
    now = CODEC.loads(sample["bytes"])["et"]
    request = JobRequest("ok", **OPTIONS[sample["label"]])
    times = job_times(request, now=now, expires_extra_ms=86_400_000)
    assert times.enqueue_time == now
    assert times.score == sample["score"]
    assert times.score - now == sample["score_minus_et"]
    # The capture asked for the time that was left a moment later.
    assert 0 <= times.life - sample["pttl"] < 100


@pytest.mark.parametrize(
    "sample", [s for s in READABLE if isinstance(s.values[0]["stock reads"], dict)]
)
def test_result_is_read(sample):
    """A result reads as stock arq reads it."""
    result = read_result(sample["bytes"])
    actual = {
        "success": result.success,
        "function": result.name,
        "args": repr(result.args),
        "kwargs": repr(result.kwargs),
        "job_try": result.job_try,
        "result": repr(result.result),
        "result_type": type(result.result).__name__,
        "queue_name": result.queue_name,
    }
    assert actual == sample["stock reads"]
    assert (result.id, result.status, result.score) == ("r", JobStatus.complete, None)


@pytest.mark.parametrize("sample", results_with("CancelledError"))
def test_aborted_job_is_read(sample):
    """The result of an aborted job holds a `CancelledError`, and reading does not raise it."""
    result = read_result(sample["bytes"])
    assert repr(result.result) == "CancelledError()"
    assert not result.success


@pytest.mark.parametrize("sample", READABLE)
def test_result_times_are_read(sample):
    """A result's times are the envelope's, to the millisecond, aware and in UTC."""
    result = read_result(sample["bytes"])
    envelope = CODEC.loads(sample["bytes"])
    times = (result.enqueue_time, result.start_time, result.finish_time)
    assert [milliseconds(time) for time in times] == [envelope[key] for key in ("et", "st", "ft")]
    assert {time.tzinfo for time in times} == {UTC}
    assert all(time.microsecond % 1000 == 0 for time in times)


@pytest.mark.parametrize("sample", READABLE)
def test_result_is_written_as_by_arq(sample):
    """The same result gets the same envelope from arqade as from a stock worker."""
    envelope = CODEC.loads(sample["bytes"])
    result = read_result(sample["bytes"])
    data = encode_result(
        as_metadata(result),
        start=envelope["st"],
        finish=envelope["ft"],
        success=result.success,
        result=result.result,
        codec=CODEC,
    )
    # Not byte for byte: pickle writes equal texts once if they are one object, which is chance.
    actual = [(key, comparable(value)) for key, value in CODEC.loads(data).items()]
    assert actual == [(key, comparable(value)) for key, value in envelope.items()]


@pytest.mark.parametrize("sample", UNREADABLE)
def test_result_that_cannot_be_unpickled(sample):
    """A result whose class is missing here is an error that names the class and the job."""
    with pytest.raises(JobDeserializationError, match=r"AttributeError: no .*id=r") as caught:
        read_result(sample["bytes"])
    assert caught.value.job_id == "r"


def test_no_result_is_left_out():
    """Of each capture's 14 results with bytes, stock arq can read all but one."""
    assert (len(READABLE), len(UNREADABLE), len(FROM_ARQ)) == (26, 2, 6)
    assert len(results_with("CancelledError")) == 4


@pytest.mark.parametrize("sample", FROM_ARQ)
def test_arqs_exception_without_arq(sample, without_arq):
    """Where arq is missing, its exceptions are stand-ins of the same name, with their arguments."""
    failure = read_result(sample["bytes"]).result
    assert type(failure) is exceptions.JobExecutionFailed
    assert repr(failure) == sample["stock reads"]["result"]
    assert failure == exceptions.JobExecutionFailed(*failure.args)
    assert failure != exceptions.JobExecutionFailed("other")


def test_result_of_arq_0_25():
    """A result without `id`, as arq 0.25 wrote it, has the id that was asked for."""
    envelope = CODEC.loads(READABLE[0].values[0]["bytes"])
    del envelope["id"]
    assert read_result(CODEC.dumps(envelope)).id == "r"
