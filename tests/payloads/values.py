"""Values that the codecs claim to keep, as Hypothesis makes them, and what tells two values apart.

`JSONCodec` and `MsgpackCodec` claim `TAGGED`, `PickleCodec` and `RestrictedPickleCodec` also what
`PICKLED` has beside it; `CODECS` tells for each codec which of them it has to keep.
"""

from __future__ import annotations

import asyncio
import builtins
import dataclasses
from collections import Counter, OrderedDict, defaultdict, deque
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum
from functools import cache
from types import GetSetDescriptorType, MemberDescriptorType, NoneType
from typing import Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

import attrs
from hypothesis import strategies as st

from arqade.codecs import (
    FallbackCodec,
    JSONCodec,
    MsgpackCodec,
    PickleCodec,
    RestrictedPickleCodec,
    SignedCodec,
)
from arqade.exceptions import ArqadeError
from tests.protocol.envelopes import JOB, RESULT

KEY = bytes(range(32))
OTHER_KEY = bytes(range(32, 64))

# --- envelopes -----------------------------------------------------------------------------


def job(*args, **kwargs):
    """Give the envelope of a job with these arguments."""
    return {**JOB, "a": args, "k": kwargs}


def result(value, *, success=True):
    """Give the envelope of a job's result."""
    return {**RESULT, "s": success, "r": value}


def through_job(codec, value):
    """Give what becomes of an argument."""
    return codec.loads(codec.dumps(job(value)))["a"][0]


def through_result(codec, value):
    """Give what becomes of a result."""
    return codec.loads(codec.dumps(result(value)))["r"]


# --- what tells values apart ---------------------------------------------------------------

NOT_KEPT = frozenset(
    {"__dict__", "__weakref__", "__class__", "args", "__notes__"}
    # What these are is in the text of the traceback alone.
    | {"__traceback__", "__context__", "__cause__", "__suppress_context__"}
    # The object that lacks an attribute.
    | {"obj"}
)
"""Attributes of errors that are compared otherwise, or not at all."""


def shape(value: Any) -> list[str]:
    """Give what tells a value from all others, in lines: `==` does not tell 1 from 1.0, say."""
    return list(_lines(value, "value"))


def _lines(value, path):
    kind = type(value)
    name = f"{path}: {kind.__module__}.{kind.__qualname__}"
    if kind in SCALARS:
        yield f"{name} {SCALARS[kind](value)}"
        return
    yield f"{name} {len(value)}" if kind in LISTS | DICTS | SETS else name
    for part, inner in _parts(value, kind):
        yield from _lines(inner, f"{path}{part}")


def _parts(value, kind):
    """Give what a value holds, and where."""
    if kind in LISTS:
        parts = [(f"[{number}]", inner) for number, inner in enumerate(value)]
    elif kind in SETS:
        parts = [("{}", inner) for inner in sorted(value, key=shape)]
    elif kind in DICTS:
        pairs = enumerate(value.items())
        parts = [(f"{{{number} {what}}}", pair[what]) for number, pair in pairs for what in (0, 1)]
    elif isinstance(value, BaseException):
        parts = [(".args", value.args), *sorted(_attributes(value).items())]
        parts.append((".__notes__", list(getattr(value, "__notes__", ()))))
    elif isinstance(value, Enum):
        return [(".name", value.name)]
    elif attrs.has(kind) or dataclasses.is_dataclass(kind):
        fields = attrs.fields(kind) if attrs.has(kind) else dataclasses.fields(kind)
        return [(f".{field.name}", getattr(value, field.name)) for field in fields]
    else:
        raise TypeError(f"it is not known what tells values of {kind} apart")
    more = [(f".{name}", getattr(value, name)) for name in DETAILS.get(kind, ())]
    return parts + more


def _attributes(error):
    found = {name: value for name, value in vars(error).items() if name not in NOT_KEPT}
    for kind in type(error).__mro__:
        for name, member in vars(kind).items():
            if name not in NOT_KEPT and isinstance(
                member, MemberDescriptorType | GetSetDescriptorType
            ):
                found[name] = getattr(error, name, "not set")
    return {f".{name}": value for name, value in found.items()}


def _shown_time(value):
    zone = value.tzinfo
    if type(zone) is timezone:
        zone = zone.utcoffset(None), zone.tzname(None)
    return value.replace(tzinfo=None, fold=0).isoformat(), value.fold, repr(zone)


SCALARS: dict[type, Any] = {
    **dict.fromkeys((NoneType, bool, int, str, bytes, bytearray, range), ascii),
    **dict.fromkeys((date, timedelta, UUID, type), ascii),
    # With all digits, without a limit to them.
    int: hex,
    float: float.hex,
    complex: lambda value: (value.real.hex(), value.imag.hex()),
    Decimal: str,
    datetime: _shown_time,
    time: _shown_time,
}
LISTS = {list, tuple, deque}
SETS = {set, frozenset}
DICTS = {dict, OrderedDict, Counter, defaultdict}
DETAILS = {deque: ["maxlen"], defaultdict: ["default_factory"]}

# --- strategies ----------------------------------------------------------------------------

DAY = timedelta(days=1)
MICROSECOND = timedelta(microseconds=1)

texts = st.text(st.characters(), max_size=20)
"""Lone surrogates are among them."""

offsets = st.timedeltas(MICROSECOND - DAY, DAY - MICROSECOND).map(timezone)
zones = st.sampled_from(["UTC", "Europe/Berlin", "Asia/Kathmandu", "America/St_Johns"]).map(
    ZoneInfo
)

decimals = st.decimals() | st.sampled_from(
    [Decimal(text) for text in ("-0", "NaN123", "-NaN", "sNaN", "-Infinity", "0E-30", "1E+999999")]
)
integers = st.integers() | st.integers(2**53 - 2, 2**53 + 2) | st.integers(-(2**300), 2**300)

tags = st.sampled_from(["$", "$date", "$dict", "$model", "$error", "$list", "$unknown", "$$"])


FOLD_PROTOCOL = 4
"""From here on pickles tell the second of the two hours with one name."""

NAMES_PROTOCOL = 3
"""From here on pickles name the errors that Python 2 did not have."""


def _times(*, with_zones, with_folds):
    some_zones = st.none() | offsets | (zones if with_zones else st.nothing())
    times = st.datetimes(timezones=some_zones) | st.times(timezones=some_zones)
    if not with_folds:
        return times.map(lambda value: value.replace(fold=0))
    return st.builds(lambda value, fold: value.replace(fold=fold), times, st.integers(0, 1))


def _scalars(*, with_zones=True, with_folds=True):
    return (
        st.none()
        | st.booleans()
        | integers
        | st.floats()
        | texts
        | st.binary(max_size=20)
        | decimals
        | st.uuids()
        | st.dates()
        | st.timedeltas()
        | _times(with_zones=with_zones, with_folds=with_folds)
    )


def _may_be_key(value):
    try:
        hash(value)
    except TypeError:
        # sNaN has no hash.
        return False
    return True


SIMPLE_ERRORS = sorted(
    {
        kind
        for kind in vars(builtins).values()
        if isinstance(kind, type)
        and issubclass(kind, BaseException)
        and (kind is UnicodeError or not issubclass(kind, UnicodeError))
        and not issubclass(kind, SyntaxError | BaseExceptionGroup)
    }
    | {asyncio.CancelledError},
    key=lambda kind: kind.__name__,
)
"""Errors that take any arguments."""

OLD_ERRORS = [
    kind
    for kind in SIMPLE_ERRORS
    if kind is OSError or not issubclass(kind, OSError | ModuleNotFoundError)
]
"""Those that Python 2 has."""


def _error(kind, args, state, notes):
    error = kind(*args)
    for name, value in state.items():
        setattr(error, name, value)
    for note in notes:
        error.add_note(note)
    return error


def _errors(values, kinds):
    """Give errors with arguments, attributes and notes, and groups of them."""
    single = st.builds(
        _error,
        st.sampled_from(kinds),
        st.lists(values, max_size=2),
        st.dictionaries(st.sampled_from(["number", "detail", "_private"]), values, max_size=2),
        st.lists(texts, max_size=2),
    )
    members = st.lists(single, min_size=1, max_size=2)
    return single | st.builds(BaseExceptionGroup, texts, members)


def _keys(scalars):
    return st.recursive(
        scalars.filter(_may_be_key),
        lambda inner: st.lists(inner, max_size=3).map(tuple) | st.frozensets(inner, max_size=3),
        max_leaves=4,
    )


def _containers(keys, inner):
    return (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(texts, inner, max_size=3)
        | st.dictionaries(tags, inner, max_size=2)
        | st.dictionaries(keys, inner, max_size=3)
        | st.sets(keys, max_size=3)
        | st.frozensets(keys, max_size=3)
    )


def _named(name, strategy):
    """Give a strategy that has a short `repr`: Hypothesis warns of long ones."""

    def drawn(draw):
        return draw(strategy)

    drawn.__name__ = drawn.__qualname__ = name
    return st.composite(drawn)()


@cache
def pickled(protocol=4, *, with_zones=False):
    """Give what pickles keep; those of old protocols lack some words for it."""
    numbers = st.integers(-(2**40), 2**40)
    scalars = (
        _scalars(with_zones=with_zones, with_folds=protocol >= FOLD_PROTOCOL)
        | st.complex_numbers()
        | st.builds(range, numbers, numbers, st.integers(1, 9))
    )
    keys = _keys(scalars)

    def extended(inner):
        pairs = st.dictionaries(keys, inner, max_size=3)
        return (
            _containers(keys, inner)
            | _errors(inner, SIMPLE_ERRORS if protocol >= NAMES_PROTOCOL else OLD_ERRORS)
            | pairs.map(OrderedDict)
            | st.builds(defaultdict, st.sampled_from([None, int, list, dict, set]), pairs)
            | st.dictionaries(keys, st.integers(), max_size=3).map(Counter)
            | st.builds(deque, st.lists(inner, max_size=3), st.none() | st.integers(0, 4))
            | st.binary(max_size=9).map(bytearray)
        )

    return _named(f"pickled_{protocol}", st.recursive(scalars, extended, max_leaves=10))


TAGGED_SCALARS = _scalars()
TAGGED_KEYS = _keys(TAGGED_SCALARS)
TAGGED = _named(
    "tagged",
    st.recursive(
        TAGGED_SCALARS,
        lambda inner: _containers(TAGGED_KEYS, inner) | _errors(inner, SIMPLE_ERRORS),
        max_leaves=10,
    ),
)
PICKLED = pickled()


class Case(NamedTuple):
    """A codec, and the values that it claims."""

    codec: Any
    values: Any


CODECS = {
    **{
        f"pickle-{protocol}": Case(
            PickleCodec(protocol=protocol), pickled(protocol, with_zones=True)
        )
        for protocol in range(6)
    },
    **{
        f"restricted-{protocol}": Case(RestrictedPickleCodec(protocol=protocol), pickled(protocol))
        for protocol in range(6)
    },
    "json": Case(JSONCodec(), TAGGED),
    "msgpack": Case(MsgpackCodec(), TAGGED),
    "signed-pickle": Case(SignedCodec(PickleCodec(), [KEY, OTHER_KEY], context="mail"), PICKLED),
    "signed-restricted": Case(SignedCodec(RestrictedPickleCodec(), [KEY]), PICKLED),
    "signed-json": Case(SignedCodec(JSONCodec(), [KEY], context=b"\x00mail"), TAGGED),
    "signed-msgpack": Case(SignedCodec(MsgpackCodec(), [KEY]), TAGGED),
    "fallback-json": Case(
        FallbackCodec(
            JSONCodec(), [MsgpackCodec(), SignedCodec(JSONCodec(), [KEY]), PickleCodec()]
        ),
        TAGGED,
    ),
    "fallback-pickle": Case(FallbackCodec(PickleCodec(), [JSONCodec()]), PICKLED),
}
"""Every codec, and some in others."""


def what_is_lost(codec, value):
    """Give what comes back from an argument and a result that is not the value, and the value."""
    try:
        jobs = codec.loads(codec.dumps(job(value, [value], x=value)))
        found = [*jobs["a"], jobs["k"]["x"], through_result(codec, value)]
    except ArqadeError as error:
        return str(error)
    lines = zip(map(shape, found), map(shape, [value, [value], value, value]), strict=True)
    return [(actual, expected) for actual, expected in lines if actual != expected]
