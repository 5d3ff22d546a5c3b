"""Pickle without its danger."""

from __future__ import annotations

import io
import pickle
from types import NoneType
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

from arqade._compat import override
from arqade.codecs._base import (
    CONTAINERS,
    MAX_BYTES,
    MAX_DEPTH,
    BaseCodec,
    DecodingError,
    EncodingError,
    WorkerCodecSettings,
    check_limits,
    check_size,
    is_result,
)
from arqade.codecs._pickle import PickleCodec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["OnForbidden", "RestrictedPickleCodec"]

OnForbidden: TypeAlias = Literal["error", "placeholder"]
"""What becomes of what a payload may not make: the payload can't be decoded, or a `Placeholder`."""


HASHING = frozenset({dict, set, frozenset})

PLAIN_KEYS = frozenset({NoneType, bool, float, str, bytes})
"""Types of keys that are never too large; integers are looked at."""


class _Pickler(pickle.Pickler):
    """Notices whether it writes anything but literals."""

    made_objects = False

    @override
    def reducer_override(self, obj: object, /) -> Any:
        self.made_objects = True
        return NotImplemented


def _is_plain_tree(value: object, max_depth: int) -> bool:
    """Tell whether containers are not too deep, in one place each, and no keys of others."""
    level: list[Any] = [value]
    seen = set()
    for _ in range(max_depth):
        parts = []
        for whole in level:
            if type(whole) in HASHING and not PLAIN_KEYS.issuperset(map(type, whole)):
                return False
            for part in whole.values() if type(whole) is dict else whole:
                if type(part) in CONTAINERS and part != ():
                    if id(part) in seen:
                        return False
                    seen.add(id(part))
                    parts.append(part)
        if not parts:
            return True
        level = parts
    return False


class RestrictedPickleCodec(PickleCodec):
    """Pickle that makes nothing but plain data, errors, and what is in its allow-list.

    It writes and reads what a stock arq worker does. Nothing else is imported, called or made:
    neither by class nor by function, from no registry, and no object but those that the payload
    has made itself is changed. Plain data are what Python has literals for, and sets, ranges,
    dates and times, `decimal.Decimal`, `uuid.UUID` and the dicts and the deque of `collections`.
    Errors are those of Python and of arq, `asyncio.CancelledError` and arqade's own.

    A worker's copy of it does not read jobs that its client's could have sent unchecked; so the
    client reads what it writes, before it is sent. Results are not checked: a worker stores them.

    Args:
        allow: Full names such as ``"app.models.User"`` of what payloads may make, or the classes
            and functions themselves. A name is imported when a payload first names it.
        on_forbidden: ``"error"``: a payload that names anything else can't be decoded.
            ``"placeholder"``: a `Placeholder` takes its place, also for what an allowed class
            refuses to make; for clients that look at jobs, rather than for workers.
        protocol: The pickle protocol to write; see `PickleCodec`.
        max_bytes: The largest payload that is decoded, in bytes. Nor may one unfold to more values
            than so many, by holding some in many places.
        max_depth: How deep values may lie in each other.

    Raises:
        TypeError: An argument is of a wrong type.
        ValueError: An argument is out of bounds, or no full name.
    """

    def __init__(
        self,
        allow: Iterable[str | type | Callable[..., Any]] = (),
        on_forbidden: OnForbidden = "error",
        *,
        protocol: int = 4,
        max_bytes: int = MAX_BYTES,
        max_depth: int = MAX_DEPTH,
    ) -> None:
        super().__init__(protocol=protocol)
        if on_forbidden not in get_args(OnForbidden):
            raise ValueError(f"on_forbidden must be 'error' or 'placeholder', not {on_forbidden!r}")
        # Loaded when first needed: `import arqade` needs none of it.
        from arqade.codecs._allowed import AllowList  # noqa: PLC0415
        from arqade.codecs._machine import Machine  # noqa: PLC0415

        self._machine = Machine
        self._allowed = AllowList(allow)
        self._on_forbidden = on_forbidden
        self._max_bytes, self._max_depth = check_limits(max_bytes, max_depth)

    @override
    def loads(self, data: bytes, /) -> dict[str, Any]:
        return BaseCodec.loads(self, data)

    @override
    def worker_settings(self) -> WorkerCodecSettings:
        return BaseCodec.worker_settings(self)

    @override
    def _encode(self, envelope: dict[str, Any]) -> bytes:
        if self._on_forbidden == "placeholder" or is_result(envelope):
            return super()._encode(envelope)
        file = io.BytesIO()
        pickler = _Pickler(file, self._protocol, fix_imports=False)
        pickler.dump(envelope)
        data = file.getvalue()
        plain = not pickler.made_objects and _is_plain_tree(envelope, self._max_depth)
        if not plain or len(data) > self._max_bytes:
            try:
                self._decode(data)
            except DecodingError as error:
                raise EncodingError(f"it could not be decoded: {error}") from error
        return data

    @override
    def _decode(self, data: bytes) -> Any:
        check_size(data, self._max_bytes)
        machine = self._machine(
            self._allowed,
            placeholders=self._on_forbidden == "placeholder",
            max_size=self._max_bytes,
            max_depth=self._max_depth,
        )
        return machine.run(data)

    @override
    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(allow={self._allowed.names!r}, "
            f"on_forbidden={self._on_forbidden!r}, protocol={self._protocol})"
        )
