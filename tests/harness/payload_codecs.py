"""Codecs by name, for clients and for workers in processes of their own; and what jobs hold then.

It needs no arq, so that a client without it reads what these jobs return and raise.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
from collections import Counter, OrderedDict, defaultdict, deque
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING, Any
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import attrs

from arqade._compat import override
from arqade.codecs import (
    Codec,
    FallbackCodec,
    JSONCodec,
    MsgpackCodec,
    PickleCodec,
    RestrictedPickleCodec,
    SignedCodec,
)
from tests.harness.functions import func, retry_for_ever, retry_twice, sleep_long
from tests.harness.stock_values import CustomError, UndecodableError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "CODECS",
    "FOLDED",
    "KEYS",
    "MODELS",
    "PICKLED",
    "PLAIN",
    "TASKS",
    "ZONED",
    "Colour",
    "Item",
    "Order",
    "Recording",
    "Socket",
    "codec_named",
    "inner_of",
]


# --- values ----------------------------------------------------------------------------


class Colour(Enum):
    red = "r"
    green = "g"


@attrs.frozen
class Item:
    name: str
    price: Decimal


@dataclass
class Order:
    items: list[Item]
    at: datetime
    colour: Colour | None = None


class Socket:
    """Nothing can store it, and it always shows the same."""

    @override
    def __reduce__(self) -> str:
        raise TypeError("a socket can't be pickled")

    @override
    def __repr__(self) -> str:
        return "<a socket>"


PLAIN: dict[str, Any] = {
    "none": None,
    "booleans": [True, False],
    "integers": [0, -1, 2**53 - 1, 2**53, -(2**53), 2**63, 2**64, -(2**63) - 1, 10**400],
    "floats": [0.0, -0.0, 1.5, 5e-324, 1e308, math.nan, math.inf, -math.inf],
    "texts": ["", "é", "\0", "\u2028", "\ud800", "😀", "$date"],
    "bytes": [b"", b"\x00\xff", b"{"],
    "tuple": (1, (), ("x", [2])),
    "dicts": [{}, {"a": {}}, {"$date": "x"}, {1: "a", None: "b", (1, "x"): "c", 2.5: b"d"}],
    "sets": [set(), {1, 2, 3}, {(1, "x")}, frozenset(), frozenset({b"x"})],
    "datetimes": [
        datetime(2026, 11, 28, 12, 30, 1, 5),  # noqa: DTZ001 - naive ones are claimed, too
        datetime(2026, 11, 28, tzinfo=UTC),
        datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=-5, minutes=-30))),
    ],
    "dates": [date(2026, 11, 28), date.max],
    "times": [time(23, 59, 59, 999_999), time(1, tzinfo=UTC)],
    "timedeltas": [timedelta(days=-1, microseconds=1), timedelta.max],
    "decimals": [Decimal("1.10"), Decimal("-0"), Decimal("sNaN"), Decimal("1E+500")],
    "uuid": UUID(int=5),
}
"""What every codec gives back."""

FOLDED: dict[str, Any] = {
    "folded": [datetime(2026, 10, 25, 2, 30, tzinfo=UTC, fold=1), time(2, fold=1)]
}
"""What pickles before protocol 4 lose, by Python's own way."""

ZONED: dict[str, Any] = {}
"""What a restricted pickle refuses: its class is no plain data."""

with contextlib.suppress(ZoneInfoNotFoundError):
    # Some systems know of no zones.
    ZONED["zoned"] = datetime(2026, 7, 1, 12, tzinfo=ZoneInfo("Europe/Vienna"))

MODELS: dict[str, Any] = {
    "model": Item("tea", Decimal("2.50")),
    "dataclass": Order([Item("tea", Decimal(3))], datetime(2026, 1, 1, tzinfo=UTC), Colour.green),
    "enum": {Colour.red: [Colour.green]},
}
"""What a codec gives back that knows the classes."""

PICKLED: dict[str, Any] = {
    "complex": 1 - 2j,
    "bytearray": bytearray(b"x"),
    "range": range(1, 10, 3),
    "collections": [
        OrderedDict(b=1, a=2),
        deque([1, 2], 5),
        Counter("aab"),
        defaultdict(list, {"x": [1]}),
    ],
    "errors": [ValueError("x"), KeyError(), OSError(2, "no", "file")],
}
"""What pickles give back, and other formats do not have."""

# --- codecs ----------------------------------------------------------------------------

KEYS = {name: hashlib.sha256(name.encode()).digest() for name in ("old", "new", "strange")}

REGISTERED: tuple[type, ...] = (Item, Order, Colour)


def restricted(**options: Any) -> RestrictedPickleCodec:
    return RestrictedPickleCodec([*REGISTERED, CustomError], **options)


def json(**options: Any) -> JSONCodec:
    return JSONCodec(REGISTERED, [CustomError], **options)


def msgpack() -> MsgpackCodec:
    return MsgpackCodec(REGISTERED, [CustomError])


def signed(inner: Codec, *keys: str, context: str = "") -> SignedCodec:
    return SignedCodec(inner, [KEYS[key] for key in keys or ("old",)], context=context)


CODECS: dict[str, Callable[[], Codec]] = {
    "pickle": PickleCodec,
    "pickle-2": lambda: PickleCodec(protocol=2),
    "pickle-5": lambda: PickleCodec(protocol=5),
    "restricted": restricted,
    "json": json,
    "msgpack": msgpack,
    "signed-pickle": lambda: signed(PickleCodec()),
    "signed-restricted": lambda: signed(restricted()),
    "signed-json": lambda: signed(json()),
    "signed-msgpack": lambda: signed(msgpack()),
    "writes-json": lambda: FallbackCodec(json(), [PickleCodec()]),
}
"""One of each kind."""

OTHERS: dict[str, Callable[[], Codec]] = {
    "strict": RestrictedPickleCodec,
    "placeholders": lambda: RestrictedPickleCodec(on_forbidden="placeholder"),
    "small-json": lambda: json(max_bytes=1000),
    "small-restricted": lambda: restricted(max_bytes=1000),
    # Steps of migrations.
    "reads-json": lambda: FallbackCodec(PickleCodec(), [json()]),
    "reads-signed": lambda: FallbackCodec(PickleCodec(), [signed(json())]),
    "writes-signed": lambda: FallbackCodec(signed(json()), [PickleCodec()]),
    "keys-old": lambda: signed(json(), "old"),
    "keys-old-new": lambda: signed(json(), "old", "new"),
    "keys-new-old": lambda: signed(json(), "new", "old"),
    "keys-new": lambda: signed(json(), "new"),
    # Of two queues.
    "mail": lambda: signed(json(), context="mail"),
    "bills": lambda: signed(json(), context="bills"),
    "strange-pickle": lambda: signed(PickleCodec(), "strange"),
}


def codec_named(name: str) -> Codec:
    """Make a codec, as a client and its worker have to make it alike."""
    return {**CODECS, **OTHERS}[name]()


def inner_of(name: str) -> str:
    """Tell what kind of codec makes the bytes: "pickle", "restricted" or "tagged"."""
    kind = name.removeprefix("signed-").partition("-")[0]
    return kind if kind in ("pickle", "restricted") else "tagged"


class Recording:
    """A codec that notes what it is asked to decode.

    Args:
        codec: What does the work.
    """

    def __init__(self, codec: Codec) -> None:
        self.worker_settings = codec.worker_settings
        self.dumps = codec.dumps
        self._codec = codec
        self.decoded: list[bytes] = []

    def loads(self, data: bytes, /) -> dict[str, Any]:
        self.decoded.append(data)
        return self._codec.loads(data)


# --- what workers run ------------------------------------------------------------------


async def give_back(_: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
    return {"args": args, "kwargs": kwargs}


async def give_model(_: Any) -> Item:
    return Item("tea", Decimal(2))


async def give_socket(_: Any) -> Socket:
    return Socket()


async def give_partly(_: Any) -> list[Any]:
    return [1, {"socket": Socket()}]


async def give_loop(_: Any) -> list[Any]:
    loop: list[Any] = []
    loop.append(loop)
    return loop


async def give_error(_: Any) -> Exception:
    return ValueError("a value like any other")


async def give_foreign_error(_: Any) -> Exception:
    return UndecodableError("foreign", 7)


async def change_arguments(_: Any, argument: list[Any]) -> None:
    argument.append(Socket())


async def loop_arguments(_: Any, argument: list[Any]) -> None:
    argument.append(argument)


async def raise_error(_: Any) -> None:
    raise ValueError("no", 1)


async def raise_system_error(_: Any) -> None:
    with open("/no/such/file"):  # noqa: ASYNC230, PTH123 - it fails at once
        pass


async def raise_custom(_: Any) -> None:
    raise CustomError("custom", 7)


async def raise_foreign(_: Any) -> None:
    raise UndecodableError("foreign", 7)


async def raise_socket(_: Any) -> None:
    raise ValueError(Socket())


TASKS: tuple[Any, ...] = (
    give_back,
    give_model,
    give_socket,
    give_partly,
    give_loop,
    give_error,
    give_foreign_error,
    change_arguments,
    loop_arguments,
    raise_error,
    raise_system_error,
    raise_custom,
    raise_foreign,
    raise_socket,
    retry_twice,
    retry_for_ever,
    func(sleep_long, name="time_out", timeout=0.05),
)
"""Functions of a stock worker, and of a mock's."""
