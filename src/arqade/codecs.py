"""How a job's envelope becomes bytes and back.

A codec turns the mapping that arq stores for a job or a result into bytes. Both sides must use
the same one: `Codec.worker_settings` gives what a stock arq worker needs for it.
"""

from __future__ import annotations

import io
import pickle
from typing import TYPE_CHECKING, Any, Protocol, TypedDict

from arqade import exceptions
from arqade._compat import override
from arqade._validation import check_integer

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Codec", "PickleCodec", "WorkerCodecSettings"]

ARQ_MODULES = frozenset({"arq.jobs", "arq.worker"})
"""Where arq defines the exceptions that a worker stores in results."""

HIGHEST_PROTOCOL = 5
"""The newest pickle protocol that every supported worker's Python reads."""


class WorkerCodecSettings(TypedDict):
    """The settings of a stock arq worker that make it use a codec."""

    job_serializer: Callable[[dict[str, Any]], bytes]
    job_deserializer: Callable[[bytes], dict[str, Any]]


class Codec(Protocol):
    """Turns an envelope into bytes and back. It may raise any exception for what it can't do."""

    def dumps(self, envelope: dict[str, Any], /) -> bytes:
        """Give the bytes of an envelope."""
        ...

    def loads(self, data: bytes, /) -> dict[str, Any]:
        """Give the envelope that these bytes hold."""
        ...

    def worker_settings(self) -> WorkerCodecSettings:
        """Give the settings with which a stock arq worker uses this codec."""
        ...


class _StandInUnpickler(pickle.Unpickler):
    """Finds arq's exceptions in `arqade.exceptions`, where arq itself is not installed."""

    @override
    def find_class(self, module_name: str, global_name: str, /) -> Any:
        if module_name in ARQ_MODULES and global_name in exceptions.__all__:
            try:
                return super().find_class(module_name, global_name)
            except ImportError:
                return getattr(exceptions, global_name)
        return super().find_class(module_name, global_name)


class PickleCodec:
    """What an unmodified arq worker speaks.

    Unpickling runs code that the bytes name: use it only with a Redis that you trust.

    Args:
        protocol: The pickle protocol, up to 5. The default, 4, is what arq itself writes on
            Python 3.8 to 3.13 and what every worker reads.

    Raises:
        TypeError: ``protocol`` is no `int`.
        ValueError: There is no such protocol.
    """

    def __init__(self, *, protocol: int = 4) -> None:
        self._protocol = check_integer("protocol", protocol, least=0, most=HIGHEST_PROTOCOL)

    def dumps(self, envelope: dict[str, Any], /) -> bytes:
        """Give the pickle of an envelope."""
        return pickle.dumps(envelope, protocol=self._protocol)

    def loads(self, data: bytes, /) -> dict[str, Any]:
        """Give the envelope of a pickle.

        arq's own exceptions become their stand-ins in `arqade.exceptions` if arq is missing.
        """
        envelope: dict[str, Any]
        try:
            envelope = pickle.loads(data)
        except ModuleNotFoundError:
            # Only now: a subclass of Unpickler makes every class look-up slower.
            envelope = _StandInUnpickler(io.BytesIO(data)).load()
        return envelope

    def worker_settings(self) -> WorkerCodecSettings:
        """Give the settings with which a stock arq worker uses this codec."""
        return {"job_serializer": self.dumps, "job_deserializer": self.loads}

    @override
    def __repr__(self) -> str:
        return f"{type(self).__name__}(protocol={self._protocol})"
