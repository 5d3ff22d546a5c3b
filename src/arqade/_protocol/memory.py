"""A server in memory: the twin of the scripts in ``lua``, over the few commands that arq uses.

The mock sends it the same commands as the real queue sends to Redis, so that all above this module
is shared. What is here is checked against a real server by the parity tests.
"""

from __future__ import annotations

import hashlib
import threading
import time
from typing import TYPE_CHECKING, Any

from arqade._protocol import keys, scripts
from arqade.exceptions import QueueServerError

if TYPE_CHECKING:
    from collections.abc import Callable

    from arqade._protocol.scripts import Word

__all__ = ["MemoryStore", "MockClock"]

CLOCK_TOLERANCE_MS = 1000
"""A clock that is ahead by less than this is taken for right (enqueue.lua)."""


class MockClock:
    """The time of a mock: that of this machine, and what it was advanced by."""

    def __init__(self) -> None:
        self._ahead = 0.0

    def time(self) -> float:
        """Give the seconds since the Unix epoch."""
        return time.time() + self._ahead

    def advance(self, seconds: float) -> None:
        """Let time pass: deferred jobs become due, jobs and results expire.

        Args:
            seconds: How much; not negative.

        Raises:
            ValueError: Time would go backwards.
        """
        if not seconds >= 0:
            raise ValueError(f"seconds must not be negative: {seconds}")
        self._ahead += seconds


class MemoryStore:
    """What a Redis server holds, and how it answers arqade's commands.

    It may be shared by several mocks, of either API, and by threads.

    Args:
        clock: The time by which jobs become due and keys expire.
    """

    def __init__(self, clock: MockClock | None = None) -> None:
        self.clock = MockClock() if clock is None else clock
        self.lock = threading.RLock()
        """Held while a command is carried out, as Redis carries out one at a time."""
        self.abort_hooks: dict[str, Callable[[], None]] = {}
        """What to call when a running job is to be stopped, by its id."""
        self.log: list[tuple[str, str, bytes]] = []
        """Queue, id and envelope of every job that was enqueued, in order."""
        self._values: dict[str, tuple[bytes, int | None]] = {}
        self._sets: dict[str, dict[str, int]] = {}
        self._scripts: dict[str, Callable[..., Any]] = {
            scripts.ENQUEUE.digest: self._enqueue,
            scripts.CANCEL.digest: self._cancel,
            scripts.VIEW.digest: self._view,
        }

    def execute(self, words: tuple[Word, ...]) -> Any:
        """Carry out a command of `arqade._protocol.scripts` and give what Redis would reply."""
        with self.lock:
            match words:
                case ("EVALSHA", str(digest), int(count), *arguments):
                    return self._scripts[digest](*arguments[count:], *arguments[:count])
                case ("UNLINK", str(key)):
                    return int(self.delete(key))
                case ("PING",):
                    return b"PONG"
                case ("TIME",):
                    now = self.clock.time()
                    return [int(now), int(now % 1 * 1_000_000)]
                case _:
                    raise QueueServerError(f"the mock does not know the command {words[0]!r}")

    # --- commands -----------------------------------------------------------------------

    def now(self) -> int:
        """Give the time in milliseconds since the epoch, rounded as arq and the scripts do."""
        return round(self.clock.time() * 1000)

    def get(self, key: str) -> bytes | None:
        """GET."""
        value, end = self._values.get(key, (None, None))
        if end is not None and end <= self.now():
            del self._values[key]
            return None
        return value

    def set(self, key: str, value: bytes, life: int | None = None) -> None:
        """SET, with PX if it has a life of so many milliseconds."""
        self._values[key] = value, None if life is None else self.now() + life

    def delete(self, *names: str) -> bool:
        """DEL; tell whether there was anything."""
        found = [name for name in names if self.get(name) is not None]
        for name in found:
            del self._values[name]
        return bool(found)

    def increase(self, key: str, life: int) -> int:
        """INCR and PEXPIRE."""
        number = int(self.get(key) or 0) + 1
        self.set(key, b"%d" % number, life)
        return number

    def score(self, queue: str, member: str) -> int | None:
        """ZSCORE."""
        return self._sets.get(queue, {}).get(member)

    def add(self, queue: str, member: str, score: int) -> None:
        """ZADD."""
        self._sets.setdefault(queue, {})[member] = score

    def remove(self, queue: str, member: str) -> bool:
        """ZREM; tell whether it was there."""
        return self._sets.get(queue, {}).pop(member, None) is not None

    def members(self, queue: str, most: int | None = None) -> list[str]:
        """ZRANGEBYSCORE up to a score: by score, then by the bytes of the member."""
        found = self._sets.get(queue, {}).items()
        ordered = sorted((score, name.encode(), name) for name, score in found)
        return [name for score, _, name in ordered if most is None or score <= most]

    def queues(self) -> list[str]:
        """Name the queues that hold anything, in the order in which they were first used."""
        return [name for name, members in self._sets.items() if members and name != keys.ABORT]

    def results(self) -> list[str]:
        """Give the ids of the jobs that have a result, the oldest first."""
        prefix = keys.result("")
        names = [name for name in self._values if name.startswith(prefix)]
        return [name.removeprefix(prefix) for name in names if self.get(name) is not None]

    def finish(self, job_id: str, queue: str) -> None:
        """Remove what a finished job leaves, as a worker does (arq's Worker.finish_job)."""
        self.delete(keys.in_progress(job_id), keys.retry(job_id), keys.job(job_id))
        self.remove(keys.ABORT, job_id)
        self.remove(queue, job_id)
        self.abort_hooks.pop(job_id, None)

    # --- twins of lua/*.lua -------------------------------------------------------------

    def _enqueue(  # noqa: C901, PLR0917 - it follows enqueue.lua line by line
        self, job_id: str, queue: str, envelope: bytes, policy: str, numbers: str, marker: str
    ) -> list[Any]:
        sent, score, life, fence, marker_life, deferred = map(int, numbers.split())
        now = self.now()
        job, result = keys.job(job_id), keys.result(job_id)

        done = self.get(marker)
        if done is not None:
            return [b"repeated", now, *done.split(b" ", 2)]
        if now >= fence:
            return [b"late", now]
        if sent > now + CLOCK_TOLERANCE_MS:
            return [b"clock", now]

        has_job, has_result = self.get(job) is not None, self.get(result) is not None
        due = self.score(queue, job_id)

        def is_running() -> bool:
            return self.get(keys.in_progress(job_id)) is not None and due is not None

        def reason() -> bytes:
            if has_result:
                return b"complete"
            if is_running():
                return b"in_progress"
            return b"deferred" if due is not None and due > now else b"queued"

        if policy == "return_existing" and (has_job or has_result):
            running = self.get(keys.in_progress(job_id)) is not None
            return [b"exists", now, due, int(running), self.get(result), self.get(job)]
        if has_job and (policy != "replace" or is_running() or due is None):
            return [b"exists", now, reason()]
        if has_result and policy not in ("replace", "ignore_result"):
            return [b"exists", now, b"complete"]
        if due is not None and not has_job and is_running():
            return [b"exists", now, b"in_progress"]

        if not deferred:
            score = min(score, now)
        self.set(marker, f"{score} {sent} {job_id}".encode(), marker_life)
        self.set(job, envelope, life)
        self.delete(result)
        self.add(queue, job_id, score)
        self.log.append((queue, job_id, envelope))
        if due is not None:
            self.delete(keys.retry(job_id))
            self.remove(keys.ABORT, job_id)
        return [b"created", now, b"%d" % score]

    def _cancel(self, job_id: str, queue: str, meant: str) -> list[bytes]:
        job = keys.job(job_id)
        if self.get(keys.result(job_id)) is not None:
            return [b"complete"]
        if self.score(queue, job_id) is None:
            return [b"not_found"]
        running = self.get(keys.in_progress(job_id)) is not None
        digest = ""
        if meant or running:
            digest = hashlib.sha1(self.get(job) or b"", usedforsecurity=False).hexdigest()
            if meant not in ("", digest):
                return [b"other"]
        if running:
            self.add(keys.ABORT, job_id, self.now())
            hook = self.abort_hooks.get(job_id)
            if hook is not None:
                hook()
            return [b"asked", digest.encode()]
        self.remove(keys.ABORT, job_id)
        self.remove(queue, job_id)
        self.delete(job, keys.retry(job_id))
        return [b"removed"]

    def _view(self, job_id: str, queue: str, wanted: str) -> list[Any]:
        result, job = self.get(keys.result(job_id)), self.get(keys.job(job_id))
        if wanted == "status":
            result = None if result is None else b""
        if wanted != "metadata" or result is not None:
            job = None if job is None else b""
        running = self.get(keys.in_progress(job_id)) is not None
        return [self.now(), self.score(queue, job_id), int(running), result, job]
