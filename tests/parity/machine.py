"""What all random stories have: steps, and the comparison of what comes of them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, ClassVar

from hypothesis.stateful import RuleBasedStateMachine

from tests.parity.draws import READS
from tests.parity.sides import Side
from tests.parity.values import differences

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["COUNT", "DifferenceError", "Machine"]


class Count:
    """How many steps and stories ran, by the title of the machine."""

    def __init__(self) -> None:
        self.steps: dict[str, int] = {}
        self.stories: dict[str, int] = {}
        self.noticed: dict[str, tuple[int, str]] = {}
        """Mutations of the mock: after how many stories they were noticed, and by what."""


COUNT = Count()


class DifferenceError(AssertionError):
    """Two sides gave different answers."""


class Machine(RuleBasedStateMachine):
    """Calls that a client can make, and states that workers leave behind.

    Args:
        sides: What is compared, the first with each of the others.
        compare_state: Whether to compare all that is held, too, and not just what is answered.
    """

    title: ClassVar[str] = "story"
    functions: ClassVar[Sequence[str]] = ("echo", "work", "nobody knows it")

    def __init__(self, sides: Sequence[Side], *, compare_state: bool = True) -> None:
        super().__init__()
        self.sides = sides
        self.compare_state = compare_state
        self.known: dict[str, None] = {}
        self.failed = False
        COUNT.stories[self.title] = COUNT.stories.get(self.title, 0) + 1
        for side in sides:
            side.reset()

    # --- steps ---

    def step(self, what: str, act: Callable[[Side], Any]) -> Any:
        """Do the same on each side and compare what comes of it, and all that can be seen then."""
        COUNT.steps[self.title] = COUNT.steps.get(self.title, 0) + 1
        answer = self.compare(what, act)
        if self.compare_state:
            self.compare(f"state after {what}", Side.state)
        return answer

    def compare(self, what: str, act: Callable[[Side], Any]) -> Any:
        first, *others = self.sides
        expected = act(first)
        for side in others:
            found = act(side)
            if found != expected:
                shown = "\n".join(differences(expected, found))
                self.differ(f"{what}: {first.name} and {side.name} differ:\n{shown}")
        return expected

    def differ(self, message: str) -> None:
        self.failed = True
        raise DifferenceError(message)

    def call(self, operation: str, /, *args: Any, **kwargs: Any) -> Any:
        shown = ", ".join([*map(ascii, args), *(f"{k}={v!a}" for k, v in kwargs.items())])
        return self.step(
            f"{operation}({shown})", lambda side: side.call(operation, *args, **kwargs)
        )

    def read(self, job_id: str, queue_name: str | None = None) -> None:
        """Compare what can be read of a job."""
        for operation in READS:
            self.compare(
                f"{operation}({job_id!a}, {queue_name!a})",
                lambda side, operation=operation: side.call(operation, job_id, queue_name),
            )

    def look_around(self) -> None:
        """Compare what can be read of all jobs."""
        for job_id in self.known:
            self.read(job_id)

    @staticmethod
    def let_a_moment_pass() -> None:
        """Let no two jobs be of the same millisecond: they would be in the order of their ids."""
        time.sleep(0.002)

    def touch(self, job_id: str) -> None:
        self.known[job_id] = None

    def enqueue(self, name: str, /, *args: Any, **options: Any) -> Any:
        self.touch(options["_job_id"])
        answer = self.call("enqueue", name, *args, **options)
        self.let_a_moment_pass()
        self.read(options["_job_id"], options.get("_queue_name"))
        return answer

    def teardown(self) -> None:
        """Look at everything once more."""
        if not self.failed:
            self.look_around()
