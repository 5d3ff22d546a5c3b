"""What a dictionary in a framework's settings says of a queue. Nothing here connects."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any, Final, TypeVar

import attrs

from arqade import ArqMode, ConfigurationError, RedisSettings, SyncMockArqQueue
from arqade._opening import DEFAULT_QUEUE, PICKLE, QueueOptions, codec_from, settings_from

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["KEYS", "NO_URL", "WRONG", "Problem", "read_entry"]

WRONG: Final = (ConfigurationError, ImportError, TypeError, ValueError)
"""What is raised for a value that can't be used."""

NO_URL: Final = "W001"
"""The code of a queue without a URL."""

T = TypeVar("T")


@attrs.frozen
class Problem:
    """Something in the settings that is wrong."""

    code: str
    """Its number among Django's system checks, as in ``E001``."""

    message: str
    """What is wrong, and where."""

    hint: str | None = None
    """What to do."""

    @property
    def is_error(self) -> bool:
        """Whether it is wrong on every machine."""
        return self.code.startswith("E")


def _mode(value: Any) -> ArqMode:
    try:
        return ArqMode(value)
    except ValueError:
        allowed = " or ".join(map(repr, map(str, ArqMode)))
        raise ValueError(f"it must be {allowed}, not {value!r}") from None


# The classes that take these values check them; a mock needs no server for that.


def _queue_name(value: str) -> str:
    return SyncMockArqQueue(default_queue_name=value).default_queue_name


def _expires_extra_ms(value: int) -> int:
    SyncMockArqQueue(expires_extra_ms=value)
    return value


def _max_payload_bytes(value: int) -> int:
    SyncMockArqQueue(max_payload_bytes=value)
    return value


def _durability(value: Any) -> str:
    return RedisSettings(durability=value).durability


MORE: Final[dict[str, tuple[str, Callable[[Any], Any]]]] = {
    "EXPIRES_EXTRA_MS": ("expires_extra_ms", _expires_extra_ms),
    "MAX_PAYLOAD_BYTES": ("max_payload_bytes", _max_payload_bytes),
    "DURABILITY": ("durability", _durability),
}
"""Further arguments of `RedisArqQueue.initialize`, and what checks their values."""

KEYS: Final = ("URL", "QUEUE_NAME", "CODEC", "MODE", *MORE)


def read_entry(
    entry: Mapping[Any, Any], name_of: Callable[[object], str]
) -> tuple[QueueOptions, list[Problem]]:
    """Read what a framework's settings say of one queue.

    Args:
        entry: The dictionary: its keys are those of `KEYS`.
        name_of: Gives the name by which a user knows a key.

    Returns:
        What the queue is opened with, which counts only if nothing is wrong; and what is wrong.
    """
    reading = _Reading(entry, name_of)
    return reading.options(), reading.problems


class _Reading:
    """Reads the dictionary of one queue, and goes on where something is wrong."""

    def __init__(self, entry: Mapping[Any, Any], name_of: Callable[[object], str]) -> None:
        self.problems: list[Problem] = []
        self._entry = entry
        self._name_of = name_of

    def options(self) -> QueueOptions:
        """Give what is there, with defaults for what is missing or wrong."""
        for key in self._entry:
            if key not in KEYS:
                self._found_unknown(key)
        mode = self._read("MODE", "E006", _mode, ArqMode.production)
        name = self._read("QUEUE_NAME", "E004", _queue_name, DEFAULT_QUEUE)
        codec = self._read("CODEC", "E005", codec_from, PICKLE)
        more = {}
        for key, (argument, check) in MORE.items():
            value = self._read(key, "E007", check, None)
            if value is not None:
                more[argument] = value
        settings = None if mode is ArqMode.test else self._redis_settings()
        return QueueOptions(settings=settings, default_queue_name=name, codec=codec, more=more)

    def _redis_settings(self) -> RedisSettings:
        if self._entry.get("URL") is not None:
            return self._read("URL", "E003", settings_from, RedisSettings())
        try:
            return settings_from(None)
        except ConfigurationError as error:
            # No error of the checks: they may run where the queue is not used, as in a build.
            self._found(NO_URL, f"{self._name_of('URL')} is not set, and {error}")
            return RedisSettings()

    def _read(self, key: str, code: str, convert: Callable[[Any], T], default: T) -> T:
        if key not in self._entry:
            return default
        try:
            return convert(self._entry[key])
        except WRONG as error:
            self._found(code, f"{self._name_of(key)}: {error}")
            return default

    def _found_unknown(self, key: object) -> None:
        close = difflib.get_close_matches(str(key).upper(), KEYS, n=1)
        hint = f"Did you mean {close[0]!r}?" if close else f"The keys are {', '.join(KEYS)}."
        self._found("E002", f"{self._name_of(key)} is unknown", hint)

    def _found(self, code: str, message: str, hint: str | None = None) -> None:
        self.problems.append(Problem(code, message, hint))
