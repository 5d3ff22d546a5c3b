"""Models to and from plain JSON types, through cattrs."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

import attrs
import cattrs

if TYPE_CHECKING:
    from collections.abc import Callable

    from attrs import AttrsInstance

__all__ = ["from_dict", "to_dict"]

T = TypeVar("T")


def _plain(value: object) -> Any:
    """Give the plain JSON type that shows a job's argument or result best."""
    match value:
        case Enum():
            return _plain(value.value)
        case Mapping():
            return {str(_plain(key)): _plain(item) for key, item in value.items()}
        case list() | tuple() | AbstractSet():
            return [_plain(item) for item in value]
        case BaseException():
            return {"type": type(value).__qualname__, "message": _shown(value, str)}
        case _:
            kind: Any = type(value)
            return _fields(value) if attrs.has(kind) else _scalar(value)


def _scalar(value: object) -> str | float | None:
    match value:
        case float() if not math.isfinite(value):
            return str(value)  # JSON has no word for it
        case None | bool() | int() | float() | str():
            return value
        case datetime() | date() | time():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case bytes() | bytearray():
            return base64.b64encode(value).decode()
        case Decimal() | UUID():
            return str(value)
        case _:
            return _shown(value)


def _shown(value: object, show: Callable[[object], str] = repr) -> str:
    try:
        return show(value)
    except Exception:  # noqa: BLE001 - a foreign class may raise anything
        return f"<{type(value).__qualname__}>"


def _fields(model: Any) -> dict[str, Any]:
    return {field.name: _plain(getattr(model, field.name)) for field in attrs.fields(type(model))}


def _strict(value: object, kind: type[T]) -> T:
    """Take a value of exactly this type: cattrs itself would make one of almost anything."""
    if type(value) is not kind:
        raise TypeError(f"found {type(value).__name__} where {kind.__name__} belongs")
    return value


def _time(value: object, _: object) -> datetime:
    return datetime.fromisoformat(_strict(value, str))


def _make_converter() -> cattrs.Converter:
    converter = cattrs.Converter(detailed_validation=False, forbid_extra_keys=True)
    # Not by class: an enum of strings is no plain string.
    converter.register_structure_hook_func(lambda kind: kind in (str, bool, int), _strict)
    converter.register_structure_hook(datetime, _time)
    converter.register_structure_hook_func(
        lambda kind: kind == tuple[Any, ...], lambda value, _: tuple(_strict(value, list))
    )
    converter.register_structure_hook_func(
        lambda kind: kind == dict[str, Any], lambda value, _: _strict(value, dict)
    )
    # A duration comes back as the seconds that `_plain` made of it.
    converter.register_structure_hook_func(
        lambda kind: kind == int | float | timedelta | None, lambda value, _: value
    )
    return converter


_converter = _make_converter()


def to_dict(model: AttrsInstance) -> dict[str, Any]:
    """Give a model's fields as plain JSON types.

    Raises:
        ValueError: A value holds itself.
    """
    try:
        return _fields(model)
    except RecursionError as error:
        raise ValueError("a value holds itself, or is too deep") from error


def from_dict(data: Mapping[str, Any], model: type[T]) -> T:
    """Build a model from what `to_dict` gave.

    Raises:
        ValueError: The mapping lacks a field, has one too many, or one of a wrong type.
    """
    # No field holds a value of the type of the result, but cattrs asks for it.
    kind: Any = model
    if getattr(model, "__parameters__", ()):
        kind = kind[Any]
    try:
        structured: T = _converter.structure(data, kind)
    except Exception as error:  # a wrong field makes cattrs raise errors of many kinds
        raise ValueError(f"this is no {model.__name__}: {error!r}") from error
    return structured
