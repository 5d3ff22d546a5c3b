"""Envelopes of jobs and results for tests to change, and codecs that do as they are told."""

from __future__ import annotations

from typing import Any

from arqade.codecs import PickleCodec

CODEC = PickleCodec()

JOB: dict[str, Any] = {"t": None, "f": "work", "a": (1,), "k": {"b": 2}, "et": 1_700_000_000_123}
RESULT: dict[str, Any] = {
    **JOB,
    "t": 2,
    "s": True,
    "r": "value",
    "st": 1_700_000_001_000,
    "ft": 1_700_000_002_999,
    "q": "mail",
    "id": "j",
}
MISSING = object()
"""Stands for a key that an envelope lacks."""


def job_bytes(**changes):
    """Give the pickle of a job with some keys changed, or without those that are `MISSING`."""
    return CODEC.dumps(_changed(JOB, changes))


def result_bytes(**changes):
    """Give the pickle of a result with some keys changed, or without those that are `MISSING`."""
    return CODEC.dumps(_changed(RESULT, changes))


def _changed(envelope, changes):
    return {key: item for key, item in (envelope | changes).items() if item is not MISSING}


class FakeCodec:
    """Gives fixed values, or raises fixed errors, and keeps what it was given."""

    def __init__(self, *, dumps=b"", loads=None):
        self.given = None
        self._dumps = dumps
        self._loads = loads

    def dumps(self, envelope, /):
        self.given = envelope
        return self._give(self._dumps)

    def loads(self, data, /):
        self.given = data
        return self._give(self._loads)

    def worker_settings(self):
        return {"job_serializer": self.dumps, "job_deserializer": self.loads}

    def _give(self, value):
        if isinstance(value, BaseException):
            raise value
        return value
