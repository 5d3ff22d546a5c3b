"""The types that JSON and MessagePack lack: one table for both.

Each has a tag and a body of types that both formats have. A body's values are encoded in turn.
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from types import NoneType
from typing import TYPE_CHECKING, Any, Literal, TypeAlias
from uuid import UUID

from arqade._placeholders import Unencodable
from arqade.codecs._base import (
    CONTAINERS,
    DecodingError,
    EncodingError,
    full_name,
    is_deeper,
    shown,
)
from arqade.codecs._limits import check_hashes
from arqade.exceptions import RemoteError

if TYPE_CHECKING:
    from collections.abc import Callable

    from arqade.codecs._registry import Registry

__all__ = ["ArgumentList", "Place", "Table"]

Place: TypeAlias = Literal["job", "result", "field"]
"""Where a value belongs: to a job, to a result, or to a model in one of them.

In a result something stands for what can't be encoded, since the job has run; but not in a model,
whose fields would not take it: then it stands for the whole model.
"""

PLAIN = frozenset({NoneType, bool, int, float, str, bytes})
"""Types that need no description, or one of their own."""

MAX_TEXT = 300
"""How many characters of a value's `repr` stand for it."""


def _describe_time(value: datetime | time) -> Any:
    zone = value.tzinfo
    key: Any = None
    if type(zone) is timezone:
        offset, name = zone.utcoffset(None), zone.tzname(None)
        is_named = name != timezone(offset).tzname(None)
        if not (offset.microseconds or is_named or value.fold):
            return value.isoformat()
        # ISO 8601 as Python reads it has no parts of seconds in an offset, and no name for it.
        key = [offset // timedelta(microseconds=1), name if is_named else None]
    elif zone is None:
        if not value.fold:
            return value.isoformat()
    else:
        key = getattr(zone, "key", None)
        if full_name(type(zone)) != "zoneinfo.ZoneInfo" or not isinstance(key, str):
            raise EncodingError(f"a time zone of type {full_name(type(zone))} has no name")
    return [value.replace(tzinfo=None, fold=0).isoformat(), key, value.fold]


def _time_maker(kind: type[datetime | time]) -> Callable[[Any], Any]:
    def make(body: Any) -> Any:
        if isinstance(body, str):
            return kind.fromisoformat(body)
        text, key, fold = _exact(body, list)
        value = kind.fromisoformat(_exact(text, str)).replace(fold=fold)
        if key is None:
            return value
        if type(key) is list:
            microseconds, name = key
            offset = timedelta(microseconds=_exact(microseconds, int))
            names = () if name is None else (_exact(name, str),)
            return value.replace(tzinfo=timezone(offset, *names))
        from zoneinfo import ZoneInfo  # noqa: PLC0415 - few times have a named zone

        return value.replace(tzinfo=ZoneInfo(_exact(key, str)))

    return make


def _make_timedelta(body: Any) -> timedelta:
    days, seconds, microseconds = (_exact(part, int) for part in _exact(body, list))
    return timedelta(days, seconds, microseconds)


def _exact(value: Any, kind: type) -> Any:
    if type(value) is not kind:
        raise DecodingError(f"found {type(value).__name__} where {kind.__name__} belongs")
    return value


def _members(body: Any) -> list[Any]:
    check_hashes(_exact(body, list))
    members: list[Any] = body
    return members


class ArgumentList(list[Any]):
    """Arguments of an envelope that are a list, to be told from the usual tuple."""


DESCRIBED: dict[type, tuple[str, Callable[[Any], Any]]] = {
    ArgumentList: ("list", list),
    tuple: ("tuple", list),
    set: ("set", list),
    frozenset: ("frozenset", list),
    # In hexadecimal, which takes a time that grows with its length only.
    int: ("int", hex),
    Decimal: ("decimal", str),
    UUID: ("uuid", str),
    datetime: ("datetime", _describe_time),
    date: ("date", date.isoformat),
    time: ("time", _describe_time),
    timedelta: ("timedelta", lambda value: [value.days, value.seconds, value.microseconds]),
}

MADE: dict[str, Callable[[Any], Any]] = {
    "list": lambda body: ArgumentList(_exact(body, list)),
    "tuple": lambda body: tuple(_exact(body, list)),
    "set": lambda body: set(_members(body)),
    "frozenset": lambda body: frozenset(_members(body)),
    "int": lambda body: int(_exact(body, str), 16),
    "decimal": lambda body: Decimal(_exact(body, str)),
    "uuid": lambda body: UUID(_exact(body, str)),
    "datetime": _time_maker(datetime),
    "date": lambda body: date.fromisoformat(_exact(body, str)),
    "time": _time_maker(time),
    "timedelta": _make_timedelta,
}


class Table:
    """What describes values by a tag and a body, and makes them again.

    Args:
        registry: The models and errors that payloads may name.
        max_depth: How deep values may lie in each other in a model or an error.
    """

    def __init__(self, registry: Registry, max_depth: int) -> None:
        self._registry = registry
        self._max_depth = max_depth

    def describe(self, value: Any, place: Place) -> tuple[str, Any]:
        """Give the tag and the body of a value.

        Args:
            value: The value, of no type that the format has.
            place: Where it belongs.

        Raises:
            EncodingError: It can't be encoded.
        """
        known = DESCRIBED.get(type(value))
        try:
            if known is not None:
                tag, describe = known
                return tag, describe(value)
            if self._registry.has_model(value):
                return "model", self._registry.describe_model(value)
        except EncodingError:
            if place != "result":
                raise
        if isinstance(value, BaseException):
            body = self._registry.describe_error(value)
            # A field may take no other class of error than its own.
            if place != "field" or "args" in body or type(value) is RemoteError:
                return "error", body
        if isinstance(value, Unencodable):
            return "unencodable", [value.type_name, value.text]
        if place != "result":
            raise EncodingError(f"{full_name(type(value))} is not registered")
        return self.describe_missing(value)

    def mended(self, body: list[Any]) -> list[Any]:
        """Give the body of a model with stand-ins for what can't be encoded.

        Raises:
            DecodingError: A field would not take one.
        """
        name, fields = body
        fields = self._mended(fields)
        self._registry.make_model(name, fields)
        return [name, fields]

    def _mended(self, value: Any) -> Any:
        kind = type(value)
        if kind is dict:
            return {self._mended(key): self._mended(item) for key, item in value.items()}
        if kind in CONTAINERS:
            return kind(self._mended(part) for part in value)
        if kind in PLAIN:
            return value
        try:
            self.describe(value, "field")
        except EncodingError:
            return self.stand_in(value)
        return value

    @staticmethod
    def describe_missing(value: object) -> tuple[str, Any]:
        """Give the tag and the body of what stands for a value that can't be encoded."""
        return "unencodable", [full_name(type(value)), shown(value)[:MAX_TEXT]]

    @staticmethod
    def stand_in(value: object) -> Unencodable:
        """Make what stands for a value that can't be encoded."""
        return Unencodable(*Table.describe_missing(value)[1])

    @staticmethod
    def dict_of(pairs: list[Any]) -> dict[Any, Any]:
        """Make a dict of keys and values, unless too many keys have one hash."""
        check_hashes(key for key, _ in pairs)
        return dict(pairs)

    def make(self, tag: str, body: Any) -> Any:
        """Make a value of its tag and body.

        Raises:
            DecodingError: There is no such tag, or no such model, or the body is none of it.
            Exception: The body says nothing of this type.
        """
        make = MADE.get(tag)
        if make is not None:
            return make(body)
        if is_deeper(body, self._max_depth):
            raise DecodingError(f"it is deeper than {self._max_depth}")
        if tag == "error":
            return self._registry.make_error(body)
        if tag in ("model", "unencodable"):
            name, content = _exact(body, list)
            if tag == "model":
                return self._registry.make_model(name, content)
            return Unencodable(_exact(name, str), _exact(content, str))
        raise DecodingError("it has values of an unknown type")
