"""What ``ARQADE`` says of each queue, and what is wrong with it. Nothing here connects."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, TypeVar

import attrs
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils.connection import ConnectionDoesNotExist

from arqade import ArqMode, Codec, ConfigurationError, PickleCodec, RedisSettings, SyncMockArqQueue
from arqade._clients import DEFAULT_QUEUE, QueueOptions, codec_from, settings_from

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "SETTING",
    "Problem",
    "QueueSettingsError",
    "UnknownQueueError",
    "aliases",
    "options_of",
    "read",
]

SETTING: Final = "ARQADE"
"""The setting that names the queues."""

DEFAULT_CODEC: Final[Codec] = PickleCodec()

WRONG: Final = (ConfigurationError, ImportError, TypeError, ValueError)
"""What is raised for a value that can't be used."""

T = TypeVar("T")


class QueueSettingsError(ImproperlyConfigured, ConfigurationError):
    """A value of ``ARQADE`` can't be used."""


class UnknownQueueError(QueueSettingsError, ConnectionDoesNotExist):
    """``ARQADE`` has no queue of this alias."""


@attrs.frozen
class Problem:
    """Something in the settings that is wrong, in the terms of Django's system checks."""

    code: str
    """Its number, as in ``E001``."""

    message: str
    """What is wrong, and where."""

    hint: str | None = None
    """What to do."""

    @property
    def is_error(self) -> bool:
        """Whether it is wrong on every machine."""
        return self.code.startswith("E")


def aliases() -> list[str]:
    """Give the names of the queues, none if ``ARQADE`` is not set.

    Raises:
        QueueSettingsError: ``ARQADE`` is no dictionary.
    """
    return list(_entries())


def options_of(alias: str) -> QueueOptions:
    """Give what a queue is opened with.

    Raises:
        UnknownQueueError: There is no queue of this alias.
        QueueSettingsError: A value can't be used; the message names alias and key.
    """
    entries = _entries()
    if alias not in entries:
        known = f"it has {', '.join(map(repr, entries))}" if entries else "it is empty or not set"
        raise UnknownQueueError(f"{SETTING} in the settings has no queue {alias!r}: {known}")
    options, problems = read(alias, entries[alias])
    if problems:
        raise QueueSettingsError(problems[0].message)
    return options


def read(alias: str, entry: object) -> tuple[QueueOptions, list[Problem]]:
    """Read what ``ARQADE`` says of one queue.

    Args:
        alias: The queue's alias.
        entry: The dictionary.

    Returns:
        What the queue is opened with, which counts only if nothing is wrong; and what is wrong.
    """
    where = f"{SETTING}[{alias!r}]"
    if not isinstance(entry, Mapping):
        message = f"{where} must be a dictionary, not {type(entry).__name__}"
        return QueueOptions(settings=None), [Problem("E001", message)]
    reading = _Reading(where, entry)
    return reading.options(), reading.problems


def _entries() -> Mapping[str, Any]:
    entries = getattr(settings, SETTING, {})
    if not isinstance(entries, Mapping):
        raise QueueSettingsError(
            f"{SETTING} must be a dictionary of dictionaries, not {type(entries).__name__}"
        )
    return entries


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


class _Reading:
    """Reads the dictionary of one queue, and goes on where something is wrong."""

    def __init__(self, where: str, entry: Mapping[Any, Any]) -> None:
        self.problems: list[Problem] = []
        self._where = where
        self._entry = entry

    def options(self) -> QueueOptions:
        """Give what is there, with defaults for what is missing or wrong."""
        for key in self._entry:
            if key not in KEYS:
                self._found_unknown(key)
        mode = self._read("MODE", "E006", _mode, ArqMode.production)
        name = self._read("QUEUE_NAME", "E004", _queue_name, DEFAULT_QUEUE)
        codec = self._read("CODEC", "E005", codec_from, DEFAULT_CODEC)
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
            self._found("W001", f"{self._where} has no 'URL', and {error}")
            return RedisSettings()

    def _read(self, key: str, code: str, convert: Callable[[Any], T], default: T) -> T:
        if key not in self._entry:
            return default
        try:
            return convert(self._entry[key])
        except WRONG as error:
            self._found(code, f"{self._where}[{key!r}]: {error}")
            return default

    def _found_unknown(self, key: object) -> None:
        close = difflib.get_close_matches(str(key).upper(), KEYS, n=1)
        hint = f"Did you mean {close[0]!r}?" if close else f"The keys are {', '.join(KEYS)}."
        self._found("E002", f"{self._where} has an unknown key {key!r}", hint)

    def _found(self, code: str, message: str, hint: str | None = None) -> None:
        self.problems.append(Problem(code, message, hint))
