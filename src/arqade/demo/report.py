"""What the calls answered and how long they took: checked, and laid out as a table."""

from __future__ import annotations

import contextlib
import time
from asyncio import CancelledError
from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from arqade import JobResult

__all__ = ["Call", "CallError", "DemoError", "Report", "plain", "table", "totals"]


class DemoError(Exception):
    """The demo can't go on."""


class CallError(DemoError):
    """A call raised what it should not; its report has it."""


@attrs.define
class Call:
    """One call of the API, or several alike.

    Attributes:
        api: "async" or "sync".
        what: The call.
        answer: What it answered.
        expected: Whether it should have answered that.
        seconds: How long it took.
    """

    api: str
    what: str
    answer: str = "nothing"
    expected: bool = False
    seconds: float = 0
    _start: float = attrs.field(factory=time.perf_counter, init=False)

    def stop_the_clock(self) -> None:
        """Set the time that it took, if that isn't known yet."""
        self.seconds = self.seconds or time.perf_counter() - self._start

    def answered(self, answer: object, *, expected: bool) -> None:
        """Note what it answered, and whether it should have."""
        self.stop_the_clock()
        self.answer = str(answer)
        self.expected = expected


@attrs.define
class Report:
    """The calls of one API, and the results that they got from the worker."""

    api: str
    calls: list[Call] = attrs.field(factory=list)
    results: list[JobResult[Any]] = attrs.field(factory=list)

    @contextlib.contextmanager
    def call(self, what: str) -> Iterator[Call]:
        """Time the call in this block, until it is answered.

        Raises:
            CallError: An exception escaped from the block.
        """
        call = Call(self.api, what)
        self.calls.append(call)
        try:
            yield call
        except Exception as error:
            call.answered(f"{type(error).__name__}: {error}", expected=False)
            raise CallError(f"{call.what} raised {call.answer}") from error
        finally:
            call.stop_the_clock()


def plain(text: object) -> str:
    """Escape what is not printable ASCII, so that every terminal and every pipe can take it."""
    return str(text).encode("unicode_escape").decode()


def table(calls: Iterable[Call], width: int) -> str:
    """Lay out calls in aligned columns.

    Args:
        calls: The calls, one for each line.
        width: Characters in a line at most, 60 at least; longer texts are cut.
    """
    rows = [("API", "call", "answer", "ms")]
    rows += [
        (call.api, plain(call.what), plain(call.answer), f"{call.seconds * 1000:,.1f}")
        for call in calls
    ]
    api, what, answer, ms = (max(map(len, column)) for column in zip(*rows, strict=True))
    # The two columns of text share what the others and the gaps leave.
    room = width - api - ms - 3 * len("  ")
    what = min(what, max(room // 2, room - answer))
    answer = min(answer, room - what)
    rows.insert(1, ("-" * api, "-" * what, "-" * answer, "-" * ms))
    return "\n".join(
        f"{row[0]:<{api}}  {_cut(row[1], what)}  {_cut(row[2], answer)}  {row[3]:>{ms}}"
        for row in rows
    )


def _cut(text: str, width: int) -> str:
    return text.ljust(width) if len(text) <= width else f"{text[: width - 3]}..."


def totals(calls: Sequence[Call], results: Sequence[JobResult[Any]]) -> str:
    """Sum up what the calls answered and what the worker did, in two lines."""
    answered = sum(call.expected for call in calls)
    done = sum(result.success for result in results)
    aborted = sum(isinstance(result.result, CancelledError) for result in results)
    busy = sum((result.finish_time - result.start_time).total_seconds() for result in results)
    return (
        f"{answered} of {len(calls)} calls answered as expected.\n"
        f"The worker ran {len(results)} jobs in {busy:.1f} seconds of work: {done} done, "
        f"{len(results) - done - aborted} failed, {aborted} aborted."
    )
