"""Broken bytes, and bombs, against every decoder.

ARQADE_FUZZ says how many inputs each decoder gets, ARQADE_FUZZ_SEED which one is the first.
"""

from __future__ import annotations

import contextlib
import os
import resource
import struct
import traceback
from asyncio import CancelledError
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from random import Random
from typing import Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

import attrs
import pytest

from arqade._protocol.payloads import decode_job, decode_result
from arqade.codecs import (
    FallbackCodec,
    JSONCodec,
    MsgpackCodec,
    PickleCodec,
    RestrictedPickleCodec,
    SignedCodec,
)
from arqade.exceptions import JobDeserializationError, JobExecutionFailed
from arqade.models import JobStatus
from tests.harness.canary import CANARY
from tests.payloads.audit import ALLOWED, MIB, AppError, Confined, Slotted, watched
from tests.payloads.pickles import (
    HERE,
    built,
    builtin,
    call,
    envelope,
    error,
    get,
    group,
    named,
    op,
    opcodes_of,
    put,
)
from tests.protocol.envelopes import JOB, RESULT

COUNT = int(os.environ.get("ARQADE_FUZZ", "500"))
FIRST = int(os.environ.get("ARQADE_FUZZ_SEED", "0"))
CHUNK = 1000
"""How many inputs a confined process reads."""

# --- decoders, and what they read ----------------------------------------------------------


@attrs.define
class Model:
    """An application's model."""

    name: str
    others: list[Model] = attrs.field(factory=list)
    value: Any = None


class Level(Enum):
    """An application's enum."""

    LOW = "low"


def noted(failure):
    """Give an error a note."""
    failure.add_note("note")
    return failure


LITERALS = [None, True, 7, -(2**70), 1.5, float("-inf"), "text \u20ac", CANARY, b"bytes", (1, ())]
LITERALS += [[1, [2]], {1, "a"}, frozenset({2}), {"a": 1, 2: "b", (3,): None}, {}]
VALUES = [*LITERALS, datetime(2026, 11, 28, tzinfo=UTC)]
VALUES += [datetime(2026, 11, 28, fold=1)]  # noqa: DTZ001 - it is one without a zone
VALUES += [date(2026, 11, 28), time(1, 2), timedelta(1, 2), Decimal("1.50"), UUID(int=7)]
TAGGED = [*VALUES, Model("a", [Model("b")], (1,)), Level.LOW]
TAGGED += [datetime(2026, 11, 28, tzinfo=ZoneInfo("Europe/Berlin"))]
PICKLED = [*VALUES, range(3), 2j, bytearray(b"bytes"), Slotted(1, "two")]
ERRORS = [noted(ValueError("reason", 1)), OSError(2, "reason", "file"), CancelledError()]
ERRORS += [ExceptionGroup("several", [KeyError("a")]), JobExecutionFailed("reason")]
ERRORS += [AppError("reason")]


def payloads(codec, values, errors):
    """Give a job, a result, and results that are errors."""
    job = {**JOB, "a": tuple(values), "k": {"last": values[-1]}}
    success = {**RESULT, "s": True, "r": values}
    failures = [{**RESULT, "s": False, "r": failure} for failure in errors]
    return [codec.dumps(each) for each in (job, success, *failures)]


class Raw:
    """Stands for a codec, and writes what it was given.

    Args:
        data: What it was given.
    """

    def __init__(self, data):
        self._data = data

    def dumps(self, _, /):
        return self._data

    def loads(self, _, /):
        raise NotImplementedError


class Decoder(NamedTuple):
    """A decoder, and some of what it reads."""

    codec: Any
    payloads: list[bytes]

    signed: bool = False
    """Whether the payloads are signed once they are broken."""

    runs_code: bool = False
    """Whether it is `PickleCodec`, which does what bytes say.

    It gets pickles of literals alone, broken by chance: they name no function but by a chance that
    will never come.
    """


KEYS = [bytes(range(32)), bytes(32)]
RESTRICTED = RestrictedPickleCodec(ALLOWED)
LENIENT = RestrictedPickleCodec((), "placeholder")
JSON = JSONCodec([Model, Level], [AppError])
MSGPACK = MsgpackCodec([Model, Level], [AppError])
INNER = {
    "pickle": Decoder(PickleCodec(), payloads(PickleCodec(), LITERALS, []), runs_code=True),
    "restricted": Decoder(RESTRICTED, payloads(RESTRICTED, PICKLED, ERRORS)),
    "placeholder": Decoder(LENIENT, payloads(RESTRICTED, PICKLED, ERRORS)),
    "json": Decoder(JSON, payloads(JSON, TAGGED, ERRORS)),
    "msgpack": Decoder(MSGPACK, payloads(MSGPACK, TAGGED, ERRORS)),
}
SIGNED = {
    f"signed-{name}": each._replace(codec=SignedCodec(each.codec, KEYS), signed=True)
    for name, each in INNER.items()
}
SOME = ("restricted", "json", "msgpack")
FALLBACK = {
    "fallback": Decoder(
        FallbackCodec(JSON, [SIGNED["signed-json"].codec, MSGPACK, RESTRICTED]),
        [data for name in SOME for data in INNER[name].payloads],
    ),
    "fallback-pickle": Decoder(
        FallbackCodec(PickleCodec(), [JSON, MSGPACK]),
        [data for name in ("pickle", "json", "msgpack") for data in INNER[name].payloads],
        runs_code=True,
    ),
}
DECODERS = INNER | SIGNED | FALLBACK
SAFE = [name for name, each in DECODERS.items() if not each.runs_code]
UNSAFE = [name for name in DECODERS if name not in SAFE]


def signed(data, number):
    """Sign any bytes, as someone with the key may do, as what a decoder's payload is."""
    return SignedCodec(Raw(data), KEYS).dumps(RESULT if number else JOB)


def whole_payloads(decoder):
    """Give what a decoder reads."""
    if not decoder.signed:
        return decoder.payloads
    return [signed(data, number) for number, data in enumerate(decoder.payloads)]


# --- broken bytes --------------------------------------------------------------------------


def flipped(random, data, _):
    """Flip some bits."""
    broken = bytearray(data)
    for _ in range(random.randint(1, 8)):
        broken[random.randrange(len(broken))] ^= 1 << random.randrange(8)
    return bytes(broken)


def spliced(random, data, other):
    """Put some bytes of another payload, or of the same one, in the place of some."""
    start, end = sorted(random.choices(range(len(data) + 1), k=2))
    other_start = random.randrange(len(other))
    return data[:start] + other[other_start : other_start + random.randint(0, 40)] + data[end:]


def overwritten(random, data, _):
    """Put random bytes, or those of a number that means something, over some."""
    start = random.randrange(len(data))
    new = random.choice(
        [random.randbytes(random.randint(1, 8)), b"\xff" * 4, b"\xff" * 8, bytes(4)]
    )
    return data[:start] + new + data[start + len(new) :]


def cut(random, data, _):
    """Cut off the end, or the beginning."""
    place = random.randrange(len(data))
    return random.choice([data[:place], data[place:]])


def begun(random, data, _):
    """Go on with random bytes after the beginning."""
    return data[: random.randrange(len(data))] + random.randbytes(random.randint(0, 60))


def any_bytes(random, _, __):
    """Make random bytes."""
    return random.randbytes(random.randint(0, 60))


WAYS = [
    flipped,
    flipped,
    flipped,
    spliced,
    spliced,
    overwritten,
    overwritten,
    cut,
    begun,
    any_bytes,
]


def broken(name, number):
    """Break a payload of a decoder in a random way, the same one for the same number."""
    random = Random(f"{name} {number}")
    decoder = DECODERS[name]
    which = random.randrange(len(decoder.payloads))
    # What breaks a signed payload itself is refused at once.
    inside = decoder.signed and random.random() < 0.9
    all_of_them = decoder.payloads if inside else whole_payloads(decoder)
    data = random.choice(WAYS)(random, all_of_them[which], random.choice(all_of_them))
    return signed(data, which) if inside else data


def read(codec, data, number):
    """Read bytes as a codec, as a job, or as a result."""
    if number % 3 == 0:
        place = {"job_id": "j", "queue_name": "q", "status": JobStatus.queued, "score": 1}
        return decode_job(data, **place, codec=codec)
    if number % 3 == 1:
        return decode_result(data, job_id="j", queue_name="q", codec=codec)
    found = codec.loads(data)
    if not isinstance(found, dict) and not isinstance(codec, PickleCodec):
        raise TypeError("it gave no dict")
    return found


def show(value):
    """Print a value, but for numbers of more digits than Python prints."""
    try:
        return repr(value)
    except ValueError as failed:
        assert "digits" in str(failed)  # noqa: PT017 - others are raised
        return str(failed)


def check(name, first, count):
    """Read broken payloads; an error tells why something else than an error came."""
    decoder = DECODERS[name]
    quiet = watched if name in ("restricted", "placeholder") else contextlib.nullcontext
    for number in range(first, first + count):
        data = broken(name, number)
        try:
            with quiet():
                found = read(decoder.codec, data, number)
            show(found)
            said = ""
        except JobDeserializationError as failed:
            said = str(failed)
        except BaseException as failed:
            failed.add_note(f"The payload is tests.payloads.test_fuzz.broken({name!r}, {number}).")
            raise
        assert CANARY not in said


@pytest.mark.parametrize("name", SAFE)
def test_broken_payloads(name):
    """Broken bytes give what they say, or the error for bytes that can't be decoded."""
    check(name, FIRST, COUNT)


def check_confined(name, first, count):
    """Read broken payloads in a confined process; tell what went wrong."""
    try:
        check(name, first, count)
    except BaseException as error:  # noqa: BLE001 - it is told, not raised
        return [repr(error), *error.__notes__]
    return []


@pytest.mark.parametrize("name", UNSAFE)
def test_broken_payloads_that_might_run_code(name, confined):
    """`PickleCodec` survives as well, in a process that has no more than some memory."""
    for first in range(FIRST, FIRST + COUNT, CHUNK):
        count = min(CHUNK, FIRST + COUNT - first)
        outcome = confined.call(check_confined, name, first, count)
        if outcome.signal:
            signals = {
                n: confined.call(check_confined, name, n, 1).signal
                for n in range(first, first + count)
            }
            pytest.fail(f"its process died of {[pair for pair in signals.items() if pair[1]]}")
        assert outcome.value == []


@pytest.mark.parametrize("name", DECODERS)
def test_cut_off(name):
    """A payload that is cut off anywhere can't be decoded."""
    decoder = DECODERS[name]
    for number, data in enumerate(whole_payloads(decoder)):
        decoder.codec.loads(data)
        for end in range(len(data)):
            with pytest.raises(JobDeserializationError):
                decoder.codec.loads(data[:end])
        if decoder.signed:
            with pytest.raises(JobDeserializationError):
                decoder.codec.loads(signed(decoder.payloads[number][:-1], number))


@pytest.mark.parametrize("name", DECODERS)
def test_payloads_are_read(name):
    """What is broken here can be read while it is whole: a job, a result and errors."""
    decoder = DECODERS[name]
    found = [decoder.codec.loads(data) for data in whole_payloads(decoder)]
    assert len(found) >= 2
    assert all(each["f"] == "work" for each in found)


@pytest.mark.parametrize("name", SAFE)
def test_breaks_differ(name):
    """Some broken payloads decode and others don't, and the same number gives the same bytes."""
    assert [broken(name, n) for n in range(50)] == [broken(name, n) for n in range(50)]
    read = 0
    for number in range(1000):
        with contextlib.suppress(JobDeserializationError):
            DECODERS[name].codec.loads(broken(name, number))
            read += 1
    assert 10 < read < 900


# --- bombs ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def confined():
    """A maker of processes with little memory and time."""
    confined = Confined()
    yield confined
    confined.close()


def doubled(index, first, close, levels=60):
    """Keep what holds twice what holds twice what holds twice another value, and so on."""
    step = put(index, group(close, get(index), get(index)))
    return put(index, group(close, *first)) + step * levels


def chain(make, levels):
    """Give what holds one of its like, and so on; ``make`` takes the opcodes of the inner one."""
    return group("POP_MARK", put(0, op("NONE")) + put(0, make(get(0))) * levels) + get(0)


def times(count, code):
    return group("LIST", code * count)


P = 2**61 - 1
"""Integers that differ by this have one hash."""

NONE, ONE = op("NONE"), op("BININT1", 1)
JEF = named("arqade.exceptions", "JobExecutionFailed")
ENDLESS = opcodes_of(range(10**12))
# What is made of these is found in the memory that a confined process has.
LONG = opcodes_of(range(10**7))
TIMES_1000 = group("LIST", NONE * 60_000)
BIG_INT = op("LONG4", 1 << 4_000_000)
MANY = group("LIST", NONE * 100_000)
NUMBERS = group("LIST", *(op("BININT", number) for number in range(50_000)))
PAIRS = op("EMPTY_DICT") + group("SETITEMS", *(op("BININT", n) + NONE for n in range(50_000)))
LISTS = doubled(1, [NONE], "LIST")
TUPLES = doubled(1, [NONE], "TUPLE")
DEEP = put(1, op("EMPTY_TUPLE") + op("TUPLE1") * 100_000)
LATE = put(2, call(JEF)) + put(3, op("EMPTY_DICT"))


def key(value):
    return op("EMPTY_DICT") + value + NONE + op("SETITEM")


def hidden(target):
    """Give an error arguments by a state that is changed afterwards, so that it no longer tells."""
    args = opcodes_of("args")
    state = put(3, op("EMPTY_DICT") + args + get(1) + op("TUPLE1") + op("SETITEM"))
    later = put(2, get(2) + get(3) + op("BUILD")) + put(
        3, get(3) + args + op("EMPTY_TUPLE") + op("SETITEM")
    )
    return put(2, call(target)) + state + later + get(2)


PICKLES = {
    "lists": LISTS + get(1),
    "tuples": TUPLES + get(1),
    "dicts": doubled(1, [ONE, NONE], "DICT") + get(1),
    "dicts-in-dicts": put(1, op("EMPTY_DICT"))
    + put(1, group("DICT", ONE, get(1), NONE, get(1))) * 60
    + get(1),
    "calls": put(1, NONE) + put(1, call(named("os", "system"), get(1), get(1))) * 60 + get(1),
    "errors": put(1, NONE) + put(1, error(get(1), get(1))) * 60 + get(1),
    "tuple-as-key": TUPLES + key(get(1)),
    "tuple-as-member": TUPLES + op("EMPTY_SET") + group("ADDITEMS", get(1)),
    "tuple-in-set": TUPLES + call(builtin("set"), group("LIST", get(1))),
    "tuple-in-frozenset": TUPLES + group("FROZENSET", get(1)),
    "error-as-key": TUPLES + key(call(JEF, get(1))),
    "state-in-key": TUPLES + key(built(call(JEF), args=get(1))),
    "placeholder-as-key": LISTS + key(call(named("os", "system"), get(1))),
    "placeholders-as-keys": LISTS
    + doubled(2, [NONE], "LIST")
    + op("EMPTY_DICT")
    + group("SETITEMS", *(call(named("os", "x"), get(index)) + NONE for index in (1, 2))),
    "hidden": LISTS + hidden(builtin("Exception")),
    "hidden-by-state": LISTS + built(built(error(), args=get(1) + op("TUPLE1"))),
    "hidden-by-state-in-key": TUPLES + key(built(built(call(JEF), args=get(1)))),
    "hidden-in-kwargs": LISTS
    + put(2, op("EMPTY_DICT") + opcodes_of("a") + get(1) + op("SETITEM"))
    + group(
        "LIST",
        named(HERE, "Keyed") + op("EMPTY_TUPLE") + get(2) + op("NEWOBJ_EX"),
        put(2, get(2) + opcodes_of("a") + NONE + op("SETITEM")),
    ),
    "hidden-in-counter": LISTS
    + put(2, op("EMPTY_DICT") + ONE + get(1) + op("SETITEM"))
    + group(
        "LIST",
        call(named("collections", "Counter"), get(2)),
        put(2, get(2) + ONE + NONE + op("SETITEM")),
    ),
    "hidden-in-rebuilt": LISTS
    + put(2, op("EMPTY_DICT") + opcodes_of("args") + get(1) + op("TUPLE1") + op("SETITEM"))
    + group(
        "LIST",
        call(
            named("arqade.exceptions", "_rebuild"),
            named("arqade.exceptions", "QueueClosed"),
            op("EMPTY_TUPLE"),
            get(2),
        ),
        put(2, get(2) + opcodes_of("args") + op("EMPTY_TUPLE") + op("SETITEM")),
    ),
    "hidden-in-key": TUPLES + key(hidden(JEF)),
    "hidden-depth-in-key": DEEP + key(hidden(JEF)),
    "text-of-lists": LISTS + call(named("arqade.exceptions", "JobNotFound"), get(1)),
    "text-of-rebuilt": LISTS
    + call(
        named("arqade.exceptions", "_rebuild"),
        named("arqade.exceptions", "JobNotFound"),
        group("TUPLE", get(1)),
        op("EMPTY_DICT"),
    ),
    "deep-tuple": DEEP + get(1),
    "deep-tuple-as-key": DEEP + key(get(1)),
    "deep-list": op("MARK") * 100_000 + op("LIST") * 100_000,
    "deep-dict": (op("EMPTY_DICT") + ONE) * 100_000 + NONE + op("SETITEM") * 100_000,
    "deep-calls": chain(lambda inner: call(named("os", "x"), inner), 20_000),
    "deep-deque": chain(
        lambda inner: call(named("collections", "deque")) + inner + op("APPEND"), 20_000
    ),
    "deep-defaultdict": chain(
        lambda inner: call(named("collections", "defaultdict")) + ONE + inner + op("SETITEM"),
        20_000,
    ),
    "deep-error": chain(lambda inner: built(call(builtin("AttributeError")), obj=inner), 50_000),
    **{
        f"dropped-{name}": chain(step, 20_000) + op("POP") + NONE
        for name, step in {
            "deque": lambda inner: call(named("collections", "deque")) + inner + op("APPEND"),
            "defaultdict": lambda inner: call(named("collections", "defaultdict"))
            + ONE
            + inner
            + op("SETITEM"),
            "error": lambda inner: built(call(builtin("AttributeError")), obj=inner),
        }.items()
    },
    "long-text-in-many-places": put(1, opcodes_of("x" * 1_000_000)) + times(100_000, get(1)),
    "long-bytes-in-many-places": put(1, opcodes_of(b"x" * 1_000_000)) + times(100_000, get(1)),
    "carets": call(
        builtin("SyntaxError"),
        opcodes_of("x"),
        group("TUPLE", *map(opcodes_of, ["a.py", 1, 1, "text", 1, 10**10])),
    ),
    "carets-by-state": built(
        call(builtin("SyntaxError"), opcodes_of("x"), opcodes_of(("a.py", 1, 1, "t", 1, 2))),
        end_offset=opcodes_of(10**10),
    ),
    "deep-marks": op("MARK") * 200_000 + op("TUPLE") * 200_000,
    "memo-index": NONE + op("LONG_BINPUT", 2**32 - 1),
    "memo-decimal": NONE + op("PUT", 10**4000),
    "memo-many": NONE + op("MEMOIZE") * 500_000,
    "long-bytearray": b"\x96" + (2**62).to_bytes(8, "little"),
    "long-text": b"\x8d" + (2**63 - 1).to_bytes(8, "little"),
    "long-bytes": b"\x8e" + (2**64 - 1).to_bytes(8, "little"),
    "long-frame": op("FRAME", 2**63) + NONE,
    "long-number": b"\x8b" + (2**31 - 1).to_bytes(4, "little"),
    "short-text": b"T" + (-1).to_bytes(4, "little", signed=True),
    "text-of-number": b"I" + b"9" * 1_000_000 + b"\n",
    "text-of-long": b"L" + b"9" * 1_000_000 + b"L\n",
    "text-of-float": b"F0." + b"3" * 1_000_000 + b"\n",
    "bytes": call(builtin("bytes"), opcodes_of(10**12)),
    "bytearray": call(builtin("bytearray"), opcodes_of(10**12)),
    "set-of-range": call(builtin("set"), ENDLESS),
    "args-of-range": built(error(), args=LONG),
    "group-of-range": call(builtin("ExceptionGroup"), opcodes_of("x"), LONG),
    "append-of-range": built(error(), append=builtin("list")) + LONG + op("APPEND"),
    "state-of-range": built(call(named(HERE, "Plain")), __setstate__=builtin("list"))
    + LONG
    + op("BUILD"),
    "copied-to-set": put(1, NUMBERS) + times(500, call(builtin("set"), get(1))),
    "copied-to-counter": put(1, PAIRS)
    + times(500, call(named("collections", "Counter"), get(1))),
    "copied-to-bytearray": put(1, opcodes_of(bytes(500_000)))
    + times(5000, call(builtin("bytearray"), get(1))),
    "copied-to-args": put(1, MANY) + times(5000, built(error(), args=get(1))),
    "tuple-copied-to-args": put(1, MANY[:-1] + op("TUPLE"))
    + put(2, builtin("ValueError"))
    + group("POP_MARK", (get(2) + get(1) + op("REDUCE")) * 100_000)
    + NONE,
    "retry-of-list": call(named("arqade.exceptions", "Retry"), TIMES_1000),
    "retry-of-text": call(named("arq.worker", "Retry"), opcodes_of("9" * 500_000)),
    "retry-of-decimal": put(1, opcodes_of(Decimal("1e999990")))
    + times(1000, call(named("arqade.exceptions", "Retry"), get(1))),
    "failing-sets": put(1, group("LIST", group("TUPLE", NONE * 90_000)))
    + times(3000, call(builtin("set"), get(1))),
    "failing-copies": put(1, group("LIST", MANY)) + times(20_000, call(builtin("set"), get(1))),
    "failing-times": put(1, BIG_INT) + times(20_000, call(named("datetime", "timedelta"), get(1))),
    "failing-states": NONE
    + op("MEMOIZE") * 200_000
    + op("POP")
    + times(20_000, error() + NONE + op("BUILD")),
    "big-keys": put(1, BIG_INT) + op("EMPTY_DICT") + (get(1) + NONE + op("SETITEM")) * 50_000,
    "big-keys-in-tuples": put(1, BIG_INT + op("TUPLE1"))
    + op("EMPTY_DICT")
    + (get(1) + NONE + op("SETITEM")) * 50_000,
    "equal-hashes": op("EMPTY_SET")
    + group("ADDITEMS", *(op("LONG1", P * number) for number in range(1, 40_000))),
    "equal-placeholders": op("EMPTY_SET")
    + put(1, named("os", "x"))
    + group("ADDITEMS", *(call(get(1), op("BININT", number)) for number in range(20_000))),
    "text-of-error": call(
        builtin("UnicodeDecodeError"),
        *map(opcodes_of, ["utf-8", b"x", -(10**14), 1 - 10**14, "reason"]),
    ),
    "text-of-changed-error": built(
        call(builtin("UnicodeDecodeError"), *map(opcodes_of, ["utf-8", b"x", 0, 1, "reason"])),
        object=opcodes_of(7),
        start=opcodes_of(-(10**14)),
        end=opcodes_of(1 - 10**14),
    ),
}  # fmt: skip
"""What takes a process's memory or time, or ends it, where nothing is done against it."""

DIGITS = "9" * 1_000_000
ZEROS = ",".join("0" * 60_000)


def tagged(tag, body):
    """Give what stands for a value in JSON."""
    return '{"$%s":%s}' % (tag, body)  # noqa: UP031 - it is full of braces


def failure(kind, *args):
    """Give what stands for an error in JSON."""
    return tagged("error", f'{{"type":"{kind}","text":"","args":[{",".join(args)}]}}')


def equal(number):
    """Give one of the integers that have the same hash, as it is in JSON."""
    return tagged("int", f'"{P * number:x}"')


JSONS = {
    "deep-list": "[" * 100_000 + "]" * 100_000,
    "deep-dict": '{"a":' * 100_000 + "1" + "}" * 100_000,
    "deep-tuple": '{"$tuple":[' * 100_000 + "]}" * 100_000,
    "deep-errors": '{"$error":{"type":"a","text":"","args":[' * 50_000 + "]}}" * 50_000,
    "number": DIGITS,
    "int": tagged("int", f'"{DIGITS}"'),
    "decimal": tagged("decimal", f'"{DIGITS}"'),
    "float": f"0.{DIGITS}",
    "timedelta": tagged("timedelta", f"[{DIGITS[:4000]},0,0]"),
    "retry-of-list": failure("arq.Retry", f"[{ZEROS}]"),
    "retry-of-text": failure("arq.Retry", f'"{DIGITS[:500_000]}"'),
    "retry-of-decimal": "["
    + ",".join([failure("arq.Retry", tagged("decimal", '"1e999990"'))] * 300)
    + "]",
    "equal-hashes": tagged(
        "set", "[" + ",".join(map(equal, range(1, 30_000))) + "]"
    ),
    "equal-hashes-of-decimals": tagged(
        "set", "[" + ",".join(tagged("decimal", f'"{P * n}"') for n in range(1, 30_000)) + "]"
    ),
    "equal-hashes-of-keys": tagged(
        "dict", "[" + ",".join(f"[{equal(n)},0]" for n in range(1, 30_000)) + "]"
    ),
    "zone": tagged("datetime", f'["2026-11-28T00:00:00","{"a/" * 100_000}",0]'),
    "carets": failure("SyntaxError", '"x"', tagged("tuple", f'["a.py",1,1,"text",1,{10**10}]')),
    "text-of-error": failure(
        "UnicodeDecodeError",
        *('"u"', tagged("bytes", '"eA=="'), str(-(10**14)), str(1 - 10**14), '"r"'),
    ),
}  # fmt: skip


def extension(body, code=1):
    """Give an extension of MessagePack."""
    return b"\xc9" + struct.pack(">Ib", len(body), code) + body


def nested(levels, body):
    for _ in range(levels):
        body = extension(b"\x91" + body)
    return body


def packed(number):
    """Give one of the integers that have the same hash."""
    text = f"{P * number:x}".encode()
    return extension(b"\xd9" + bytes([len(text)]) + text, 4)


MSGPACKS = {
    "deep-list": b"\x91" * 100_000 + b"\xc0",
    "deep-dict": b"\x81\x01" * 100_000 + b"\xc0",
    "deep-tuple": nested(5000, b"\xc0"),
    "deep-as-allowed": nested(198, b"\xc0"),
    "deep-and-long": nested(190, b"\xc6" + struct.pack(">I", 3_000_000) + bytes(3_000_000)),
    "long-list": b"\xdd\xff\xff\xff\xff",
    "long-lists": (b"\xdd" + struct.pack(">I", 1_000_000)) * 500 + b"\xc0" * 1_000_000,
    "long-dict": b"\xdf\xff\xff\xff\xff",
    "long-text": b"\xdb\xff\xff\xff\xff",
    "long-extension": b"\xc9\xff\xff\xff\xff\x01",
    "equal-hashes": extension(
        b"\xdd" + struct.pack(">I", 29_999) + b"".join(map(packed, range(1, 30_000))), 2
    ),
    "retry-of-list": extension(
        b"\x83\xa4type\xa9arq.Retry\xa4text\xa0\xa4args\x91\xdd"
        + struct.pack(">I", 60_000)
        + bytes(60_000),
        12,
    ),
}  # fmt: skip

BOMBS = {
    **{
        (mode, name): envelope(data)
        for mode in ("restricted", "lenient")
        for name, data in PICKLES.items()
    },
    **{("json", name): f'{{"r":{data}}}'.encode() for name, data in JSONS.items()},
    **{("msgpack", name): b"\x81\xa1r" + data for name, data in MSGPACKS.items()},
}
"""What takes a process's memory or time, or ends it, where nothing is done against it."""

READERS = {
    "restricted": RESTRICTED,
    "lenient": RestrictedPickleCodec(ALLOWED, "placeholder"),
    "json": JSON,
    "msgpack": MSGPACK,
}


def read_and_show(name, data):
    """Read a payload, and show what it holds, with the stack of a small thread."""
    if name != "msgpack":
        resource.setrlimit(resource.RLIMIT_STACK, (MIB // 2, MIB // 2))
    try:
        found = READERS[name].loads(data)
    except JobDeserializationError as failed:
        return str(failed)
    show(found)
    value = found["r"]
    if isinstance(value, BaseException):
        return "".join(traceback.format_exception(value))[:100]
    return "a value"


@pytest.mark.parametrize(("reader", "name"), BOMBS)
def test_bombs(reader, name, confined):
    """A bomb is refused, or does no harm: it takes little memory and time to read and to show."""
    outcome = confined.call(read_and_show, reader, BOMBS[reader, name])
    assert outcome.signal == 0
    assert "MemoryError" not in outcome.value
    assert outcome.growth < 256 * MIB


def test_confined(confined):
    """A process that takes too much is found out."""
    assert confined.call(int, "5").value == 5
    assert confined.call(bytearray, 300 * MIB).growth > 256 * MIB
    assert confined.call(os.abort) == (None, 6, pytest.approx(0, abs=50 * MIB))
