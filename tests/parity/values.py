"""What the stories put into jobs, and how answers are made comparable."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from hashlib import sha256
from pathlib import PurePosixPath
from threading import Lock
from typing import TYPE_CHECKING, Any
from uuid import UUID

import attrs
from hypothesis import strategies as st

from tests.harness.stock_values import CustomError, Elsewhere, UndecodableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = [
    "SENDABLE",
    "UNSENDABLE",
    "VALUES",
    "Moment",
    "Named",
    "build",
    "differences",
    "normal",
    "spoil",
]

TOLERANCE_MS = 2000
"""How far apart two times may be that are to be the same."""

BIG = 10**18
"""Integers from here on are shown as a hash: Python refuses long decimals."""


# --- values ----------------------------------------------------------------------------


@attrs.frozen
class Point:
    """A class of an application."""

    x: int
    y: Any


class Unprintable:
    """It can be pickled, and its `repr` raises."""

    def __repr__(self) -> str:
        raise RuntimeError("no repr")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Unprintable)

    __hash__ = object.__hash__


class RaisingReduce:
    """Its pickling raises an error of its own."""

    def __reduce__(self) -> Any:
        raise KeyError("no pickle")


def noted_error() -> Exception:
    error = ValueError("noted")
    error.add_note("a note")
    return error


@attrs.frozen
class Named:
    """Stands for a value that is made anew for each side: it can't be copied, shown or shared."""

    name: str

    def __repr__(self) -> str:
        return f"Named({self.name!r})"


MAKERS: dict[str, Callable[[], Any]] = {
    "a long int": lambda: 10**5000,
    "an unprintable object": Unprintable,
    "an attrs object": lambda: Point(1, [2]),
    "an error": lambda: ValueError("no", 1),
    "an error with a note": noted_error,
    "an error of an application": lambda: CustomError("custom", 7),
    "a group of errors": lambda: ExceptionGroup("group", [KeyError("k"), ValueError(2)]),
    "an object that can't be decoded": Elsewhere,
    "an error that can't be decoded": lambda: UndecodableError("undecodable", 7),
    "a function": lambda: lambda: None,
    "a lock": Lock,
    "an object that refuses": RaisingReduce,
    "a generator": lambda: (n for n in ()),
}

SENDABLE = (
    "a long int",
    "an unprintable object",
    "an attrs object",
    "an error",
    "an error with a note",
    "an error of an application",
    "a group of errors",
    "an object that can't be decoded",
    "an error that can't be decoded",
)
UNSENDABLE = ("a function", "a lock", "an object that refuses", "a generator")


def build(value: Any) -> Any:
    """Make a fresh copy of a value, with what its names stand for."""
    match value:
        case Named(name):
            return MAKERS[name]()
        case dict():
            return {build(key): build(part) for key, part in value.items()}
        case list() | tuple() | set() | frozenset():
            return type(value)(build(part) for part in value)
    return value


PLAIN = st.one_of(
    st.sampled_from(
        [
            *(None, True, 0, -1, 2**63, -(10**40), 1.5, -0.0, math.inf, math.nan),
            *("", "text", "ünï ☃ \U0001f600", "nul\0", b"", b"\x00\xff"),
            datetime(2024, 2, 29, 12, 30, 15, 123456),  # noqa: DTZ001 - naive ones are sent, too
            datetime(2024, 2, 29, 12, 30, tzinfo=UTC),
            datetime(2024, 2, 29, 12, 30, tzinfo=timezone(timedelta(hours=5, minutes=30))),
            timedelta(days=-1, microseconds=1),
            Decimal("1.10"),
            UUID(int=7),
            PurePosixPath("a/b"),
            frozenset({1, 2}),
            range(3),
        ]
    ),
    st.sampled_from(SENDABLE[:-2]).map(Named),
    st.integers(),
    st.text(max_size=5),
    st.binary(max_size=5),
)
VALUES = st.one_of(
    PLAIN,
    st.recursive(
        PLAIN,
        lambda inner: st.one_of(
            st.lists(inner, max_size=3),
            st.lists(inner, max_size=3).map(tuple),
            st.dictionaries(st.text(max_size=3), inner, max_size=3),
        ),
        max_leaves=4,
    ),
)
"""Arguments of jobs, to be built by `build`."""


# --- comparing -------------------------------------------------------------------------


class Moment:
    """A time in milliseconds that equals another one within the tolerance."""

    def __init__(self, ms: float) -> None:
        self.ms = ms

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Moment) and abs(self.ms - other.ms) <= TOLERANCE_MS

    __hash__ = object.__hash__

    def __repr__(self) -> str:
        return f"Moment({self.ms})"


def normal(value: Any) -> Any:  # noqa: C901 - one case for each kind of value
    """Make a value comparable by ``==``, types, orders and the arguments of errors included."""
    match value:
        case bool() | None:
            return value
        case int() if abs(value) >= BIG:
            return ("int", hex(value)[:20], sha256(hex(value).encode()).hexdigest())
        case float():
            return ("float", repr(value))
        case BaseExceptionGroup():
            return ("group", type(value).__name__, value.message, normal(list(value.exceptions)))
        case BaseException():
            # arqade's stand-ins have the names of arq's own.
            notes = getattr(value, "__notes__", [])
            return ("error", type(value).__name__, normal(value.args), normal(notes))
        case dict():
            return ("dict", [(normal(key), normal(part)) for key, part in value.items()])
        case list() | tuple():
            return (type(value).__name__, [normal(part) for part in value])
        case datetime():
            return ("datetime", value.isoformat())
        case Point():
            return ("Point", value.x, normal(value.y))
        case Unprintable() | Elsewhere():
            return type(value).__name__
    return (type(value).__name__, value)


def differences(expected: Any, found: Any, path: str = "") -> Iterator[str]:
    """Tell where two comparable values differ."""
    if expected == found:
        return
    match expected, found:
        case dict(), dict():
            for key in sorted({*expected, *found}, key=str):
                name = f"{path}[{key!a}]"
                yield from differences(expected.get(key, "absent"), found.get(key, "absent"), name)
            return
        case (list(), list()) | (tuple(), tuple()) if len(expected) == len(found):
            for n, (one, other) in enumerate(zip(expected, found, strict=True)):
                yield from differences(one, other, f"{path}[{n}]")
            return
    yield f"{path or 'answer'}: {expected!a} is not {found!a}"


def spoil(value: Any) -> None:
    """Change all that can be changed in a value: nobody else may notice."""
    match value:
        case dict():
            for part in value.values():
                spoil(part)
            value["spoilt"] = True
        case list():
            for part in value:
                spoil(part)
            value.append("spoilt")
        case tuple():
            for part in value:
                spoil(part)
        case BaseException():
            value.args = ("spoilt",)
