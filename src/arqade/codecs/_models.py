"""Models to their fields and back, through cattrs."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from decimal import Decimal
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, Union, get_args, get_origin
from uuid import UUID

import cattrs
from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Models"]

EXACT = (str, bool, int, bytes, date, datetime, time, timedelta, Decimal, UUID)
"""Types of fields whose values come as they are, since a payload tells each value's type."""


def _exact(value: object, kind: type) -> Any:
    # cattrs itself would make an int of a text, and of 1.5.
    if type(value) is not kind:
        raise TypeError(f"found {type(value).__name__} where {kind.__name__} belongs")
    return value


def _number(value: object, _: object) -> Any:
    if type(value) not in (int, float):
        raise TypeError(f"found {type(value).__name__} where a number belongs")
    return value


def _is_union(kind: Any) -> bool:
    return get_origin(kind) in (Union, UnionType)


def _is_error(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseException)


def _instance(value: object, kind: type) -> Any:
    if not isinstance(value, kind):
        raise TypeError(f"found {type(value).__name__} where {kind.__name__} belongs")
    return value


class Models:
    """Turns models into their fields and back.

    A model that a field of another one holds stays what it is, if it is registered: the payload
    names its class itself.
    """

    def __init__(self) -> None:
        self.converter = cattrs.Converter(detailed_validation=False)
        # By equality: an enum of texts is no plain text.
        self.converter.register_structure_hook_func(lambda kind: kind in EXACT, _exact)
        self.converter.register_structure_hook_func(lambda kind: kind is float, _number)
        self.converter.register_structure_hook_func(lambda kind: kind is object, _instance)
        self.converter.register_structure_hook_func(_is_union, self._any_of)
        self.converter.register_structure_hook_func(_is_error, _instance)
        self._to_fields: dict[type, Callable[[Any], dict[str, Any]]] = {}
        self._from_fields: dict[type, Callable[[Any, Any], Any]] = {}

    def add(self, kind: type) -> None:
        """Let fields hold instances of a class."""
        self.converter.register_unstructure_hook(kind, lambda value: value)
        self.converter.register_structure_hook(kind, _instance)
        # They know what was registered before.
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
        return self._from_fields[kind](_exact(fields, dict), kind)

    def _any_of(self, value: Any, union: Any) -> Any:
        options = get_args(union)
        if value is None and NoneType in options:
            return None
        # The one that it is, before those that could be made of it.
        for option in sorted(options, key=lambda option: type(value) is not option):
            try:
                return self.converter.structure(value, option)
            except Exception:  # noqa: BLE001, S112 - it is none of these, which cattrs says in many ways
                continue
        raise TypeError(f"found {type(value).__name__}, which is none of the types that it may be")
