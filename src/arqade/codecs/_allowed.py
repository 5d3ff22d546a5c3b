"""What `RestrictedPickleCodec` makes: plain data and errors, and what its caller allows.

Each class has the few ways in which `pickle` itself makes it (Python 3.9 to 3.14, protocols 0 to
5). A payload's other wishes are refused, even of an allowed class: ``bytes(10**12)`` is one.
"""

from __future__ import annotations

import asyncio
import codecs
import copyreg
import importlib
import sys
from collections import Counter, OrderedDict, defaultdict, deque
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum
from types import NoneType
from typing import TYPE_CHECKING, Any
from uuid import UUID

import attrs

from arqade import exceptions
from arqade.codecs._base import DecodingError, safe_name
from arqade.codecs._errors import BUILTIN_ERRORS, check_error, set_attribute
from arqade.codecs._pickle import ARQ_EXCEPTIONS, arq_exception

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["SCALARS", "AllowList", "Known", "get_attribute", "reconstruct"]

RECONSTRUCTOR: Any = vars(copyreg)["_reconstructor"]
REBUILD: Any = vars(exceptions)["_rebuild"]

SCALARS = frozenset(
    {NoneType, bool, int, float, complex, str, bytes, range}
    | {date, datetime, time, timedelta, timezone, Decimal, UUID}
)
"""Classes of values that hold no others."""

PLAIN_TYPES = (bool, int, float, str, list, tuple, dict, object)
"""Classes that a payload may name, and that it makes without naming them."""

NAMES = ("__module__", "__qualname__")

MAX_UUID = 2**128 - 1


def _refuse_state(_: object, __: object) -> None:
    raise DecodingError("it has no state")


def _refuse_call(*_: object) -> None:
    raise DecodingError("pickle makes none so")


def reconstruct(*_: object) -> None:
    """Mark what protocols 0 and 1 call to make an object: the machine does that itself."""


def get_attribute(*_: object) -> None:
    """Mark what is called to name a class's method, or what is defined in a class: as above."""


@attrs.frozen(eq=False)
class Known:
    """A class or function that payloads may name, and what they may do with it."""

    target: Any

    call: Callable[..., Any] = _refuse_call
    """Makes an object of the arguments of a call."""

    new: bool = False
    """Whether objects may be made by ``__new__``."""

    set_state: Callable[[Any, Any], None] = _refuse_state
    """Gives an object the state that was stored."""

    needs_state: bool = False
    """Whether an object without a state is none."""

    is_tool: bool = False
    """Whether payloads call it to make something else, and must not keep it."""

    is_callers: bool = False
    """Whether it is in the list that the caller gave."""


def _expect(condition: object) -> None:
    if not condition:
        raise DecodingError("a value is not made as pickle makes it")


def _are(args: tuple[Any, ...], *kinds: type | tuple[type, ...]) -> bool:
    """Tell whether arguments are of exactly these types."""
    return len(args) == len(kinds) and all(
        type(arg) in (kind if isinstance(kind, tuple) else (kind,))
        for arg, kind in zip(args, kinds, strict=True)
    )


def _make_set(*args: Any) -> set[Any]:
    _expect(not args or _are(args, list))
    return set(*args)


def _make_frozenset(*args: Any) -> frozenset[Any]:
    _expect(not args or _are(args, list))
    return frozenset(*args)


def _make_bytes(*args: Any) -> bytes:
    _expect(not args)
    return b""


def _make_bytearray(*args: Any) -> bytearray:
    _expect(not args or _are(args, bytes))
    return bytearray(*args)


def _encode(*args: Any) -> bytes:
    """Make bytes as protocols 0 to 2 do (pickle.py, save_bytes)."""
    _expect(_are(args, str, str) and args[1] == "latin1")
    return str(args[0]).encode("latin1")


def _make_complex(*args: Any) -> complex:
    _expect(_are(args, float, float))
    return complex(*args)


def _make_range(*args: Any) -> range:
    _expect(_are(args, int, int, int))
    return range(*args)


def _make_decimal(*args: Any) -> Decimal:
    _expect(_are(args, str))
    return Decimal(*args)


def _make_ordered_dict(*args: Any) -> OrderedDict[Any, Any]:
    _expect(not args)
    return OrderedDict()


def _make_deque(*args: Any) -> deque[Any]:
    _expect(not args or (_are(args, tuple, (int, NoneType)) and args[0] == ()))
    return deque(*args)


def _make_counter(*args: Any) -> Counter[Any]:
    _expect(_are(args, dict))
    return Counter(*args)


def _make_defaultdict(*args: Any) -> defaultdict[Any, Any]:
    factories = (None, set, *PLAIN_TYPES)
    _expect(not args or (len(args) == 1 and any(args[0] is factory for factory in factories)))
    return defaultdict(*args)


def _error_maker(kind: type[BaseException]) -> Callable[..., Any]:
    def make(*args: Any) -> BaseException:
        check_error(kind, args)
        return kind(*args)

    return make


def _rebuild_error(*args: Any) -> exceptions.ArqadeError:
    """Make an error of arqade's own (see `ArqadeError.__reduce__`)."""
    _expect(_are(args, (type,), tuple, dict))
    kind, values, state = args
    _expect(issubclass(kind, exceptions.ArqadeError))
    error: exceptions.ArqadeError = kind.__new__(kind, *values)
    error.args = values
    _set_error_state(error, state)
    return error


def _set_error_state(error: BaseException, state: Any) -> None:
    _expect(type(state) is dict)
    for name, value in state.items():
        set_attribute(error, name, value)


def _set_uuid_state(value: UUID, state: Any) -> None:
    _expect(type(state) is dict and set(state) <= {"int", "is_safe"})
    number = state["int"]
    _expect(type(number) is int and 0 <= number <= MAX_UUID)
    value.__setstate__(state)  # type: ignore[attr-defined]


def _set_any_state(value: Any, state: Any) -> None:
    """Give an object of an allowed class its state (pickle.py, load_build).

    Methods are looked up in the class: a payload may have given the object attributes.
    """
    kind: Any = type(value)
    method = getattr(kind, "__setstate__", None)
    if isinstance(value, BaseException) and method is BaseException.__setstate__:
        _set_error_state(value, state)
    elif method is not None:
        method(value, state)
    else:
        slots = None
        if _are((state,), tuple) and len(state) == len(("dict", "slots")):
            state, slots = state
        for names in (state or {}, slots or {}):
            # What Python calls by such names belongs to the class.
            _expect(not any(name.startswith("__") for name in names))
        if state:
            value.__dict__.update({sys.intern(name): item for name, item in state.items()})
        for name, item in (slots or {}).items():
            setattr(value, name, item)


def _plain() -> dict[str, Known]:
    known = {
        "builtins.set": Known(set, _make_set),
        "builtins.frozenset": Known(frozenset, _make_frozenset),
        "builtins.bytes": Known(bytes, _make_bytes),
        "builtins.bytearray": Known(bytearray, _make_bytearray),
        "builtins.complex": Known(complex, _make_complex),
        "builtins.range": Known(range, _make_range),
        "builtins.getattr": Known(getattr, get_attribute, is_tool=True),
        "_codecs.encode": Known(codecs.encode, _encode, is_tool=True),
        "copyreg._reconstructor": Known(RECONSTRUCTOR, reconstruct, is_tool=True),
        "decimal.Decimal": Known(Decimal, _make_decimal),
        "uuid.UUID": Known(UUID, new=True, set_state=_set_uuid_state, needs_state=True),
        "collections.OrderedDict": Known(OrderedDict, _make_ordered_dict),
        "collections.deque": Known(deque, _make_deque),
        "collections.Counter": Known(Counter, _make_counter),
        "collections.defaultdict": Known(defaultdict, _make_defaultdict),
        "arqade.exceptions._rebuild": Known(REBUILD, _rebuild_error, is_tool=True),
    }
    known |= {f"builtins.{kind.__name__}": Known(kind) for kind in PLAIN_TYPES}
    known |= {
        f"datetime.{kind.__name__}": Known(kind, kind)
        for kind in (date, datetime, time, timedelta, timezone)
    }
    errors = {f"builtins.{name}": kind for name, kind in BUILTIN_ERRORS.items()}
    errors["asyncio.exceptions.CancelledError"] = asyncio.CancelledError
    errors |= {
        f"arqade.exceptions.{name}": getattr(exceptions, name)
        for name in exceptions.__all__
        if isinstance(getattr(exceptions, name), type)
    }
    for name, kind in errors.items():
        known[name] = Known(kind, _error_maker(kind), set_state=_set_error_state)
        if issubclass(kind, exceptions.ArqadeError):
            # By `_rebuild_error` alone: their constructors put what they are given into a text.
            known[name] = Known(kind, set_state=_set_error_state)
    return known


def _of_caller(target: Any) -> Known:
    """Let payloads do with a class or a function of the caller's what pickle does."""
    if not isinstance(target, type):
        return Known(target, target, set_state=_set_any_state, is_callers=True)
    # A member of an enum is one object for the whole process: no payload may change it.
    set_state = _refuse_state if issubclass(target, Enum) else _set_any_state
    return Known(target, target, new=True, set_state=set_state, is_callers=True)


class AllowList:
    """The classes and functions that payloads may name.

    Args:
        names: Full names, or classes and functions, beside plain data and errors.

    Raises:
        TypeError: One of them is neither.
        ValueError: One of them is no full name.
    """

    def __init__(self, names: Iterable[str | type | Callable[..., Any]]) -> None:
        if isinstance(names, str):
            raise TypeError("allow must be a list of names, not one name")
        self._known = _plain()
        self._lazy = {f"{module}.{name}" for name, module in ARQ_EXCEPTIONS.items()}
        self.names: list[str] = []
        """What the caller allows, by full names."""
        for name in names:
            if isinstance(name, str):
                if "." not in name or not all(part.isidentifier() for part in name.split(".")):
                    raise ValueError(f"allow takes full names such as 'app.User', not {name!r}")
                self.names.append(name)
                self._lazy.add(name)
            elif all(isinstance(getattr(name, part, None), str) for part in NAMES):
                full_name = f"{name.__module__}.{name.__qualname__}"
                self.names.append(full_name)
                # Plain data stay what they are: they are allowed, with the care that they need.
                self._known.setdefault(full_name, _of_caller(name))
            else:
                raise TypeError(f"allow takes names and classes, not {type(name).__name__}")

    def find(self, module: str, name: str) -> Known | None:
        """Give what may be done with a global; None if it is not allowed.

        Raises:
            DecodingError: It is allowed, and not there.
        """
        full_name = f"{module}.{name}"
        known = self._known.get(full_name)
        if known is None and full_name in self._lazy:
            # An import that its caller allows; later ones find it done.
            known = self._known[full_name] = self._imported(full_name)
        return known

    @staticmethod
    def _imported(full_name: str) -> Known:
        module, _, name = full_name.rpartition(".")
        if ARQ_EXCEPTIONS.get(name) == module:
            kind = arq_exception(name)
            return Known(kind, _error_maker(kind), set_state=_set_error_state)
        try:
            return _of_caller(_import(full_name))
        except Exception:  # noqa: BLE001 - a module may raise anything
            raise DecodingError(f"{safe_name(full_name)} is allowed, and not there") from None


def _import(full_name: str) -> Any:
    """Import a class or a function by its full name, whichever part of that is the module."""
    parts = full_name.split(".")
    for length in range(len(parts) - 1, 0, -1):
        module = ".".join(parts[:length])
        try:
            target: Any = importlib.import_module(module)
        except ModuleNotFoundError as error:
            if not module.startswith(error.name or module):
                raise
            continue
        for part in parts[length:]:
            target = getattr(target, part)
        return target
    raise ModuleNotFoundError(f"no module of {full_name}")
