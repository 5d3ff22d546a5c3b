from __future__ import annotations

import json
import pickletools
from collections import defaultdict
from datetime import datetime, time, timedelta, timezone
from decimal import Decimal

import pytest

from arqade.codecs import JSONCodec, MsgpackCodec, PickleCodec, RestrictedPickleCodec
from arqade.codecs._tagged import CODES
from arqade.exceptions import JobDeserializationError
from tests.payloads import golden
from tests.payloads.golden import (
    ANY_FORMAT,
    COMMON,
    ENVELOPES,
    ERRORS,
    FOLDED,
    FORMATS,
    ONLY_PICKLED,
    PLAIN,
    ZONED,
    envelopes,
    samples,
)
from tests.payloads.values import CODECS, FOLD_PROTOCOL, shape, what_is_lost

SAMPLES = samples()

HEADER = len(b"aqs1j") + 32
"""The size of what a signed payload has before the inner codec's."""


def parameters(chosen):
    """Give a pytest parameter for each sample."""
    return [pytest.param(*sample, id=f"{sample[0]} {sample[1]}") for sample in chosen]


def stored(name, label):
    """Give the bytes of one sample."""
    return next(data for sample in SAMPLES if sample[:2] == (name, label) for data in sample[2:])


# --- values --------------------------------------------------------------------------------

HARD = {
    "texts of surrogates": ["\ud83d\ude00", "\ude00\ud83d", "\udfff", "a\ud800\udc00"],
    "offset below a second": datetime(2026, 1, 1, tzinfo=timezone(timedelta(microseconds=1))),
    "time with such an offset": time(1, tzinfo=timezone(-timedelta(milliseconds=500))),
    "offset of nearly a day": time(1, tzinfo=timezone(timedelta(microseconds=1) - timedelta(1))),
    "large integers": [-(3**5000), 2**20_000],
    "precise decimal": Decimal("1." + "9" * 100),
    "large values": ["x" * 70_000, b"x" * 70_000, [1] * 300, {n: n for n in range(300)}],
    "keys that are one number": [{1: "a"}, {True: "a"}, {1.0: "a"}, {Decimal(1): "a"}],
    "equal values of many types": [0, 0.0, -0.0, False, Decimal(0), Decimal("-0"), 0],
    "one list in two places": [PLAIN["list"], PLAIN["list"]],
    "models that are none": {"type": "ValueError", "args": [1], "text": "1", "$model": ["Point"]},
}

DEFAULTS = {
    f"defaultdict of {kind.__name__}": defaultdict(kind, a=kind())
    for kind in (int, str, bool, float, dict, tuple, set)
}

LONG_PROTOCOL = 2
"""Before, pickles have integers in decimal, for which Python has a limit."""


def claimed(name):
    """Give the examples that one of `CODECS` claims to keep."""
    if "json" in name or "msgpack" in name:
        return COMMON | ZONED | HARD
    protocol = int(name[-1]) if name[-1].isdigit() else 4
    examples = PLAIN | FOLDED | ERRORS | ONLY_PICKLED | HARD | DEFAULTS
    if "restricted" not in name:
        examples |= ZONED
    if protocol < FOLD_PROTOCOL:
        examples = {key: value for key, value in examples.items() if not getattr(value, "fold", 0)}
    if protocol < LONG_PROTOCOL:
        del examples["large integers"]
    return examples


@pytest.mark.parametrize("name", CODECS)
def test_examples_are_kept(name):
    """Every codec keeps what it claims, as argument and as result."""
    lost = {
        label: what_is_lost(CODECS[name].codec, value) for label, value in claimed(name).items()
    }
    assert {label: what for label, what in lost.items() if what} == {}


# --- samples -------------------------------------------------------------------------------


def test_samples_are_of_all_formats():
    """Each format has a sample of every envelope that is listed for it, and no other."""
    assert [sample[:2] for sample in SAMPLES] == [
        (name, label) for name in FORMATS for label in envelopes(name)
    ]


@pytest.mark.parametrize("name", ["JSON", "MessagePack"])
def test_samples_are_of_all_types(name):
    """Every type that JSON and MessagePack lack has a sample."""
    found = set()
    codec = FORMATS[name]
    make = codec._table.make
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(codec._table, "make", lambda tag, body: (found.add(tag), make(tag, body))[1])
        for sample in SAMPLES:
            if sample[0] == name:
                codec.loads(sample[2])
    assert found == set(CODES)


@pytest.mark.parametrize(("name", "label", "data"), parameters(SAMPLES))
def test_sample_is_read(name, label, data):
    """What was written once is read as what it was."""
    assert shape(dict(FORMATS[name].loads(data))) == shape(envelopes(name)[label])


def family(name):
    """Give what codecs that read each other's formats have in common."""
    return name.rstrip(" 012345").removeprefix("restricted ")


@pytest.mark.parametrize(("name", "label", "data"), parameters(SAMPLES))
def test_sample_is_recognized(name, label, data):
    """A `FallbackCodec` tells the formats apart, and reads all."""
    recognized = {family(other) for other, codec in FORMATS.items() if codec.recognizes(data)}
    assert recognized == {family(name)}
    assert shape(dict(ANY_FORMAT.loads(data))) == shape(envelopes(name)[label])


@pytest.mark.parametrize(
    ("name", "label", "data"),
    parameters(sample for sample in SAMPLES if "pickle" not in sample[0]),
)
def test_sample_is_written_again(name, label, data):
    """The same envelope gets the same bytes, and so does what was read."""
    codec = FORMATS[name]
    assert codec.dumps(envelopes(name)[label]) == data
    assert codec.dumps(dict(codec.loads(data))) == data


@pytest.mark.parametrize(
    ("name", "label", "data"), parameters(sample for sample in SAMPLES if "pickle" in sample[0])
)
def test_pickle_is_written_again(name, label, data):
    """The same envelope gets a pickle of the same protocol with the same value.

    Not byte for byte: pickle writes equal values once if they are one object, which is chance.
    """
    codec = FORMATS[name]
    envelope = envelopes(name)[label]
    again = codec.dumps(envelope)
    assert shape(dict(codec.loads(again))) == shape(envelope)
    assert protocol(again) == protocol(data)


def protocol(data):
    """Give the protocol that a pickle names, and the newest one that its opcodes need."""
    opcodes = list(pickletools.genops(data[HEADER:] if data.startswith(b"aqs1") else data))
    named = opcodes[0][1] if opcodes[0][0].name == "PROTO" else None
    return named, max(opcode.proto for opcode, *_ in opcodes)


@pytest.mark.parametrize(
    ("name", "label", "data"),
    parameters(
        sample for sample in SAMPLES if sample[0].startswith("pickle") and sample[1] not in ZONED
    ),
)
def test_pickle_is_read_by_the_restricted_codec(name, label, data):
    """`RestrictedPickleCodec` reads what `PickleCodec` wrote."""
    envelope = envelopes(name)[label]
    assert shape(FORMATS["restricted pickle"].loads(data)) == shape(envelope)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("label", ["arguments", "result"])
def test_what_was_read_is_written(name, label):
    """A codec takes the envelopes that it gives, to move them to another queue, say."""
    codec = FORMATS[name]
    again = codec.loads(codec.dumps(codec.loads(stored(name, label))))
    assert shape(dict(again)) == shape(ENVELOPES[label])


@pytest.mark.parametrize("name", [name for name in FORMATS if "signed" in name])
def test_signed_samples_of_another_key(name):
    """The signature of a sample is one of its key and its context."""
    data = stored(name, "arguments")
    for number in (4, 5, HEADER - 1, HEADER, len(data) - 1):
        changed = bytearray(data)
        changed[number] ^= 1
        with pytest.raises(JobDeserializationError):
            FORMATS[name].loads(bytes(changed))
    others = [codec for other, codec in FORMATS.items() if "signed" in other and other != name]
    for other in others:
        with pytest.raises(JobDeserializationError, match="no key fits"):
            other.loads(data)


def test_formats_begin_as_they_did():
    """The first bytes of each format, which tell it from the others, stay what they are."""
    beginnings = {name: stored(name, "no arguments")[:5] for name in FORMATS}
    assert beginnings == {
        "pickle 0": b"(dp0\n",
        "pickle 1": b"}q\x00(X",
        "pickle 2": b"\x80\x02}q\x00",
        "pickle 3": b"\x80\x03}q\x00",
        "pickle 4": b"\x80\x04\x95-\x00",
        "pickle 5": b"\x80\x05\x95-\x00",
        "restricted pickle": b"\x80\x04\x95-\x00",
        "JSON": b'{"t":',
        "MessagePack": b"\x85\xa1t\xc0\xa1",
        "signed pickle": b"aqs1j",
        "signed JSON": b"aqs1j",
        "signed MessagePack": b"aqs1j",
    }


@pytest.mark.parametrize("label", ["arguments", "plain data"])
def test_defaults(label):
    """By default, the codecs write these formats."""
    envelope = envelopes("pickle 4").get(label) or envelopes("pickle 0")[label]
    assert PickleCodec().dumps(envelope)[:2] == b"\x80\x04"
    assert RestrictedPickleCodec().dumps(envelope)[:2] == b"\x80\x04"
    assert JSONCodec().dumps(envelope) == FORMATS["JSON"].dumps(envelope)
    assert MsgpackCodec().dumps(envelope) == FORMATS["MessagePack"].dumps(envelope)


def test_writing_samples(tmp_path, monkeypatch):
    """The script writes a file that has all samples, which are read as the stored ones."""
    monkeypatch.setattr(golden, "FILE", tmp_path / "codecs.json")
    golden.write()
    written = samples()
    assert [sample[:2] for sample in written] == [sample[:2] for sample in SAMPLES]
    assert json.loads((tmp_path / "codecs.json").read_text()).keys() == {"samples"}
    for (name, label, data), (_, _, old) in zip(written, SAMPLES, strict=True):
        assert shape(dict(FORMATS[name].loads(data))) == shape(dict(FORMATS[name].loads(old))), (
            label
        )
