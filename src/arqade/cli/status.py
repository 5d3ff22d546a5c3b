"""What the exit status says, and which error leads to which."""

from __future__ import annotations

from enum import IntEnum

import click

from arqade import (
    ArqadeError,
    ConfigurationError,
    EnqueueUncertain,
    QueueConnectionError,
    exceptions,
)
from arqade.cli.output import report

__all__ = ["CommandError", "Status", "finish", "kind_of", "status_of", "tell"]


class Status(IntEnum):
    """The exit status."""

    ok = 0
    """It was done, or the answer is yes."""

    negative = 1
    """It could not be done, or the answer is no."""

    usage = 2
    """The command line, the URL or the input is wrong."""

    unreachable = 3
    """The server can't be reached, or refuses this client."""

    interrupted = 130
    """Ctrl-C."""


class CommandError(ArqadeError):
    """A command can't go on, or was not done as a whole.

    Args:
        message: What happened.
        status: The exit status.
    """

    def __init__(self, message: str, status: Status) -> None:
        super().__init__(message)
        self.status = status


def status_of(error: BaseException | None) -> Status:
    """Tell with which status an error ends a command."""
    if isinstance(error, CommandError):
        return error.status
    if isinstance(error, QueueConnectionError | EnqueueUncertain):
        return Status.unreachable
    if isinstance(error, ConfigurationError):
        return Status.usage
    return Status.negative


def kind_of(error: BaseException) -> str:
    """Name an error's class, or the class of which it is a kind if it is not public."""
    if isinstance(error, CommandError):
        return "CommandError"
    names = (kind.__name__ for kind in type(error).__mro__)
    return next((name for name in names if name in exceptions.__all__), type(error).__name__)


def tell(error: ArqadeError | TimeoutError) -> None:
    """Say on standard error what went wrong."""
    message = ". ".join([str(error), *getattr(error, "__notes__", ())])
    report(message, kind=kind_of(error), job_id=getattr(error, "job_id", None))


def finish(*, ok: bool) -> None:
    """End the command with the status of a negative answer, unless all is well."""
    if not ok:
        click.get_current_context().exit(Status.negative)
