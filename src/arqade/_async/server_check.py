"""Looking whether a server is fit for jobs."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, TypeVar

from arqade._protocol import checks, scripts
from arqade.exceptions import ConfigurationError, QueueServerError
from arqade.models import Severity

if TYPE_CHECKING:
    from collections.abc import Callable

    from arqade._async.sender import Sender
    from arqade._protocol.scripts import Command
    from arqade.models import Finding

__all__ = ["ServerCheck"]

T = TypeVar("T")

logger = logging.getLogger(__name__)


class ServerCheck:
    """Asks a server, and gathers what endangers jobs.

    Args:
        sender: What carries the questions.
        machine_time: Gives this machine's time, in seconds.
    """

    def __init__(self, sender: Sender, machine_time: Callable[[], float]) -> None:
        self._sender = sender
        self._machine_time = machine_time
        self._end = time.monotonic() + sender.retry_budget
        self._found: list[Finding] = []

    async def run(self, *, strict: bool) -> list[Finding]:
        """Give what was found, the worst first, and write to the log what matters.

        Args:
            strict: Whether to raise what matters, instead of writing it to the log.

        Raises:
            ConfigurationError: There is a warning or an error.
            QueueConnectionError: The server can't be reached.
            QueueClosed: The queue is closed.
        """
        await self._look_at_clock()
        await self._look_at_server()
        found = checks.worst_first(self._found)
        grave = [finding for finding in found if finding.severity is not Severity.info]
        if strict and grave:
            raise ConfigurationError(
                "The server is not fit for jobs: " + "; ".join(map(str, grave))
            )
        for finding in grave:
            logger.warning("The server is not fit for jobs: %s", finding)
        return found

    async def _look_at_clock(self) -> None:
        before = self._machine_time()
        milliseconds = await self._ask(scripts.time())
        if milliseconds is not None:
            self._found += checks.clock(before, milliseconds / 1000, self._machine_time())

    async def _look_at_server(self) -> None:
        info = await self._ask(checks.info())
        if info is None:
            return
        self._found += checks.server(info)
        name = checks.persistence_setting(info)
        if name is not None:
            self._found += checks.persistence(name, await self._ask(checks.config(name)))

    async def _ask(self, command: Command[T]) -> T | None:
        try:
            return await self._sender.run(command, budget=self._end - time.monotonic())
        except QueueServerError as error:
            # Hosted servers refuse some of it, and are no worse for that.
            self._found.append(checks.refused(command, error))
            return None
