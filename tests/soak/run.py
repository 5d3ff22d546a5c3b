"""The soak test: slices of load and faults, each with an audit at its end."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import random
import subprocess
import sys
import threading
import time
import traceback
import warnings
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from arqade._compat import override
from tests.harness.worker import ROOT
from tests.soak.book import CANARY, START, Book, Call, Pulse, table
from tests.soak.callers import BUDGETS, AsyncHolder, Caller, Holder, SyncHolder, finish
from tests.soak.worlds import KEEP, Direct, Sentinels

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.soak.worlds import World

__all__ = ["Soak", "schedule"]

SLICE = 40.0
"""Seconds of load, after which all is looked at: what is uncertain can be settled for a minute."""

SETTLING = 50.0
"""Seconds for which it can, to be on the safe side."""

REFUSED = 2.0
"""Seconds after the last call until a job would be there in spite of what its caller was told."""

CALLERS = 3
"""Callers of each queue."""

FIRST_CALL = 5.0
"""Seconds that the first call after all faults may take."""

PATIENCE = 60.0
"""Seconds that callers may take to come to an end."""

LAST_LINES = 40
"""Lines of the log that are told after a failure."""

LINGERING = 5.0
"""Seconds until nothing is left of what was closed, in the proxies, too."""

LOGGERS = ("arqade", "asyncio", "redis")


class Planned(NamedTuple):
    """A fault that is to come."""

    after: float
    """Seconds from the beginning of its slice."""
    name: str
    dice: int


def schedule(seed: str, pause: float, faults: dict[str, int], length: float) -> list[Planned]:
    """Give what is to happen in a slice; the same for the same seed.

    Args:
        seed: What it depends on.
        pause: Seconds between two faults on average.
        faults: The faults and their weights.
        length: Seconds that the slice lasts.
    """
    rolled = random.Random(seed)
    planned: list[Planned] = []
    after = rolled.expovariate(1 / pause)
    while after < length:
        (name,) = rolled.choices(list(faults), list(faults.values()))
        planned.append(Planned(after, name, rolled.randrange(1 << 30)))
        after += rolled.expovariate(1 / pause)
    return planned


class Log:
    """Where each fault is written down.

    Args:
        path: The file.
        echo: Whether to print what is said.
    """

    def __init__(self, path: Path, *, echo: bool) -> None:
        self.path = path
        self._echo = echo
        self._file = path.open("w", buffering=1)
        self._lock = threading.Lock()

    def write(self, text: str) -> None:
        """Write a line."""
        with self._lock:
            self._file.write(f"{time.monotonic() - START:9.2f} {text}\n")

    def say(self, text: str) -> None:
        """Write a line, and print it."""
        self.write(text)
        self.show(text)

    def show(self, text: str) -> None:
        """Print a line."""
        if self._echo:
            sys.stdout.write(f"{text}\n")
            sys.stdout.flush()

    def tail(self) -> list[str]:
        """Give the last lines."""
        return self.path.read_text().splitlines()[-LAST_LINES:]

    def close(self) -> None:
        self._file.close()


class Records(logging.Handler):
    """Reads what is logged, as it would be written."""

    def __init__(self, books: Sequence[Book]) -> None:
        super().__init__(logging.DEBUG)
        self._books = books
        self._formatter = logging.Formatter("%(name)s %(levelname)s %(message)s")

    @override
    def emit(self, record: logging.LogRecord) -> None:
        text = self._formatter.format(record)
        record.exc_text = None
        for book in self._books:
            book.read(text)
        if record.name == "asyncio" and record.levelno >= logging.ERROR:
            self._books[0].problem(f"logged: {text[-1500:]}")


class Forker:
    """The process that forks.

    Args:
        world: Whose servers it uses.
        budget: Seconds that its calls may take.
    """

    def __init__(self, world: Direct, budget: float) -> None:
        self._world = world
        self._budget = budget
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.soak.forker", world.proxy.url, str(budget)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )
        self._resting = threading.Event()
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith("{"):
                self._note(json.loads(line))
            elif line.strip() == "resting":
                self._resting.set()
            else:
                self._world.book.problem(f"the process that forks said {line}")
        self._resting.set()

    def _note(self, told: dict[str, Any]) -> None:
        book, who = self._world.book, f"{self._world.name}/sync/enqueue beside a fork"
        call = Call(who, told["number"], job_id=told["job_id"], queue_name=KEEP)
        for name in ("outcome", "error", "token", "began", "ended"):
            setattr(call, name, told[name])
        book.add(call)
        book.total += 1
        book.read(call.error)
        book.count(who, "ok" if call.outcome in ("ok", "exists") else "raised")
        if call.outcome == "escaped":
            book.problem(f"escaped: {call}")
        if call.ended - call.began > self._budget + 1:
            book.count(who, "hung", f"{call} took too long")

    def _tell(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()

    def go(self, name: str) -> None:
        """Let it begin."""
        self._resting.clear()
        self._tell(f"go {name}")

    def rest(self) -> None:
        """Wait until it and its children have come to an end."""
        self._tell("rest")
        if not self._resting.wait(PATIENCE) or self._process.poll() is not None:
            self._world.book.problem("hung: the process that forks does not come to an end")

    def close(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._thread.join()
        self._process.stdout.close()


class Soak:
    """A run of the test.

    Args:
        seconds: How long it lasts, about.
        seed: What all random things come from.
        log: Where faults are written down.
        callers: Callers of each queue.
    """

    def __init__(self, seconds: float, seed: int, log: Log, *, callers: int = CALLERS) -> None:
        self.seconds = seconds
        self.seed = seed
        self.log = log
        self.callers = callers
        self.faults: Counter[str] = Counter()
        self.worlds: list[World] = []
        self.books: list[Book] = []
        self._loop = asyncio.new_event_loop()
        self._before: dict[str, int] = {}
        self._memory = 0

    # --- its life -----------------------------------------------------------------------

    def run(self) -> bool:
        """Run it, and tell whether all was as it should be."""
        pulse = Pulse()
        loop_thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        loop_thread.start()
        with ExitStack() as stop:
            stop.callback(self._end_loop, loop_thread)
            stop.callback(pulse.stop)
            self._direct = Direct()
            for world in (self._direct, Sentinels()):
                stop.enter_context(world)
                world.book = Book(world.name, secrets=world.secrets, pulse=pulse)
                self.worlds.append(world)
                self.books.append(world.book)
            self._listen(stop)
            return self._run()

    def _end_loop(self, thread: threading.Thread) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        thread.join()
        self._loop.close()

    def _listen(self, stop: ExitStack) -> None:
        """Hear what is logged, warned of, and raised where nobody catches it."""
        records = Records(self.books)
        for name in LOGGERS:
            logger = logging.getLogger(name)
            logger.setLevel(logging.DEBUG)
            logger.propagate = False
            logger.addHandler(records)
            stop.callback(logger.removeHandler, records)
        stop.enter_context(warnings.catch_warnings())
        warnings.simplefilter("always", ResourceWarning)
        warnings.simplefilter("always", RuntimeWarning)
        book = self.books[0]

        def warn(message: Warning | str, *_: Any, **__: Any) -> None:
            book.read(str(message))
            book.problem(f"warned: {message}")

        def unraisable(what: Any) -> None:
            said = "".join(traceback.format_exception(what.exc_value))
            book.problem(f"unraisable: {what.err_msg} {what.object!r} {said}")

        def in_thread(what: Any) -> None:
            said = "".join(traceback.format_exception(what.exc_value))
            book.problem(f"raised in {what.thread}: {said}")

        warnings.showwarning = warn
        hooks = (sys.unraisablehook, threading.excepthook)
        sys.unraisablehook, threading.excepthook = unraisable, in_thread

        def restore() -> None:
            sys.unraisablehook, threading.excepthook = hooks

        stop.callback(restore)

    def _run(self) -> bool:
        holders = self._holders()
        self._in_turn(holders, "reopen")
        self._first_calls(holders, "warm")
        self._in_turn(holders, "close")
        self._settle_and_audit()
        self._before = self._measure()
        self._memory = _memory()
        self.log.say(f"seed {self.seed}, log in {self.log.path}")
        self._in_turn(holders, "reopen")
        forker = Forker(self._direct, 6.0)
        end = time.monotonic() + self.seconds
        slices = 0
        try:
            while not self.problems() and (slices == 0 or time.monotonic() < end - SLICE / 4):
                length = max(min(SLICE, end - time.monotonic() - SLICE / 4), SLICE / 4)
                slices += 1
                self._slice(holders, forker, slices, length)
        finally:
            forker.close()
            self._in_turn(holders, "close")
        self._audit_leaks()
        self._tell_end(slices)
        return not self.problems()

    def problems(self) -> list[str]:
        return [f"{book.world}: {text}" for book in self.books for text in book.told()]

    def _tell_end(self, slices: int) -> None:
        for line in table(self.books):
            self.log.show(line)
        calls = sum(book.total for book in self.books)
        self.log.say(
            f"seed {self.seed}: {time.monotonic() - START:.0f} s, {slices} slices, {calls} calls, "
            f"{self.faults.total()} faults: {dict(sorted(self.faults.items()))}"
        )

    # --- queues -------------------------------------------------------------------------

    def _holders(self) -> list[Holder]:
        rolled = random.Random(f"{self.seed} holders")
        return [
            kind(world, durability, rolled.choice(BUDGETS))
            for world in self.worlds
            for durability in world.kinds
            for kind in (AsyncHolder, SyncHolder)
        ]

    def _do(self, holder: Holder, work: Any, timeout: float = PATIENCE) -> Any:
        """Run a coroutine where the holder's queue is at home."""
        if isinstance(holder, AsyncHolder):
            return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout)
        return finish(work)

    def _in_turn(self, holders: list[Holder], what: str) -> None:
        for holder in holders:
            self._do(holder, getattr(holder, what)())

    def _first_calls(self, holders: list[Holder], slice_name: str) -> None:
        """Make the first calls after all faults: each must do what it should, and soon."""
        for holder in holders:
            caller = Caller(holder, random.Random(0), slice_name, threading.Event())
            self._do(holder, self._first_call(holder, caller))

    async def _first_call(self, holder: Holder, caller: Caller) -> None:
        book, queue_name = holder.world.book, holder.world.queues[-1]
        call = caller.new_call("first call", queue_name=queue_name, task="echo")
        with book.calling(call.who, FIRST_CALL, call):
            job = await holder.queue.enqueue("echo", CANARY, call.number, _queue_name=queue_name)
            caller.learn(call, job)
        if call.outcome != "ok":
            book.problem(f"raised: the first call after the faults: {call}")
        elif queue_name != KEEP:
            await self._first_wait(holder, call)

    async def _first_wait(self, holder: Holder, call: Call) -> None:
        who, found = holder.row("first wait"), None
        with holder.world.book.calling(who, 2 * FIRST_CALL):
            found = await holder.queue.wait_for_result(
                call.job_id, call.queue_name, timeout=2 * FIRST_CALL
            )
        if found is None or found.result["args"][1] != call.number:
            holder.world.book.count(who, "lost", f"no result of {call}: {found!r}")

    # --- a slice ------------------------------------------------------------------------

    def _slice(self, holders: list[Holder], forker: Forker, number: int, length: float) -> None:
        over = threading.Event()
        name = f"s{number}"
        self.log.write(f"slice {number} of {length:.0f} s begins")
        strikers = [
            threading.Thread(target=self._strike, args=(world, track, number, length))
            for world in self.worlds
            for track in world.tracks
        ]
        crowd = [
            Caller(holder, random.Random(f"{self.seed} {name} {place} {one}"), name, over)
            for place, holder in enumerate(holders)
            for one in range(self.callers)
        ]
        threads = [
            threading.Thread(target=finish, args=(caller.live(),), name="sync caller")
            for caller in crowd
            if not caller.holder.can_cancel
        ]
        tasks = [
            asyncio.run_coroutine_threadsafe(caller.live(), self._loop)
            for caller in crowd
            if caller.holder.can_cancel
        ]
        forker.go(name)
        begin = time.monotonic()
        for thread in (*threads, *strikers):
            thread.start()
        while time.monotonic() < begin + length and not self.problems():
            time.sleep(0.2)
        over.set()
        self._join(strikers, threads, tasks)
        forker.rest()
        for world in self.worlds:
            world.heal()
        self.log.write("all is healed")
        self._first_calls(holders, name)
        self._settle_and_audit(holders)
        calls = sum(book.total for book in self.books)
        self.log.say(
            f"slice {number}: {calls} calls, {self.faults.total()} faults, "
            f"{_memory() >> 20} MiB, {self._measure()}"
        )

    def _join(
        self, strikers: list[threading.Thread], threads: list[threading.Thread], tasks: list[Any]
    ) -> None:
        end = time.monotonic() + PATIENCE
        for thread in strikers:
            thread.join(max(end - time.monotonic(), 0))
            if thread.is_alive():
                raise AssertionError("a fault does not end")
        end = time.monotonic() + PATIENCE
        for thread in threads:
            thread.join(max(end - time.monotonic(), 0))
            if thread.is_alive():
                frame = sys._current_frames()[thread.ident or 0]
                where = "".join(traceback.format_stack(frame))
                self.books[0].problem(f"hung: a thread does not come to an end:\n{where}")
        for task in tasks:
            try:
                task.result(max(end - time.monotonic(), 0.1))
            except TimeoutError:
                self.books[0].problem(f"hung: a task does not come to an end: {task}")
            except Exception as error:  # noqa: BLE001 - told with its stack
                said = "".join(traceback.format_exception(error))
                self.books[0].problem(f"raised in a task: {said}")

    def _strike(self, world: World, track: str, number: int, length: float) -> None:
        pause, faults = world.tracks[track]
        begin = time.monotonic()
        seed = f"{self.seed} {number} {world.name} {track}"
        for planned in schedule(seed, pause, faults, length):
            now = time.monotonic() - begin
            # One that took its time puts off those after it.
            if now >= length or self.problems():
                break
            time.sleep(max(planned.after - now, 0))
            self.faults[f"{world.name}/{planned.name}"] += 1
            self.log.write(f"{world.name} {planned.name} begins")
            try:
                getattr(world, planned.name)(random.Random(planned.dice))
            except Exception as error:  # noqa: BLE001 - another fault came in between
                self.log.write(f"{world.name} {planned.name} went wrong: {error!r}")
            else:
                self.log.write(f"{world.name} {planned.name} ends")

    # --- audits -------------------------------------------------------------------------

    def _settle_and_audit(self, holders: Sequence[Holder] = ()) -> None:
        for holder in holders:
            self._settle(holder)
        for world in self.worlds:
            calls = world.book.calls
            last = max((call.ended for call in calls if call.outcome != "ok"), default=0)
            time.sleep(max(last + REFUSED - time.monotonic(), 0))
            world.drain()
            near = len(world.book.failovers)
            world.book.audit(world.look())
            if cost := sum(world.book.cost.values()):
                self.log.say(f"{world.name}: {near} failovers cost {cost} of {len(calls)} jobs")
            world.flush()

    def _settle(self, holder: Holder) -> None:
        """Repeat with their tokens the calls of which it is not known what became of their jobs."""
        now = time.monotonic()
        prefix = holder.row("enqueue")
        for call in list(holder.world.book.calls):
            if (
                call.token
                and call.who.startswith(prefix)
                and call.is_durable == (holder.durability == "all-replicas")
                and call.ended > now - SETTLING
            ):
                caller = Caller(holder, random.Random(0), "", threading.Event())
                self._do(holder, self._settle_one(holder, caller, call))

    async def _settle_one(self, holder: Holder, caller: Caller, call: Call) -> None:
        with holder.world.book.calling(holder.row("settle"), FIRST_CALL, call):
            job = await holder.queue.enqueue(
                call.task,
                CANARY,
                call.number,
                _job_id=call.job_id,
                _queue_name=call.queue_name,
                _on_conflict=call.policy,
                _token=call.token,
            )
            caller.learn(call, job)
        if call.outcome in ("refused", "uncertain"):
            holder.world.book.problem(f"raised: it can't be settled: {call}")

    def _measure(self) -> dict[str, int]:
        """Count what may leak."""
        gc.collect()
        for world in self.worlds:
            world.close_clients()

        async def count() -> int:
            await asyncio.sleep(0.2)  # What was closed goes in the next turns.
            return len(asyncio.all_tasks()) - 1

        tasks = asyncio.run_coroutine_threadsafe(count(), self._loop).result(PATIENCE)
        threads = threading.active_count()
        return {
            "fds": len(list(Path("/proc/self/fd").iterdir())),
            "threads": threads,
            "tasks": tasks,
        }

    def _audit_leaks(self) -> None:
        end = time.monotonic() + LINGERING
        while (after := self._measure()) != self._before and time.monotonic() < end:
            time.sleep(0.1)
        grown = (_memory() - self._memory) / (1 << 20)
        self.log.say(f"before {self._before}, after {after}; memory grew by {grown:.1f} MiB")
        for name, count in after.items():
            if count > self._before[name]:
                self.books[0].problem(f"leaked: {self._before[name]} {name}, then {count}")


def _memory() -> int:
    """Give the bytes that this process holds in memory."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    return 0
