from __future__ import annotations

import base64
import json
import math
import sys
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arqade._protocol.payloads import decode_job, decode_result
from arqade.codecs import JSONCodec, Unencodable
from arqade.exceptions import (
    JobDeserializationError,
    JobNotFound,
    JobSerializationError,
    RemoteError,
)
from arqade.models import JobStatus
from tests.harness.canary import CANARY
from tests.payloads.golden import BERLIN
from tests.payloads.models import Colour, Point, TwoError
from tests.payloads.values import job, result, shape, through_job, through_result
from tests.protocol.envelopes import JOB, RESULT

CODEC = JSONCodec([Point, Colour], [TwoError])

texts = st.text()
plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(1 - 2**53, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(texts.filter(lambda key: not key.startswith("$")), inner, max_size=4)
    ),
    max_leaves=10,
)
"""What plain JSON has."""


def dumped(envelope):
    """Give what a worker's ``json.dumps`` makes of an envelope."""
    return json.dumps(envelope, ensure_ascii=False, separators=(",", ":")).encode()


def refused(text):
    """Give the reason for which a result with some JSON in it is not decoded."""
    with pytest.raises(JobDeserializationError) as caught:
        CODEC.loads(b'{"s":true,"r":' + text.encode() + b"}")
    assert CANARY not in str(caught.value)
    return str(caught.value).partition("decode these bytes: ")[2]


# --- plain data ----------------------------------------------------------------------------


@settings(deadline=None)
@given(plain, st.dictionaries(texts.filter(lambda key: key[:1] != "$"), plain, max_size=3))
def test_plain_data_are_plain_json(value, kwargs):
    """Plain data are written as `json.dumps` writes them, so that anything reads them."""
    for envelope in (job(value, **kwargs), result(value)):
        assert CODEC.dumps(envelope) == dumped(envelope)


@settings(deadline=None)
@given(plain, st.booleans())
def test_plain_json_is_read(value, ensure_ascii):
    """What a worker with plain `json.dumps` has written is read, its arguments as a tuple."""
    for envelope in (job(value, name=value), result(value)):
        data = json.dumps(envelope, ensure_ascii=ensure_ascii, indent=1).encode()
        assert shape(CODEC.loads(data)) == shape(envelope)


def test_envelopes_of_other_workers():
    """Such a job and such a result are read with all that they say of themselves."""
    data = json.dumps({**JOB, "a": [1, [2]], "k": {"b": {"c": None}}}).encode()
    found = decode_job(
        data, job_id="j", queue_name="q", status=JobStatus.queued, score=1, codec=JSONCodec()
    )
    assert (found.args, found.kwargs) == ((1, [2]), {"b": {"c": None}})
    stored = decode_result(
        json.dumps({**RESULT, "r": [1]}).encode(), job_id="j", queue_name="q", codec=JSONCodec()
    )
    assert (stored.args, stored.result, stored.queue_name) == ((1,), [1], "mail")


# --- tags ----------------------------------------------------------------------------------

TAGGED = {
    '{"$tuple":[1,{"$tuple":[]}]}': (1, ()),
    '{"$set":[1]}': {1},
    '{"$frozenset":["a"]}': frozenset({"a"}),
    '{"$dict":[[1,"a"],[null,"b"],["c",{"$tuple":[]}]]}': {1: "a", None: "b", "c": ()},
    '{"$dict":[["$date","x"]]}': {"$date": "x"},
    '{"$dict":[["$",{"$dict":[["$a",1]]}]]}': {"$": {"$a": 1}},
    '{"$date":1,"$time":2}': {"$date": 1, "$time": 2},
    '{"a$":1}': {"a$": 1},
    "9007199254740991": 2**53 - 1,
    '{"$int":"0x20000000000000"}': 2**53,
    '{"$int":"-0x20000000000000"}': -(2**53),
    '{"$float":"nan"}': math.nan,
    '{"$float":"-inf"}': -math.inf,
    "-0.0": -0.0,
    "5e-324": 5e-324,
    '{"$bytes":"AP8="}': b"\x00\xff",
    '{"$decimal":"1.10"}': Decimal("1.10"),
    '{"$uuid":"00000000-0000-0000-0000-000000000007"}': UUID(int=7),
    '{"$date":"2026-01-02"}': date(2026, 1, 2),
    '{"$datetime":"2026-01-02T00:00:00+00:00"}': datetime(2026, 1, 2, tzinfo=UTC),
    '{"$datetime":["2026-01-02T00:00:00","Europe/Berlin",0]}': datetime(2026, 1, 2, tzinfo=BERLIN),
    '{"$time":"01:00:00.000001"}': time(1, microsecond=1),
    '{"$time":["01:00:00",null,1]}': time(1, fold=1),
    '{"$timedelta":[-1,86399,999999]}': -timedelta(microseconds=1),
    '{"$model":["Point",{"x":1,"y":0}]}': Point(1),
    '{"$model":["Colour","red"]}': Colour.RED,
    '{"$model":["Colour",{"$tuple":["blue",2]}]}': Colour.BLUE,
    '{"$error":{"type":"ValueError","text":"a","args":["a"]}}': ValueError("a"),
    '{"$error":{"type":"app.Error","text":"a"}}': RemoteError("app.Error", "a"),
    '{"$error":{"type":"TwoError","text":"1 and 2","args":["1 and 2"],'
    '"state":{"left":1,"right":2}}}': TwoError(1, 2),
    '{"$error":{"type":"arqade.JobNotFound","text":"Job could not be found. id=j",'
    '"args":["Job could not be found. id=j"],"state":{"job_id":"j"}}}': JobNotFound("j"),
    '{"$unencodable":["app.Lock","<Lock>"]}': Unencodable("app.Lock", "<Lock>"),
}
"""Values by their form, which is what other languages read and write."""


@pytest.mark.parametrize("text", TAGGED)
def test_form(text):
    """Each type has one form, as documented."""
    assert CODEC.dumps(result(TAGGED[text])) == dumped(result(None)).replace(
        b'"r":null', f'"r":{text}'.encode()
    )
    assert shape(CODEC.loads(f'{{"r":{text}}}'.encode())["r"]) == shape(TAGGED[text])


def test_surrogates():
    """A lone surrogate is written as UTF-8 would write it, and nothing is written with escapes."""
    assert b'"\xed\xa0\x80"' in CODEC.dumps(job("\ud800"))
    assert "ü✓𝄞".encode() in CODEC.dumps(job("ü✓𝄞"))


@pytest.mark.parametrize("kind", [bytearray, memoryview])
def test_bytes_of_another_kind(kind):
    """A bytearray and a memoryview are no bytes, and are refused."""
    with pytest.raises(JobSerializationError, match=f"{kind.__name__} is not registered"):
        CODEC.dumps(job(kind(b"a")))


def test_surrogates_side_by_side():
    """Two surrogates do not become the character that they make in UTF-16."""
    for text in ("\ud83d\ude00", "a\ud83d\ude00\ud83d"):
        assert through_job(CODEC, text) == text
        assert through_result(CODEC, {text: [text]}) == {text: [text]}
    assert through_job(CODEC, ["\U0001f600", "\ud800"]) == ["\U0001f600", "\ud800"]


def test_arguments_in_a_list():
    """Arguments that are a list, which no client makes, stay one."""
    envelope = {**job(), "a": [1, (2,)]}
    assert shape(CODEC.loads(CODEC.dumps(envelope))) == shape(envelope)


# --- what is refused -----------------------------------------------------------------------


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", '[1,{"a":NaN}]'])
def test_numbers_that_json_lacks(number):
    """NaN and infinities of JavaScript are refused: other readers of JSON do the same."""
    assert refused(number) == "it has a number that JSON does not have"


@pytest.mark.parametrize(
    "text",
    [
        '{"$":1}',
        '{"$unknown":1}',
        '{"$Date":"2026-01-02"}',
        '{"$$date":"2026-01-02"}',
        '{"$date":5}',
        '{"$date":"2026-01-32"}',
        '{"$date":"<CANARY>"}',
        '{"$date":["2026-01-02"]}',
        '{"$datetime":["2026-01-02T00:00:00",null]}',
        '{"$datetime":["2026-01-02T00:00:00",null,2]}',
        '{"$datetime":["2026-01-02T00:00:00",5,0]}',
        '{"$datetime":["2026-01-02T00:00:00","No/Where",0]}',
        '{"$datetime":["2026-01-02T00:00:00","../../etc/passwd",0]}',
        '{"$datetime":["2026-01-02T00:00:00","/etc/passwd",0]}',
        '{"$time":"25:00"}',
        '{"$timedelta":[1,2]}',
        '{"$timedelta":[1,2,true]}',
        '{"$timedelta":[1,2,3.0]}',
        '{"$timedelta":[9999999999,0,0]}',
        '{"$int":5}',
        '{"$int":"0xg"}',
        '{"$int":""}',
        '{"$float":1.5}',
        '{"$float":"1.5"}',
        '{"$float":["nan"]}',
        '{"$decimal":1}',
        '{"$decimal":"<CANARY>"}',
        '{"$uuid":"7"}',
        '{"$bytes":"AP8"}',
        '{"$bytes":"A P8="}',
        '{"$bytes":["AP8="]}',
        '{"$set":[[1]]}',
        '{"$set":{"a":1}}',
        '{"$set":"ab"}',
        '{"$tuple":"ab"}',
        '{"$tuple":{"$tuple":[]}}',
        '{"$frozenset":[{"a":1}]}',
        '{"$dict":[[[1],2]]}',
        '{"$dict":[[1,2,3]]}',
        '{"$dict":[1]}',
        '{"$dict":["ab"]}',
        '{"$dict":{"a":1}}',
        '{"$list":"ab"}',
        '{"$unencodable":["a"]}',
        '{"$unencodable":["a",5]}',
        '{"$unencodable":"ab"}',
    ],
)
def test_body_that_fits_no_tag(text):
    """A tag with what does not belong to it is refused, and no value is quoted."""
    before = set(sys.modules)
    assert refused(text.replace("CANARY", CANARY)) != ""
    assert set(sys.modules) == before


@pytest.mark.parametrize(
    "data",
    [
        *(
            b"",
            b"{",
            b"[]",
            b"5",
            b"null",
            b'"a"',
            b'{"a":1}x',
            b'{"a":1}{',
            b"{'a':1}",
            b'{"a":1,}',
        ),
        *(b'{"a":"\xff"}', b'{"a":"\n"}', '{"a":1}'.encode("utf-16"), b'\xef\xbb\xbf{"a":1}'),
        *(b'{"$tuple":[]}', b'{"$date":"2026-01-02"}', b'{"a":' + b"1" * 5000 + b"}"),
        *(b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", b'{"a":' * 100_000),
    ],
    ids=lambda data: repr(data[:30]),
)
def test_no_envelope(data):
    """Bytes that are no JSON object are refused."""
    with pytest.raises(JobDeserializationError):
        CODEC.loads(data)


def test_same_key_twice():
    """Of two values with one key the last one counts, in tags and in dicts, as in `json`."""
    data = b'{"r":{"$date":"2026-01-01","$date":"2026-01-02"},"f":1,"f":2}'
    assert CODEC.loads(data) == {"r": date(2026, 1, 2), "f": 2}
    assert CODEC.loads(b'{"r":{"$dict":[[1,2],[1,3]]}}')["r"] == {1: 3}


def test_tag_among_other_keys():
    """An object with more keys than a tag is a dict, whatever the keys are."""
    data = b'{"r":{"$date":"2026-01-02","x":{"$tuple":[]}}}'
    assert CODEC.loads(data)["r"] == {"$date": "2026-01-02", "x": ()}


@pytest.mark.parametrize(
    ("data", "recognized"),
    [
        (b"{", True),
        (b'{"a":1}', True),
        (b"", False),
        (b"[1]", False),
        (b" {", False),
        (b"}", False),
    ],
)
def test_recognized(data, recognized):
    """JSON is known by its brace."""
    assert JSONCodec().recognizes(data) is recognized


def test_bytes_are_base64():
    """Bytes of any length come back."""
    for size in range(10):
        value = bytes(range(250, 250 + min(size, 6))) + b"x" * max(0, size - 6)
        assert base64.b64encode(value) in CODEC.dumps(job(value))
        assert through_job(CODEC, value) == value
