"""Bounds for the work that a few bytes of a pickle can ask for."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from decimal import Decimal
from types import NoneType
from typing import TYPE_CHECKING, Any, cast

from arqade.codecs._allowed import SCALARS
from arqade.codecs._base import DecodingError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import TypeAlias

    PartsOf: TypeAlias = Callable[[Any], list[Any]]

__all__ = ["LimitExceededError", "Limits", "check_hashes", "is_long_text"]

MAX_KEY_PARTS = 100_000
"""How many values a key of a dict or a member of a set may consist of."""

WORD_BYTES = 8
"""A number beyond this takes the longer to hash the larger it is."""

MAX_EQUAL_HASHES = 100
"""How many keys of a dict or members of a set may have the same hash: each is compared with all."""

DISPERSED = frozenset({NoneType, bool, float, str, bytes, date, time, datetime, timedelta})
"""Classes of keys that have too few values of the same hash, or a hash that can't be foreseen."""

COPIED = (str, bytes, bytearray, list, tuple, dict, set, frozenset)
"""Values that a call may copy: a payload could have one copied again and again."""

COPY_COST = 64
"""What a part of a copied container counts: a set takes so many bytes for it."""

SHARE = 1_000_000
SHARE_OF_A_BYTE = 16
"""How many values a payload may let be copied or looked at: so many, and more by its length."""

TEXT_OF_A_VALUE = 1024
"""A text or bytes in many places counts as a value for each so many of its characters."""

SMALL = 16
"""Containers of so few parts cost no more than the opcodes that copy them."""


class LimitExceededError(DecodingError):
    """A payload asks for more than it may: nothing takes the place of that."""


def check_hashes(keys: Iterable[Any], hashes: dict[int, int] | None = None) -> None:
    """Refuse keys of a dict or members of a set of which too many have the same hash.

    Args:
        keys: The keys.
        hashes: How many keys of a hash there are already.

    Raises:
        LimitExceededError: There are too many.
        TypeError: One of them has no hash.
    """
    hashes = {} if hashes is None else hashes
    for key in keys:
        if not _is_dispersed(key):
            value = hash(key)
            hashes[value] = hashes.get(value, 0) + 1
            if hashes[value] > MAX_EQUAL_HASHES:
                raise LimitExceededError(
                    "too many keys of a dict or members of a set have one hash"
                )


def _is_dispersed(key: object) -> bool:
    kind = type(key)
    if kind is int:
        return cast("int", key).bit_length() <= 8 * WORD_BYTES
    return kind in DISPERSED


def is_long_text(value: Any) -> bool:
    """Tell whether a value is a text or bytes that count for more than one value."""
    return type(value) in (str, bytes) and len(value) >= TEXT_OF_A_VALUE


def _text_size(value: Any) -> int:
    return 1 + len(value) // TEXT_OF_A_VALUE if is_long_text(value) else 1


def _parts(value: Any, parts_of: PartsOf) -> list[Any]:
    kind = type(value)
    if kind in SCALARS:
        return []
    if kind in (tuple, list, set, frozenset):
        return list(value)
    if kind is dict:
        return [*value, *value.values()]
    return parts_of(value)


class Limits:
    """What one pickle may ask for.

    Args:
        max_size: How many values it may unfold to, or let be copied.
        max_depth: How deep they may lie in each other.
    """

    def __init__(self, max_size: int, max_depth: int) -> None:
        self.max_depth = max_depth
        self._max_size = max_size
        self._left = max_size
        self._copied: dict[int, Any] = {}
        self._hashes: dict[int, dict[int, int]] = {}

    def grant(self, size: int) -> None:
        """Let a payload of so many bytes have a share of what is allowed."""
        self._left = min(self._max_size, SHARE + SHARE_OF_A_BYTE * size)

    def spend(self, count: int) -> None:
        """Note that a payload lets so many values be copied or looked at.

        Raises:
            LimitExceededError: They are too many.
        """
        self._left -= count
        if self._left < 0:
            raise self._unfolds()

    def copy(self, value: Any) -> None:
        """Note that a call may copy a value; the first time is free: a payload is so long itself.

        Raises:
            LimitExceededError: Too much was copied.
        """
        kind = type(value)
        if kind is int or kind is Decimal:
            self.spend(value.__sizeof__() // WORD_BYTES)
        elif kind in COPIED and len(value) > SMALL:
            if id(value) in self._copied:
                self.spend(len(value) * (1 if kind in (str, bytes) else COPY_COST))
            self._copied[id(value)] = value

    def check_keys(self, keys: Iterable[Any], parts: PartsOf, holder: object | None = None) -> None:
        """Refuse keys that take too long to hash, or too many that have the same hash.

        Args:
            keys: Keys of a dict, or members of a set.
            parts: Gives what a value holds that is none of Python's own containers.
            holder: The dict or set, if it may get more of them later.
        """
        others = [key for key in keys if not _is_dispersed(key)]
        for key in others:
            self._check_key(key, parts)
        if others:
            check_hashes(
                others, None if holder is None else self._hashes.setdefault(id(holder), {})
            )

    def _check_key(self, key: Any, parts_of: PartsOf) -> None:
        """Refuse a key that is so deep or large that to hash it takes too long, or too much."""
        count, rest = 0, [(key, 0)]
        while rest:
            value, depth = rest.pop()
            parts = _parts(value, parts_of)
            count += 1 + len(parts)
            if type(value) in (int, Decimal):
                count += value.__sizeof__() // WORD_BYTES
            if count > MAX_KEY_PARTS or depth > self.max_depth:
                raise LimitExceededError("a key of a dict or a member of a set is too large")
            rest.extend((part, depth + 1) for part in parts)
        self.spend(count)

    def measure(self, roots: Iterable[Any], parts_of: PartsOf) -> None:
        """Refuse what is too deep, or unfolds to too many values where some are in many places."""
        sizes: dict[int, tuple[int, int]] = {}
        way_down: set[int] = set()
        rest: list[tuple[Any, list[Any] | None]] = [(root, None) for root in roots]
        while rest:
            value, parts = rest.pop()
            key = id(value)
            if parts is None:
                if key in sizes or key in way_down or not (parts := _parts(value, parts_of)):
                    continue
                way_down.add(key)
                self._check_depth(len(way_down))
                rest.append((value, parts))
                rest.extend((part, None) for part in parts)
            else:
                way_down.discard(key)
                held = [sizes.get(id(part)) or (0, _text_size(part)) for part in parts]
                depth = 1 + max(depth for depth, _ in held)
                size = 1 + sum(size for _, size in held)
                self._check_depth(depth)
                if size > self._max_size:
                    raise self._unfolds()
                sizes[key] = depth, size

    def _check_depth(self, depth: int) -> None:
        if depth > self.max_depth:
            raise LimitExceededError(f"it is deeper than {self.max_depth}")

    def _unfolds(self) -> LimitExceededError:
        return LimitExceededError(f"it unfolds to more than {self._max_size} values")
