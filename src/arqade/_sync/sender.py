# Generated from src/arqade/_async/sender.py by "make generate"; do not edit.
"""What a queue's operations need of the way to a server, or to what stands for one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from arqade._protocol.scripts import Command
    from arqade._protocol.tracking import PushMode

__all__ = ["Clock", "Pipe", "Sender", "Watch"]

T = TypeVar("T")


class Clock(Protocol):
    """Knows the server's time."""

    def now(self) -> int:
        """Give the server's time in milliseconds since the epoch."""
        ...

    def learn(self, server_time: int, /) -> None:
        """Take the server's time, in milliseconds, from a reply that has just come."""
        ...


class Pipe(Protocol):
    """Takes commands and gives their replies in order."""

    def send(self, command: Command[Any], /) -> None:
        """Send a command."""
        ...

    def receive(self) -> Any:
        """Give the answer to the oldest command that has none yet, or raise `SendAgain`."""
        ...

    def close(self) -> None:
        """Forget the answers that are still to come."""
        ...


class Watch(Protocol):
    """What one caller waits for."""

    def add(self, job_id: str, *, has_job: bool) -> None:
        """Wait for a job, or wait for it again after a look.

        Args:
            job_id: The job's id.
            has_job: Whether there is an envelope, whose end is news, too.
        """
        ...

    def remove(self, job_id: str) -> None:
        """Wait for a job no longer."""
        ...

    def changed(self, end: float) -> set[str]:
        """Wait until there may be news, and give the ids to look at.

        Args:
            end: Until when to wait, by the monotonic clock; then all are to be looked at.
        """
        ...

    def close(self) -> None:
        """Wait for nothing any more."""
        ...


class Sender(Protocol):
    """What carries a queue's commands to whoever answers them."""

    retry_budget: float
    closed: bool

    @property
    def waits(self) -> bool:
        """Whether an enqueue counts only once the replicas have the job."""
        ...

    @property
    def clock(self) -> Clock:
        """The server's time."""
        ...

    def run(
        self,
        command: Command[T],
        *,
        effect: str = ...,
        budget: float | None = ...,
        unanswered: bool = ...,
    ) -> T:
        """Send a command and read its reply."""
        ...

    def pipe(self) -> Pipe:
        """Give a way to send commands without waiting for the replies to earlier ones."""
        ...

    @property
    def push_mode(self) -> PushMode | None:
        """How results are heard of; None if nobody has waited yet."""
        ...

    def watch(self) -> Watch:
        """Give what tells one caller when to look for results."""
        ...

    def close(self) -> None:
        """Close what was opened for this queue."""
        ...
