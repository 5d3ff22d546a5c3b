"""A server in memory: the twin of the scripts in ``lua``, over the few commands that arq uses.

The mock sends it the same commands as the real queue sends to Redis, so that all above this module
is shared. What is here is checked against a real server by the parity tests.
"""

from __future__ import annotations

import hashlib
import itertools
import threading
import time
from typing import TYPE_CHECKING, Any

from arqade._protocol import checks, inspection, keys, scripts, workers
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
            inspection.HEALTH.digest: self._health,
            inspection.PURGE.digest: self._purge,
            inspection.STATS.digest: self._stats,
            workers.FORGET.digest: self._forget,
            workers.RECORD.digest: self._record,
            workers.WORKERS.digest: self._workers,
        }

    def execute(self, words: tuple[Word, ...]) -> Any:
        """Carry out a command of `arqade._protocol.scripts` and give what Redis would reply."""
        with self.lock:
            match words:
                case ("EVALSHA", str(digest), int(count), *arguments):
                    return self._scripts[digest](*arguments[count:], *arguments[:count])
                case ("UNLINK", str(key)):
                    return int(self.delete(key))
                case ("ZSCAN", str(queue), *_):
                    # One page is a page, too.
                    found = self._sets.get(queue, {}).items()
                    return [
                        b"0",
                        [word for name, score in found for word in (name.encode(), score)],
                    ]
                case ("SCAN", _, "MATCH", str(pattern), *_):
                    prefix = pattern.removesuffix("*")
                    names = [name for name in self._values if name.startswith(prefix)]
                    return [b"0", [name.encode() for name in names if self.get(name) is not None]]
                case ("PING",):
                    return b"PONG"
                case ("TIME",):
                    now = self.clock.time()
                    return [int(now), int(now % 1 * 1_000_000)]
                case ("INFO",):
                    return "".join(f"{k}:{v}\r\n" for k, v in checks.HEALTHY.items()).encode()
                case ("CONFIG", "GET", str(name)):
                    return [name.encode(), b"always"]
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
        others = (keys.ABORT, keys.workers(""))
        return [name for name, ids in self._sets.items() if ids and not name.startswith(others)]

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

    def _enqueue(self, numbers: str, *words: Any) -> list[Any]:
        *words_of_jobs, marker = words
        sent, fence, marker_life, limit = map(int, numbers.split())
        now = self.now()

        text = self.get(marker)
        done = [] if text is None else text.split(b"\n")
        barred = b""
        if now >= fence:
            barred = b"late"
        elif sent > now + CLOCK_TOLERANCE_MS:
            barred = b"clock"
        if barred and not done:
            return [now, barred]

        records: list[bytes] = []
        answers: list[Any] = []
        jobs = zip(*(iter(words_of_jobs),) * 4, strict=True)
        for job, record in itertools.zip_longest(jobs, done[: len(words_of_jobs) // 4]):
            if record:
                answers.append([b"repeated", *record.split(b" ", 2)])
                records.append(record)
                continue
            answer = [barred] if barred else self._put(now, *job)
            if isinstance(answer, list):
                answer[3:] = _within(limit, answer[3:])
            created = isinstance(answer, int)
            records.append(f"{answer} {sent} {job[0]}".encode() if created else b"")
            answers.append(answer)
        if any(isinstance(answer, int) for answer in answers):
            self.set(marker, b"\n".join(records), marker_life)
        return [now, *answers]

    def _put(
        self, now: int, job_id: str, queue: str, envelope: bytes, options: str
    ) -> int | list[Any]:
        policy, *numbers = options.split()
        score, life, deferred, _ = map(int, numbers)
        job, result = keys.job(job_id), keys.result(job_id)
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
            waiting = None if has_result else self.get(job)
            return [b"exists", due, int(running), self.get(result), waiting]
        if has_job and (policy != "replace" or is_running() or due is None):
            return [b"exists", reason()]
        if has_result and policy not in ("replace", "ignore_result"):
            return [b"exists", b"complete"]
        if due is not None and not has_job and is_running():
            return [b"exists", b"in_progress"]

        if not deferred:
            score = min(score, now)
        self.set(job, envelope, life)
        self.delete(result)
        self.add(queue, job_id, score)
        self.log.append((queue, job_id, envelope))
        self.delete(keys.retry(job_id))
        self.remove(keys.ABORT, job_id)
        return score

    def _cancel(self, job_id: str, queue: str, meant: str) -> list[bytes]:
        if self.get(keys.result(job_id)) is not None:
            return [b"complete"]
        if self.score(queue, job_id) is None:
            return [b"not_found"]
        running = self.get(keys.in_progress(job_id)) is not None
        digest = ""
        if meant or running:
            envelope = self.get(keys.job(job_id)) or b""
            digest = hashlib.sha1(envelope, usedforsecurity=False).hexdigest()
            if meant not in ("", digest):
                return [b"other"]
        if running:
            self.add(keys.ABORT, job_id, self.now())
            hook = self.abort_hooks.get(job_id)
            if hook is not None:
                hook()
            return [b"asked", digest.encode()]
        self._remove_job(job_id, queue)
        return [b"removed"]

    def _view(self, queue: str, wanted: str, limit: int, *job_ids: str) -> list[Any]:
        answer: list[Any] = [self.now()]
        for job_id in job_ids:
            score, running, *found = self._view_one(job_id, queue, wanted)
            answer += [score, running, *_within(limit, found)]
        return answer

    def _view_one(self, job_id: str, queue: str, wanted: str) -> list[Any]:
        result = self.get(keys.result(job_id))
        if result is not None:
            return [None, 0, result if wanted in ("result", "metadata") else b"", None]
        job = self.get(keys.job(job_id))
        score, running = self.score(queue, job_id), self.get(keys.in_progress(job_id)) is not None
        state = "in_progress" if running else "queued"
        if not running and score is not None and score > self.now():
            state = "deferred"
        with_job = wanted == "metadata" or (score is not None and wanted in ("waiting", state))
        if not with_job:
            job = None if job is None else b""
        return [score, int(running), None, job]

    def _stats(self, queue: str, offset: int, limit: int) -> list[Any]:
        scores = self._sets.get(queue, {}).values()
        due = self.members(queue, self.now())
        part = due[offset : offset + limit]
        running = sum(self.get(keys.in_progress(job_id)) is not None for job_id in part)
        return [len(due), len(scores) - len(due), min(scores, default=None), len(part), running]

    def _health(self, key: str) -> list[Any]:
        value, end = self.get(key), self._values.get(key, (b"", None))[1]
        return [value, -1 if end is None else end - self.now()]

    def _record(self, worker_id: str, queue: str, life: int, before: str, after: str) -> int:
        now = self.now()
        self.set(keys.worker(worker_id), f"{before}{now}{after}".encode(), life)
        self.add(keys.workers(queue), worker_id, now + life)
        return now

    def _forget(self, worker_id: str, queue: str) -> int:
        self.remove(keys.workers(queue), worker_id)
        return int(self.delete(keys.worker(worker_id)))

    def _workers(self, queue: str, health: str) -> list[Any]:
        answer = self._health(health)
        for worker_id in self.members(keys.workers(queue)):
            record, left = self._health(keys.worker(worker_id))
            if record is None:
                self.remove(keys.workers(queue), worker_id)
            else:
                answer += [record, left]
        return answer

    def _purge(self, queue: str, offset: int, limit: int) -> list[int]:
        members = self.members(queue)
        part = members[offset : offset + limit]
        waiting = [job_id for job_id in part if self.get(keys.in_progress(job_id)) is None]
        for job_id in waiting:
            self._remove_job(job_id, queue)
        return [len(members), len(part), len(waiting)]

    def _remove_job(self, job_id: str, queue: str) -> None:
        self.remove(keys.ABORT, job_id)
        self.remove(queue, job_id)
        self.delete(keys.job(job_id), keys.retry(job_id))


def _within(limit: int, values: list[bytes | None]) -> list[bytes | int | None]:
    return [len(value) if value and len(value) > limit else value for value in values]
