from __future__ import annotations

import hashlib
import hmac
import inspect

import pytest

from arqade._protocol.payloads import decode_job, decode_result
from arqade.codecs import JSONCodec, PickleCodec, RestrictedPickleCodec, SignedCodec
from arqade.codecs._base import SignedEnvelope, WorkerDeserializer
from arqade.exceptions import JobDeserializationError, JobSerializationError
from arqade.models import JobStatus
from tests.harness.canary import CANARY, keep_secret
from tests.protocol.envelopes import JOB, RESULT, FakeCodec

KEY = b"a key of these tests, no. 1: 7b1"
OLD = b"a key of these tests, no. 2: 0c94e"
OTHER = b"a key of these tests, no. 3: f6a"
for key in (KEY, OLD, OTHER):
    keep_secret(key.decode())
    keep_secret(key.hex())

BODY = b"the bytes of the inner codec"
MAC_AT, BODY_AT = 5, 37


def signed(envelope=JOB, body=BODY, keys=(KEY,), context=b""):
    """Give what a codec writes whose inner one gives a fixed body."""
    return SignedCodec(FakeCodec(dumps=body), list(keys), context=context).dumps(envelope)


def mac(kind, body, key=KEY, context=b""):
    """Reckon a signature as the format's description says."""
    message = b"aqs1" + kind + len(context).to_bytes(8, "big") + context + body
    return hmac.new(key, message, hashlib.sha256).digest()


def refused(data, codec):
    """Have a codec refuse some bytes, and give the reason."""
    with pytest.raises(JobDeserializationError) as caught:
        codec.loads(data)
    said = str(caught.value)
    assert CANARY not in said
    assert (caught.value.__cause__, caught.value.__context__, caught.value.job_id) == (None,) * 3
    assert said.startswith("SignedCodec can't decode these bytes: ")
    return said.partition(": ")[2]


def unread(data, keys=(KEY,), context=b"", envelope=JOB):
    """Have a codec refuse some bytes before it hands anything to the inner codec."""
    inner = FakeCodec(loads=envelope)
    reason = refused(data, SignedCodec(inner, list(keys), context=context))
    assert inner.given is None
    return reason


NO_KEY_FITS = "no key fits: they were signed with another key, for another context, or changed"


class TestFormat:
    @pytest.mark.parametrize("context", [b"", b"mail", b"x" * 300])
    @pytest.mark.parametrize(("envelope", "kind"), [(JOB, b"j"), (RESULT, b"r")])
    def test_bytes(self, envelope, kind, context):
        """A magic, what it is, the signature and the inner codec's bytes, and nothing more."""
        inner = FakeCodec(dumps=BODY)
        data = SignedCodec(inner, [KEY], context=context).dumps(envelope)
        assert data == b"aqs1" + kind + mac(kind, BODY, context=context) + BODY
        assert inner.given is envelope

    @pytest.mark.parametrize("inner", [PickleCodec(), RestrictedPickleCodec(), JSONCodec()])
    @pytest.mark.parametrize("envelope", [JOB, RESULT])
    def test_round_trip(self, envelope, inner):
        """What was signed is read as the inner codec reads it, and known to be signed."""
        codec = SignedCodec(inner, [KEY], context="mail")
        data = codec.dumps(envelope)
        assert data[BODY_AT:] == inner.dumps(envelope)
        assert codec.loads(data) == envelope
        assert type(codec.loads(data)) is SignedEnvelope

    def test_inner_gets_the_body(self):
        """The inner codec gets its own bytes, once the signature is verified."""
        inner = FakeCodec(loads=JOB)
        assert SignedCodec(inner, [KEY]).loads(signed()) == JOB
        assert inner.given == BODY

    def test_empty_body(self):
        """An inner codec may have written nothing."""
        inner = FakeCodec(loads=JOB)
        assert SignedCodec(inner, [KEY]).loads(signed(body=b"")) == JOB
        assert inner.given == b""

    def test_worker_settings(self):
        """A worker writes with the codec, and checks what it reads."""
        codec = SignedCodec(PickleCodec(), [KEY])
        settings = codec.worker_settings()
        assert settings["job_serializer"] == codec.dumps
        assert type(settings["job_deserializer"]) is WorkerDeserializer
        assert settings["job_deserializer"](settings["job_serializer"](JOB)) == JOB


class TestChanged:
    @pytest.mark.parametrize("bit", range(8))
    @pytest.mark.parametrize(("envelope", "context"), [(JOB, b""), (RESULT, b"mail")])
    def test_flipped_bits(self, envelope, context, bit):
        """Any bit that is flipped is noticed before anything is decoded."""
        data = signed(envelope, context=context)
        for place in range(len(data)):
            changed = bytearray(data)
            changed[place] ^= 1 << bit
            reason = unread(bytes(changed), context=context, envelope=envelope)
            assert reason == ("they are not signed" if place < 4 else NO_KEY_FITS)

    def test_truncated(self):
        """Bytes that are cut off at either end are refused before anything is decoded."""
        data = signed()
        for length in range(len(data)):
            reason = unread(data[:length])
            assert reason == ("they are not signed" if length < BODY_AT else NO_KEY_FITS)
            unread(data[len(data) - length :])

    @pytest.mark.parametrize("more", [b"\0", b"x", b" ", BODY])
    def test_longer(self, more):
        """So are bytes to which some were added."""
        assert unread(signed() + more) == NO_KEY_FITS
        assert unread(more + signed()) == "they are not signed"

    @pytest.mark.parametrize(
        "data", [b"", b"aqs1", b"aqs1j", BODY, b"\x80\x04}.", b"{}", None, "x"]
    )
    def test_not_signed(self, data):
        """So are bytes without a signature, and what are no bytes."""
        unread(data)

    @pytest.mark.parametrize("inner", [PickleCodec(), JSONCodec()])
    def test_unsigned_payload(self, inner):
        """So is what the inner codec alone has written."""
        assert unread(inner.dumps(JOB)) == "they are not signed"

    @pytest.mark.parametrize("signature", [b"\0" * 32, b"\xff" * 32, hashlib.sha256(BODY).digest()])
    def test_guessed_signature(self, signature):
        """So is a signature that needs no key."""
        assert unread(b"aqs1j" + signature + BODY) == NO_KEY_FITS

    @pytest.mark.parametrize(
        ("ours", "theirs"),
        [(b"", b"mail"), (b"mail", b""), (b"mail", b"mai"), (b"mail", b"mail\0"), (b"a", b"b")],
    )
    def test_other_context(self, ours, theirs):
        """So is what was signed for another context."""
        assert unread(signed(context=theirs), context=ours) == NO_KEY_FITS

    @pytest.mark.parametrize("inner_body", [b"mail" + BODY, b"l" + BODY, b"\0" * 8 + BODY])
    def test_context_does_not_run_on(self, inner_body):
        """A context and a body can't be taken for another context and another body."""
        data = signed(body=inner_body)
        for length in range(1, len(inner_body)):
            context, rest = inner_body[:length], inner_body[length:]
            assert unread(data[:BODY_AT] + rest, context=context) == NO_KEY_FITS
            assert signed(body=rest, context=context)[MAC_AT:BODY_AT] != data[MAC_AT:BODY_AT]

    @pytest.mark.parametrize(("envelope", "kind"), [(JOB, b"r"), (RESULT, b"j")])
    def test_other_kind(self, envelope, kind):
        """A job can't be made a result by its letter, nor a result a job."""
        data = signed(envelope)
        assert unread(b"aqs1" + kind + data[MAC_AT:], envelope=envelope) == NO_KEY_FITS
        lie = b"aqs1" + kind + mac(kind, BODY) + BODY
        codec = SignedCodec(FakeCodec(loads=envelope), [KEY])
        assert refused(lie, codec) == "they are not of the kind that was signed"

    @pytest.mark.parametrize("kind", [b"x", b"\0", b"J"])
    def test_unknown_kind(self, kind):
        """A letter that says neither is no job's, unless a key's holder has signed it."""
        assert unread(b"aqs1" + kind + signed()[MAC_AT:]) == NO_KEY_FITS


class TestKeys:
    def test_first_signs_and_all_verify(self):
        """The first key signs; payloads of any of them are read."""
        old, both = signed(keys=[OLD]), signed(keys=[KEY, OLD])
        assert both == signed(keys=[KEY]) != old
        for data in (old, both):
            for keys in ([KEY, OLD], [OLD, KEY], [OTHER, KEY, OLD]):
                assert SignedCodec(FakeCodec(loads=JOB), keys).loads(data) == JOB

    def test_removed_key(self):
        """Payloads of a key that is no longer among them are refused."""
        assert unread(signed(keys=[OLD])) == NO_KEY_FITS
        assert unread(signed(keys=[KEY, OLD]), keys=[OLD, OTHER]) == NO_KEY_FITS

    @pytest.mark.parametrize("keys", [[KEY], [KEY, OLD], [OLD, KEY, OTHER]], ids=len)
    @pytest.mark.parametrize("right", [True, False])
    def test_comparison_takes_the_same_time(self, keys, right, monkeypatch):
        """Signatures are compared in constant time, with those of all keys, whichever fits."""
        compared = []
        compare = hmac.compare_digest

        def compare_digest(one, other):
            compared.append((one, other))
            return compare(one, other)

        data = signed() if right else signed(keys=[b"x" * 32])
        monkeypatch.setattr("hmac.compare_digest", compare_digest)
        codec = SignedCodec(FakeCodec(loads=JOB), keys)
        if right:
            assert codec.loads(data) == JOB
        else:
            assert refused(data, codec) == NO_KEY_FITS
        assert [set(pair) for pair in compared] == [
            {data[MAC_AT:BODY_AT], mac(b"j", BODY, key)} for key in keys
        ]

    @pytest.mark.parametrize("size", [32, 33, 64, 65, 1000])
    def test_long_enough(self, size):
        """A key of 32 bytes is enough, and may have more."""
        data = signed(keys=[b"k" * size])
        assert data[MAC_AT:BODY_AT] == mac(b"j", BODY, b"k" * size)
        assert unread(data, keys=[b"k" * (size + 1)]) == NO_KEY_FITS

    @pytest.mark.parametrize("size", [0, 1, 16, 31])
    @pytest.mark.parametrize("number", [0, 1])
    def test_too_short(self, number, size):
        """A shorter one is a ValueError that tells which one it is, but not the key."""
        keys = [KEY, OLD]
        keys[number] = CANARY.encode().ljust(size, b"x")[:size]
        message = rf"keys\[{number}\] must be at least 32 bytes, not {size}"
        with pytest.raises(ValueError, match=message) as caught:
            SignedCodec(PickleCodec(), keys)
        assert CANARY not in str(caught.value)

    @pytest.mark.parametrize("keys", [[], ()])
    def test_none(self, keys):
        """There must be one."""
        with pytest.raises(ValueError, match="at least one key"):
            SignedCodec(PickleCodec(), keys)

    @pytest.mark.parametrize(
        "keys",
        [
            *(KEY, KEY.decode(), [KEY.decode()], [KEY, None], [bytearray(KEY)], [memoryview(KEY)]),
            *([[KEY]], None, 5, iter([KEY])),
        ],
        ids=lambda keys: type(keys).__name__,
    )
    def test_wrong_types(self, keys):
        """Anything but a list of bytes is a TypeError, which does not tell the keys."""
        with pytest.raises(TypeError) as caught:
            SignedCodec(PickleCodec(), keys)
        assert "these tests" not in str(caught.value)

    def test_later_changes(self):
        """A list that changes later changes nothing."""
        keys = [KEY]
        codec = SignedCodec(FakeCodec(dumps=BODY), keys)
        keys[0] = OLD
        assert codec.dumps(JOB) == signed()


class TestContext:
    @pytest.mark.parametrize("context", ["", "mail", "ünï"])
    def test_text_is_bytes(self, context):
        """A context of text is the same as its UTF-8 bytes."""
        assert signed(context=context) == signed(context=context.encode())

    @pytest.mark.parametrize("context", [None, 5, bytearray(b"mail"), ["mail"]], ids=repr)
    def test_wrong_types(self, context):
        """It is text or bytes."""
        with pytest.raises(TypeError, match="context must be a str or bytes"):
            SignedCodec(PickleCodec(), [KEY], context=context)

    def test_it_is_named(self):
        """It must be named: it can't be taken for another key."""
        kinds = {
            name: each.kind for name, each in inspect.signature(SignedCodec).parameters.items()
        }
        assert kinds["context"] is inspect.Parameter.KEYWORD_ONLY


class TestWords:
    @pytest.mark.parametrize(
        ("keys", "context", "expected"),
        [
            ([KEY], b"", "SignedCodec(PickleCodec(protocol=4), keys=<1 key>)"),
            (
                [KEY, OLD],
                "mail",
                "SignedCodec(PickleCodec(protocol=4), keys=<2 keys>, context=b'mail')",
            ),
        ],
        ids=["one", "two"],
    )
    def test_repr(self, keys, context, expected):
        """It shows how many keys there are, and none of them."""
        codec = SignedCodec(PickleCodec(), keys, context=context)
        assert repr(codec) == str(codec) == expected
        assert repr(codec.worker_settings()["job_deserializer"]) == f"<deserializer of {expected}>"

    def test_errors_of_the_inner_codec(self):
        """The inner codec's own errors are named, and their words left out."""
        broken = SignedCodec(FakeCodec(dumps=ValueError(CANARY), loads=KeyError(CANARY)), [KEY])
        assert refused(signed(), broken) == "KeyError"
        with pytest.raises(JobSerializationError) as caught:
            broken.dumps(JOB)
        assert str(caught.value) == "SignedCodec can't encode this: ValueError"
        assert caught.value.__context__ is None

    def test_reason_of_the_inner_codec(self):
        """What an inner codec of arqade's says is kept."""
        data = SignedCodec(PickleCodec(), [KEY]).dumps({**JOB, "a": (print,)})
        codec = SignedCodec(RestrictedPickleCodec(), [KEY])
        assert refused(data, codec) == "builtins.print is not in its allow-list"

    @pytest.mark.parametrize("value", [None, [1], 5])
    def test_inner_codec_that_gives_no_envelope(self, value):
        """What is signed and no envelope is refused."""
        refused(signed(), SignedCodec(FakeCodec(loads=value), [KEY]))


class TestRecognizes:
    @pytest.mark.parametrize("inner", [PickleCodec(), PickleCodec(protocol=0), JSONCodec()])
    @pytest.mark.parametrize("envelope", [JOB, RESULT])
    def test_own(self, envelope, inner):
        """It knows what it has written, whichever key and context it has."""
        codec = SignedCodec(inner, [KEY])
        assert codec.recognizes(codec.dumps(envelope))
        assert SignedCodec(inner, [OLD], context="x").recognizes(codec.dumps(envelope))
        assert not codec.recognizes(inner.dumps(envelope))

    def test_inner_codec_decides(self):
        """It does not know what another inner codec has written."""
        assert not SignedCodec(JSONCodec(), [KEY]).recognizes(signed(body=b"\x80\x04}."))
        assert SignedCodec(FakeCodec(), [KEY]).recognizes(signed())

    @pytest.mark.parametrize("data", [b"", b"aqs", b"aqs2" + b"x" * 40, b"\x80\x04}.", b"{}"])
    def test_others(self, data):
        """It knows nothing else."""
        assert not SignedCodec(FakeCodec(), [KEY]).recognizes(data)

    def test_signed_twice(self):
        """It knows what was signed twice, and reads it."""
        codec = SignedCodec(SignedCodec(PickleCodec(), [OLD]), [KEY])
        assert codec.loads(codec.dumps(JOB)) == JOB
        assert codec.recognizes(codec.dumps(JOB))


class TestPlace:
    CODEC = SignedCodec(PickleCodec(), [KEY])

    def read_job(self, data):
        return decode_job(
            data, job_id="j", queue_name="q", status=JobStatus.queued, score=5, codec=self.CODEC
        )

    def read_result(self, data, job_id="j"):
        return decode_result(data, job_id=job_id, queue_name="q", codec=self.CODEC)

    def test_right_place(self):
        """A job and its result are read where they belong."""
        assert self.read_job(self.CODEC.dumps(JOB)).name == "work"
        assert self.read_result(self.CODEC.dumps(RESULT)).result == "value"

    def test_result_as_a_job(self):
        """A result in a job's place is refused."""
        with pytest.raises(JobDeserializationError, match="they belong in another place") as caught:
            self.read_job(self.CODEC.dumps(RESULT))
        assert caught.value.job_id == "j"

    def test_job_as_a_result(self):
        """A job in a result's place is refused."""
        with pytest.raises(JobDeserializationError, match="they belong in another place"):
            self.read_result(self.CODEC.dumps(JOB))

    @pytest.mark.parametrize("change", [{"id": "other"}, {"id": None}, {"id": b"j"}, {"id": "j "}])
    def test_result_of_another_job(self, change):
        """A result under another job's id is refused."""
        with pytest.raises(JobDeserializationError, match="they belong in another place") as caught:
            self.read_result(self.CODEC.dumps({**RESULT, **change}))
        assert caught.value.job_id == "j"

    def test_result_without_an_id(self):
        """So is one without an id, as arq 0.25 has written it: it may be any job's."""
        envelope = {key: value for key, value in RESULT.items() if key != "id"}
        with pytest.raises(JobDeserializationError, match="they belong in another place"):
            self.read_result(self.CODEC.dumps(envelope))

    def test_unsigned_can_not_be_told(self):
        """Without a signature a result under another id is read: anybody could have written it."""
        data = PickleCodec().dumps({**RESULT, "id": "other"})
        result = decode_result(data, job_id="j", queue_name="q", codec=PickleCodec())
        assert (result.id, result.result) == ("j", "value")
