from __future__ import annotations

import array
import asyncio
import re
import types
from collections import OrderedDict, deque
from datetime import UTC, datetime, time, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arqade._protocol.payloads import encode_job
from arqade.codecs import JSONCodec, MsgpackCodec, Unencodable
from arqade.exceptions import JobDeserializationError, JobSerializationError
from arqade.models import JobRequest
from tests.harness.canary import CANARY
from tests.payloads import models
from tests.payloads.values import (
    CODECS,
    TAGGED,
    job,
    result,
    shape,
    through_job,
    through_result,
    what_is_lost,
)

KINDS = [JSONCodec, MsgpackCodec]
LOOP: list[object] = []
LOOP.append(LOOP)
DEEP: list[object] = []
for _ in range(5000):
    DEEP = [DEEP]

# --- what is kept --------------------------------------------------------------------------


@pytest.mark.parametrize("name", CODECS)
@settings(deadline=None, max_examples=50)
@given(st.data())
def test_values_are_kept(name, data):
    """Every codec keeps whatever is of the types that it claims."""
    codec, values = CODECS[name]
    assert what_is_lost(codec, data.draw(values, label="value")) == []


@pytest.mark.parametrize("kind", KINDS)
@settings(deadline=None, max_examples=50)
@given(value=TAGGED)
def test_second_trip(kind, value):
    """What was decoded is encoded as before, so that nothing grows on the way."""
    codec = kind()
    data = codec.dumps(result(value))
    assert len(codec.dumps(codec.loads(data))) == len(data)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("time_kind", [datetime, time])
def test_offset_with_a_name(kind, time_kind):
    """The name that an offset may have is not lost: it is kept, or refused."""
    zone = timezone(timedelta(hours=1), "CET")
    value = time(1, tzinfo=zone) if time_kind is time else datetime(2026, 1, 1, tzinfo=zone)
    try:
        kept = through_job(kind(), value)
    except JobSerializationError:
        return
    assert shape(kept) == shape(value)


# --- what is refused -----------------------------------------------------------------------

UNCLAIMED = {
    "class": models.Plain,
    "class of Python": int,
    "function": models.function,
    "lambda": lambda: CANARY,
    "method": CANARY.join,
    "module": types,
    "object": models.Plain(CANARY),
    "object that can't be printed": models.Shy(),
    "ellipsis": ...,
    "complex": 1j,
    "range": range(3),
    "array": array.array("B", CANARY.encode()),
    "deque": deque([CANARY]),
    "OrderedDict": OrderedDict(a=CANARY),
    "iterator": iter([CANARY]),
    "generator": (letter for letter in CANARY),
    "subclass of str": models.Text(CANARY),
    "subclass of int": models.Whole(12345),
    "subclass of float": models.Real(12345),
    "subclass of bytes": models.Raw(CANARY.encode()),
    "subclass of list": models.Items([CANARY]),
    "subclass of dict": models.Map(a=CANARY),
    "subclass of set": models.Group([CANARY]),
    "subclass of tuple": models.Pair(CANARY),
    "subclass of Decimal": models.Amount(12345),
    "subclass of datetime": models.Moment(2026, 1, 1, tzinfo=UTC),
    "enum": models.Colour.RED,
    "enum of integers": models.Level.LOW,
    "enum of texts": models.Word.YES,
    "flag": models.Right.READ,
    "attrs": models.Cat(CANARY),
    "dataclass": models.Item(CANARY, Decimal(1)),
    "subclass of a model": models.Point3D(12345),
    "error class": ValueError,
}
ZONE = {
    "zone": models.Zone(),
    "datetime with a zone without name": datetime(2026, 1, 1, tzinfo=models.Zone()),
    "time with a zone without name": time(1, tzinfo=models.Zone()),
}
KEYS = {
    label: value
    for label, value in (UNCLAIMED | ZONE).items()
    if type(value).__hash__ and not isinstance(value, memoryview | models.Pair | models.Cat)
}


def error_with(value):
    """Give an error with an attribute."""
    error = ValueError()
    error.attribute = value
    return error


PLACES = {
    "alone": lambda value: value,
    "list": lambda value: [1, value, 2],
    "tuple": lambda value: (1, value, 2),
    "dict": lambda value: {"a": 1, "b": value},
    "dict with any keys": lambda value: {1: value},
    "deeper": lambda value: {"a": [({"b": value},)]},
    "arguments of an error": KeyError,
    "attribute of an error": error_with,
    "error in a group": lambda value: ExceptionGroup("g", [ValueError(value), OSError()]),
    "model": models.Holder,
    "container in a model": lambda value: models.Holder([{"a": value}]),
}


def codec_of(kind):
    """Give a codec that knows some models."""
    return kind([models.Point, models.Holder])


def name_of(value):
    """Give the name of a value's class, as messages have it."""
    kind = type(value)
    prefix = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
    return f"{prefix}{kind.__qualname__}"


def refusal(codec, envelope):
    """Give the message with which a codec refuses a job; None if it does not."""
    try:
        codec.dumps(envelope)
    except JobSerializationError as error:
        return str(error)
    return None


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("label", UNCLAIMED | ZONE)
def test_job_is_refused(kind, label):
    """A job is refused for a value of any other type, which is named, and no value is quoted."""
    value = (UNCLAIMED | ZONE)[label]
    name = "tests.payloads.models.Zone" if label in ZONE else name_of(value)
    messages = {}
    for place, put in PLACES.items():
        messages[place] = refusal(codec_of(kind), job(put(value))) or "it is not refused"
        messages[f"{place}, by name"] = refusal(codec_of(kind), job(x=put(value))) or "nor that"
    named = re.compile(rf"\b{re.escape(name)}\b")
    assert {place: text for place, text in messages.items() if not named.search(text)} == {}
    assert not any(re.search(f"{CANARY}|12345", text) for text in messages.values())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("label", KEYS)
def test_job_is_refused_for_a_key(kind, label):
    """Keys of dicts and members of sets are of the same types."""
    key = KEYS[label]
    for value in ({key: 1}, {key}, {(key,)}, frozenset({key})):
        assert refusal(codec_of(kind), job(value)) is not None


@pytest.mark.parametrize("kind", KINDS)
def test_refused_argument_is_named(kind):
    """Whoever enqueues such a job learns which argument it was."""
    request = JobRequest("work", (1, [CANARY, models.Plain(CANARY)]))
    with pytest.raises(JobSerializationError) as caught:
        encode_job(request, job_id="j", enqueue_time=1, codec=kind(), max_bytes=10**6)
    assert caught.value.job_id == "j"
    assert "models.Plain is not registered" in str(caught.value)
    assert "for a value of type Plain in args[1]" in str(caught.value)
    assert CANARY not in str(caught.value)


# --- what stands in ------------------------------------------------------------------------


def stand_in(value):
    """Give what stands for a value in a result."""
    try:
        text = repr(value)[:300]
    except RuntimeError:
        text = f"<{name_of(value)}>"
    return Unencodable(name_of(value), text)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("label", UNCLAIMED | ZONE)
def test_result_has_a_stand_in(kind, label):
    """A result is kept but for such a value, for which an `Unencodable` stands, in its place."""
    value = (UNCLAIMED | ZONE)[label]
    codec = codec_of(kind)
    wrong = {}
    for place, put in PLACES.items():
        envelope = codec.loads(codec.dumps(result(put(value))))
        assert envelope["s"] is True
        actual, expected = shape(envelope["r"]), shape(put(stand_in(value)))
        if actual != expected:
            wrong[place] = [line for line in actual if line not in expected]
    assert wrong == {}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("label", KEYS)
def test_result_has_a_stand_in_for_a_key(kind, label):
    """So does one with such a key, or such a member of a set."""
    value = KEYS[label]
    kept = through_result(kind(), [{value: 1}, {value}])
    assert shape(kept) == shape([{stand_in(value): 1}, {stand_in(value)}])


@pytest.mark.parametrize("kind", KINDS)
def test_stand_in_is_short(kind):
    """The text of what stands in is cut off."""
    kept = through_result(kind(), models.Plain("x" * 10_000))
    assert kept == Unencodable("tests.payloads.models.Plain", "Plain('" + "x" * 293)


@pytest.mark.parametrize("kind", KINDS)
def test_stand_in_is_kept(kind):
    """What stands in is a value like any other: it comes back, in jobs too."""
    value = [Unencodable("app.Lock", "<Lock \ud800>")]
    assert through_job(kind(), value) == value
    assert through_result(kind(), value) == value


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "value",
    [LOOP, DEEP, {"a": LOOP}, (DEEP,), models.Holder(LOOP), KeyError(LOOP), {(1, (2,)): DEEP}],
    ids=["loop", "deep", "dict", "tuple", "model", "error", "any-keys"],
)
def test_endless_values(kind, value):
    """What is too deep, or holds itself, is refused in a job; in a result something stands in."""
    codec = codec_of(kind)
    assert re.search(r"deeper than 200, or holds itself|Holder", refusal(codec, job(value)))
    envelope = codec.loads(codec.dumps(result(value)))
    assert envelope["s"] is True
    whole = envelope["r"].value if isinstance(envelope["r"], models.Holder) else envelope["r"]
    assert type(whole) is Unencodable


@pytest.mark.parametrize("kind", KINDS)
def test_error_that_holds_itself(kind):
    """An error may hold itself, and still its result is one."""
    error = ValueError()
    error.args = (error,)
    assert "holds itself" in refusal(kind(), job(error))
    assert type(through_result(kind(), error)) is Unencodable


@pytest.mark.parametrize("kind", KINDS)
def test_cancelled_is_kept(kind):
    """An aborted job's result holds a `CancelledError`, and encoding does not raise it."""
    assert shape(through_result(kind(), asyncio.CancelledError())) == shape(
        asyncio.CancelledError()
    )


# --- limits --------------------------------------------------------------------------------

NESTINGS = {
    "list": lambda inner: [inner],
    "tuple": lambda inner: (inner,),
    "dict": lambda inner: {"a": inner},
    "dict with any keys": lambda inner: {1: inner},
}
WAYS = {
    "argument": job,
    "argument by name": lambda value: job(x=value),
    "result": result,
}


def nested(nesting, depth):
    """Give so many containers in each other."""
    value = None
    for _ in range(depth):
        value = NESTINGS[nesting](value)
    return value


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("nesting", NESTINGS)
def test_depth(kind, way, nesting):
    """Values may lie as deep in each other as said, whatever form their types have in bytes."""
    codec = kind(max_depth=10)
    kept = []
    for depth in range(1, 15):
        envelope = WAYS[way](nested(nesting, depth))
        try:
            data = codec.dumps(envelope)
        except JobSerializationError:
            continue
        # What was written is read.
        if shape(codec.loads(data)) == shape(envelope):
            kept.append(depth)
    # The envelope is one level, and its arguments are another.
    assert kept == list(range(1, 10 if way == "result" else 9))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "hold", [ValueError, models.Holder, error_with], ids=lambda hold: hold.__name__
)
def test_depth_in_errors_and_models(kind, hold):
    """The limit holds for what is in errors and models, too."""
    data = codec_of(kind).dumps(result(hold(nested("list", 50))))
    with pytest.raises(JobDeserializationError, match="deeper than 20"):
        kind([models.Holder], max_depth=20).loads(data)


@pytest.mark.parametrize("kind", KINDS)
def test_size(kind):
    """What is larger than the limit is not decoded."""
    data = kind().dumps(job("x" * 1000))
    assert kind(max_bytes=len(data)).loads(data) == job("x" * 1000)
    with pytest.raises(JobDeserializationError, match=f"they are more than {len(data) - 1}"):
        kind(max_bytes=len(data) - 1).loads(data)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("limit", ["max_bytes", "max_depth"])
def test_limits(kind, limit):
    """Limits are positive integers, and named."""
    for value in (0, -1, 2**41):
        with pytest.raises(ValueError, match=limit):
            kind(**{limit: value})
    for value in ("1", None, 1.5, True):
        with pytest.raises(TypeError, match=limit):
            kind(**{limit: value})
    with pytest.raises(TypeError):
        kind([], [], 100)
