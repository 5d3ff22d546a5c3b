from __future__ import annotations

import contextlib
import json
import pickle
import re
import socket
import sys
import threading
import time
from datetime import UTC, datetime, timedelta, timezone

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arqade._protocol.payloads import (
    JobTimes,
    as_metadata,
    decode_job,
    decode_result,
    encode_job,
    encode_result,
    job_times,
    queued_metadata,
)
from arqade.exceptions import JobDeserializationError, JobSerializationError, PayloadTooLarge
from arqade.models import JobMetadata, JobRequest, JobResult, JobStatus
from tests.protocol.envelopes import CODEC, JOB, MISSING, RESULT, FakeCodec, job_bytes, result_bytes

NOW = 1_700_000_000_123
DAY_MS = 86_400_000
SECRET = "s3cr3t-argument"
ENQUEUED = datetime(2023, 11, 14, 22, 13, 20, 123_000, tzinfo=UTC)
EAST = timezone(timedelta(hours=5, minutes=30))


def encode(request, *, codec=CODEC, max_bytes=10_000, enqueue_time=NOW):
    return encode_job(
        request, job_id="j", enqueue_time=enqueue_time, codec=codec, max_bytes=max_bytes
    )


def read_job(data, *, codec=CODEC):
    return decode_job(
        data, job_id="j", queue_name="q", status=JobStatus.queued, score=5, codec=codec
    )


def read_result(data, *, codec=CODEC):
    return decode_result(data, job_id="j", queue_name="q", codec=codec)


def times_of(*, now=NOW, expires_extra_ms=DAY_MS, **options):
    return job_times(JobRequest("work", **options), now=now, expires_extra_ms=expires_extra_ms)


def said_by(error):
    """Give all that an error and those behind it say."""
    said = []
    while error is not None:
        said.append(f"{error} {error!r}")
        error = error.__cause__ or error.__context__
    return " ".join(said)


def too_deep():
    value = []
    for _ in range(sys.getrecursionlimit() * 20):
        value = [value]
    return value


class Quoting:
    """Says what it holds when it is pickled, as a stranger's class may."""

    def __reduce__(self):
        raise ValueError(SECRET)


@pytest.fixture
def set_time_zone(monkeypatch):
    """A function that sets this process's time zone, as a POSIX string, until the test ends."""

    def set_it(zone):
        monkeypatch.setenv("TZ", zone)
        time.tzset()

    yield set_it
    monkeypatch.undo()
    time.tzset()


class TestTimes:
    def test_job_for_now(self):
        """A job without options is due now and lives for as long as its queue says."""
        assert times_of() == JobTimes(NOW, NOW, DAY_MS, deferred=False)
        assert times_of(expires_extra_ms=5).life == 5

    @pytest.mark.parametrize(
        ("defer_by", "delay"),
        [
            (0, 0),
            (0.0, 0),
            (timedelta(0), 0),
            (0.0004, 0),
            (0.0006, 1),
            (0.5, 500),
            (90, 90_000),
            (1.2345, 1234),
            (timedelta(days=2, microseconds=700), 2 * DAY_MS + 1),
        ],
    )
    def test_defer_by(self, defer_by, delay):
        """A job is due so much later, in rounded milliseconds, and lives for a day after that."""
        actual = times_of(defer_by=defer_by)
        assert actual == JobTimes(NOW, NOW + delay, delay + DAY_MS, deferred=delay > 0)

    @pytest.mark.parametrize(
        ("until", "delay"),
        [
            (ENQUEUED + timedelta(seconds=3), 3000),
            ((ENQUEUED + timedelta(seconds=3)).astimezone(EAST), 3000),
            (ENQUEUED + timedelta(microseconds=400), 0),
            (ENQUEUED + timedelta(microseconds=600), 1),
            (ENQUEUED, 0),
            (ENQUEUED - timedelta(milliseconds=1), 0),
            (ENQUEUED.astimezone(EAST) - timedelta(days=3), 0),
            (datetime(1, 1, 1, tzinfo=UTC), 0),
        ],
    )
    def test_defer_until(self, until, delay):
        """A job is due at its time in any zone; one that has passed means now."""
        actual = times_of(defer_until=until)
        assert actual == JobTimes(NOW, NOW + delay, delay + DAY_MS, deferred=delay > 0)

    @pytest.mark.parametrize(("zone", "hours"), [("UTC0", 0), ("XXX-3", 3), ("YYY+8", -8)])
    def test_naive_time_is_local(self, set_time_zone, zone, hours):
        """A naive time is one of this process's time zone."""
        set_time_zone(zone)
        local = (ENQUEUED + timedelta(hours=hours, minutes=1)).replace(tzinfo=None)
        assert times_of(defer_until=local).score == NOW + 60_000

    @pytest.mark.parametrize(
        ("expires", "life"),
        [(60, 60_000), (timedelta(minutes=1), 60_000), (0.0015, 2), (0.0001, 1), (1e-300, 1)],
    )
    @pytest.mark.parametrize("defer_by", [None, 500])
    def test_expires(self, expires, life, defer_by):
        """`expires` is the job's life, whenever it is due, and at least a millisecond."""
        assert times_of(expires=expires, defer_by=defer_by).life == life

    def test_latest_time(self):
        """A job may be due at the last millisecond that a datetime can hold, and no later."""
        latest = datetime(9999, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC)
        assert times_of(defer_until=latest).score == 253_402_300_799_999
        assert times_of(defer_by=latest - ENQUEUED).score == 253_402_300_799_999
        with pytest.raises(ValueError, match="defer_by"):
            times_of(defer_by=latest - ENQUEUED + timedelta(milliseconds=1))


class TestEncoding:
    def test_envelope(self):
        """The envelope has arq's keys in arq's order, and a tuple of arguments."""
        codec = FakeCodec(dumps=b"data")
        request = JobRequest("work", [1, 2], {"b": 3}, job_try=4, queue_name="mail", expires=5)
        assert encode(request, codec=codec) == b"data"
        assert list(codec.given.items()) == [
            ("t", 4),
            ("f", "work"),
            ("a", (1, 2)),
            ("k", {"b": 3}),
            ("et", NOW),
        ]
        assert type(codec.given["a"]) is tuple

    @pytest.mark.parametrize("room", [0, 1])
    def test_payload_within_the_limit(self, room):
        """A payload of exactly the limit is encoded."""
        data = encode(JobRequest("work", ("x" * 100,)))
        assert encode(JobRequest("work", ("x" * 100,)), max_bytes=len(data) + room) == data

    def test_payload_over_the_limit(self):
        """A payload of one byte more is refused, with its size and the limit."""
        size = len(encode(JobRequest("work", (SECRET,))))
        with pytest.raises(PayloadTooLarge, match="id=j") as caught:
            encode(JobRequest("work", (SECRET,)), max_bytes=size - 1)
        error = caught.value
        assert (error.job_id, error.size, error.limit) == ("j", size, size - 1)
        assert SECRET not in said_by(error)

    @pytest.mark.parametrize(
        "value",
        ["text", None, 5, bytearray(b"x"), memoryview(b"x")],
        ids=lambda v: type(v).__name__,
    )
    def test_codec_that_gives_no_bytes(self, value):
        """A codec that gives anything but bytes is an error that names it."""
        reason = f"FakeCodec .*it gives {type(value).__name__}, not bytes"
        with pytest.raises(JobSerializationError, match=reason):
            encode(JobRequest("work"), codec=FakeCodec(dumps=value))

    def test_codec_that_gives_a_subclass_of_bytes(self):
        """The bytes are plain ones, whatever the codec gives."""
        data = encode(JobRequest("work"), codec=FakeCodec(dumps=type("B", (bytes,), {})(b"x")))
        assert (type(data), data) == (bytes, b"x")

    @pytest.mark.parametrize(
        "error",
        [ValueError(SECRET), KeyError(SECRET), MemoryError(), AttributeError(SECRET)],
        ids=lambda e: type(e).__name__,
    )
    def test_codec_that_raises(self, error):
        """Whatever a codec raises is named, and its words are nowhere: they may quote a value."""
        with pytest.raises(JobSerializationError, match=type(error).__name__) as caught:
            encode(JobRequest("work"), codec=FakeCodec(dumps=error))
        assert caught.value.job_id == "j"
        assert SECRET not in said_by(caught.value)

    @pytest.mark.parametrize(
        ("args", "kwargs", "where"),
        [
            ((1, threading.Lock()), {}, r"lock in args\[1\]\)"),
            ((1,), {"a": 2, "b": threading.Lock()}, r"lock in kwargs\['b'\]\)"),
            (([{SECRET: (1, [threading.Lock()])}],), {}, r"lock in args\[0\]\)"),
            ((Quoting(),), {}, r"Quoting in args\[0\]\)"),
        ],
        ids=["position", "keyword", "inside", "quoting"],
    )
    def test_place_of_what_cannot_be_encoded(self, args, kwargs, where):
        """The message tells the argument and the type of the value, and quotes nothing."""
        with pytest.raises(JobSerializationError, match=f"type {where}") as caught:
            encode(JobRequest("work", args, kwargs))
        assert SECRET not in said_by(caught.value)

    @pytest.mark.parametrize(
        "make",
        [
            lambda: lambda: None,
            lambda: (value for value in ()),
            threading.Lock,
            lambda: sys,
            type("Local", (), {}),
            too_deep,
        ],
        ids=["lambda", "generator", "lock", "module", "class of a function", "too deep"],
    )
    @pytest.mark.parametrize("place", ["args", "kwargs", "nested"])
    def test_argument_that_cannot_be_pickled(self, make, place):
        """Arguments that can't be pickled are an error with the id, and without their values."""
        value = make()
        args = {"args": (SECRET, value), "nested": (SECRET, [{"x": value}])}.get(place, (SECRET,))
        kwargs = {"bad": value} if place == "kwargs" else {}
        with pytest.raises(JobSerializationError, match="id=j") as caught:
            encode(JobRequest("work", args, kwargs))
        assert caught.value.job_id == "j"
        assert SECRET not in said_by(caught.value)

    def test_open_socket(self):
        """An open socket can't be an argument."""
        with socket.socket() as open_socket, pytest.raises(JobSerializationError):
            encode(JobRequest("work", (open_socket,)))

    @pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit()], ids=repr)
    def test_interrupt_passes(self, error):
        """A codec does not swallow what ends the program."""
        with pytest.raises(type(error)):
            encode(JobRequest("work"), codec=FakeCodec(dumps=error))


class TestDecodingOfJobs:
    def test_job(self):
        """A job's envelope becomes metadata."""
        job = read_job(job_bytes(t=3))
        assert job == JobMetadata(
            "j", "work", (1,), {"b": 2}, ENQUEUED, JobStatus.queued, "q", score=5, job_try=3
        )
        assert (job.score, job.job_try) == (5, 3)

    @pytest.mark.parametrize(
        ("changes", "field", "value"),
        [
            ({"a": [1, [2]]}, "args", (1, [2])),
            ({"a": ()}, "args", ()),
            ({"a": []}, "args", ()),
            ({"k": {}}, "kwargs", {}),
            ({"f": ""}, "name", ""),
            ({"f": "<unknown>"}, "name", "<unknown>"),
            ({"et": 0}, "enqueue_time", datetime(1970, 1, 1, tzinfo=UTC)),
            ({"et": -1000}, "enqueue_time", datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC)),
            ({"et": float(NOW)}, "enqueue_time", ENQUEUED),
            ({"extra": 5}, "args", (1,)),
        ],
        ids=str,
    )
    def test_tolerated(self, changes, field, value):
        """What other clients and serializers may write is read."""
        actual = getattr(read_job(job_bytes(**changes)), field)
        assert (type(actual), actual) == (type(value), value)

    @pytest.mark.parametrize(
        ("changes", "cause"),
        [
            *(({key: MISSING}, KeyError) for key in JOB),
            ({"f": None}, TypeError),
            ({"f": b"work"}, TypeError),
            ({"a": None}, TypeError),
            ({"a": "ab"}, TypeError),
            ({"a": {"x": 1}}, TypeError),
            ({"k": None}, TypeError),
            ({"k": [("b", 2)]}, TypeError),
            ({"t": "1"}, TypeError),
            ({"t": 1.5}, TypeError),
            ({"et": None}, TypeError),
            ({"et": SECRET}, TypeError),
            ({"et": 10**15}, OverflowError),
            ({"et": -(10**15)}, OverflowError),
            ({"et": 10**400}, OverflowError),
            ({"et": float("inf")}, OverflowError),
            ({"et": float("nan")}, ValueError),
        ],
        ids=lambda value: value.__name__ if isinstance(value, type) else str(list(value.items())),
    )
    def test_wrong_envelope(self, changes, cause):
        """An envelope with a key missing or wrong is an error with the id and a cause."""
        with pytest.raises(JobDeserializationError, match=r"this job .*id=j") as caught:
            read_job(job_bytes(**changes))
        assert caught.value.job_id == "j"
        assert type(caught.value.__cause__) is cause
        assert SECRET not in said_by(caught.value)

    @pytest.mark.parametrize(
        "envelope", [None, 5, "text", [JOB], (), object(), b""], ids=lambda v: type(v).__name__
    )
    def test_no_mapping(self, envelope):
        """What is no mapping is no job."""
        with pytest.raises(JobDeserializationError, match="FakeCodec") as caught:
            read_job(b"", codec=FakeCodec(loads=envelope))
        assert isinstance(caught.value.__cause__, TypeError)

    @pytest.mark.parametrize(
        "data",
        [b"", b"garbage", b"\x80", job_bytes()[:-1], b'{"t": 1}', b"\xff" * 9, b"cno.module\nx\n."],
    )
    def test_wrong_bytes(self, data):
        """Bytes that are no pickle, or half a one, are an error."""
        with pytest.raises(JobDeserializationError, match=r"PickleCodec.*id=j"):
            read_job(data)

    def test_other_codec(self):
        """A codec of JSON reads what a worker with a JSON serializer wrote."""
        codec = FakeCodec(loads=json.loads(json.dumps(JOB)))
        assert read_job(b"", codec=codec) == read_job(job_bytes())

    def test_codec_is_given_the_bytes(self):
        """The codec is given the bytes as they are."""
        codec = FakeCodec(loads=JOB)
        read_job(b"bytes", codec=codec)
        assert codec.given == b"bytes"

    def test_fresh_values(self):
        """Nothing is shared between two readings."""
        data = job_bytes(a=([],))
        first, second = read_job(data), read_job(data)
        first.args[0].append(1)
        first.kwargs["new"] = 1
        assert second == read_job(data)


class TestDecodingOfResults:
    def test_result(self):
        """A result's envelope becomes a result."""
        result = read_result(result_bytes())
        assert result == JobResult(
            "j", "work", (1,), {"b": 2}, ENQUEUED, JobStatus.complete, "mail",
            datetime(2023, 11, 14, 22, 13, 21, tzinfo=UTC),
            datetime(2023, 11, 14, 22, 13, 22, 999_000, tzinfo=UTC),
            True, "value",
        )  # fmt: skip
        assert (result.score, result.job_try) == (None, 2)

    @pytest.mark.parametrize(
        ("changes", "field", "value"),
        [
            ({"q": MISSING}, "queue_name", "q"),
            ({"q": None}, "queue_name", "q"),
            ({"q": ""}, "queue_name", "q"),
            ({"id": MISSING}, "id", "j"),
            ({"id": "another"}, "id", "j"),
            ({"r": None}, "result", None),
            ({"s": False}, "success", False),
            ({"f": "<unknown>", "a": (), "et": 0}, "name", "<unknown>"),
            ({"a": [1]}, "args", (1,)),
        ],
        ids=lambda value: str(list(value)) if isinstance(value, dict) else None,
    )
    def test_tolerated(self, changes, field, value):
        """What workers of any version and serializer may write is read."""
        assert getattr(read_result(result_bytes(**changes)), field) == value

    @pytest.mark.parametrize(
        ("changes", "cause"),
        [
            *(({key: MISSING}, KeyError) for key in RESULT if key not in ("q", "id")),
            ({"s": None}, TypeError),
            ({"s": 1}, TypeError),
            ({"q": 5}, TypeError),
            ({"q": b"mail"}, TypeError),
            ({"st": None}, TypeError),
            ({"ft": SECRET}, TypeError),
            ({"st": 10**15}, OverflowError),
            ({"f": 5}, TypeError),
        ],
        ids=lambda value: value.__name__ if isinstance(value, type) else str(list(value.items())),
    )
    def test_wrong_envelope(self, changes, cause):
        """An envelope with a key missing or wrong is an error with the id and a cause."""
        with pytest.raises(JobDeserializationError, match=r"this result .*id=j") as caught:
            read_result(result_bytes(**changes))
        assert caught.value.job_id == "j"
        assert type(caught.value.__cause__) is cause
        assert SECRET not in said_by(caught.value)

    def test_job_is_no_result(self):
        """The bytes of a job are no result."""
        with pytest.raises(JobDeserializationError):
            read_result(job_bytes())

    @pytest.mark.parametrize(
        ("old", "new", "missing"),
        [
            (b"arqade.models", b"no_such.module", "ModuleNotFoundError: no no_such"),
            (b"JobStatus", b"NoStatus", "AttributeError: no arqade.models.NoStatus"),
        ],
        ids=["module", "class"],
    )
    def test_missing_class(self, old, new, missing):
        """A result of a class that is missing is an error that names the class or its module."""
        data = pickle.dumps(JobStatus.queued, protocol=0).replace(old, new)
        with pytest.raises(JobDeserializationError, match=rf"\({missing}\): is a class missing"):
            read_result(data)

    @pytest.mark.parametrize("kind", [ValueError, AttributeError, ImportError, ModuleNotFoundError])
    def test_codec_that_raises(self, kind):
        """Whatever a codec raises is named, and its words are nowhere: they may quote a value."""
        for read in (read_job, read_result):
            with pytest.raises(JobDeserializationError, match=kind.__name__) as caught:
                read(b"", codec=FakeCodec(loads=kind(SECRET)))
            assert SECRET not in said_by(caught.value)

    def test_metadata_of_a_result(self):
        """The part of a result that tells of the job is plain metadata."""
        job = as_metadata(read_result(result_bytes()))
        assert job == JobMetadata("j", "work", (1,), {"b": 2}, ENQUEUED, JobStatus.complete, "mail")
        assert (job.score, job.job_try) == (None, 2)


class TestEncodingOfResults:
    JOB = JobMetadata(
        "j", "work", (1,), {"b": 2}, ENQUEUED, JobStatus.in_progress, "mail", job_try=2
    )

    def encoded(self, result, *, job=JOB, success=True, codec=CODEC):
        return encode_result(
            job,
            start=RESULT["st"],
            finish=RESULT["ft"],
            success=success,
            result=result,
            codec=codec,
        )

    def test_envelope(self):
        """The envelope has arq's keys in arq's order."""
        codec = FakeCodec(dumps=b"data")
        assert self.encoded("value", codec=codec) == b"data"
        assert list(codec.given.items()) == list(RESULT.items())

    @pytest.mark.parametrize("success", [True, False])
    def test_round_trip(self, success):
        """A result reads as it was written."""
        result = read_result(self.encoded([1], success=success))
        assert (result.success, result.result, result.job_try) == (success, [1], 2)
        assert (result.enqueue_time, result.queue_name) == (ENQUEUED, "mail")

    @pytest.mark.parametrize(
        "value", [lambda: None, threading.Lock(), Quoting()], ids=["lambda", "lock", "quoting"]
    )
    def test_value_that_cannot_be_pickled(self, value, caplog):
        """A text stands for a value that can't be encoded, as on a stock worker."""
        result = read_result(self.encoded(value))
        assert (result.success, result.result) == (False, "unable to serialize result")
        (record,) = caplog.records
        assert re.fullmatch(r"The result of job j can't be encoded: \w+Error", record.message)
        assert SECRET not in caplog.text

    def test_arguments_that_cannot_be_pickled(self, caplog):
        """If the job itself can't be encoded, there is no result."""
        job = attrs.evolve(self.JOB, args=(threading.Lock(),))
        assert self.encoded("value", job=job) is None
        assert len(caplog.records) == 2


class TestQueuedMetadata:
    @pytest.mark.parametrize(
        ("deferred", "status"), [(True, JobStatus.deferred), (False, JobStatus.queued)]
    )
    def test_metadata(self, deferred, status):
        """The metadata of a new job say what was sent."""
        request = JobRequest("work", (1,), {"b": 2}, job_try=3)
        times = JobTimes(NOW, NOW + 7, 5, deferred=deferred)
        job = queued_metadata(request, job_id="j", queue_name="q", times=times)
        assert job == JobMetadata("j", "work", (1,), {"b": 2}, ENQUEUED, status, "q")
        assert (job.score, job.job_try) == (NOW + 7, 3)

    def test_keyword_arguments_are_a_copy(self):
        """The caller may change the metadata without changing the request."""
        request = JobRequest("work", kwargs={"b": 2})
        times = JobTimes(NOW, NOW, 5, deferred=False)
        job = queued_metadata(request, job_id="j", queue_name="q", times=times)
        job.kwargs["c"] = 3
        assert request.kwargs == {"b": 2}


PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
    | st.datetimes()
    | st.decimals(allow_nan=False)
    | st.uuids(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text() | st.integers(), inner, max_size=4)
        | st.frozensets(st.integers(), max_size=4)
    ),
    max_leaves=8,
)


@settings(deadline=None)
@given(
    args=st.lists(PLAIN, max_size=3),
    kwargs=st.dictionaries(st.text(), PLAIN, max_size=3),
    job_try=st.none() | st.integers(1, 1_000_000),
    enqueue_time=st.integers(0, 253_402_300_799_999),
)
def test_round_trip(args, kwargs, job_try, enqueue_time):
    """Any plain values come back as they were sent."""
    request = JobRequest("work", args, kwargs, job_try=job_try)
    job = read_job(encode(request, enqueue_time=enqueue_time, max_bytes=1_000_000))
    assert (job.args, job.kwargs, job.job_try) == (tuple(args), kwargs, job_try)
    milliseconds = (job.enqueue_time - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(milliseconds=1)
    assert milliseconds == enqueue_time


@settings(deadline=None)
@given(st.binary(max_size=60))
def test_any_bytes(data):
    """Any bytes are a job or an error, and nothing else."""
    with contextlib.suppress(JobDeserializationError):
        assert isinstance(read_job(data), JobMetadata)
