"""Pickle: what an unmodified arq worker speaks."""

from __future__ import annotations

import importlib
import io
import pickle
from typing import Any

from arqade import exceptions
from arqade._compat import override
from arqade._placeholders import PlaceholderFoundError
from arqade._validation import check_integer
from arqade.codecs._base import BaseCodec, WorkerCodecSettings, reason_of

__all__ = ["ARQ_EXCEPTIONS", "PickleCodec", "arq_exception"]

ARQ_EXCEPTIONS = {
    "DeserializationError": "arq.jobs",
    "JobExecutionFailed": "arq.worker",
    "ResultNotFound": "arq.jobs",
    "Retry": "arq.worker",
    "RetryJob": "arq.worker",
    "SerializationError": "arq.jobs",
}
"""arq's exceptions that a worker stores in results, and where arq defines them."""

HIGHEST_PROTOCOL = 5
"""The newest pickle protocol that every supported worker's Python reads."""


def arq_exception(name: str) -> type[Exception]:
    """Give one of `ARQ_EXCEPTIONS`: arq's own class, or its stand-in where arq is not installed."""
    try:
        kind: type[Exception] = getattr(importlib.import_module(ARQ_EXCEPTIONS[name]), name)
    except ImportError:
        kind = getattr(exceptions, name)
    return kind


class _StandInUnpickler(pickle.Unpickler):
    """Finds arq's exceptions in `arqade.exceptions`, where arq itself is not installed."""

    @override
    def find_class(self, module_name: str, global_name: str, /) -> Any:
        if ARQ_EXCEPTIONS.get(global_name) == module_name:
            return arq_exception(global_name)
        return super().find_class(module_name, global_name)


class PickleCodec(BaseCodec):
    """What an unmodified arq worker speaks.

    Unpickling runs code that the bytes name: use it only with a Redis that you trust, or take
    `RestrictedPickleCodec`, which reads the same bytes.

    Args:
        protocol: The pickle protocol, up to 5. The default, 4, is what arq itself writes on
            Python 3.8 to 3.13 and what every worker reads.

    Raises:
        TypeError: ``protocol`` is no `int`.
        ValueError: There is no such protocol.
    """

    def __init__(self, *, protocol: int = 4) -> None:
        self._protocol = check_integer("protocol", protocol, least=0, most=HIGHEST_PROTOCOL)

    @override
    def worker_settings(self) -> WorkerCodecSettings:
        # The methods themselves: a worker with them does what a stock one does without.
        return {"job_serializer": self.dumps, "job_deserializer": self.loads}

    @override
    def recognizes(self, data: bytes, /) -> bool:
        # Protocols 2 to 5 begin with their number, 1 and 0 with a dict.
        return (data[:1] == b"\x80" and data[1:2] <= b"\x05") or data[:1] in (b"}", b"(")

    @override
    def loads(self, data: bytes, /) -> dict[str, Any]:
        try:
            envelope: dict[str, Any] = self._decode(data)
        except Exception as error:  # noqa: BLE001 - what is unpickled may raise anything
            reason = reason_of(error)
        else:
            # Of any type: stock arq takes it, too, and whoever reads the fields finds out.
            return envelope
        raise self._undecodable(reason)

    @override
    def _encode(self, envelope: dict[str, Any]) -> bytes:
        return dumps(envelope, self._protocol)

    @override
    def _decode(self, data: bytes) -> Any:
        try:
            return pickle.loads(data)
        except ModuleNotFoundError:
            # Only now: a subclass of Unpickler makes every class look-up slower.
            return _StandInUnpickler(io.BytesIO(data)).load()

    @override
    def __repr__(self) -> str:
        return f"{type(self).__name__}(protocol={self._protocol})"


def dumps(envelope: dict[str, Any], protocol: int) -> bytes:
    """Pickle an envelope, placeholders included."""
    try:
        # Without Python 2's names in protocols 0 to 2, which take a TimeoutError for an OSError.
        return pickle.dumps(envelope, protocol, fix_imports=False)
    except PlaceholderFoundError:
        # The pickler in C can't write what these stand for; this one can, slowly.
        from arqade.codecs import _placeholder_pickler  # noqa: PLC0415 - hardly ever needed

        return _placeholder_pickler.dumps(envelope, protocol)
