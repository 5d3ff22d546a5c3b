"""Models to their fields and back, through cattrs."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Collection
from contextvars import ContextVar
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, Final, Union, get_args, get_origin
from uuid import UUID

import attrs
import cattrs
from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn

from arqade.codecs._registry import is_model

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Models"]

EXACT = (str, bool, int, bytes, date, datetime, time, timedelta, Decimal, UUID)
"""Types of fields whose values come as they are, since a payload tells each value's type."""

_NONE: Final = object()
"""What is made of a value that is none of a kind."""

SEQUENCES = (list, tuple, set, frozenset)
"""Types that are made of their items alone."""


def _same(value: Any) -> Any:
    return value


def _exact(value: Any, kind: type) -> Any:
    # cattrs itself would make an int of a text, and of 1.5.
    if kind not in EXACT and issubclass(kind, Enum):
        # An enum of texts, which is not registered.
        return kind(value)
    if type(value) is not kind:
        raise _misplaced(value)
    return value


def _number(value: object, _: object) -> Any:
    if type(value) not in (int, float):
        raise _misplaced(value)
    return value


def _instance(value: object, kind: type) -> Any:
    if not isinstance(value, kind):
        raise _misplaced(value)
    return value


def _misplaced(value: object) -> TypeError:
    return TypeError(f"a field can't hold {type(value).__name__}")


_tried: ContextVar[dict[tuple[int, int], tuple[Any, Any, Any]] | None] = ContextVar(
    "_tried", default=None
)


@contextlib.contextmanager
def _trials() -> Iterator[dict[tuple[int, int], tuple[Any, Any, Any]]]:
    """Give what was made of fields that may be those of several models, until the first ends.

    Where models of the same fields hold each other, each would be tried within each trial of
    another one: that doubles with every level.
    """
    tried = _tried.get()
    if tried is not None:
        yield tried
        return
    tried = {}
    token = _tried.set(tried)
    try:
        yield tried
    finally:
        _tried.reset(token)


def _is_union(kind: Any) -> bool:
    return get_origin(kind) in (Union, UnionType)


def _is_error(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseException)


def _is_collection(kind: Any) -> bool:
    """Tell whether a field of this type holds one of Python's own containers."""
    origin = get_origin(kind) or kind
    if origin in (*SEQUENCES, dict):
        return True
    return getattr(origin, "__module__", "") == "collections.abc" and issubclass(origin, Collection)


class Models:
    """Turns models into their fields and back.

    What a field holds stays what it is, as far as the payload tells its type: Python's own types
    and containers, and registered models. What is left to cattrs comes back by the field's type.
    """

    def __init__(self) -> None:
        converter = self.converter = cattrs.Converter(detailed_validation=False)
        converter.register_unstructure_hook_factory(
            lambda kind: kind in (Any, object) or _is_union(kind) or _is_collection(kind),
            self._taker_apart,
        )
        converter.register_unstructure_hook_factory(is_model, self._taker_apart_of_model)
        for kind in EXACT:
            converter.register_structure_hook(kind, _exact)
        converter.register_structure_hook(float, _number)
        converter.register_structure_hook_func(lambda kind: kind is object, _instance)
        converter.register_structure_hook_func(_is_union, self._any_of)
        converter.register_structure_hook_func(_is_collection, self._collection)
        converter.register_structure_hook_func(_is_error, _instance)
        self._to_fields: dict[type, Callable[[Any], dict[str, Any]]] = {}
        self._from_fields: dict[type, Callable[[Any, Any], Any]] = {}

    def add(self, kind: type) -> None:
        """Let fields hold instances of a class."""
        self.converter.register_unstructure_hook(kind, _same)
        self.converter.register_structure_hook(kind, _instance)
        self.forget()

    def forget(self) -> None:
        """Forget how classes are converted, which is by the hooks that were there before."""
        self._to_fields.clear()
        self._from_fields.clear()

    def fields(self, value: Any) -> dict[str, Any]:
        """Give the fields of a model."""
        kind = type(value)
        if kind not in self._to_fields:
            self._to_fields[kind] = make_dict_unstructure_fn(kind, self.converter)
        return self._to_fields[kind](value)

    def make(self, kind: type, fields: object) -> Any:
        """Make a model of its fields."""
        if kind not in self._from_fields:
            self._from_fields[kind] = make_dict_structure_fn(kind, self.converter)
        if type(fields) is not dict:
            raise _misplaced(fields)
        return self._from_fields[kind](fields, kind)

    @staticmethod
    def check(value: Any, made: Any) -> None:
        """Check that a model that was made again has what its constructor does not take.

        Raises:
            ValueError: It has not.
        """
        kind: Any = type(value)
        fields = attrs.fields(kind) if attrs.has(kind) else dataclasses.fields(kind)
        for field in fields:
            if not field.init and getattr(made, field.name) != getattr(value, field.name):
                raise ValueError(f"{field.name} is lost")

    # What the methods below leave as it is, the codec takes for what it is, or refuses.

    def _taker_apart(self, wanted: Any) -> Callable[[Any], Any]:
        """Make what takes apart the value of a field, as far as the field's type tells its type."""
        args = get_args(wanted)
        options = [arg for arg in args if arg is not NoneType]
        if _is_union(wanted):
            if len(options) == 1:
                return lambda value: self._apart(value, options[0])
            return lambda value: self._apart_in_union(value, wanted)
        if not args:
            return _same

        def take_apart(value: Any) -> Any:
            if type(value) in SEQUENCES:
                return type(value)(self._apart(part, args[0]) for part in value)
            if type(value) is dict and len(args) == len(("key", "value")):
                pairs = value.items()
                return {self._apart(k, args[0]): self._apart(v, args[1]) for k, v in pairs}
            return value

        is_fixed = get_origin(wanted) is tuple and args[-1] is not Ellipsis
        return _same if is_fixed else take_apart

    def _taker_apart_of_model(self, kind: type) -> Callable[[Any], Any]:
        to_fields: Callable[[Any], Any] = make_dict_unstructure_fn(kind, self.converter)

        def take_apart(value: Any) -> Any:
            # A subclass has fields that this does not know.
            return to_fields(value) if type(value) is kind else _instance(value, kind)

        return take_apart

    def _apart_in_union(self, value: Any, union: Any) -> Any:
        kind = type(value)
        if kind not in get_args(union):
            return value
        plain = self._apart(value, kind)
        if type(self._any_of(plain, union)) is not kind:
            # It would come back as another one of them.
            raise _misplaced(value)
        return plain

    def _apart(self, value: Any, wanted: Any) -> Any:
        if value is None or wanted in (Any, object):
            return value
        return self.converter.unstructure(value, unstructure_as=wanted)

    def _collection(self, value: Any, wanted: Any) -> Any:
        """Take a container of the field's type, with parts of the types that it says."""
        kind, args = type(value), get_args(wanted)
        if kind not in (*SEQUENCES, dict) or not isinstance(value, get_origin(wanted) or wanted):
            raise _misplaced(value)
        if not args:
            return value
        if kind is dict:
            key_kind, item_kind = args
            return {
                self.converter.structure(key, key_kind): self.converter.structure(item, item_kind)
                for key, item in value.items()
            }
        if kind is tuple and get_origin(wanted) is tuple and args[-1] is not Ellipsis:
            parts = zip(value, () if args == ((),) else args, strict=True)
            return tuple(self.converter.structure(part, part_kind) for part, part_kind in parts)
        return kind(self.converter.structure(part, args[0]) for part in value)

    def _any_of(self, value: Any, union: Any) -> Any:
        options = get_args(union)
        if value is None and NoneType in options:
            return None
        with _trials() as tried:
            # The one that it is, before those that could be made of it.
            for option in sorted(options, key=lambda option: type(value) is not _bare(option)):
                key = id(value), id(option)
                _, _, made = tried.get(key) or (value, option, self._one_of_many(value, option))
                if type(value) is dict:
                    # With what the ids are of, so that nothing else gets them meanwhile.
                    tried[key] = value, option, made
                if made is not _NONE:
                    return made
        raise _misplaced(value)

    def _one_of_many(self, value: Any, option: Any) -> Any:
        try:
            return self.converter.structure(value, option)
        except Exception:  # noqa: BLE001 - cattrs says in many ways that it is none
            return _NONE


def _bare(kind: Any) -> Any:
    return get_origin(kind) or kind
