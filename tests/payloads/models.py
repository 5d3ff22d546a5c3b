"""Classes of the applications whose jobs the tests of codecs encode."""

from __future__ import annotations

import dataclasses
from collections import OrderedDict
from datetime import date, datetime, timedelta, tzinfo
from decimal import Decimal
from enum import Enum, Flag, IntEnum, StrEnum
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, NewType
from uuid import UUID  # noqa: TC003 - cattrs looks it up

import attrs

from arqade._compat import override

# --- models --------------------------------------------------------------------------------


class Colour(Enum):
    RED = "red"
    BLUE = ("blue", 2)


class Level(IntEnum):
    LOW = 1


class Word(StrEnum):
    YES = "yes"


class Right(Flag):
    READ = 1
    WRITE = 2


class Nameless(Enum):
    """Has a value that no codec claims."""

    ONE = object()


@attrs.frozen
class Point:
    x: int
    y: int = 0


@attrs.frozen
class Point3D(Point):
    z: int = 0


@dataclasses.dataclass
class Item:
    name: str
    price: Decimal
    tags: list[str] = dataclasses.field(default_factory=list)
    limit: ClassVar[int] = 5


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    number: int


@attrs.define
class Node:
    """A model that holds others of its kind."""

    value: Any
    parent: Node | None = None
    children: list[Node] = attrs.field(factory=list)


@attrs.define(kw_only=True)
class Order:
    """A model with fields of many types."""

    id: UUID
    when: datetime
    items: list[Item]
    points: dict[str, Point] = attrs.field(factory=dict)
    path: tuple[Point, ...] = ()
    corners: frozenset[Point] = frozenset()
    key: Key | None = None
    colour: Colour = Colour.RED
    day: date | None = None
    wait: timedelta = timedelta(0)
    raw: bytes = b""
    ratio: float = 0.0
    done: bool = False
    note: str | int | None = None
    where: Point | Item | None = None
    extra: Any = None
    _secret: str = ""


@attrs.define
class Holder:
    """A model with one field that takes anything."""

    value: Any


Number = NewType("Number", int)


@attrs.define
class Words:
    """A model whose fields have types in other words."""

    number: Number = Number(1)
    short: Annotated[str, "short"] = ""
    mode: Literal["r", "w"] = "r"
    either: list[int] | tuple[int, ...] = ()
    members: set[int] | list[int] = attrs.field(factory=list)
    whole: int | float = 0
    names: dict[int, str] = attrs.field(factory=dict)
    pair: tuple[int, str] = (0, "")
    thing: object = None


@attrs.define
class Cat:
    name: str


@attrs.define
class Dog:
    name: str


@attrs.define
class Home:
    """A model with a field of one of two classes that look alike."""

    pet: Cat | Dog


@attrs.define
class LeftTwin:
    """One of two models that only the types of their fields tell apart."""

    child: LeftTwin | RightTwin | None
    mark: int


@attrs.define
class RightTwin:
    child: LeftTwin | RightTwin | None
    mark: str


@attrs.define
class Tree:
    root: LeftTwin | RightTwin | None


# --- what no codec claims ------------------------------------------------------------------


class Text(str):
    __slots__ = ()


class Whole(int):
    """An integer."""


class Real(float):
    """A float."""


class Raw(bytes):
    """Bytes."""


class Map(dict):
    """A dict."""


class Items(list):
    """A list."""


class Group(set):
    """A set."""


class Amount(Decimal):
    """A decimal."""


class Moment(datetime):
    """A datetime."""


class Pair(NamedTuple):
    left: object
    right: object = None


class Zone(tzinfo):
    """A time zone without a name."""

    @override
    def utcoffset(self, dt, /):
        return timedelta(hours=1)

    @override
    def dst(self, dt, /):
        return None

    @override
    def tzname(self, dt, /):
        return "zone"


class Plain:
    """An object with an attribute."""

    def __init__(self, value):
        self.value = value

    @override
    def __repr__(self):
        return f"Plain({self.value!r})"


class Shy:
    """An object that can't be printed."""

    @override
    def __repr__(self):
        raise RuntimeError("no")


class Steady(OrderedDict):
    """An ordered dict."""


def function():
    """Do nothing."""


# --- errors --------------------------------------------------------------------------------


class SimpleError(Exception):
    pass


class DerivedError(SimpleError):
    pass


class Stop(BaseException):
    pass


class TwoError(Exception):
    """Takes other arguments than those that it hands on."""

    def __init__(self, left, right):
        super().__init__(f"{left} and {right}")
        self.left = left
        self.right = right


class NamedError(Exception):
    """Takes its argument by name alone."""

    def __init__(self, *, code):
        super().__init__(f"code {code}")
        self.code = code


class SlottedError(Exception):
    """Keeps an argument in a slot."""

    __slots__ = ("code",)

    def __init__(self, message, code):
        super().__init__(message)
        self.code = code


class ReducedError(Exception):
    """Says itself how it is pickled."""

    def __init__(self, message, code):
        super().__init__(message)
        self.code = code

    @override
    def __reduce__(self):
        return ReducedError, (*self.args, self.code)


class DiskError(OSError):
    """Has more arguments than other errors of the operating system."""

    def __init__(self, number, message, *, disk):
        super().__init__(number, message, f"{disk}:/file")
        self.disk = disk


class Many(ExceptionGroup):
    @override
    def derive(self, errors, /):
        return Many(self.message, errors)


@attrs.define
class FieldsError(Exception):
    code: int
    text: str = ""


@attrs.define(kw_only=True)
class NamedFieldsError(Exception):
    code: int


@dataclasses.dataclass
class DataError(Exception):
    code: int
    parts: list[int] = dataclasses.field(default_factory=list)


class ChoosyError(Exception):
    """Takes what it refuses later."""

    refuses = False

    def __init__(self, *args):
        if ChoosyError.refuses:
            raise RuntimeError("no")
        super().__init__(*args)


class StrictError(Exception):
    """Can't even be made without a constructor."""

    def __new__(cls, left, right):
        return super().__new__(cls, left, right)

    def __init__(self, left, right):
        super().__init__(left)


class FancyError(Exception):
    """Says it in a text of another class."""

    @override
    def __str__(self):
        return Text("fancy")


class MuteError(Exception):
    """Can't say anything."""

    @override
    def __str__(self):
        raise RuntimeError("no")


ERRORS = [
    SimpleError,
    Stop,
    TwoError,
    NamedError,
    SlottedError,
    ReducedError,
    DiskError,
    Many,
    FieldsError,
    NamedFieldsError,
    DataError,
    ChoosyError,
    StrictError,
    FancyError,
    MuteError,
]
"""All of them but `DerivedError`."""
