"""What arqade does, held against the arq that is installed beside it."""

from __future__ import annotations

import io
import sys
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arqade import exceptions
from arqade._protocol import keys
from arqade._protocol.payloads import decode_job, decode_result, encode_job
from arqade._validation import datetime_to_ms, duration_to_ms, ms_to_datetime
from arqade.codecs import PickleCodec
from arqade.codecs._pickle import _StandInUnpickler
from arqade.models import JobRequest, JobStatus
from tests.protocol.golden import comparable, content, results, results_with, samples

jobs = pytest.importorskip("arq.jobs", reason="arq is not installed here")
constants = pytest.importorskip("arq.constants", reason="arq is not installed here")
utils = pytest.importorskip("arq.utils", reason="arq is not installed here")
worker = pytest.importorskip("arq.worker", reason="arq is not installed here")

CODEC = PickleCodec()


def read_job(data):
    return decode_job(
        data, job_id="j", queue_name="q", status=JobStatus.queued, score=5, codec=CODEC
    )


def read_result(data):
    return decode_result(data, job_id="r", queue_name="elsewhere", codec=CODEC)


@pytest.mark.parametrize("sample", samples("jobs"))
def test_job_is_read_as_by_arq(sample):
    """A captured job reads as arq reads it."""
    expected = jobs.deserialize_job(sample["bytes"])
    job = read_job(sample["bytes"])
    assert (job.name, repr(job.args), repr(job.kwargs), job.job_try, job.enqueue_time) == (
        expected.function,
        repr(expected.args),
        repr(expected.kwargs),
        expected.job_try,
        expected.enqueue_time,
    )


@pytest.mark.parametrize("sample", results(readable=True))
def test_result_is_read_as_by_arq(sample):
    """A captured result reads as arq reads it."""
    expected = jobs.deserialize_result(sample["bytes"])
    result = read_result(sample["bytes"])
    assert (result.start_time, result.finish_time) == (expected.start_time, expected.finish_time)
    assert (result.queue_name, result.success) == (expected.queue_name, expected.success)
    assert comparable(result.result) == comparable(expected.result)


@pytest.mark.parametrize("sample", results_with("JobExecutionFailed"))
def test_arqs_exceptions_are_its_own(sample):
    """Where arq is installed, its exceptions in results are its own."""
    failure = read_result(sample["bytes"]).result
    assert type(failure) is worker.JobExecutionFailed
    assert failure == worker.JobExecutionFailed(*failure.args)


@pytest.mark.parametrize("label", ["int", "text", "set", "exception", "try 3"])
def test_job_is_written_as_by_arq(label):
    """A job gets the bytes that the installed arq gives it, and arq can read them."""
    args, kwargs = content(label)
    data = encode_job(
        JobRequest("work", args, kwargs, job_try=3),
        job_id="j",
        enqueue_time=1_700_000_000_123,
        codec=CODEC,
        max_bytes=10_000,
    )
    assert data == jobs.serialize_job("work", args, kwargs, 3, 1_700_000_000_123)
    assert jobs.deserialize_job(data).job_try == 3


@pytest.mark.parametrize("protocol", range(6))
def test_worker_settings_are_arqs_serializers(protocol):
    """With a codec's `worker_settings` arq reads and writes what the codec does."""
    settings = PickleCodec(protocol=protocol).worker_settings()
    data = jobs.serialize_job("f", (1,), {"b": 2}, None, 5, serializer=settings["job_serializer"])
    job = jobs.deserialize_job(data, deserializer=settings["job_deserializer"])
    assert (job.function, job.args, job.kwargs, job.job_try) == ("f", (1,), {"b": 2}, None)
    assert read_job(data).args == (1,)


async def test_worker_takes_the_settings():
    """A stock worker, which wants an event loop, is made with a codec's `worker_settings`."""

    async def work(ctx):
        raise NotImplementedError

    codec = PickleCodec()
    made = worker.Worker(functions=[work], handle_signals=False, **codec.worker_settings())
    assert (made.job_serializer, made.job_deserializer) == (codec.dumps, codec.loads)


def test_result_of_the_codec_is_read():
    """A result that arq wrote with the codec reads with the codec."""
    data = jobs.serialize_result(
        "f", (1,), {}, 2, 10, False, worker.RetryJob("x"), 20, 30, "ref", "mail", "id",
        serializer=CODEC.worker_settings()["job_serializer"],
    )  # fmt: skip
    result = read_result(data)
    assert (type(result.result), result.queue_name, result.job_try) == (worker.RetryJob, "mail", 2)
    assert result.finish_time == datetime(1970, 1, 1, 0, 0, 0, 30_000, tzinfo=UTC)


@pytest.mark.parametrize(
    ("original", "args"),
    [
        (worker.JobExecutionFailed, ("text",)),
        (worker.Retry, (5,)),
        (worker.RetryJob, ()),
        (jobs.ResultNotFound, ("text",)),
        (jobs.SerializationError, ("text", 5)),
        (jobs.DeserializationError, ("text",)),
    ],
)
class TestExceptions:
    def test_stored_exception_is_arqs(self, original, args):
        """An exception that arq stored is arq's own class."""
        stored = CODEC.loads(CODEC.dumps({"r": original(*args)}))["r"]
        assert (type(stored), stored.args) == (original, args)

    def test_real_class_comes_first(self, original, args):
        """An unpickler with stand-ins takes the real class where there is one."""
        data = CODEC.dumps({"r": original(*args)})
        stored = _StandInUnpickler(io.BytesIO(data)).load()["r"]
        assert (type(stored), stored.args) == (original, args)

    def test_stand_in_is_like_arqs(self, original, args, monkeypatch):
        """Without arq the stand-in has the same name, bases, arguments and attributes."""
        made = original(*args)
        data = CODEC.dumps({"r": made})
        for name in ("arq", "arq.jobs", "arq.worker"):
            monkeypatch.setitem(sys.modules, name, None)
        stand_in = CODEC.loads(data)["r"]
        assert type(stand_in) is getattr(exceptions, original.__name__)
        assert [base.__name__ for base in type(stand_in).__mro__] == [
            base.__name__ for base in original.__mro__
        ]
        assert (stand_in.args, vars(stand_in)) == (made.args, vars(made))


def test_keys_are_arqs():
    """Keys and defaults are those of arq."""
    actual = [keys.DEFAULT_QUEUE, keys.ABORT, keys.EXPIRES_EXTRA_MS]
    assert actual == [
        constants.default_queue_name,
        constants.abort_jobs_ss,
        constants.expires_extra_ms,
    ]
    actual = [keys.job("i"), keys.result("i"), keys.in_progress("i"), keys.retry("i")]
    assert actual == [
        constants.job_key_prefix + "i",
        constants.result_key_prefix + "i",
        constants.in_progress_key_prefix + "i",
        constants.retry_key_prefix + "i",
    ]


def test_status_equals_arqs():
    """Each status equals arq's of the same name and has its hash."""
    assert [status.value for status in JobStatus] == [status.value for status in jobs.JobStatus]
    for status in JobStatus:
        assert status == jobs.JobStatus[status.name]
        assert jobs.JobStatus[status.name] == status
        assert hash(status) == hash(jobs.JobStatus[status.name])


@settings(deadline=None)
@given(st.floats(-1e9, 1e9) | st.integers(-(10**9), 10**9) | st.timedeltas(timedelta(-9999)))
def test_durations_are_rounded_as_by_arq(duration):
    """A duration has the milliseconds that arq gives it."""
    try:
        actual = duration_to_ms("duration", duration)
    except ValueError:
        assert abs(duration) > timedelta(days=1_000_000)
    else:
        assert actual == utils.to_ms(duration)


@settings(deadline=None)
@given(st.datetimes(datetime(1980, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
def test_times_are_rounded_as_by_arq(time):
    """A time has the milliseconds that arq gives it, but for exact halves."""
    milliseconds = datetime_to_ms("time", time)
    assert abs(milliseconds - utils.to_unix_ms(time)) <= (time.microsecond % 1000 == 500)
    assert ms_to_datetime(milliseconds) == utils.ms_to_datetime(milliseconds)
