"""The group of all commands, and what becomes of the errors of each."""

from __future__ import annotations

import importlib.metadata
import logging
from importlib import import_module
from typing import Any, Final

import click

from arqade import ArqadeError
from arqade._compat import override
from arqade.cli.status import Status, status_of, tell

__all__ = ["main"]

COMMANDS: Final = {
    "info": "arqade.cli.info",
    "jobs": "arqade.cli.jobs",
    "show": "arqade.cli.jobs",
    "result": "arqade.cli.results",
    "wait": "arqade.cli.results",
    "enqueue": "arqade.cli.enqueue",
    "cancel": "arqade.cli.change",
    "retry": "arqade.cli.change",
    "delete": "arqade.cli.change",
    "purge": "arqade.cli.change",
    "check": "arqade.cli.check",
    "doctor": "arqade.cli.doctor.command",
    "demo": "arqade.cli.local",
    "dev": "arqade.cli.local",
    "stubs": "arqade.cli.stubs",
}
"""Commands in the order in which help lists them, and the modules that have them."""


class Commands(click.Group):
    """Commands, whose modules are imported when they are asked for."""

    @override
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    @override
    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        module = COMMANDS.get(cmd_name)
        return None if module is None else getattr(import_module(module), cmd_name)

    @override
    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (ArqadeError, TimeoutError) as error:
            tell(error)
            ctx.exit(status_of(error))
        except KeyboardInterrupt:
            ctx.exit(Status.interrupted)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(importlib.metadata.version("arqade"), prog_name="arqade")
def main() -> None:
    """Look at arq's queues and jobs, enqueue and cancel, and find out what is wrong.

    The server is the one that ARQADE_URL or else REDIS_URL names.

    Exit status: 0 if it was done, 1 if the answer is no, 2 if the command is wrong, 3 if Redis
    can't be reached.
    """
    # What is logged is told by the commands themselves.
    logging.getLogger("arqade").addHandler(logging.NullHandler())
