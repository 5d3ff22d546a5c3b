"""JSON that keeps types."""

from __future__ import annotations

import base64
import json
import math
from functools import cached_property
from types import NoneType
from typing import TYPE_CHECKING, Any

from arqade._compat import override
from arqade.codecs._base import DecodingError
from arqade.codecs._tagged import TaggedCodec, TagWriter, too_deep

if TYPE_CHECKING:
    from collections.abc import Callable

    from arqade.codecs._table import Place

__all__ = ["JSONCodec"]

TAG = "$"
"""How the only key of an object begins that stands for a value of another type."""

MAX_INT = 2**53 - 1
"""Larger integers are no longer exact for other readers of JSON."""

SPECIAL_FLOATS = ("nan", "inf", "-inf")

SAME = frozenset({str, bool, NoneType})
"""Types whose values are the same in plain JSON."""

TEXT_ALONE = frozenset({str})

ENCODER = json.JSONEncoder(ensure_ascii=False, check_circular=False, separators=(",", ":"))


class JSONCodec(TaggedCodec):
    """JSON, readable by anything, in which values keep their types.

    Plain data are plain JSON. Any other value is an object with one key, its tag:
    ``{"$date": "2026-11-28"}``. So are integers beyond 2**53, NaN, infinities and bytes, and dicts
    whose keys are not all texts, or that look like a tag.

    It keeps None, booleans, integers and floats of any size, texts, bytes, lists, tuples, dicts
    with any keys, sets, frozensets, `datetime` (naive, with an offset or a `zoneinfo.ZoneInfo`),
    dates, times, timedeltas, `decimal.Decimal` and `uuid.UUID`, each exactly: what is of a subclass
    of one of these is refused. Attrs classes, dataclasses and enums are kept if they are
    registered, by a name; their fields must have the types that the class says. A payload can't
    name any other class.

    Exceptions of Python, arq and arqade and those that are registered come back as they were, all
    others as `RemoteError`; the worker's traceback is a note. A result never fails to be encoded:
    an `Unencodable` stands for what can't be.

    Args:
        models: Attrs classes, dataclasses and enums to register; a mapping gives their names.
        errors: Exceptions to register, in the same way.
        max_bytes: The largest payload that is decoded, in bytes.
        max_depth: How deep values may lie in each other.

    Raises:
        TypeError: An argument is of a wrong type.
        ValueError: An argument is out of bounds, or two classes have one name.
    """

    @cached_property
    def _decoder(self) -> json.JSONDecoder:
        return json.JSONDecoder(object_hook=self._untagged, parse_constant=_refuse_constant)

    @override
    def recognizes(self, data: bytes, /) -> bool:
        return data[:1] == b"{"

    @override
    def _write(self, envelope: dict[str, Any], place: Place) -> bytes:
        plain = _Writer(self._table, self._max_depth, place).body(envelope, 0)
        # A lone surrogate is no UTF-8; escapes of two would be read as one character.
        return ENCODER.encode(plain).encode(errors="surrogatepass")

    @override
    def _read(self, data: bytes) -> Any:
        return self._decoder.decode(data.decode(errors="surrogatepass"))

    def _untagged(self, plain: dict[str, Any]) -> Any:
        if len(plain) != 1:
            return plain
        [(key, body)] = plain.items()
        if key[:1] != TAG:
            return plain
        if key == "$dict":
            return self._table.dict_of(_pairs(body))
        make = MADE.get(key)
        return self._table.make(key[1:], body) if make is None else make(body)


class _Writer(TagWriter):
    """Turns values into what plain JSON has."""

    @override
    def body(self, body: Any, depth: int) -> Any:
        return self._plain(body, depth)

    def _plain(self, value: Any, depth: int) -> Any:
        kind = type(value)
        if kind in SAME:
            return value
        if kind is int:
            return value if -MAX_INT <= value <= MAX_INT else {"$int": hex(value)}
        if kind is float:
            return value if math.isfinite(value) else {"$float": str(value)}
        if kind is bytes:
            return {"$bytes": base64.b64encode(value).decode()}
        if depth >= self._max_depth:
            raise too_deep(self._max_depth)
        if kind is list:
            return self._list(value, depth)
        if kind is dict:
            return self._dict(value, depth)
        tag, body = self._tagged(value, depth)
        return {TAG + tag: body}

    def _list(self, value: list[Any], depth: int) -> Any:
        return [part if type(part) in SAME else self._plain(part, depth + 1) for part in value]

    def _dict(self, value: dict[Any, Any], depth: int) -> Any:
        if TEXT_ALONE.issuperset(map(type, value)) and not (
            len(value) == 1 and next(iter(value))[:1] == TAG
        ):
            return {
                key: part if type(part) in SAME else self._plain(part, depth + 1)
                for key, part in value.items()
            }
        pairs = [[self._plain(part, depth + 1) for part in pair] for pair in value.items()]
        return {"$dict": pairs}


def _refuse_constant(_: str) -> Any:
    raise DecodingError("it has a number that JSON does not have")


def _pairs(body: Any) -> list[Any]:
    if type(body) is not list or not all(type(pair) is list for pair in body):
        raise DecodingError("what should be a dict is none")
    return body


def _make_float(body: Any) -> float:
    if body not in SPECIAL_FLOATS:
        raise DecodingError("it has a float that plain JSON could hold")
    return float(body)


MADE: dict[str, Callable[[Any], Any]] = {
    "$bytes": lambda body: base64.b64decode(body, validate=True),
    "$float": _make_float,
}
"""What makes values of the types that MessagePack has, and JSON has not."""
