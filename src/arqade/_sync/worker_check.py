# Generated from src/arqade/_async/worker_check.py by "make generate"; do not edit.
"""Looking whether workers are there that know some tasks."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from arqade._protocol import checks, workers
from arqade.exceptions import ConfigurationError
from arqade.models import Severity

if TYPE_CHECKING:
    from arqade._sync.sender import Sender
    from arqade.models import Finding

__all__ = ["check_workers"]

logger = logging.getLogger(__name__)


def check_workers(sender: Sender, wanted: dict[str, list[str]], *, strict: bool) -> list[Finding]:
    """Give what is wrong with the workers of some queues, and write to the log what matters.

    Args:
        sender: What carries the questions.
        wanted: The names of the functions that they must know, by their queue.
        strict: Whether to raise what matters, instead of writing it to the log.

    Raises:
        ConfigurationError: There is a warning or an error.
        QueueConnectionError: The server can't be reached.
        QueueServerError: The server refused, or there is something else than a record.
        QueueClosed: The queue is closed.
    """
    found: list[Finding] = []
    for queue_name, tasks in wanted.items():
        found += workers.find(sender.run(workers.look(queue_name)), tasks)
    found = checks.worst_first(found)
    grave = [finding for finding in found if finding.severity is not Severity.info]
    if strict and grave:
        raise ConfigurationError("Jobs lack a worker: " + "; ".join(map(str, grave)))
    for finding in grave:
        logger.warning("Jobs lack a worker: %s", finding)
    return found
