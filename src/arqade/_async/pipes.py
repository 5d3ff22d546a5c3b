"""A pipe for a sender that carries one command at a time."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from arqade._async.command_queue import Sender
    from arqade._protocol.scripts import Command

__all__ = ["PatientPipe"]

T = TypeVar("T")


class PatientPipe(Generic[T]):
    """Takes commands and sends each when its answer is asked for.

    Args:
        sender: What carries them.
        effect: What it means for the caller if the server has not done one, for a message.
    """

    def __init__(self, sender: Sender, *, effect: str) -> None:
        self._sender = sender
        self._effect = effect
        self._commands: deque[Command[T]] = deque()

    async def send(self, command: Command[T]) -> None:
        """Take a command."""
        self._commands.append(command)

    async def receive(self) -> T:
        """Give the answer to the oldest command that has none yet."""
        return await self._sender.run(self._commands.popleft(), effect=self._effect)

    async def aclose(self) -> None:
        """Forget the commands."""
        self._commands.clear()
