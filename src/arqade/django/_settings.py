"""What ``ARQADE`` says of each queue, and what is wrong with it. Nothing here connects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils.connection import ConnectionDoesNotExist

from arqade import ConfigurationError
from arqade._entries import Problem, read_entry
from arqade._opening import QueueOptions

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


class QueueSettingsError(ImproperlyConfigured, ConfigurationError):
    """A value of ``ARQADE`` can't be used."""


class UnknownQueueError(QueueSettingsError, ConnectionDoesNotExist):
    """``ARQADE`` has no queue of this alias."""


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
    return read_entry(entry, lambda key: f"{where}[{key!r}]")


def _entries() -> Mapping[str, Any]:
    entries = getattr(settings, SETTING, {})
    if not isinstance(entries, Mapping):
        raise QueueSettingsError(
            f"{SETTING} must be a dictionary of dictionaries, not {type(entries).__name__}"
        )
    return entries
