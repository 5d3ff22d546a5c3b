"""``manage.py arqworker``: a stock arq worker that runs tasks."""

from __future__ import annotations

import asyncio
import logging.config
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError

from arqade._compat import override

if TYPE_CHECKING:
    from argparse import ArgumentParser

__all__ = ["Command"]


class Command(BaseCommand):
    """Runs the worker in this process, until it is told to stop."""

    help = "Run a stock arq worker for the tasks of one queue."

    @override
    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the command's options; of those that are not given, the settings decide."""
        parser.add_argument("--queue", default="default", help="The queue (default: default).")
        parser.add_argument(
            "--backend", default="default", help="The alias of the backend (default: default)."
        )
        parser.add_argument("--burst", action="store_true", help="End when the queue is empty.")
        parser.add_argument(
            "--max-jobs", type=int, metavar="NUMBER", help="Tasks that run at the same time."
        )
        parser.add_argument(
            "--job-timeout", type=float, metavar="SECONDS", help="How long a task may take."
        )

    @override
    def handle(self, *args: Any, **options: Any) -> None:
        """Run the worker.

        Raises:
            CommandError: There is no such backend or queue, or a value is not allowed; or arq, or
                Django's tasks, are not installed.
        """
        try:
            from django.tasks.exceptions import TaskException  # noqa: PLC0415, I001 - since Django 6.0

            from arq.logs import default_log_config  # noqa: PLC0415 - a web process may lack arq
            from arq.worker import run_worker  # noqa: PLC0415 - as above

            from arqade.django.worker import worker_settings  # noqa: PLC0415 - it needs both
        except ImportError as error:
            raise CommandError(
                f"{error}: a worker needs Django 6.0 and arq; install arqade[django,worker]"
            ) from error
        given = {
            name: options[name] for name in ("max_jobs", "job_timeout") if options[name] is not None
        }
        try:
            settings = worker_settings(options["queue"], backend=options["backend"], **given)
        except (ImproperlyConfigured, TaskException, TypeError, ValueError) as error:
            raise CommandError(str(error)) from error
        logging.config.dictConfig(default_log_config(options["verbosity"] > 1))
        with asyncio.Runner() as runner:
            # arq takes the event loop that is there; it would be warned if there was none.
            asyncio.set_event_loop(runner.get_loop())
            run_worker(settings, burst=options["burst"])
