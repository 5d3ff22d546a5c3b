"""``arqade stubs``: the declarations of a worker's functions."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from arqade._stubs import StubsError, drift, write_stubs
from arqade.cli.status import CommandError, Status, finish

__all__ = ["stubs"]

_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command()
@click.argument("settings", metavar="SETTINGS")
@click.option("--output", metavar="FILE", type=_FILE, help="Write this file.")
@click.option(
    "--check",
    "checked",
    metavar="FILE",
    type=_FILE,
    help="Write nothing; show how this file differs, and exit with 1 if it does.",
)
def stubs(settings: str, output: Path | None, checked: Path | None) -> None:
    """Write a module that declares the functions of a worker.

    Clients that don't import the worker's code enqueue them with types. SETTINGS is as for arq:
    package.module.WorkerSettings.
    """
    if output is not None and checked is not None:
        raise click.UsageError("--output and --check exclude each other")
    sys.path.append(str(Path.cwd()))  # Where arq looks, too.
    try:
        text = write_stubs(settings)
    except StubsError as error:
        raise CommandError(str(error), Status.usage) from error
    try:
        difference = None if checked is None else drift(checked, text)
        if output is not None:
            output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise CommandError(str(error), Status.usage) from error
    if difference is not None:
        click.echo(difference, nl=False)
        finish(ok=not difference)
    elif output is None:
        click.echo(text, nl=False)
