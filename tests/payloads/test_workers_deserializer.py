from __future__ import annotations

import functools
import pickle

import pytest

from arqade._validation import MAX_TIME_MS
from arqade.codecs import (
    FallbackCodec,
    JSONCodec,
    MsgpackCodec,
    PickleCodec,
    RestrictedPickleCodec,
    SignedCodec,
)
from arqade.codecs._base import WorkerDeserializer
from arqade.exceptions import JobDeserializationError
from arqade.models import MAX_JOB_TRY
from tests.protocol.envelopes import JOB, MISSING, RESULT

jobs = pytest.importorskip("arq.jobs", reason="arq is what asks")

KEY = b"x" * 32
UNSIGNED = {
    "restricted pickle": RestrictedPickleCodec(),
    "JSON": JSONCodec(),
    "MessagePack": MsgpackCodec(),
    "fallback": FallbackCodec(PickleCodec(), [JSONCodec()]),
}
SIGNED = {
    "signed pickle": SignedCodec(PickleCodec(), [KEY]),
    "signed JSON": SignedCodec(JSONCodec(), [KEY]),
    "fallback to signed": FallbackCodec(SignedCodec(JSONCodec(), [KEY]), [PickleCodec()]),
    "signed fallback": SignedCodec(FallbackCodec(MsgpackCodec(), [PickleCodec()]), [KEY]),
}
CODECS = UNSIGNED | SIGNED
READERS = (jobs.deserialize_job, jobs.deserialize_job_raw, jobs.deserialize_result)
NOT_EITHER = "These bytes are refused: they hold neither a job nor a result"
ELSEWHERE = "These bytes are refused: they belong in another place"

WRONG_FIELDS = [
    *({"f": wrong} for wrong in (None, 5, b"work", ["work"], MISSING)),
    *({"a": wrong} for wrong in (None, 5, "text", b"bytes", {}, {"x": 1}, {1}, MISSING)),
    *({"k": wrong} for wrong in (None, 5, "text", [], (("x", 1),), {1: 2}, {"x": 1, None: 2})),
    *({"k": wrong} for wrong in ({b"x": 1}, MISSING)),
    *({"t": wrong} for wrong in ("1", 1.0, 1.5, True, b"1", [1], -1, MAX_JOB_TRY + 1)),
    *({"et": wrong} for wrong in (None, "5", 5.0, True, -1, MAX_TIME_MS + 1, 10**40, MISSING)),
]


def changed(envelope, changes):
    """Give an envelope with some fields changed, or without them."""
    return {key: value for key, value in {**envelope, **changes}.items() if value is not MISSING}


def asked_by_arq(read, codec, envelope):
    """Have arq read an envelope as a worker with a codec does."""
    settings = codec.worker_settings()
    return read(settings["job_serializer"](envelope), deserializer=settings["job_deserializer"])


def refused_by(read, codec, envelope):
    """Have a worker's codec refuse an envelope for which arq has asked, and give what it says."""
    with pytest.raises(jobs.DeserializationError) as caught:
        asked_by_arq(read, codec, envelope)
    assert type(caught.value.__cause__) is JobDeserializationError
    return str(caught.value.__cause__)


@pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS)
class TestAskedByArq:
    @pytest.mark.parametrize(
        "changes",
        [
            *({}, {"t": 3}, {"a": ()}, {"k": {}}, {"et": 0}, {"et": MAX_TIME_MS}, {"f": ""}),
            *({"a": ([1], (2,)), "k": {"x y": {1: 2}}}, {"t": 0}, {"t": MAX_JOB_TRY}),
        ],
        ids=str,
    )
    def test_jobs(self, codec, changes):
        """Stock arq reads a job as it was written."""
        envelope = {**JOB, **changes}
        f, a, k, t, et = (envelope[key] for key in ("f", "a", "k", "t", "et"))
        assert asked_by_arq(jobs.deserialize_job_raw, codec, envelope) == (f, a, k, t, et)
        job = asked_by_arq(jobs.deserialize_job, codec, envelope)
        assert (job.function, job.args, job.kwargs, job.job_try) == (f, a, k, t)

    def test_arguments_in_a_list(self, codec):
        """Arguments may be in a list, which arq unpacks as well."""
        envelope = {**JOB, "a": [1, 2]}
        assert list(asked_by_arq(jobs.deserialize_job_raw, codec, envelope)[1]) == [1, 2]

    @pytest.mark.parametrize("result", ["value", None, [{"x": (1,)}], ValueError("no")], ids=repr)
    def test_results(self, codec, result):
        """Stock arq reads a result as it was written."""
        success = not isinstance(result, Exception)
        envelope = {**RESULT, "s": success, "r": result}
        found = asked_by_arq(jobs.deserialize_result, codec, envelope)
        assert (found.function, found.args, found.kwargs) == ("work", (1,), {"b": 2})
        assert (found.success, repr(found.result)) == (success, repr(result))
        assert (found.job_id, found.queue_name, found.job_try) == ("j", "mail", 2)

    @pytest.mark.parametrize("changes", WRONG_FIELDS, ids=str)
    def test_wrong_fields(self, codec, changes):
        """A job with a field that a worker would stumble over is refused as it is read."""
        for read in READERS[:2]:
            assert refused_by(read, codec, changed(JOB, changes)) == NOT_EITHER

    @pytest.mark.parametrize("changes", WRONG_FIELDS, ids=str)
    def test_wrong_fields_of_results(self, codec, changes):
        """So is a result."""
        assert refused_by(jobs.deserialize_result, codec, changed(RESULT, changes)) == NOT_EITHER

    @pytest.mark.parametrize("read", READERS)
    @pytest.mark.parametrize("envelope", [{"x": 1}, {"s": True, "r": 1}, {"f": 1, "a": 2}], ids=str)
    def test_neither(self, codec, envelope, read):
        """So is what is neither."""
        assert refused_by(read, codec, envelope) == NOT_EITHER

    def test_job_as_a_result(self, codec):
        """Stock arq itself refuses a job in a result's place."""
        with pytest.raises(jobs.DeserializationError):
            asked_by_arq(jobs.deserialize_result, codec, JOB)

    @pytest.mark.parametrize("read", READERS)
    @pytest.mark.parametrize("data", [b"", b"x", b"\x80\x04", b"{", b"\x81", b"aqs1j"])
    def test_bad_bytes(self, codec, data, read):
        """Bytes that can't be decoded are refused."""
        deserializer = codec.worker_settings()["job_deserializer"]
        with pytest.raises(jobs.DeserializationError) as caught:
            read(data, deserializer=deserializer)
        assert type(caught.value.__cause__) is JobDeserializationError
        assert "can't decode these bytes" in str(caught.value.__cause__)


@pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS)
class TestAskedByOthers:
    @pytest.mark.parametrize(
        "envelope",
        [JOB, RESULT, {1: 2}, *(changed(JOB, changes) for changes in WRONG_FIELDS)],
        ids=str,
    )
    def test_anything(self, codec, envelope):
        """Whoever else calls it gets what the codec reads, whatever the fields are."""
        deserialize = codec.worker_settings()["job_deserializer"]
        data = codec.dumps(envelope)
        assert deserialize(data) == codec.loads(data) == envelope
        assert functools.partial(deserialize, data)() == envelope
        assert list(map(deserialize, [data])) == [envelope]

    def test_bad_bytes(self, codec):
        """Bytes that can't be decoded are refused, as by the codec."""
        with pytest.raises(JobDeserializationError, match="can't decode these bytes") as caught:
            codec.worker_settings()["job_deserializer"](b"x")
        assert caught.value.job_id is None

    def test_repr(self, codec):
        """It says whose it is."""
        deserializer = codec.worker_settings()["job_deserializer"]
        assert type(deserializer) is WorkerDeserializer
        assert repr(deserializer) == f"<deserializer of {codec!r}>"


@pytest.mark.parametrize("read", READERS[:2])
@pytest.mark.parametrize("codec", SIGNED.values(), ids=SIGNED)
def test_signed_result_as_a_job(codec, read):
    """A signed result in a job's place is refused: it would run that job once more."""
    assert refused_by(read, codec, RESULT) == ELSEWHERE
    assert asked_by_arq(jobs.deserialize_result, codec, RESULT).result == "value"


@pytest.mark.parametrize("read", READERS[:2])
@pytest.mark.parametrize("codec", UNSIGNED.values(), ids=UNSIGNED)
def test_unsigned_result_as_a_job(codec, read):
    """Without a signature it is read: whoever can put it there can write a job as well."""
    assert asked_by_arq(read, codec, RESULT)


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("value", [None, [], [("f", "work")], 5, "text"], ids=repr)
def test_no_envelope(read, value):
    """What holds no dict is refused as anything else is that can't be decoded."""
    deserializer = RestrictedPickleCodec().worker_settings()["job_deserializer"]
    with pytest.raises(jobs.DeserializationError) as caught:
        read(pickle.dumps(value), deserializer=deserializer)
    cause = caught.value.__cause__
    assert type(cause) is JobDeserializationError
    assert str(cause).endswith(f"they hold {type(value).__name__}, no envelope")


def test_stock_codec_has_none():
    """A worker with `PickleCodec` does what a stock one does without: nothing is checked."""
    codec = PickleCodec()
    envelope = {**JOB, "a": 5, "k": None}
    assert asked_by_arq(jobs.deserialize_job_raw, codec, envelope)[1:3] == (5, None)
    assert codec.worker_settings()["job_deserializer"] == codec.loads
