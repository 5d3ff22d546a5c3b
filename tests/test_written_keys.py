"""Which keys a queue writes, seen by the server itself (its MONITOR)."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from arqade import ArqadeError, JobRequest, RedisArqQueue, SyncRedisArqQueue
from tests.harness.states import STATES, put_expired, put_finished_cron

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import redis

EXAMPLES = 4 * int(os.environ.get("ARQADE_FAULTS", "25"))
"""How many stories are told: 2,000 by `make faults`."""

DEFAULT_QUEUE = "arq:queue"
TOKEN = re.compile(r"arqade:once:[0-9a-f]{32}")
RANDOM_ID = re.compile(r"[0-9a-f]{32}")

# --- what may be written -----------------------------------------------------------------

READING = {
    *("AUTH", "CLIENT", "CONFIG", "ECHO", "EVAL", "EVALSHA", "EXISTS", "GET", "HELLO", "INFO"),
    *("PING", "PTTL", "SCAN", "SELECT", "STRLEN", "TIME", "TYPE", "ZCARD", "ZCOUNT", "ZRANGE"),
    *("ZRANGEBYSCORE", "ZSCAN", "ZSCORE"),
}
"""Commands that write nothing, and those that run a script, whose own commands are seen, too."""

RESERVED = ("arq:job:", "arq:result:", "arq:in-progress:", "arq:retry:", "arq:abort", "arqade:")
"""How the keys begin that no queue has."""

ONE_KEY = {"PSETEX", "SET", "ZADD", "ZREM"}
DELETING = {"DEL", "UNLINK"}
TOUCH = ["1", "PX", "1"]
"""What is set, for an instant, so that a worker that watches the key looks again."""


class Write(NamedTuple):
    """A command of the server, on one of its keys."""

    command: str
    key: str
    rest: list[str]


def writes_of(words: list[str]) -> Iterator[Write]:
    """Take a command apart.

    Raises:
        AssertionError: It is none of those that are known.
    """
    command, *rest = words
    if command in ONE_KEY:
        yield Write(command, rest[0], rest[1:])
    elif command in DELETING:
        yield from (Write(command, key, []) for key in rest)
    elif command == "MSET":
        pairs = zip(rest[::2], rest[1::2], strict=True)
        yield from (Write(command, key, [value]) for key, value in pairs)
    else:
        assert command in READING, f"{words} may write anything"


class Names(NamedTuple):
    """What was given to the operations of a story."""

    ids: set[str]
    queues: set[str]
    tokens: set[str]

    def has_id(self, job_id: str) -> bool:
        """Whether it was given, or is a random one."""
        return job_id in self.ids or RANDOM_ID.fullmatch(job_id) is not None

    def declare(self, write: Write) -> bool:
        """Whether this may be written (wire.md, and docs/reference/wire.md of the markers)."""
        command, key, rest = write
        members = rest if command == "ZREM" else rest[-1:]
        kind, _, job_id = key.removeprefix("arq:").partition(":")
        of_job = key.startswith("arq:") and self.has_id(job_id)
        if not f"{key}:health-check".startswith(RESERVED):
            is_queue = key in self.queues and not key.endswith(":health-check")
            return is_queue and command in {"ZADD", "ZREM"} and all(map(self.has_id, members))
        if key == "arq:abort":
            return command in {"ZADD", "ZREM"} and all(map(self.has_id, members))
        if TOKEN.fullmatch(key) or key in {f"arqade:once:{token}" for token in self.tokens}:
            return command in {"SET", "DEL"}
        match kind if of_job else "":
            case "job":
                return command in {"PSETEX", "DEL"}
            case "result":
                return command in DELETING
            case "retry":
                return command == "DEL"
            case "in-progress":
                return command == "DEL" or rest == TOUCH or (command, rest) == ("MSET", ["1"])
        return False


# --- watching ----------------------------------------------------------------------------

LINE = re.compile(r"[\d.]+ \[\d+ (\S+)\] (.*)", re.DOTALL)
WORD = re.compile(rb'"((?:[^"\\]|\\.)*)"', re.DOTALL)
ESCAPE = re.compile(rb"\\(?:x([0-9a-f]{2})|(.))", re.DOTALL)
LETTERS = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"a": b"\a", b"b": b"\b"}


def unescape(found: re.Match[bytes]) -> bytes:
    hexadecimal, letter = found.groups()
    return bytes([int(hexadecimal, 16)]) if hexadecimal else LETTERS.get(letter, letter)


class Watch:
    """What the server does for others than a client that looks on.

    Args:
        monitor: A connection on which the server tells all that it does.
        raw: The client that looks on.
    """

    def __init__(self, monitor: Any, raw: redis.Redis) -> None:
        self._connection = monitor.connection
        self._raw = raw
        self._own = raw.client_info()["addr"]

    def commands(self) -> list[list[str]]:
        """Give the commands since the last call."""
        end = uuid4().hex
        self._raw.execute_command("ECHO", end)
        found = []
        while True:
            line = self._connection.read_response()
            data = line if isinstance(line, bytes) else line.encode(errors="surrogateescape")
            who, words = LINE.fullmatch(data.decode(errors="surrogateescape")).groups()
            parts = [
                ESCAPE.sub(unescape, word).decode(errors="surrogateescape")
                for word in WORD.findall(words.encode(errors="surrogateescape"))
            ]
            if parts[-1] == end:
                return found
            if who != self._own:
                found.append([parts[0].upper(), *parts[1:]])


class Caller:
    """Calls a queue of either API.

    Args:
        queue: The queue.
        runner: Runs what an async queue gives.
    """

    def __init__(self, queue: Any, runner: asyncio.Runner) -> None:
        self._queue = queue
        self._runner = runner

    def __call__(self, name: str, *args: Any, **kwargs: Any) -> None:
        """Call an operation, whatever it answers; what it iterates over is read to its end."""
        with contextlib.suppress(ArqadeError, TimeoutError, TypeError, ValueError):
            answer = getattr(self._queue, name)(*args, **kwargs)
            if hasattr(answer, "__aiter__"):

                async def read() -> None:
                    async for _ in answer:
                        pass

                self._runner.run(read())
            elif hasattr(answer, "__await__"):
                self._runner.run(answer)
            elif hasattr(answer, "__next__"):
                for _ in answer:
                    pass


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture(params=["async", "sync"])
def call(
    request: pytest.FixtureRequest, redis_url: str, runner: asyncio.Runner
) -> Iterator[Caller]:
    """Calls a queue of its own."""
    if request.param == "sync":
        with SyncRedisArqQueue.from_url(redis_url) as queue:
            yield Caller(queue, runner)
    else:
        opened = runner.run(RedisArqQueue.from_url(redis_url))
        yield Caller(opened, runner)
        runner.run(opened.aclose())


@pytest.fixture
def watch(raw: redis.Redis) -> Iterator[Watch]:
    with raw.monitor() as monitor:
        yield Watch(monitor, raw)


# --- stories -----------------------------------------------------------------------------

NAMES = st.one_of(
    st.sampled_from(
        ["a", "b", "health-check", "é*", 'q"\\', "arq:abort", "arq:job:a", "arqade:once:a"]
    ),
    st.text(st.characters(blacklist_categories=("Cs",)), max_size=20),
)
IDS = st.sampled_from(["a", "b"]) | NAMES
QUEUES = st.none() | st.sampled_from(["mail", DEFAULT_QUEUE, "arq:retry", "arq:result:a"]) | NAMES
SECONDS = st.none() | st.sampled_from([0, 1, 3600, -1, 0.001]) | st.floats()
TIMES = st.none() | st.just(datetime(2000, 1, 1, tzinfo=UTC)) | st.datetimes(timezones=st.just(UTC))
POLICIES = st.sampled_from(["raise", "return_existing", "ignore_result", "replace"])
VALUES = st.recursive(
    st.none() | st.integers() | st.text(max_size=9) | st.binary(max_size=9),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=5,
)


class Step(NamedTuple):
    """A call, or what another program writes."""

    name: str
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = {}  # noqa: RUF012 - nobody changes it


OPTIONS = {
    "job_id": st.none() | IDS,
    "queue_name": QUEUES,
    "defer_until": st.none() | TIMES,
    "defer_by": SECONDS,
    "expires": SECONDS,
    "job_try": st.none() | st.integers(-1, 9),
    "on_conflict": POLICIES,
}


@st.composite
def enqueues(draw: Callable[..., Any]) -> Step:
    options = draw(st.fixed_dictionaries({}, optional=OPTIONS))
    token = draw(st.none() | st.sampled_from(["t", 't"\\']) | NAMES)
    kwargs = {f"_{name}": value for name, value in options.items()}
    arguments = tuple(draw(st.lists(VALUES, max_size=3)))
    return Step("enqueue", (draw(st.just("echo") | NAMES), *arguments), {**kwargs, "_token": token})


@st.composite
def bulk_enqueues(draw: Callable[..., Any]) -> Step:
    requests = []
    for options in draw(st.lists(st.fixed_dictionaries({}, optional=OPTIONS), max_size=6)):
        with contextlib.suppress(TypeError, ValueError):
            requests.append(JobRequest("echo", **options))
    return Step("enqueue_many", (requests,), {"chunk_size": draw(st.integers(1, 4))})


BY_ID = ("get_job_status", "get_job_metadata", "get_job_result", "delete_result")
WAITING = ("wait_for_result", "cancel_job", "abort_job")
OF_QUEUE = ("iter_jobs", "iter_results", "get_queue_stats", "get_worker_health", "purge")
WRITTEN_RAW = {**STATES, "expired": put_expired, "finished cron": put_finished_cron}


def step(name: Any, *args: Any, **kwargs: Any) -> Any:
    return st.builds(Step, name, st.tuples(*args), st.just(kwargs))


STEPS = st.one_of(
    enqueues(),
    enqueues(),
    bulk_enqueues(),
    step(st.sampled_from(BY_ID), IDS, QUEUES),
    step(st.sampled_from(WAITING), IDS, QUEUES, timeout=0),
    step(st.just("as_completed"), st.lists(IDS), QUEUES, timeout=0),
    step(st.just("get_jobs_metadata"), st.lists(IDS), QUEUES),
    step(st.sampled_from(OF_QUEUE), QUEUES),
    step(st.sampled_from(["ping", "check"])),
    step(st.sampled_from(sorted(WRITTEN_RAW)), st.sampled_from(["a", "b"])),
)
SILENT = {*BY_ID, "wait_for_result", "as_completed", "get_jobs_metadata", *OF_QUEUE, "ping"}
SILENT |= {"check"}
SILENT -= {"delete_result", "purge"}


def names_of(steps: list[Step]) -> Names:
    """Give the names in the arguments of all steps."""
    names = Names({"a", "b"}, {DEFAULT_QUEUE}, set())
    for step in steps:
        requests = step.args[0] if step.name == "enqueue_many" else []
        names.ids.update(request.job_id for request in requests if request.job_id)
        names.queues.update(request.queue_name for request in requests if request.queue_name)
        match step:
            case Step("enqueue", _, options):
                given_names = (names.ids, "_job_id"), (names.queues, "_queue_name")
                for where, option in (*given_names, (names.tokens, "_token")):
                    where.update([options[option]] if options.get(option) else [])
            case Step("get_jobs_metadata" | "as_completed", (_, queue)) | Step(_, (str(), queue)):
                names.queues.update([queue] if queue else [])
                names.ids.update([step.args[0]] if isinstance(step.args[0], str) else [])
            case Step(name, (str(queue),)) if name in OF_QUEUE:
                names.queues.add(queue)
    return names


ALL_STATES = [
    step
    for state in WRITTEN_RAW
    for policy in ("raise", "return_existing", "ignore_result", "replace")
    for step in (
        Step(state, ("a",)),
        Step("enqueue", ("echo",), {"_job_id": "a", "_on_conflict": policy, "_token": "t"}),
        Step("enqueue_many", ([JobRequest("echo", job_id="a", on_conflict=policy)],)),
        Step("cancel_job", ("a", None), {"timeout": 0}),
        Step("purge", (None,)),
        Step("delete_result", ("a", None)),
    )
]

NO_QUEUES = [
    step
    for name in (*RESERVED, "arq:job", "arq:result", "arq:in-progress", "arq:retry", DEFAULT_QUEUE)
    for queue in (name, f"{name}a", f"{name}:health-check")
    for step in (
        Step("enqueue", ("echo",), {"_job_id": "a", "_queue_name": queue}),
        Step("cancel_job", ("a", queue), {"timeout": 0}),
        Step("enqueue", ("echo",), {"_queue_name": queue}),
        Step("purge", (queue,)),
    )
]


@pytest.mark.timeout(0)
def test_every_key_is_declared(call: Caller, raw: redis.Redis, watch: Watch) -> None:
    """Whatever is asked, a queue writes and deletes the keys that the documentation names only."""
    seen: set[str] = set()

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=False,
        suppress_health_check=list(HealthCheck),
    )
    @example(ALL_STATES)
    @example(NO_QUEUES)
    @given(st.lists(STEPS, min_size=1, max_size=8))
    def tell(steps: list[Step]) -> None:
        raw.flushdb()
        names = names_of(steps)
        watch.commands()
        for step in steps:
            if step.name in WRITTEN_RAW:
                raw.delete("arq:in-progress:a", "arq:in-progress:b")
                WRITTEN_RAW[step.name](raw, *step.args)
                continue
            call(step.name, *step.args, **step.kwargs)
            found = [write for words in watch.commands() for write in writes_of(words)]
            undeclared = [write for write in found if not names.declare(write)]
            assert undeclared == []
            assert not (found and step.name in SILENT)
            seen.update(f"{step.name} {write.command}" for write in found)

    tell()
    assert {
        *("enqueue PSETEX", "enqueue ZADD", "enqueue SET", "enqueue DEL", "enqueue ZREM"),
        *("enqueue_many PSETEX", "enqueue_many ZADD", "cancel_job ZADD", "cancel_job SET"),
        *("purge MSET", "purge ZREM", "delete_result UNLINK"),
    } <= seen
