"""MessagePack that keeps types."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from arqade._compat import override
from arqade.codecs._base import MAX_BYTES, MAX_DEPTH, DecodingError, is_deeper
from arqade.codecs._tagged import CODES, TaggedCodec, TagWriter, too_deep
from arqade.exceptions import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from arqade.codecs._table import Place, Table

__all__ = ["MsgpackCodec"]

TAGS = {code: tag for tag, code in CODES.items()}

MAPS = frozenset([*range(0x81, 0x90), 0xDE, 0xDF])
"""How MessagePack begins for a map that is not empty; 0x80 is how a pickle does."""

OPTIONS: dict[str, Any] = {"unicode_errors": "surrogatepass"}


class MsgpackCodec(TaggedCodec):
    """MessagePack, small and fast, in which values keep their types.

    It has the types, models and errors of `JSONCodec`, and its arguments. What MessagePack lacks
    are extension types, 1 to 14, whose data are MessagePack again. It takes a bytearray or a
    memoryview for bytes. It needs the extra ``msgpack``.

    Raises:
        ConfigurationError: The package msgpack is not installed.
        TypeError: An argument is of a wrong type.
        ValueError: An argument is out of bounds, or two classes have one name.
    """

    def __init__(
        self,
        models: Mapping[str, type] | Iterable[type] = (),
        errors: Mapping[str, type] | Iterable[type] = (),
        *,
        max_bytes: int = MAX_BYTES,
        max_depth: int = MAX_DEPTH,
    ) -> None:
        super().__init__(models, errors, max_bytes=max_bytes, max_depth=max_depth)
        try:
            self._msgpack: Any = importlib.import_module("msgpack")
        except ImportError as error:
            raise ConfigurationError(
                "MsgpackCodec needs msgpack: pip install 'arqade[msgpack]'"
            ) from error

    @override
    def recognizes(self, data: bytes, /) -> bool:
        return data[:1] != b"" and data[0] in MAPS

    @override
    def _write(self, envelope: dict[str, Any], place: Place) -> bytes:
        data = _Writer(self._table, self._max_depth, place, self._msgpack).pack(envelope)
        # What is deeper has a byte for each level.
        if len(data) > self._max_depth and is_deeper(envelope, self._max_depth):
            raise too_deep(self._max_depth)
        return data

    @override
    def _read(self, data: bytes) -> Any:
        return _Reader(self._table, self._max_depth, self._max_bytes, self._msgpack).unpack(data)


class _Writer(TagWriter):
    """Packs values."""

    def __init__(self, table: Table, max_depth: int, place: Place, msgpack: Any) -> None:
        super().__init__(table, max_depth, place)
        self._msgpack = msgpack
        self._depth = 0

    def pack(self, value: Any) -> bytes:
        """Give the bytes of a value."""
        try:
            data: bytes = self._msgpack.packb(
                value, default=self._extension, strict_types=True, **OPTIONS
            )
        except (RecursionError, ValueError) as error:
            # It has a limit of its own.
            raise too_deep(self._max_depth) from error
        return data

    def _extension(self, value: Any) -> Any:
        if self._depth >= self._max_depth:
            raise too_deep(self._max_depth)
        tag, body = self._tagged(value, self._depth + 1)
        return self._msgpack.ExtType(CODES[tag], body)

    @override
    def body(self, body: Any, depth: int) -> Any:
        before, self._depth = self._depth, depth
        try:
            return self.pack(body)
        finally:
            self._depth = before


class _Reader:
    """Unpacks values of one envelope."""

    def __init__(self, table: Table, max_depth: int, max_bytes: int, msgpack: Any) -> None:
        self._msgpack = msgpack
        self._table = table
        self._max_depth = max_depth
        self._max_bytes = max_bytes
        self._depth = 0
        self._open_bytes = 0
        self._options = {
            "ext_hook": self._value,
            "object_pairs_hook": table.dict_of,
            "strict_map_key": False,
            **OPTIONS,
        }

    def unpack(self, data: bytes) -> Any:
        """Give the value that bytes hold."""
        return self._msgpack.unpackb(data, **self._options)

    def _value(self, code: int, data: bytes) -> Any:
        tag = TAGS.get(code)
        if tag is None:
            raise DecodingError("it has values of an unknown type")
        self._depth += 1
        if self._depth > self._max_depth:
            raise DecodingError(f"it is deeper than {self._max_depth}")
        # Each level has a copy of what is within it.
        self._open_bytes += len(data)
        if self._open_bytes > 2 * self._max_bytes:
            raise DecodingError("it is too long for its depth")
        value = self._table.make(tag, self._body(data))
        self._depth -= 1
        self._open_bytes -= len(data)
        return value

    def _body(self, data: bytes) -> Any:
        # Not unpackb, which takes tens of kilobytes of the stack while this is called.
        unpacker = self._msgpack.Unpacker(max_buffer_size=len(data) or 1, **self._options)
        unpacker.feed(data)
        body = unpacker.unpack()
        if unpacker.tell() != len(data):
            raise DecodingError("something comes after an extension type's data")
        return body
