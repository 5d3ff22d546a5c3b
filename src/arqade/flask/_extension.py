"""The extension, and the queues of an application."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, cast

from flask import current_app
from werkzeug.local import LocalProxy

from arqade import ArqQueue, ConfigurationError, SyncArqQueue
from arqade._clients import QueueClients
from arqade._entries import KEYS, NO_URL, read_entry
from arqade.flask._commands import commands

if TYPE_CHECKING:
    from flask import Flask

    from arqade._entries import Problem
    from arqade._opening import QueueOptions

__all__ = [
    "Arqade",
    "ArqadeQueues",
    "current_async_queue",
    "current_queue",
    "get_async_queue",
    "get_queue",
]

EXTENSION: Final = "arqade"
"""The key of ``app.extensions``."""

PREFIX: Final = "ARQADE_"
QUEUES: Final = "ARQADE_QUEUES"
DEFAULT_ALIAS: Final = "default"


class ArqadeQueues:
    """The queues of an application: what ``app.extensions["arqade"]`` is.

    Each is opened when it is first used: one for the process's blocking code, one for each event
    loop.

    Args:
        config: The application's configuration.

    Raises:
        ConfigurationError: A value can't be used; the message names its key.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._clients = {
            alias: QueueClients(options) for alias, options in _options(config).items()
        }

    @property
    def aliases(self) -> list[str]:
        """The names of the queues in the configuration."""
        return list(self._clients)

    def queue(self, alias: str = DEFAULT_ALIAS) -> SyncArqQueue:
        """Give a queue for blocking code.

        Raises:
            LookupError: There is none of this alias.
        """
        return self._of(alias).queue

    def async_queue(self, alias: str = DEFAULT_ALIAS) -> ArqQueue:
        """Give a queue for asynchronous code.

        Raises:
            LookupError: There is none of this alias.
        """
        return self._of(alias).async_queue

    def close(self) -> None:
        """Close what is open; the next use opens it anew. In test mode, the jobs stay."""
        for clients in self._clients.values():
            clients.close()

    def _of(self, alias: str) -> QueueClients:
        if alias not in self._clients:
            known = ", ".join(map(repr, self._clients))
            raise LookupError(f"{QUEUES} has no queue {alias!r}: there are {known}")
        return self._clients[alias]


class Arqade:
    """The extension: ``Arqade(app)``, or ``Arqade()`` and ``init_app(app)`` for each application.

    It reads ``ARQADE_URL`` and its like from the configuration, keeps an `ArqadeQueues` in
    ``app.extensions["arqade"]``, and adds the command ``flask arqade``. Nothing is connected.

    Args:
        app: The application, if there is only one.

    Raises:
        ConfigurationError: A value can't be used; the message names its key.
        RuntimeError: The application has the extension already.
    """

    def __init__(self, app: Flask | None = None) -> None:
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Add the extension to an application.

        Raises:
            ConfigurationError: A value can't be used; the message names its key.
            RuntimeError: The application has the extension already.
        """
        if EXTENSION in app.extensions:
            raise RuntimeError(f"the application {app.name!r} has arqade already: init it once")
        app.extensions[EXTENSION] = ArqadeQueues(app.config)
        app.cli.add_command(commands)


def get_queue(alias: str = DEFAULT_ALIAS) -> SyncArqQueue:
    """Give a queue of the current application, for blocking code.

    Args:
        alias: Its name in ``ARQADE_QUEUES``.

    Raises:
        RuntimeError: There is no current application, or it has no extension.
        LookupError: There is none of this alias.
    """
    return _queues().queue(alias)


def get_async_queue(alias: str = DEFAULT_ALIAS) -> ArqQueue:
    """Give a queue of the current application, for asynchronous code.

    Args:
        alias: Its name in ``ARQADE_QUEUES``.

    Raises:
        RuntimeError: There is no current application, or it has no extension.
        LookupError: There is none of this alias.
    """
    return _queues().async_queue(alias)


def _queues() -> ArqadeQueues:
    queues: ArqadeQueues | None = current_app.extensions.get(EXTENSION)
    if queues is None:
        raise RuntimeError(
            f"the application {current_app.name!r} has no queues: call Arqade(app) or "
            "init_app(app) when it is made"
        )
    return queues


current_queue: SyncArqQueue = cast("SyncArqQueue", LocalProxy(get_queue))
"""The default queue of the current application, for blocking code."""

current_async_queue: ArqQueue = cast("ArqQueue", LocalProxy(get_async_queue))
"""The default queue of the current application, for asynchronous code."""


def _options(config: Mapping[str, Any]) -> dict[str, QueueOptions]:
    """Read the configuration: what holds for all queues, and what for one."""
    _check_keys(config)
    common = {key: config[PREFIX + key] for key in KEYS if PREFIX + key in config}
    entries = _entries(config.get(QUEUES) or {})
    options, missing = {}, []
    for alias, own in {DEFAULT_ALIAS: {}, **entries}.items():
        found, problems = _read(alias, own, common)
        if problems and problems[0].code == NO_URL and alias not in entries:
            missing.append(problems[0])
        elif problems:
            raise _error(problems[0])
        else:
            options[alias] = found
    if not options:
        raise _error(missing[0])
    return options


def _check_keys(config: Mapping[str, Any]) -> None:
    known = [QUEUES, *(PREFIX + key for key in KEYS)]
    for key in config:
        if key.startswith(PREFIX) and key not in known:
            close = difflib.get_close_matches(key, known, n=1)
            hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(known)}"
            raise ConfigurationError(f"{key} is unknown: {hint}")


def _entries(others: object) -> dict[str, Mapping[Any, Any]]:
    if not isinstance(others, Mapping):
        raise ConfigurationError(f"{QUEUES} must be a dictionary, not {type(others).__name__}")
    entries = {}
    for alias, given in others.items():
        if not isinstance(alias, str):
            raise ConfigurationError(f"{QUEUES}: names must be str, not {type(alias).__name__}")
        own = {"QUEUE_NAME": given} if isinstance(given, str) else given
        if not isinstance(own, Mapping):
            kind = type(own).__name__
            raise ConfigurationError(
                f"{QUEUES}[{alias!r}] must be a queue's name or a dictionary, not {kind}"
            )
        entries[alias] = own
    return entries


def _read(
    alias: str, own: Mapping[Any, Any], common: Mapping[str, Any]
) -> tuple[QueueOptions, list[Problem]]:
    def name_of(key: object) -> str:
        return f"{QUEUES}[{alias!r}][{key!r}]" if key in own else f"{PREFIX}{key}"

    return read_entry({**common, **own}, name_of)


def _error(problem: Problem) -> ConfigurationError:
    return ConfigurationError(". ".join(filter(None, (problem.message, problem.hint))))
