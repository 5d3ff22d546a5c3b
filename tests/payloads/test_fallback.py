from __future__ import annotations

import functools

import pytest

from arqade.codecs import (
    FallbackCodec,
    JSONCodec,
    MsgpackCodec,
    PickleCodec,
    RestrictedPickleCodec,
    SignedCodec,
)
from arqade.codecs._base import SignedEnvelope, WorkerDeserializer
from arqade.exceptions import JobDeserializationError, JobSerializationError
from tests.harness.canary import CANARY, keep_secret
from tests.payloads.outlaws import Data, Model, Plain
from tests.protocol.envelopes import JOB, RESULT, FakeCodec

KEY = b"a key of these tests, no. 4: 5e0"
OLD = b"a key of these tests, no. 5: 91d"
for key in (KEY, OLD):
    keep_secret(key.decode())

FORMATS = {
    "pickle": [
        *(PickleCodec(protocol=protocol) for protocol in range(6)),
        *(RestrictedPickleCodec(protocol=protocol) for protocol in range(6)),
    ],
    "JSON": [JSONCodec()],
    "MessagePack": [MsgpackCodec()],
    "signed pickle": [SignedCodec(PickleCodec(protocol=protocol), [KEY]) for protocol in range(6)],
    "signed JSON": [SignedCodec(JSONCodec(), [KEY], context="mail")],
    "signed MessagePack": [SignedCodec(MsgpackCodec(), [KEY])],
}
"""All codecs, by what they write."""

ENVELOPES = [
    JOB,
    RESULT,
    {"r": None},
    # So large that their size begins the bytes in some formats.
    {**RESULT, **{f"more {number}": number for number in range(20)}},
    {f"more {number}": number for number in range(70_000)},
]


@functools.cache
def written(name, number):
    """Give what all codecs of a format write for an envelope."""
    return [codec.dumps(ENVELOPES[number]) for codec in FORMATS[name]]


class Recorder(FakeCodec):
    """Reads nothing, and notes that it was asked.

    Args:
        name: What to note.
        asked: Where.
    """

    def __init__(self, name, asked):
        super().__init__(loads=ValueError(CANARY))
        self._name, self._asked = name, asked

    def loads(self, data, /):
        self._asked.append(self._name)
        return super().loads(data)


class Knowing(Recorder):
    """One that can tell what it may have written, and says that it is all."""

    def recognizes(self, data, /):
        return True


def refused(data, codec):
    """Have a codec refuse some bytes, and give the reason."""
    with pytest.raises(JobDeserializationError) as caught:
        codec.loads(data)
    said = str(caught.value)
    assert CANARY not in said
    assert (caught.value.__cause__, caught.value.__context__, caught.value.job_id) == (None,) * 3
    assert said.startswith("FallbackCodec can't decode these bytes: ")
    return said.partition(": ")[2]


class TestFormats:
    @pytest.mark.parametrize("number", range(len(ENVELOPES)))
    @pytest.mark.parametrize("writer", FORMATS)
    @pytest.mark.parametrize("reader", FORMATS)
    def test_first_bytes(self, reader, writer, number):
        """Each codec knows its own format by its first bytes, and no other one."""
        for data in written(writer, number):
            for codec in FORMATS[reader]:
                assert codec.recognizes(data) is (reader == writer)
                # The first bytes are enough.
                assert codec.recognizes(data[:60]) is (reader == writer)

    @pytest.mark.parametrize(
        "data", [b"", b"x", b"\0", b"[]", b'"a"', b" {}", b"null", b"\xff", b"aqs2"]
    )
    def test_other_bytes(self, data):
        """Bytes of no format are known to none."""
        codecs = [codec for group in FORMATS.values() for codec in group]
        assert [codec for codec in codecs if codec.recognizes(data)] == []
        codec = FallbackCodec(JSONCodec(), codecs)
        assert not codec.recognizes(data)
        assert refused(data, codec) == "they are of no format that it reads"

    @pytest.mark.parametrize("envelope", ENVELOPES[:2])
    @pytest.mark.parametrize("name", FORMATS)
    def test_all_are_read(self, name, envelope):
        """With all codecs as readers everything is read, and one format is name."""
        codec = FallbackCodec(
            FORMATS["JSON"][0], [each for group in FORMATS.values() for each in group]
        )
        for writer in FORMATS[name]:
            data = writer.dumps(envelope)
            assert codec.recognizes(data)
            assert codec.loads(data) == envelope
            assert (type(codec.loads(data)) is SignedEnvelope) is name.startswith("signed")
        assert codec.dumps(envelope) == JSONCodec().dumps(envelope)

    @pytest.mark.parametrize("name", FORMATS)
    def test_only_what_is_listed(self, name):
        """What is not among the readers is refused."""
        for writer in FORMATS[name]:
            others = [codecs[0] for other, codecs in FORMATS.items() if other != name]
            data = writer.dumps(JOB)
            assert refused(data, FallbackCodec(others[0], others[1:])) == (
                "they are of no format that it reads"
            )

    def test_writer_reads(self):
        """What writes reads, too, and alone if no other one is given."""
        codec = FallbackCodec(JSONCodec())
        assert codec.loads(codec.dumps(JOB)) == JOB
        assert refused(PickleCodec().dumps(JOB), codec) == "they are of no format that it reads"

    def test_within_each_other(self):
        """One may be the inner codec of a signature, or a reader of another one."""
        inner = FallbackCodec(JSONCodec(), [PickleCodec()])
        old = SignedCodec(PickleCodec(), [KEY])
        codec = FallbackCodec(SignedCodec(inner, [KEY]), [FallbackCodec(MsgpackCodec())])
        for writer in (old, codec, MsgpackCodec(), SignedCodec(JSONCodec(), [KEY])):
            assert codec.loads(writer.dumps(JOB)) == JOB
        assert refused(PickleCodec().dumps(JOB), codec) == "they are of no format that it reads"


class TestOrder:
    def test_first_one_that_can(self):
        """Codecs are asked in order, the writer first, until one can read."""
        asked = []
        fine = FakeCodec(loads=JOB)
        fine.recognizes = lambda _: True
        codec = FallbackCodec(
            Knowing("writer", asked), [Knowing("second", asked), fine, Knowing("last", asked)]
        )
        assert codec.loads(b"bytes") == JOB
        assert asked == ["writer", "second"]
        assert fine.given == b"bytes"

    def test_those_that_know_no_format_are_last(self):
        """A codec without ``recognizes`` is asked after all others, even if it is the writer."""
        asked = []
        codec = FallbackCodec(
            Recorder("writer", asked),
            [
                Recorder("second", asked),
                Knowing("third", asked),
                JSONCodec(),
                Knowing("4th", asked),
            ],
        )
        assert codec.recognizes(b"bytes")
        assert refused(b"bytes", codec) == (
            "Knowing: ValueError; Knowing: ValueError; Recorder: ValueError; Recorder: ValueError"
        )
        assert asked == ["third", "4th", "writer", "second"]

    @pytest.mark.parametrize("first", [0, 1])
    def test_keys_and_contexts(self, first):
        """Of several codecs of one format, the one that can read it does, whatever its place."""
        mail = SignedCodec(JSONCodec(), [KEY], context="mail")
        old = SignedCodec(JSONCodec(), [OLD])
        pair = [mail, old] if first else [old, mail]
        codec = FallbackCodec(pair[0], pair[1:])
        for writer in pair:
            assert codec.loads(writer.dumps(JOB)) == JOB
        other = SignedCodec(JSONCodec(), [OLD], context="mail")
        reason = (
            "SignedCodec: no key fits: they were signed with another key, for another context, or "
            "changed"
        )
        assert refused(other.dumps(JOB), codec) == f"{reason}; {reason}"

    def test_inner_codecs(self):
        """Signed payloads go to those whose inner codec knows the rest."""
        codec = FallbackCodec(SignedCodec(JSONCodec(), [KEY]), [SignedCodec(PickleCodec(), [KEY])])
        assert codec.loads(SignedCodec(PickleCodec(), [KEY]).dumps(JOB)) == JOB
        assert (
            refused(SignedCodec(PickleCodec(), [OLD]).dumps(JOB), codec).count("no key fits") == 1
        )

    def test_classes(self):
        """So it is with codecs of one format that know other classes."""
        first, second = RestrictedPickleCodec([Data]), RestrictedPickleCodec([Plain])
        codec = FallbackCodec(first, [second, JSONCodec([Data]), JSONCodec([Model])])
        for writer, value in [(first, Data(1)), (second, Plain(2)), (JSONCodec([Model]), Model(3))]:
            envelope = {**JOB, "a": (value,)}
            assert codec.loads(writer.dumps(envelope)) == envelope
        name = "tests.payloads.outlaws"
        assert refused(PickleCodec().dumps({**JOB, "a": (Model(CANARY),)}), codec) == (
            f"RestrictedPickleCodec: {name}.Model is not in its allow-list; "
            f"RestrictedPickleCodec: {name}.Model is not in its allow-list"
        )

    def test_reasons_are_those_of_the_codecs_asked(self):
        """An error gives the reason of each codec that knew the format, and of no other one."""
        codec = FallbackCodec(JSONCodec(), [PickleCodec(), RestrictedPickleCodec()])
        assert refused(b"\x80\x04cno.module\nname\n.", codec) == (
            "PickleCodec: ModuleNotFoundError: no no; "
            "RestrictedPickleCodec: no.module.name is not in its allow-list"
        )

    def test_writer_that_fails(self):
        """No other codec writes what the first one can't; its reason is given."""
        codec = FallbackCodec(JSONCodec(), [PickleCodec()])
        with pytest.raises(JobSerializationError) as caught:
            codec.dumps({**JOB, "a": (Plain(CANARY),)})
        reason = "tests.payloads.outlaws.Plain is not registered"
        assert str(caught.value) == f"FallbackCodec can't encode this: {reason}"
        assert caught.value.__context__ is None

    @pytest.mark.parametrize("value", [None, [1], 5])
    def test_no_envelope(self, value):
        """A codec that gives no envelope is refused."""
        assert refused(b"x", FallbackCodec(FakeCodec(loads=value))) == (
            f"they hold {type(value).__name__}, no envelope"
        )


class TestArguments:
    @pytest.mark.parametrize(
        "wrong",
        [None, object(), "JSONCodec", b"", 5, JSONCodec, PickleCodec, {}, print],
        ids=lambda wrong: getattr(wrong, "__name__", type(wrong).__name__),
    )
    def test_no_codecs(self, wrong):
        """What is no codec is refused, as a class of codecs is: it would read nothing."""
        with pytest.raises(TypeError, match="is no codec"):
            FallbackCodec(wrong)
        with pytest.raises(TypeError, match="is no codec"):
            FallbackCodec(JSONCodec(), [PickleCodec(), wrong])

    @pytest.mark.parametrize("wrong", [PickleCodec(), None, 5])
    def test_no_list(self, wrong):
        """The readers are a list."""
        with pytest.raises(TypeError):
            FallbackCodec(JSONCodec(), wrong)

    def test_names(self):
        """The arguments can be named, and the readers come from anything."""
        codec = FallbackCodec(write=JSONCodec(), read=iter([PickleCodec()]))
        assert codec.loads(PickleCodec().dumps(JOB)) == codec.loads(JSONCodec().dumps(JOB)) == JOB
        assert codec.loads(PickleCodec().dumps(JOB)) == JOB

    def test_repr(self):
        """It says what writes and what reads, and no key."""
        codec = FallbackCodec(SignedCodec(PickleCodec(), [KEY]), [PickleCodec(protocol=5)])
        assert repr(codec) == (
            "FallbackCodec(write=SignedCodec(PickleCodec(protocol=4), keys=<1 key>), "
            "read=[PickleCodec(protocol=5)])"
        )

    def test_worker_settings(self):
        """A worker writes with the writer, and reads with all."""
        codec = FallbackCodec(JSONCodec(), [PickleCodec()])
        settings = codec.worker_settings()
        assert settings["job_serializer"](JOB) == JSONCodec().dumps(JOB)
        assert type(settings["job_deserializer"]) is WorkerDeserializer
        for writer in (JSONCodec(), PickleCodec()):
            assert settings["job_deserializer"](writer.dumps(RESULT)) == RESULT
