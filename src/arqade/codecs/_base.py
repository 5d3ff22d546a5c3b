"""What all codecs have in common: their interface, their errors, and what a worker reads."""

from __future__ import annotations

import abc
import re
import sys
from typing import TYPE_CHECKING, Any, Protocol, TypedDict, TypeVar, cast

from arqade._compat import override
from arqade._validation import MAX_TIME_MS, check_integer
from arqade.exceptions import JobDeserializationError, JobSerializationError
from arqade.models import MAX_JOB_TRY

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "CONTAINERS",
    "MAX_BYTES",
    "MAX_DEPTH",
    "BaseCodec",
    "Codec",
    "DecodingError",
    "EncodingError",
    "SignedEnvelope",
    "WorkerCodecSettings",
    "WorkerDeserializer",
    "check_codec",
    "check_limits",
    "check_place",
    "check_size",
    "full_name",
    "has_methods",
    "is_deeper",
    "is_result",
    "reason_of",
    "safe_name",
    "shown",
    "text_of",
]

MAX_BYTES = 64 * 1024 * 1024
"""The largest payload that a decoder takes by default, as of a queue."""

MAX_DEPTH = 200
"""How deep values may lie in each other by default: Python can compare and print so many."""

REASON = "_reason"
"""The attribute of a codec's error that says why, which quotes no value."""

E = TypeVar("E", JobDeserializationError, JobSerializationError)

CONTAINERS = frozenset({dict, list, tuple, set, frozenset})

NAME = re.compile(r"[\w.]{1,200}")
"""The name of a module or a class."""

NO_CLASS = re.compile(r"Can't get attribute '([\w.]+)' on <module '([\w.]+)'")
"""What pickle says of a class that is missing in its module."""


class WorkerCodecSettings(TypedDict):
    """The settings of a stock arq worker that make it use a codec."""

    job_serializer: Callable[[dict[str, Any]], bytes]
    job_deserializer: Callable[[bytes], dict[str, Any]]


class Codec(Protocol):
    """Turns an envelope into bytes and back. It may raise any exception for what it can't do.

    One that can be recognized has a method ``recognizes``, too: see `FallbackCodec`.
    """

    def dumps(self, envelope: dict[str, Any], /) -> bytes:
        """Give the bytes of an envelope."""
        ...

    def loads(self, data: bytes, /) -> dict[str, Any]:
        """Give the envelope that these bytes hold."""
        ...

    def worker_settings(self) -> WorkerCodecSettings:
        """Give the settings with which a stock arq worker uses this codec."""
        ...


def has_methods(value: object, *names: str) -> bool:
    """Tell whether an object has these methods; a class, which has them too, reads nothing."""
    return not isinstance(value, type) and all(
        callable(getattr(value, name, None)) for name in names
    )


def check_codec(what: str, value: object) -> Codec:
    """Give back a codec, or raise.

    Args:
        what: What it is for, for the message.
        value: The codec.

    Raises:
        TypeError: It is no codec.
    """
    if not has_methods(value, "dumps", "loads"):
        kind = (
            f"the class {full_name(value)}" if isinstance(value, type) else full_name(type(value))
        )
        raise TypeError(f"{what} is no codec, an object with dumps and loads, but {kind}")
    return cast("Codec", value)


class DecodingError(Exception):
    """Bytes can't be decoded; its words quote no value."""


class EncodingError(Exception):
    """A value can't be encoded; its words quote no value."""


class SignedEnvelope(dict[str, Any]):
    """An envelope whose signature was verified: its contents can be held against its place."""

    __slots__ = ()


def full_name(kind: type) -> str:
    """Give a class's module and qualified name, the latter alone for Python's own."""
    prefix = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
    return f"{prefix}{kind.__qualname__}"


def text_of(value: str) -> str:
    """Give a plain text, also of one whose class is a subclass."""
    return str.__str__(value)


def shown(value: object, show: Callable[[object], str] = repr) -> str:
    """Give a value's text, whatever its class does."""
    try:
        return text_of(show(value))
    except Exception:  # noqa: BLE001 - a foreign class may raise anything
        return f"<{full_name(type(value))}>"


def is_deeper(value: object, limit: int) -> bool:
    """Tell whether plain containers lie deeper in each other; each is looked at once a level."""
    level: list[Any] = [value]
    for _ in range(limit):
        parts = {
            id(part): part
            for whole in level
            for part in ((*whole, *whole.values()) if type(whole) is dict else whole)
            if type(part) in CONTAINERS
        }
        if not parts:
            return False
        level = list(parts.values())
    return True


def check_limits(max_bytes: int, max_depth: int) -> tuple[int, int]:
    """Give back a decoder's limits.

    Raises:
        TypeError: One of them is no `int`.
        ValueError: One of them is out of bounds.
    """
    return (
        check_integer("max_bytes", max_bytes, least=1, most=2**40),
        check_integer("max_depth", max_depth, least=1, most=10_000),
    )


def check_size(data: bytes, max_bytes: int) -> None:
    """Refuse what is larger than a decoder takes."""
    if len(data) > max_bytes:
        raise DecodingError(f"they are more than {max_bytes}")


def is_result(envelope: dict[str, Any]) -> bool:
    """Tell a result from a job."""
    return "s" in envelope and "r" in envelope


def _with_reason(error: E, reason: str) -> E:
    error.__dict__[REASON] = reason
    return error


def safe_name(name: object) -> str:
    """Give a name out of a payload for a message, unless it may be something else."""
    return name if isinstance(name, str) and NAME.fullmatch(name) else "?"


def reason_of(error: Exception) -> str:
    """Say what went wrong, by names alone: a codec's words may quote an argument or a result."""
    if isinstance(error, DecodingError | EncodingError):
        return str(error)
    if isinstance(error, JobDeserializationError | JobSerializationError):
        # Of a codec here; the words of others may quote anything.
        return error.__dict__.get(REASON) or type(error).__name__
    missing: tuple[str, ...] = ()
    if isinstance(error, ModuleNotFoundError):
        missing = (safe_name(error.name),)
    elif type(error) is AttributeError:
        found = NO_CLASS.match(str(error))
        missing = found.groups()[::-1] if found else ()
    kind = type(error).__name__
    return f"{kind}: no {'.'.join(missing)}" if missing and missing != ("?",) else kind


class BaseCodec(abc.ABC):
    """A codec whose errors are arqade's own."""

    def dumps(self, envelope: dict[str, Any], /) -> bytes:
        """Give the bytes of an envelope.

        Raises:
            JobSerializationError: A value can't be encoded. It has no ``job_id``.
        """
        try:
            # A codec may have given a subclass.
            return self._encode(envelope if type(envelope) is dict else dict(envelope))
        except Exception as error:  # noqa: BLE001 - foreign classes may raise anything
            reason = reason_of(error)
        # Not while the error is handled: its words may quote a value.
        message = f"{type(self).__name__} can't encode this: {reason}"
        raise _with_reason(JobSerializationError(message, None), reason)

    def loads(self, data: bytes, /) -> dict[str, Any]:
        """Give the envelope that these bytes hold.

        Raises:
            JobDeserializationError: They can't be decoded. It has no ``job_id``.
        """
        try:
            envelope = self._decode(data)
        except Exception as error:  # noqa: BLE001 - foreign classes may raise anything
            reason = reason_of(error)
        else:
            if isinstance(envelope, dict):
                return envelope
            reason = f"they hold {full_name(type(envelope))}, no envelope"
        # As above.
        raise self._undecodable(reason)

    def _undecodable(self, reason: str) -> JobDeserializationError:
        message = f"{type(self).__name__} can't decode these bytes: {reason}"
        return _with_reason(JobDeserializationError(message, None), reason)

    @abc.abstractmethod
    def recognizes(self, data: bytes, /) -> bool:
        """Tell by their first bytes whether this codec may have written some bytes."""

    def worker_settings(self) -> WorkerCodecSettings:
        """Give the settings with which a stock arq worker uses this codec.

        What arq then reads is checked further: a worker takes the fields of a job as they are, and
        would stumble over some that a payload may hold.
        """
        return {"job_serializer": self.dumps, "job_deserializer": WorkerDeserializer(self)}

    @abc.abstractmethod
    def _encode(self, envelope: dict[str, Any]) -> bytes:
        """Give the bytes of an envelope, or raise anything."""

    @abc.abstractmethod
    def _decode(self, data: bytes) -> Any:
        """Give what the bytes hold, or raise anything."""


class WorkerDeserializer:
    """A stock worker's ``job_deserializer``.

    arq uses one and the same for jobs and, in ``ctx["redis"]``, for results. Who asks decides what
    may come: a result in a job's place would make the worker run that job again.

    Args:
        codec: What decodes.
    """

    def __init__(self, codec: BaseCodec) -> None:
        self._codec = codec

    def __call__(self, data: bytes) -> dict[str, Any]:
        """Give the envelope that these bytes hold.

        Raises:
            JobDeserializationError: They can't be decoded, or hold no job where arq wants one.
        """
        envelope = self._codec.loads(data)
        caller = sys._getframe(1)  # noqa: SLF001 - arq passes nothing on that tells what it wants
        if caller.f_globals.get("__name__") == "arq.jobs":
            _check_fields(envelope)
            if caller.f_code.co_name != "deserialize_result":
                check_place(envelope, None)
        return envelope

    @override
    def __repr__(self) -> str:
        return f"<deserializer of {self._codec!r}>"


def check_place(envelope: dict[str, Any], result_of: str | None) -> None:
    """Refuse a signed envelope that lies where it does not belong; others can't tell.

    Args:
        envelope: The envelope.
        result_of: The id of the job whose result it should be; None if it should be a job.

    Raises:
        JobDeserializationError: It is a job and not a result, or another job's, or a result.
    """
    if not isinstance(envelope, SignedEnvelope):
        return
    if is_result(envelope):
        right = result_of is not None and envelope.get("id") == result_of
    else:
        right = result_of is None
    if not right:
        raise _refused("they belong in another place")


def _refused(reason: str) -> JobDeserializationError:
    return _with_reason(JobDeserializationError(f"These bytes are refused: {reason}", None), reason)


def _check_fields(envelope: dict[str, Any]) -> None:
    kwargs, job_try, time = (envelope.get(key) for key in ("k", "t", "et"))
    right = (
        isinstance(envelope.get("f"), str)
        and isinstance(envelope.get("a"), tuple | list)
        and isinstance(kwargs, dict)
        and all(isinstance(name, str) for name in kwargs)
        and (job_try is None or (type(job_try) is int and 0 <= job_try <= MAX_JOB_TRY))
        and type(time) is int
        and 0 <= time <= MAX_TIME_MS
    )
    if not right:
        raise _refused("they hold neither a job nor a result")
