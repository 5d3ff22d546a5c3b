"""What every codec has written: the samples of ``codecs.json``, and the envelopes that they hold.

The samples keep a later version from changing a format unseen. One that changes a format on purpose
reads the old samples still, and writes them anew::

    python -m tests.payloads.golden
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections import Counter, OrderedDict, defaultdict, deque
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from arqade.codecs import (
    FallbackCodec,
    JSONCodec,
    MsgpackCodec,
    PickleCodec,
    RestrictedPickleCodec,
    SignedCodec,
    Unencodable,
)
from arqade.exceptions import JobNotQueued, RemoteError
from tests.payloads import models
from tests.payloads.values import KEY, OTHER_KEY, job, result

FILE = Path(__file__).parents[1] / "data" / "codecs.json"

BERLIN = ZoneInfo("Europe/Berlin")
ODD = timezone(-timedelta(hours=1, minutes=2, seconds=3, microseconds=4))
NAIVE = datetime(2026, 1, 2, 3, 4, 5, 678901)  # noqa: DTZ001 - that is what it is

DEEP: list[Any] = []
for _ in range(99):
    DEEP = [DEEP]

PLAIN = {
    "none": None,
    "true": True,
    "false": False,
    **{f"integer {number}": number for number in (0, -1, 127, 128, -32, -33, 65_536)},
    **{f"integer {number}": number for number in (2**53 - 1, 2**53, 1 - 2**53, -(2**53))},
    **{f"integer {number}": number for number in (2**63, 2**64 - 1, 2**64, -(2**63), ~(2**63))},
    "integer 2**200": 2**200,
    "integer -2**200": -(2**200),
    **{f"float {number}": number for number in (1.5, -0.0, 5e-324, 1.7976931348623157e308, 0.1)},
    **{f"float {number}": float(number) for number in ("nan", "inf", "-inf")},
    "text": "hello",
    "empty text": "",
    "unicode": "ünï✓𝄞\u2028",
    "escapes": 'a\0b\x1f\x7f"\\/\r\n\t',
    "lone surrogate": "a\ud800b",
    "long text": "x" * 300,
    "bytes": bytes(range(256)),
    "no bytes": b"",
    "tuple": (1, (2, [3])),
    "empty tuple": (),
    "list": [1, [2]],
    "empty list": [],
    "dict": {"a": {"b": 1}},
    "empty dict": {},
    "dict with an order": {"z": 1, "a": 2, "m": 3},
    "dict with a single tag": {"$date": "2026-01-02"},
    "dict with an empty tag": {"$": {"$": 1}},
    "dict with two tags": {"$date": 1, "$time": 2},
    "dict with an unknown tag": {"$no": None},
    "dict with numbers": {1: "x", 2.5: "y", 2**70: "z"},
    "dict with any keys": {None: 1, False: 2, (1, "a"): 3, frozenset({2}): 4, b"k": 5, "s": 6},
    "set": {1, 2},
    "empty set": set(),
    "frozenset": frozenset({"a"}),
    "frozensets": frozenset({frozenset()}),
    **{f"decimal {text}": Decimal(text) for text in ("1.10", "-0", "1E+1000", "0E-30")},
    **{f"decimal {text}": Decimal(text) for text in ("NaN123", "-NaN", "sNaN", "-Infinity")},
    "uuid": UUID(int=7),
    "date": date(2026, 1, 2),
    "first date": date.min,
    "naive datetime": NAIVE,
    "last datetime": datetime.max,  # noqa: DTZ901 - as above
    "datetime in UTC": datetime(2026, 1, 2, tzinfo=UTC),
    "datetime with an odd offset": datetime(1, 1, 1, tzinfo=ODD),
    "time": time(1, 2, 3, 4),
    "time with an offset": time(1, tzinfo=timezone(timedelta(hours=5, minutes=30))),
    "timedelta": timedelta(days=1, microseconds=5),
    "negative timedelta": -timedelta(microseconds=1),
    "least timedelta": timedelta.min,
    "deep": DEEP,
}
"""What all codecs keep."""

FOLDED = {
    "naive datetime with fold": NAIVE.replace(fold=1),
    "datetime with offset and fold": NAIVE.replace(fold=1, tzinfo=UTC),
    "time with fold": time(1, fold=1),
}
"""What pickles keep from protocol 4 on."""

ZONED = {
    "datetime with zone": NAIVE.replace(tzinfo=BERLIN),
    "datetime with zone and fold": datetime(2026, 10, 25, 2, 30, tzinfo=BERLIN, fold=1),
    "datetime with zone in no hour": datetime(2026, 3, 29, 2, 30, tzinfo=BERLIN),
    "time with zone": time(1, tzinfo=ZoneInfo("UTC")),
}
"""What `RestrictedPickleCodec` does not keep."""

NOTED = ValueError("boom", 1)
NOTED.code = (1, None)  # type: ignore[attr-defined]
NOTED.add_note("a note")

ERRORS = {
    "error": ValueError("boom", 1),
    "error with attribute and note": NOTED,
    "KeyError": KeyError("k"),
    "SystemExit": SystemExit(3),
    "OSError with files": OSError(2, "no", "a", None, "b"),
    "ImportError": ImportError("no", name="a", path="b"),
    "UnicodeDecodeError": UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"),
    "SyntaxError": SyntaxError("bad", ("file", 1, 2, "text", 1, 3)),
    "group": BaseExceptionGroup("g", [KeyboardInterrupt(), ExceptionGroup("h", [TypeError(2)])]),
    "CancelledError": asyncio.CancelledError("stop"),
    "error of arqade": JobNotQueued("i", "queued"),
    "remote error": RemoteError("app.Error", "message"),
}

MODELS = {
    "attrs": models.Point(1),
    "dataclass": models.Item("name", Decimal("1.10"), ["a"]),
    "enum": models.Colour.RED,
    "enum of a tuple": models.Colour.BLUE,
    "enum of integers": models.Level.LOW,
    "models in each other": models.Order(
        id=UUID(int=1),
        when=NAIVE,
        items=[models.Item("name", Decimal(1))],
        points={"a": models.Point(1, 2)},
        path=(models.Point(3),),
        corners=frozenset({models.Point(4)}),
        key=models.Key(number=5),
        colour=models.Colour.BLUE,
        day=date(2026, 1, 2),
        raw=b"raw",
        ratio=0.5,
        done=True,
        note="note",
        where=models.Point(6),
        extra={"x": [models.Point(7), {8}]},
        secret="secret",
    ),
    "registered errors": models.Many("many", [models.FieldsError(3), ValueError(4)]),
}
NOT_PICKLED = {"registered error": models.TwoError(1, 2)}
"""What pickle itself makes no more."""

ONLY_PICKLED = {
    "complex": 1 + 2j,
    "range": range(1, 9, 2),
    "bytearray": bytearray(b"a"),
    "OrderedDict": OrderedDict(a=1),
    "Counter": Counter(a=2),
    "defaultdict": defaultdict(list, a=[1]),
    "deque": deque([1, 2], 3),
}

COMMON = PLAIN | FOLDED | ERRORS

WITH_NOTE = RemoteError("app.Error", "message", "Traceback (most recent call last): ...")
"""With the note that a decoded one has."""
WITH_NOTE.add_note(f"Traceback of the worker:\n{WITH_NOTE.traceback}")

ENVELOPES = {
    "no arguments": job(),
    "arguments": job(1, "two", a=[3], b={"$x": 4}),
    "arguments in a list": {**job(), "a": [1, (2,)]},
    "third try": {**job(), "t": 3},
    "result": result({"a": (1, None)}),
    "error as result": result(ValueError("boom"), success=False),
    "text of arq": result("unable to serialize result", success=False),
}
REMOTE = {
    "remote error with traceback": result(WITH_NOTE, success=False),
    "unencodable": result([1, Unencodable("app.Lock", "<Lock>")]),
}

ALLOWED = [models.Point, models.Item, models.Colour, models.Level, models.Order, models.Key]
TAGGED = {
    "models": {kind.__name__: kind for kind in ALLOWED},
    "errors": [models.TwoError, models.Many, models.FieldsError],
}
FORMATS = {
    **{f"pickle {protocol}": PickleCodec(protocol=protocol) for protocol in range(6)},
    "restricted pickle": RestrictedPickleCodec([*ALLOWED, *TAGGED["errors"]]),
    "JSON": JSONCodec(**TAGGED),
    "MessagePack": MsgpackCodec(**TAGGED),
    "signed pickle": SignedCodec(PickleCodec(), [KEY]),
    "signed JSON": SignedCodec(JSONCodec(**TAGGED), [KEY], context="mail"),
    "signed MessagePack": SignedCodec(MsgpackCodec(**TAGGED), [OTHER_KEY, KEY], context=b"\xff"),
}
"""A codec for every format."""

ANY_FORMAT = FallbackCodec(FORMATS["JSON"], list(FORMATS.values()))


def envelopes(name):
    """Give the envelopes of the samples of a format, by label."""
    if name in ("JSON", "MessagePack"):
        values = COMMON | ZONED | MODELS | NOT_PICKLED
    elif name == "pickle 4":
        values = COMMON | ZONED | MODELS | ONLY_PICKLED
    elif "pickle" in name and "signed" not in name:
        # As protocol 4.
        values = {"plain data": PLAIN, "pickled alone": list(ONLY_PICKLED.values())}
        values |= {label: ERRORS[label] for label in ("error with attribute and note", "group")}
        values |= {label: MODELS[label] for label in ("attrs", "enum", "registered errors")}
    else:
        values = {
            "mixed data": [PLAIN["dict"], FOLDED["time with fold"], ZONED, ERRORS["KeyError"]]
        }
    more = {} if "pickle" in name else REMOTE
    return {label: job(value) for label, value in values.items()} | ENVELOPES | more


def samples():
    """Give the samples: the name of a format, the label of an envelope, and its bytes."""
    stored = json.loads(FILE.read_text())["samples"]
    return [(name, label, base64.b64decode(text)) for name, label, text in stored]


def write():
    """Write the samples anew."""
    lines = [
        json.dumps([name, label, base64.b64encode(codec.dumps(envelope)).decode()])
        for name, codec in FORMATS.items()
        for label, envelope in envelopes(name).items()
    ]
    FILE.write_text('{"samples": [\n' + ",\n".join(lines) + "\n]}\n")


if __name__ == "__main__":
    write()
