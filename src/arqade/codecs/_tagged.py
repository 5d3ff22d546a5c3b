"""What JSONCodec and MsgpackCodec have in common."""

from __future__ import annotations

import abc
import copy
from typing import TYPE_CHECKING, Any, TypeVar, overload

from arqade._compat import override
from arqade.codecs._base import (
    MAX_BYTES,
    MAX_DEPTH,
    BaseCodec,
    DecodingError,
    EncodingError,
    check_limits,
    check_size,
    is_deeper,
    is_result,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    import cattrs

    from arqade.codecs._table import Place, Table

__all__ = ["CODES", "TagWriter", "TaggedCodec", "too_deep"]

CODES = {
    "tuple": 1,
    "set": 2,
    "frozenset": 3,
    "int": 4,
    "decimal": 5,
    "uuid": 6,
    "datetime": 7,
    "date": 8,
    "time": 9,
    "timedelta": 10,
    "model": 11,
    "error": 12,
    "unencodable": 13,
    "list": 14,
}
"""Tags, and the codes that they have as extension types of MessagePack. They never change."""

C = TypeVar("C", bound=type)


def too_deep(limit: int) -> EncodingError:
    """Make the error of a value whose parts lie too deep in each other."""
    return EncodingError(f"it is deeper than {limit}, or holds itself")


class TagWriter(abc.ABC):
    """Writes the values of one envelope.

    Args:
        table: What describes values by tags.
        max_depth: How deep they may lie in each other.
        place: Where they belong.
    """

    def __init__(self, table: Table, max_depth: int, place: Place) -> None:
        self._table = table
        self._max_depth = max_depth
        self._place = place

    @abc.abstractmethod
    def body(self, body: Any, depth: int) -> Any:
        """Write the body of a tag, which lies so deep."""

    def _tagged(self, value: Any, depth: int) -> tuple[str, Any]:
        """Give the tag of a value, and its body as it is written."""
        tag, body = self._table.describe(value, self._place)
        if tag != "model" or self._place == "field":
            return tag, self.body(body, depth)
        of_fields = copy.copy(self)
        of_fields._place = "field"  # noqa: SLF001 - its own
        try:
            return tag, of_fields.body(body, depth)
        except EncodingError:
            if self._place != "result":
                raise
        try:
            return tag, of_fields.body(self._table.mended(body), depth)
        except (DecodingError, EncodingError):
            tag, body = self._table.describe_missing(value)
            return tag, self.body(body, depth)


class TaggedCodec(BaseCodec):
    """A format without classes, with tags for the types that it lacks; see `JSONCodec`."""

    def __init__(
        self,
        models: Mapping[str, type] | Iterable[type] = (),
        errors: Mapping[str, type] | Iterable[type] = (),
        *,
        max_bytes: int = MAX_BYTES,
        max_depth: int = MAX_DEPTH,
    ) -> None:
        # Loaded when first needed: `import arqade` needs none of it.
        from arqade.codecs._registry import Registry  # noqa: PLC0415
        from arqade.codecs._table import ArgumentList, Table  # noqa: PLC0415

        self._registry = Registry()
        self._registry.add_all(models)
        self._registry.add_all(errors)
        self._max_bytes, self._max_depth = check_limits(max_bytes, max_depth)
        self._table = Table(self._registry, self._max_depth)
        self._argument_list = ArgumentList

    @overload
    def register(self, kind: C, /, *, name: str | None = None) -> C: ...
    @overload
    def register(self, kind: None = None, /, *, name: str | None = None) -> Callable[[C], C]: ...
    def register(self, kind: C | None = None, /, *, name: str | None = None) -> Any:
        """Let payloads name a class; also a decorator, with or without a name.

        Readers need the class under the same name, so give one if the class may be renamed.

        Args:
            kind: An attrs class, a dataclass, an enum or an exception.
            name: Its name in payloads; its qualified name if None.

        Returns:
            The class.

        Raises:
            TypeError: It is none of these.
            ValueError: Another class has that name, or it has another name already.
        """

        def decorate(kind: Any) -> Any:
            self._registry.add(kind, name)
            return kind

        return decorate if kind is None else decorate(kind)

    @property
    def converter(self) -> cattrs.Converter:
        """The cattrs converter that handles the fields of models: register hooks with it.

        Ask for it again for each that comes after the first use of a model.
        """
        models = self._registry.models
        models.forget()
        return models.converter

    @override
    def _encode(self, envelope: dict[str, Any]) -> bytes:
        # Arguments are a plain list in the bytes, for other readers, and for speed.
        args: Any = envelope.get("a")
        if type(args) is tuple:
            envelope = {**envelope, "a": list(args)}
        elif type(args) is list:
            envelope = {**envelope, "a": self._argument_list(args)}
        if not is_result(envelope):
            return self._write(envelope, "job")
        try:
            return self._write(envelope, "result")
        except Exception:  # noqa: BLE001 - a foreign class may raise anything
            # Something is too deep, or holds itself. The job has run, and that must be told.
            safe = {**envelope, "r": self._safe(envelope["r"])}
            # Its arguments were encoded once, but it may have changed them.
            safe["a"] = [self._safe(value) for value in envelope.get("a", ())]
            safe["k"] = {name: self._safe(item) for name, item in envelope.get("k", {}).items()}
            return self._write(safe, "result")

    def _safe(self, value: Any) -> Any:
        try:
            self._write({"r": value}, "result")
        except Exception:  # noqa: BLE001 - as above
            return self._table.stand_in(value)
        return value

    @override
    def _decode(self, data: bytes) -> Any:
        check_size(data, self._max_bytes)
        envelope = self._read(data)
        # What is deeper has a byte for each level.
        if len(data) > self._max_depth and is_deeper(envelope, self._max_depth):
            raise DecodingError(f"it is deeper than {self._max_depth}")
        args = envelope.get("a") if type(envelope) is dict else None
        if type(args) is list:
            envelope["a"] = tuple(args)
        elif type(args) is self._argument_list:
            envelope["a"] = list(args)
        return envelope

    @abc.abstractmethod
    def _write(self, envelope: dict[str, Any], place: Place) -> bytes:
        """Give the bytes of an envelope."""

    @abc.abstractmethod
    def _read(self, data: bytes) -> Any:
        """Give what the bytes hold."""

    @override
    def __repr__(self) -> str:
        return f"{type(self).__name__}(<{', '.join(self._registry.names) or 'no models'}>)"
