"""What stock arq wrote: the captures of ``golden.json`` and the values that are in them."""

from __future__ import annotations

import base64
import json
from collections import OrderedDict
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import pytest

CAPTURES = json.loads((Path(__file__).parents[1] / "data" / "golden.json").read_text())["captures"]

VALUES = {
    "none": None,
    "true": True,
    "int": 42,
    "negative": -1,
    "big int": 2**200,
    "float": 1.5,
    "nan-free inf": float("inf"),
    "text": "hello",
    "unicode": "ünï✓𝄞",
    "empty text": "",
    "nul in text": "a\0b",
    "bytes": b"\x00\xff",
    "tuple": (1, (2, 3)),
    "list": [1, [2]],
    "dict": {"a": {"b": 1}},
    "dict with int keys": {1: "x"},
    "set": {1, 2},
    "frozenset": frozenset({"a"}),
    "aware datetime": datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC),
    "naive datetime": datetime(2026, 1, 2),  # noqa: DTZ001
    "date": date(2026, 1, 2),
    "timedelta": timedelta(days=1, microseconds=5),
    "decimal": Decimal("1.10"),
    "uuid": UUID(int=7),
    "ordereddict": OrderedDict(a=1),
    "complex": 1 + 2j,
    "range": range(3),
    "exception": ValueError("boom", 1),
    "deep": [[[[[[]]]]]],
}
"""The values of the jobs that have a ``repr``, by label: each is both ``args[0]`` and ``key``."""

OPTIONS = {
    "deferred until": {"defer_until": datetime(2030, 1, 1, tzinfo=UTC)},
    "deferred by": {"defer_by": 100},
    "expires": {"expires": 60},
    "try 3": {"job_try": 3},
    "other queue": {"queue_name": "other"},
}
"""The options of the jobs that have no arguments, by label."""


def content(label):
    """Give the positional and the keyword arguments of a job."""
    if label in OPTIONS:
        return (), {}
    value = VALUES[label]
    # One object in both places, as it was for stock arq: pickle writes it once.
    return (value,), {"key": value}


def samples(kind):
    """Give a pytest parameter for every job or result of every capture that has bytes."""
    return [
        pytest.param(
            sample | {"bytes": base64.b64decode(sample["bytes"])},
            id=f"arq {capture['arq']} {sample['label']}",
        )
        for capture in CAPTURES
        for sample in capture[kind]
        if sample["bytes"] is not None
    ]


def results(*, readable):
    """Give the results that stock arq can read, or those that it can't."""
    return [
        sample
        for sample in samples("results")
        if ("DeserializationError" in sample.values[0]["stock reads"]) is not readable
    ]


def results_with(text):
    """Give the results that stock arq can read and whose ``repr`` holds a text."""
    return [
        sample for sample in results(readable=True) if text in str(sample.values[0]["stock reads"])
    ]


def comparable(value):
    """Give what tells two values apart, for exceptions too."""
    if isinstance(value, BaseException):
        return type(value), value.args
    return type(value), value
