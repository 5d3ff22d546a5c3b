"""How a server tells that a result is there: its tracking of keys for client-side caching.

A server with tracking switched on remembers which keys a connection has read, missing ones
included, and sends a frame when one of them changes. A stock worker's ``SET arq:result:<id>`` is
such a change. A frame says no more than "look again": expiry and deletion send one, too, and each
read gives one frame at most.

Here are the words and their meaning, without I/O: `Tracker` is fed with replies and frames and
says what to send; the ways to the server are in `arqade._transport`.
"""

from __future__ import annotations

import random
from collections import deque
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from arqade._protocol import keys
from arqade._protocol.polling import FIRST_PAUSE, GROWTH, LONGEST_PAUSE

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

    from arqade._protocol.scripts import Word

__all__ = [
    "HEARTBEAT",
    "Negotiation",
    "PushMode",
    "Tracker",
    "Watcher",
    "negotiate",
    "reconnect_pause",
]

PushMode: TypeAlias = Literal["resp3", "resp2", "polling"]
"""How a queue learns of results.

``resp3``: the server sends frames between replies. ``resp2``: it sends them as messages to a
connection that redirects them to itself. ``polling``: the server can't, or may not, send any, and
is asked again and again.
"""

SAFETY_PAUSE = 5.0
"""Seconds between looks although the server pushes: a worker that keeps no results writes none."""

HEARTBEAT = 15.0
"""Seconds without a frame after which the connection is tried: servers close idle ones."""

RECONNECT_PAUSES = (0.05, 0.1, 0.2, 0.5, 1.0)
"""Seconds before the attempts to connect again; the last one holds for all further ones."""

CHANNEL = b"__redis__:invalidate"
"""Where a RESP2 connection gets its frames."""

Words: TypeAlias = "tuple[Word, ...]"
Negotiation: TypeAlias = "Generator[Words, Any, PushMode]"


def reconnect_pause(failures: int) -> float:
    """Give the seconds before the next attempt to connect, after so many that failed."""
    return RECONNECT_PAUSES[min(failures, len(RECONNECT_PAUSES)) - 1]


def negotiate(*, resp3: bool) -> Negotiation:
    """Switch tracking on: yield what to send, take the replies, return what came of it."""
    if resp3:
        reply = yield ("CLIENT", "TRACKING", "ON")
        return "polling" if isinstance(reply, Exception) else "resp3"
    number = yield ("CLIENT", "ID")
    if isinstance(number, int):
        reply = yield ("CLIENT", "TRACKING", "ON", "REDIRECT", number)
        if not isinstance(reply, Exception):
            return "resp2"
    return "polling"


class Watcher:
    """One caller's ids, and which of them it should look at again."""

    def __init__(self) -> None:
        self.ids: dict[str, bool] = {}
        """The ids that are waited for, and whether the job's own key is watched, too."""
        self.news: set[str] = set()
        """Those to look at."""
        self._pause = FIRST_PAUSE

    def wake(self) -> None:
        """Let the caller go on; to be overridden."""

    def take(self) -> set[str]:
        """Give the ids to look at, and forget the news."""
        found, self.news = self.news, set()
        return found

    def pause(self, *, pushing: bool) -> float:
        """Give the seconds after which to look at all, unless there is news before."""
        if pushing:
            self._pause = FIRST_PAUSE
            # Jitter keeps no secrets: it keeps many callers from looking all at once.
            return SAFETY_PAUSE * random.uniform(1, 1.2)  # noqa: S311
        pause = self._pause
        self._pause = min(pause * GROWTH, LONGEST_PAUSE)
        return pause


class Tracker:
    """What is watched on one connection, and what its replies and frames mean.

    Args:
        send: Sends commands; it may collect them.
    """

    def __init__(self, send: Callable[[Iterable[Words]], None]) -> None:
        self.mode: PushMode | None = None
        """What `negotiate` gave; None without a connection."""
        self._send = send
        self._watchers: dict[str, set[Watcher]] = {}
        self._expected: deque[tuple[str, bool] | None] = deque()
        self._subscribed = False

    @property
    def pushing(self) -> bool:
        """Whether the server sends frames now."""
        return self.mode in ("resp3", "resp2")

    @property
    def idle(self) -> bool:
        """Whether nobody waits for anything."""
        return not self._watchers

    def watch(self, watcher: Watcher, job_id: str, *, has_job: bool) -> None:
        """Let a watcher know when a job's result changes.

        Args:
            watcher: Whom to tell.
            job_id: The job's id.
            has_job: Whether there is an envelope, whose end is watched, too: a worker that keeps
                no result removes it.
        """
        watcher.ids[job_id] = has_job
        self._watchers.setdefault(job_id, set()).add(watcher)
        if self.pushing:
            self._track([(job_id, has_job)])

    def forget(self, watcher: Watcher, job_ids: Iterable[str]) -> None:
        """Take ids from a watcher; the server forgets when their keys change."""
        for job_id in job_ids:
            if watcher.ids.pop(job_id, None) is None:
                continue
            watcher.news.discard(job_id)
            others = self._watchers[job_id]
            others.discard(watcher)
            if not others:
                del self._watchers[job_id]

    def connected(self, mode: PushMode) -> None:
        """Begin on a new connection: all that is watched is read again."""
        self.mode = mode
        self._expected.clear()
        self._subscribed = False
        if self.pushing and self._watchers:
            self._track(
                [
                    (job_id, any(watcher.ids[job_id] for watcher in watchers))
                    for job_id, watchers in self._watchers.items()
                ]
            )

    def disconnected(self) -> None:
        """End with a connection: until the next one, watchers look by themselves."""
        self.mode = None
        self._expected.clear()
        self._wake_all()

    def ping(self) -> None:
        """Ask whether the connection is alive."""
        self._expected.append(None)
        self._send([("PING",)])

    def receive(self, reply: Any, *, frame: bool) -> None:
        """Take what the server sent.

        Args:
            reply: A reply or a frame.
            frame: Whether the protocol marks it as a frame.
        """
        if frame:
            if reply[0] == b"invalidate":
                self._invalidated(reply[1])
        elif isinstance(reply, list) and reply[:2] == [b"message", CHANNEL]:
            self._invalidated(reply[2])
        elif self._expected:
            asked = self._expected.popleft()
            if asked is not None:
                self._answered(*asked, reply)

    def _answered(self, job_id: str, is_result: bool, reply: Any) -> None:
        if isinstance(reply, Exception):
            if is_result:
                # This user may not read results here, so nothing is tracked.
                self.mode = "polling"
                self._wake_all()
        elif bool(reply) is is_result:
            # The result is there, or the envelope is gone.
            self._changed(job_id)

    def _invalidated(self, names: list[bytes] | None) -> None:
        if names is None:  # FLUSHALL
            for job_id in tuple(self._watchers):
                self._changed(job_id)
            return
        for name in names:
            for prefix in (RESULT, JOB):
                if name.startswith(prefix):
                    self._changed(name[len(prefix) :].decode(errors="replace"))

    def _changed(self, job_id: str) -> None:
        for watcher in self._watchers.get(job_id, ()):
            if job_id not in watcher.news:
                watcher.news.add(job_id)
                watcher.wake()

    def _wake_all(self) -> None:
        for watcher in {watcher for some in self._watchers.values() for watcher in some}:
            watcher.wake()

    def _track(self, jobs: Iterable[tuple[str, bool]]) -> None:
        words: list[Words] = []
        expected: list[tuple[str, bool] | None] = []
        for job_id, has_job in jobs:
            # No GET: the result may be there by now, and of any size.
            words.append(("EXISTS", keys.result(job_id)))
            expected.append((job_id, True))
            if has_job:
                words.append(("EXISTS", keys.job(job_id)))
                expected.append((job_id, False))
        if self.mode == "resp2":
            # A connection that is subscribed may send nothing else. What changes between the
            # two is lost, and found by the next look of all.
            if self._subscribed:
                words.insert(0, ("UNSUBSCRIBE", CHANNEL))
                expected.insert(0, None)
            words.append(("SUBSCRIBE", CHANNEL))
            expected.append(None)
            self._subscribed = True
        self._expected.extend(expected)
        self._send(words)


RESULT, JOB = keys.result("").encode(), keys.job("").encode()
