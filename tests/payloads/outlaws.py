"""Classes and functions that are in no allow-list, one for each way in which Python pickles.

What a maker of `MAKERS` gives holds the value that it was given. Such objects are equal if they are
of one class and hold equal values.
"""

from __future__ import annotations

import dataclasses
import enum
import functools
import operator
import types
from collections import Counter, OrderedDict, UserDict, defaultdict, deque, namedtuple
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import attrs

from arqade._compat import override
from tests.harness.canary import CANARY

MAKERS: dict[str, Any] = {}
"""What makes an object that holds one value, by its name."""


def maker(kind):
    """List a class by its own name."""
    MAKERS[kind.__name__] = kind
    return kind


class Outlaw:
    """Compares by class and content."""

    __slots__ = ()

    def _content(self):
        parts = list(self.items()) if isinstance(self, dict) else None
        if isinstance(self, list | tuple):
            parts = list(self)
        slots = [getattr(self, name) for name in getattr(type(self), "__slots__", ())]
        return parts, slots, getattr(self, "__dict__", None), getattr(self, "args", None)

    @override
    def __eq__(self, other):
        return type(self) is type(other) and self._content() == other._content()

    @override
    def __hash__(self):
        return hash(type(self))


@maker
class Plain(Outlaw):
    """Has a ``__dict__``, and is made without arguments."""

    def __init__(self, value=None):
        self.value = value


@maker
class Slotted(Outlaw):
    """Has slots alone."""

    __slots__ = ("value",)

    def __init__(self, value):
        self.value = value


@maker
class SlotsAndDict(Slotted):
    """Has slots and a ``__dict__``."""

    def __init__(self, value):
        super().__init__(value)
        self.more = [value]


@maker
class OwnState(Plain):
    """Says itself what its state is, and takes it."""

    def __getstate__(self):
        return "state of its own", self.value

    def __setstate__(self, state):
        _, self.value = state


class FalseState(Outlaw):
    """Has a state that is false, but is not None."""

    def __init__(self):
        self.value = "the state"

    def __getstate__(self):
        return ()

    def __setstate__(self, state):
        self.value = "the state" if state == () else state


class Refusing(Plain):
    """Takes no state."""

    def __setstate__(self, state):
        raise LookupError(CANARY)


MAKERS |= {"FalseState": lambda value: [FalseState(), value], "Refusing": Refusing}


@maker
class Reduced(Plain):
    """Is made by a call of its class."""

    @override
    def __reduce__(self):
        return Reduced, (self.value,)


@maker
class ReducedEx(Plain):
    """Is made by a call of a function, and given a state, items and keys."""

    def __init__(self, value):
        super().__init__(value)
        self.items = []
        self.pairs = {}

    def append(self, value):
        self.items.append(value)

    def __setitem__(self, key, value):
        self.pairs[key] = value

    @override
    def __reduce_ex__(self, _):
        items, pairs = iter([self.value, "item"]), iter({"key": self.value}.items())
        return make_reduced_ex, (self.value, 1), {"extra": 2}, items, pairs


def make_reduced_ex(value, _):
    """Make a `ReducedEx`."""
    return ReducedEx(value)


@maker
class NewArgs(Outlaw):
    """Is made by ``__new__`` with arguments."""

    def __new__(cls, value, _=None):
        self = super().__new__(cls)
        self.value = value
        return self

    def __getnewargs__(self):
        return self.value, "given"


class NewArgsEx(Outlaw):
    """Is made by ``__new__`` with arguments that have names."""

    def __new__(cls, first, *, value):
        self = super().__new__(cls)
        self.first, self.value = first, value
        return self

    def __getnewargs_ex__(self):
        return (self.first,), {"value": self.value}


MAKERS["NewArgsEx"] = lambda value: NewArgsEx("first", value=value)


@maker
class ListOf(Outlaw, list):
    """A list that also has an attribute."""

    def __init__(self, value):
        super().__init__([value, "item"])
        self.value = value


@maker
class DictOf(Outlaw, dict):
    """A dict that also has an attribute."""

    def __init__(self, value):
        super().__init__(key=value, other=1)
        self.value = value


@maker
class TupleOf(Outlaw, tuple):
    """A tuple."""

    __slots__ = ()

    def __new__(cls, value):
        return super().__new__(cls, (value, "item"))

    def __getnewargs__(self):
        return (self[0],)


def subclass_of(base):
    """Make a class that adds nothing to one of Python's own, but that it is another one."""
    name = f"{base.__name__[0].upper()}{base.__name__[1:]}Of"
    kind = globals()[name] = type(name, (base,), {"__module__": __name__})
    return kind


def holding(thing, value):
    """Give an object an attribute."""
    thing.value = value
    return thing


IntOf, FloatOf, StrOf, BytesOf, BytearrayOf, SetOf, FrozensetOf = map(
    subclass_of, (int, float, str, bytes, bytearray, set, frozenset)
)
OrderedDictOf, DefaultdictOf, DequeOf, CounterOf, UserDictOf = map(
    subclass_of, (OrderedDict, defaultdict, deque, Counter, UserDict)
)

MAKERS |= {
    "IntOf": lambda value: holding(IntOf(7), value),
    "FloatOf": lambda value: holding(FloatOf(7.5), value),
    "StrOf": lambda value: holding(StrOf("text"), value),
    "BytesOf": lambda value: holding(BytesOf(b"bytes"), value),
    "BytearrayOf": lambda value: holding(BytearrayOf(b"bytes"), value),
    "SetOf": lambda value: holding(SetOf({7}), value),
    "FrozensetOf": lambda value: holding(FrozensetOf({7}), value),
    "OrderedDictOf": lambda value: OrderedDictOf(key=value),
    "DefaultdictOf": lambda value: DefaultdictOf(list, key=value),
    "DequeOf": lambda value: DequeOf([value], 5),
    "CounterOf": lambda value: CounterOf(key=value),
    "UserDictOf": lambda value: UserDictOf(key=value),
    "namespace": lambda value: types.SimpleNamespace(value=value),
}

Pair = namedtuple("Pair", ["first", "value"])  # noqa: PYI024 - this form is what is tested


class TypedPair(NamedTuple):
    """A named tuple, the other way."""

    first: str
    value: Any


class Colour(enum.Enum):
    """Has members that are found by their values."""

    RED = "red"
    BLUE = ("blue", 1)


class Level(enum.IntEnum):
    """Has members that are numbers."""

    LOW = 1


class Rights(enum.Flag):
    """Has members that may be joined."""

    READ = enum.auto()
    WRITE = enum.auto()


MAKERS |= {
    "Pair": lambda value: Pair("first", value),
    "TypedPair": lambda value: TypedPair("first", value),
    "members": lambda value: [Colour.RED, Colour.BLUE, Level.LOW, ~Rights.READ, value],
}


@maker
@dataclasses.dataclass
class Data:
    """A dataclass."""

    value: Any


@maker
@dataclasses.dataclass(frozen=True, slots=True)
class FrozenData:
    """A frozen dataclass with slots."""

    value: Any


@maker
@attrs.define
class Model:
    """An attrs class with slots."""

    value: Any


@maker
@attrs.frozen
class FrozenModel:
    """A frozen attrs class with slots."""

    value: Any


@maker
class NotedError(Outlaw, Exception):
    """An exception with a note."""

    def __init__(self, value):
        super().__init__(value)
        self.add_note("note")


class TwoNeededError(Exception):
    """An exception that can't be made of the arguments that it keeps."""

    def __init__(self, value, code):
        super().__init__(f"failed: {code}")
        self.value, self.code = value, code


class NamedNeededError(Exception):
    """An exception whose argument must be named."""

    def __init__(self, *, value):
        super().__init__("failed")
        self.value = value


MAKERS |= {
    "TwoNeededError": lambda value: TwoNeededError(value, 5),
    "NamedNeededError": lambda value: NamedNeededError(value=value),
}


class Outer:
    """Has more within it, and compares by identity."""

    class Inner(Plain):
        """A nested class."""

        class Innermost(Plain):
            """A class that is nested twice."""

    @staticmethod
    def static():
        """Do nothing."""

    @classmethod
    def of(cls, value):
        """Make an `OfClass`."""
        return OfClass(value)


class OfClass(Plain):
    """Is made by a method of a class."""

    @override
    def __reduce__(self):
        return Outer.of, (self.value,)


def function(*args, **kwargs):
    """Give what it was given."""
    return args, kwargs


MAKERS |= {
    "Inner": Outer.Inner,
    "Innermost": Outer.Inner.Innermost,
    "partial": lambda value: functools.partial(function, value, name=value),
    "methods": lambda value: [Outer.of, Outer.static, value],
    # By calling what another call gives.
    "OfClass": OfClass,
    "zone": lambda value: [ZoneInfo("UTC"), value],
    "methodcaller": lambda value: operator.methodcaller("method", named=value),
}

NAMED = [Outer, Outer.Inner, Outer.Inner.Innermost, function, Outer.static, Colour]
NAMED += [eval, functools.reduce]
"""What a pickle only names; the last ones have other names in protocol 2."""

IN_ARGS = ("Reduced", "ReducedEx", "NewArgs", "NewArgsEx", "TupleOf", "Pair", "TypedPair")
IN_ARGS = (*IN_ARGS, "CounterOf", "NotedError", "OfClass", "methodcaller")
"""Those of `MAKERS` whose value is needed to make them."""

UNMADE = ("Refusing", "TwoNeededError", "NamedNeededError")
"""Those of `MAKERS` that Python itself can't make of what it has pickled."""
