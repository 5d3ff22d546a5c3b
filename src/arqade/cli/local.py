"""``arqade demo`` and ``arqade dev``: a server and a worker on this machine."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Final

import click

from arqade import RedisSettings
from arqade._signals import stop_on_sigterm
from arqade.cli.development import Development
from arqade.cli.server import masked
from arqade.cli.status import CommandError, Status

__all__ = ["demo", "dev"]

_ANYWHERE: Final = click.Path(exists=True, file_okay=False, path_type=Path)


def _check_arq() -> None:
    try:
        import_module("arq")
    except ImportError as error:
        raise CommandError(
            f"The worker is arq's, and arq can't be imported ({error}): pip install arqade[worker]",
            Status.negative,
        ) from error


@click.command()
@click.argument("directory", required=False, type=_ANYWHERE)
def demo(directory: Path | None) -> None:
    """Show what each call answers, with a server and a worker of its own.

    The worker counts the words of the text files in DIRECTORY; of arqade itself, if there is none.
    """
    from arqade.demo.__main__ import main  # noqa: PLC0415 - it brings asyncio and a server

    stop_on_sigterm()
    status = main([] if directory is None else [str(directory)])
    click.get_current_context().exit(status)


@click.command()
@click.argument("settings", metavar="SETTINGS")
@click.option(
    "--url",
    metavar="URL",
    help="A server that is there already. Without it, one is started that keeps nothing; the "
    "environment's ARQADE_URL is not used, which may be that of production.",
)
@click.option(
    "--watch",
    "directory",
    type=_ANYWHERE,
    default=".",
    show_default=True,
    help="The directory in whose Python files changes are looked for.",
)
def dev(settings: str, url: str | None, directory: Path) -> None:
    """Run a server, and a worker that restarts when its code changes.

    Ctrl-C ends it. SETTINGS is as for arq: package.module.WorkerSettings. The worker and its
    application get the server's URL as ARQADE_URL and REDIS_URL.
    """
    _check_arq()
    stop_on_sigterm()
    development = Development(settings, directory)
    try:
        if url is None:
            development.run_with_server()
        else:
            click.echo(f"Redis is at {masked(RedisSettings.from_url(url))}.")
            development.run(url)
    except KeyboardInterrupt:
        click.echo("Stopped.")
