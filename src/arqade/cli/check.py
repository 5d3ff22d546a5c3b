"""``arqade check``: an exit status for probes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from arqade import Severity
from arqade.cli.params import connected, duration, queues
from arqade.cli.status import finish

if TYPE_CHECKING:
    from arqade.cli.output import Output
    from arqade.cli.server import Server

__all__ = ["check"]


@click.command()
@click.option("--worker", is_flag=True, help="Ask for a worker of each queue, too.")
@click.option(
    "--task",
    "tasks",
    metavar="NAME",
    multiple=True,
    help="A function that the workers must know; may be given several times.",
)
@click.option(
    "--allow",
    metavar="CODE",
    multiple=True,
    help="A finding that is none here, such as persistence; may be given several times.",
)
@click.option(
    "--timeout",
    type=duration,
    default="5",
    show_default=True,
    help="How long each question may take, repetitions included.",
)
@queues
@connected
def check(
    server: Server,
    out: Output,
    *,
    worker: bool,
    tasks: tuple[str, ...],
    allow: tuple[str, ...],
    timeout: float,
    queue_names: tuple[str, ...],
) -> None:
    """Tell whether the server is there and fit for jobs: for probes.

    The exit status is 0 if there are no warnings and no errors, 1 if there are, and 3 if the
    server can't be reached.
    """
    with server.open(retry_budget=timeout) as queue:
        findings = queue.check()
        if worker or tasks:
            for name in queue_names:
                findings += queue.check_worker(*tasks, queue_name=name)
    findings = [finding for finding in findings if finding.code not in allow]
    grave = [finding for finding in findings if finding.severity is not Severity.info]
    if out.as_json:
        out.document({"ok": not grave, "findings": [finding.to_dict() for finding in findings]})
    else:
        out.entries(
            (finding.severity, finding.code, finding.message, finding.cure) for finding in findings
        )
        if not grave:
            out.line("ok")
    finish(ok=not grave)
