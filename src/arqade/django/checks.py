"""System checks of ``ARQADE``. They need no server.

Their numbers end at 49; those of the backend of Django's tasks begin at 50.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core import checks

from arqade import ArqMode, PickleCodec
from arqade.django._settings import SETTING, QueueSettingsError, aliases, read

if TYPE_CHECKING:
    from collections.abc import Iterator

    from arqade._opening import QueueOptions
    from arqade.django._settings import Problem

__all__ = ["check_deployment", "check_queues"]


def check_queues(**_: Any) -> list[checks.CheckMessage]:
    """Check that all queues can be opened, as far as the settings tell.

    Returns:
        ``arqade.E001`` to ``arqade.E007`` for what is wrong; ``arqade.W001`` for a queue without a
        URL, which may well be set where the queue is used.
    """
    try:
        return [_message(problem) for *_, problems in _readings() for problem in problems]
    except QueueSettingsError as error:
        return [checks.Error(str(error), id="arqade.E001")]


def check_deployment(**_: Any) -> list[checks.CheckMessage]:
    """Check that all queues suit a deployment; for ``check --deploy``.

    Returns:
        ``arqade.W002`` for a queue that is a mock, ``arqade.W003`` for one that reads pickles.
    """
    try:
        readings = list(_readings())
    except QueueSettingsError:
        return []  # An error is told once.
    return [
        message
        for alias, options, problems in readings
        if not any(problem.is_error for problem in problems)
        for message in _of_deployment(alias, options)
    ]


def _readings() -> Iterator[tuple[str, QueueOptions, list[Problem]]]:
    for alias in aliases():
        options, problems = read(alias, getattr(settings, SETTING)[alias])
        yield alias, options, problems


def _message(problem: Problem) -> checks.CheckMessage:
    kind = checks.Error if problem.is_error else checks.Warning
    return kind(problem.message, hint=problem.hint, id=f"arqade.{problem.code}")


def _of_deployment(alias: str, options: QueueOptions) -> Iterator[checks.CheckMessage]:
    where = f"{SETTING}[{alias!r}]"
    if options.mode is ArqMode.test:
        yield checks.Warning(
            f"{where} is in test mode: its jobs stay in this process, and no worker runs them",
            hint="Leave 'MODE' out, or set it to 'production'.",
            id="arqade.W002",
        )
    # Not its subclass, which reads only what it is allowed to.
    elif type(options.codec) is PickleCodec:
        yield checks.Warning(
            f"{where} reads pickles: who can write to Redis can run code in this process",
            hint="Set 'CODEC' to 'json', 'msgpack' or 'restricted-pickle', for the workers, too.",
            id="arqade.W003",
        )
