from __future__ import annotations

import importlib
import subprocess
import sys
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from uuid import UUID

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arqade.codecs import JSONCodec, MsgpackCodec, Unencodable
from arqade.exceptions import ConfigurationError, JobDeserializationError
from tests.harness.canary import CANARY
from tests.payloads.golden import BERLIN
from tests.payloads.models import Colour, Point
from tests.payloads.values import job, result, shape, through_job, through_result
from tests.protocol.envelopes import JOB, RESULT

CODEC = MsgpackCodec([Point, Colour])

EXTENSIONS = {
    1: [((1, ()), [1, msgpack.ExtType(1, b"\x90")])],
    2: [({5}, [5]), (set(), [])],
    3: [(frozenset({"a"}), ["a"])],
    4: [(2**64, "0x10000000000000000"), (-(2**63) - 1, "-0x8000000000000001")],
    5: [(Decimal("1.10"), "1.10"), (Decimal("sNaN"), "sNaN")],
    6: [(UUID(int=7), "00000000-0000-0000-0000-000000000007")],
    7: [
        (datetime(2026, 1, 2, tzinfo=UTC), "2026-01-02T00:00:00+00:00"),
        (datetime(2026, 1, 2, tzinfo=BERLIN), ["2026-01-02T00:00:00", "Europe/Berlin", 0]),
    ],
    8: [(datetime(2026, 1, 2, tzinfo=UTC).date(), "2026-01-02")],
    9: [(time(1, fold=1), ["01:00:00", None, 1])],
    10: [(-timedelta(microseconds=1), [-1, 86399, 999999])],
    11: [(Point(1), ["Point", {"x": 1, "y": 0}]), (Colour.RED, ["Colour", "red"])],
    12: [(ValueError("a"), {"type": "ValueError", "text": "a", "args": ["a"]})],
    13: [(Unencodable("app.Lock", "<Lock>"), ["app.Lock", "<Lock>"])],
}
"""Values and their bodies by the code of their type: the codes never change."""

plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text() | st.integers(0, 9) | st.none(), inner, max_size=4)
    ),
    max_leaves=10,
)
"""What MessagePack has."""


def holding(value):
    """Give MessagePack of a result, as another program writes it."""
    return msgpack.packb({**result(None), "a": msgpack.ExtType(1, b"\x90"), "r": value})


def refused(data):
    """Give the reason for which bytes are not decoded."""
    with pytest.raises(JobDeserializationError) as caught:
        CODEC.loads(data)
    assert CANARY not in str(caught.value)
    return str(caught.value).partition("decode these bytes: ")[2]


# --- the format ----------------------------------------------------------------------------


@settings(deadline=None)
@given(plain)
def test_plain_data_are_plain_msgpack(value):
    """What MessagePack has is written as it is, so that anything reads it."""
    data = CODEC.dumps(result(value))
    plain = {**result(value), "a": list(RESULT["a"])}
    assert data == msgpack.packb(plain)
    assert shape(msgpack.unpackb(data, strict_map_key=False)) == shape(plain)


@settings(deadline=None)
@given(plain)
def test_plain_msgpack_is_read(value):
    """What another program has written is read, and its arguments are a tuple."""
    assert shape(CODEC.loads(holding(value))["r"]) == shape(value)
    assert CODEC.loads(msgpack.packb({**JOB, "a": [1, 2]}))["a"] == (1, 2)


def test_arguments_in_a_list():
    """Arguments that are a list, which no client makes, stay one: they have a code of their own."""
    envelope = {**JOB, "a": [1, (2,)]}
    data = CODEC.dumps(envelope)
    assert msgpack.unpackb(data)["a"].code == 14
    assert shape(CODEC.loads(data)) == shape(envelope)


@pytest.mark.parametrize(
    ("code", "value", "body"),
    [(code, *pair) for code, pairs in EXTENSIONS.items() for pair in pairs],
    ids=repr,
)
def test_extension(code, value, body):
    """Each type that MessagePack lacks has its code, and its data are MessagePack again."""
    extension = msgpack.unpackb(CODEC.dumps(result(value)))["r"]
    assert extension.code == code
    assert extension.data == msgpack.packb(body)
    assert shape(CODEC.loads(holding(extension))["r"]) == shape(value)


@pytest.mark.parametrize(
    "value",
    [
        *([1] * 70_000, (1,) * 70_000, dict.fromkeys(range(70_000)), "x" * 70_000, b"x" * 70_000),
        *([-(2**63)] * 20, {"x" * 300: ["y" * 40] * 20}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_large_values(value):
    """Values of all sizes that MessagePack tells apart come back."""
    assert through_job(CODEC, value) == value
    assert through_result(CODEC, [value]) == [value]


def test_it_is_smaller_than_json():
    """It takes fewer bytes than JSON, for which it is there."""
    envelope = job(1, "two", [12_345, None, True] * 10, {"a": b"bytes" * 10, "b": {(1, 2)}})
    assert len(CODEC.dumps(envelope)) < 0.8 * len(JSONCodec().dumps(envelope))


@pytest.mark.parametrize(
    ("data", "recognized"),
    [
        *((bytes([first]), 0x81 <= first <= 0x8F or first in (0xDE, 0xDF)) for first in range(256)),
        (b"", False),
        (b"\x85\xa1t\xc0", True),
        (b"\x80\x04\x95", False),
    ],
)
def test_recognized(data, recognized):
    """MessagePack is known by its map; an empty map begins as a pickle does."""
    assert CODEC.recognizes(data) is recognized


# --- what is refused -----------------------------------------------------------------------


@pytest.mark.parametrize("kind", [bytearray, memoryview])
def test_bytes_of_another_kind(kind):
    """Msgpack takes a bytearray and a memoryview for the bytes that they are equal to."""
    assert shape(through_result(CODEC, [kind(b"a")])) == shape([b"a"])


@pytest.mark.parametrize("code", [0, 15, 99, 127, -2, -128])
def test_unknown_code(code):
    """A payload with a type that is not in the table is refused, but for msgpack's timestamps."""
    data = msgpack.packb(
        {"r": msgpack.ExtType(code, b"\x00\x00\x00\x01")} if code >= 0 else {"r": 0}
    )
    if code < 0:
        data = data[:-1] + b"\xd6" + code.to_bytes(1, "big", signed=True) + b"\x00\x00\x00\x01"
    assert refused(data) == "it has values of an unknown type"


@pytest.mark.parametrize("value", [job(1), result((1, "x")), job(Point(1))], ids=["1", "2", "3"])
def test_bytes_that_do_not_fit(value):
    """Bytes after the end, or too few of them, are refused."""
    data = CODEC.dumps(value)
    for more in (b"\x00", b"\xc0", data, b"\xc1", b"{"):
        assert refused(data + more) == "ExtraData"
    for size in range(len(data)):
        assert refused(data[:size]) != ""


@pytest.mark.parametrize("code", range(1, 14))
def test_bytes_that_do_not_fit_in_an_extension(code):
    """The same holds for the data of an extension."""
    for _, body in EXTENSIONS[code]:
        data = msgpack.packb(body)
        reason = "something comes after an extension type's data"
        assert refused(holding(msgpack.ExtType(code, data + b"\xc0"))) == reason
        assert refused(holding(msgpack.ExtType(code, data[:-1]))) != ""
        assert refused(holding(msgpack.ExtType(code, b""))) != ""


@pytest.mark.parametrize(
    ("code", "body"),
    [
        (1, "ab"),
        (1, {"a": 1}),
        (2, [[1]]),
        (3, [{}]),
        (4, 5),
        (4, "0xg"),
        (5, CANARY),
        (5, 5),
        (6, b"0" * 16),
        (7, 5),
        (7, ["2026-01-02T00:00:00", "../../etc/passwd", 0]),
        (7, ["2026-01-02T00:00:00", None, 2]),
        (8, "2026-01-32"),
        (9, [CANARY, None, 0]),
        (10, [1, 2, True]),
        (10, [2**40, 0, 0]),
        (11, ["os.system", ["true"]]),
        (11, {}),
        (12, []),
        (13, ["a", 5]),
        (13, "ab"),
    ],
    ids=repr,
)
def test_body_that_fits_no_code(code, body):
    """An extension with what does not belong to it is refused, and no value is quoted."""
    before = set(sys.modules)
    assert refused(holding(msgpack.ExtType(code, msgpack.packb(body)))) != ""
    assert set(sys.modules) == before


@pytest.mark.parametrize(
    "data",
    [
        *(
            b"",
            b"\x80",
            b"\x90",
            b"\xc0",
            b"\x01",
            b"\x81\x90\x01",
            b"\x81\x80\x01",
            b"\xc1",
            b"\x81\xa1a",
        ),
        *(b"\x81\xa1\xff\x01", b"\xdf\xff\xff\xff\xff", b"\x81\xa1a\xdd\xff\xff\xff\xff"),
        *(b"\x81\xa1a" + b"\x91" * 100_000 + b"\xc0", b"\x81\xa1a" * 100_000 + b"\xc0"),
    ],
    ids=lambda data: repr(data[:20]),
)
def test_no_envelope(data):
    """Bytes that are no map are refused, an empty one aside, which holds nothing."""
    if data == b"\x80":
        assert CODEC.loads(data) == {}
    else:
        assert refused(data) != ""


READER = """
import sys, threading
from arqade.codecs import MsgpackCodec

def read():
    try:
        print(list(MsgpackCodec().loads(sys.stdin.buffer.read())))
    except Exception as error:
        print(error)

threading.stack_size(512 * 1024)
thread = threading.Thread(target=read)
thread.start()
thread.join()
"""


@pytest.mark.parametrize(
    ("depth", "said"), [(10, "['r']"), (150, "['r']"), (1000, "it is deeper than 200")]
)
def test_extensions_in_each_other(depth, said):
    """Extensions in each other take no stack: a small one would end the process without a word."""
    data = b"\x90"
    for _ in range(depth):
        data = b"\x91" + msgpack.packb(msgpack.ExtType(1, data))
    # In a process of its own, in a thread with as much stack as threads have on macOS.
    done = subprocess.run(
        [sys.executable, "-c", READER], input=b"\x81\xa1r" + data, capture_output=True, check=False
    )
    assert done.returncode == 0
    assert done.stdout.decode().endswith(f"{said}\n")


def test_it_needs_msgpack(monkeypatch):
    """Without msgpack the codec says what to install."""
    monkeypatch.setitem(sys.modules, "msgpack", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'arqade\[msgpack\]'"):
        MsgpackCodec()


def test_pure_python_msgpack(monkeypatch):
    """It does the same with msgpack's slower form, which is there where no compiler was."""
    with monkeypatch.context() as patch:
        patch.setenv("MSGPACK_PUREPYTHON", "1")
        for name in [name for name in sys.modules if name.split(".")[0] == "msgpack"]:
            patch.delitem(sys.modules, name)
        slow = MsgpackCodec([Point, Colour])
        assert sys.modules["msgpack"].Packer.__module__ == "msgpack.fallback"
        values = [value for pairs in EXTENSIONS.values() for value, _ in pairs]
        values += ["\ud800", {1: None}, -0.0, 2**64 - 1, [b"a"]]
        for value in values:
            assert slow.dumps(result(value)) == CODEC.dumps(result(value))
            assert shape(slow.loads(CODEC.dumps(result(value)))) == shape(result(value))
    assert importlib.import_module("msgpack") is msgpack
