"""The sides of a comparison: a queue, on a server or in memory, and what holds its jobs.

All sides take the same calls and give comparable answers. Times are told as if no clock had been
advanced: a mock's clock is advanced, and on a server the data is moved into the past instead.
"""

from __future__ import annotations

import contextlib
import pickle
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import attrs
import redis

from arqade import (
    JobDeserializationError,
    JobMetadata,
    JobRequest,
    JobResult,
    MockArqQueue,
    PickleCodec,
    QueueStats,
    RedisArqQueue,
    SyncMockArqQueue,
    SyncRedisArqQueue,
    WorkerHealth,
)
from arqade._protocol import keys, payloads, scripts
from tests.parity.values import Moment, build, normal, spoil

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from arqade._protocol.scripts import Command
    from arqade.codecs import Codec

__all__ = ["AsyncMockSide", "AsyncRedisSide", "MockSide", "RedisSide", "Request", "Side", "Until"]

DEFAULT_QUEUE = "arq:queue"

JUMP = """
local ms = tonumber(ARGV[1])
for _, key in ipairs(redis.call('KEYS', '*')) do
  if redis.call('TYPE', key).ok == 'zset' then
    local found = redis.call('ZRANGE', key, 0, -1, 'WITHSCORES')
    for n = 1, #found, 2 do
      redis.call('ZINCRBY', key, -ms, found[n])
    end
  else
    local left = redis.call('PTTL', key)
    if left >= 0 and left <= ms then
      redis.call('DEL', key)
    elseif left >= 0 then
      redis.call('PEXPIRE', key, left - ms)
    end
  end
end
"""
"""Lets time pass: what is to come comes sooner."""

DUMP = """
local found = {}
for _, key in ipairs(redis.call('KEYS', '*')) do
  if redis.call('TYPE', key).ok == 'zset' then
    found[#found + 1] = {key, redis.call('ZRANGE', key, 0, -1, 'WITHSCORES'), -1}
  else
    found[#found + 1] = {key, redis.call('GET', key), redis.call('PTTL', key)}
  end
end
return found
"""
"""Gives all that the server holds."""


@attrs.frozen
class Until:
    """Stands for a datetime of an option, so many seconds from now."""

    seconds: float
    naive: bool = False


@attrs.frozen
class Listed:
    """What an iterator gave, and what it raised in the end."""

    found: list[Any]
    error: Exception | None = None


ITERATORS = ("as_completed", "iter_jobs", "iter_results")


async def call_async(queue: Any, operation: str, args: Any, kwargs: Any) -> Any:
    """Call an operation of an async queue, as `Side._call` does with a sync one."""
    answer = getattr(queue, operation)(*args, **kwargs)
    if operation not in ITERATORS:
        return await answer
    found = []
    try:
        async for job in answer:
            found.append(job)  # noqa: PERF401 - what came before an error counts
    except Exception as error:  # noqa: BLE001 - it is what is compared
        return Listed(found, error)
    return Listed(found)


@attrs.frozen
class Request:
    """Stands for a `JobRequest`, to be made anew for each side."""

    task: str
    args: Any
    options: dict[str, Any]


class Side:
    """A queue and what holds its jobs."""

    name: str
    queue: Any

    def __init__(self) -> None:
        self.offset_ms = 0
        """What its clock is ahead of this machine's."""
        self.notes: list[Any] = []
        """What the jobs wrote down."""
        self.waiting = 0
        """How many running jobs wait to be cancelled."""
        self.tokens: dict[str, int] = {}
        """What the clock was ahead when a token was first used."""

    # --- calls ---

    def call(self, operation: str, /, *args: Any, **kwargs: Any) -> Any:
        """Call an operation and give a comparable answer, whether it returns or raises."""
        args, kwargs = self._arguments(args), self._arguments(kwargs)
        try:
            answer = self._call(operation, args, kwargs)
        except Exception as error:  # noqa: BLE001 - it is what is compared
            answer = error
        return self._answered(answer, args, kwargs)

    async def call_from_job(self, operation: str, /, *args: Any, **kwargs: Any) -> Any:
        """Do the same for a job, which runs in an event loop: for async queues only."""
        args, kwargs = self._arguments(args), self._arguments(kwargs)
        try:
            answer = await getattr(self.queue, operation)(*args, **kwargs)
        except Exception as error:  # noqa: BLE001 - it is what is compared
            answer = error
        return self._answered(answer, args, kwargs)

    def attempt(self, act: Callable[[], Any]) -> Any:
        """Do something else than an operation and give a comparable answer."""
        try:
            return self.outcome(act())
        except Exception as error:  # noqa: BLE001 - as above
            return self.outcome(error)

    def _answered(self, answer: Any, args: Any, kwargs: Any) -> Any:
        said = self.outcome(answer)
        # An answer belongs to the caller, and so do the arguments.
        for value in (args, kwargs):
            spoil(value)
        found = answer.found if isinstance(answer, Listed) else answer
        for job in found if isinstance(found, list) else [found]:
            if isinstance(job, JobMetadata):
                spoil(job.args)
                spoil(job.kwargs)
                spoil(getattr(job, "result", None))
        return said

    def _call(self, operation: str, args: Any, kwargs: Any) -> Any:
        answer = getattr(self.queue, operation)(*args, **kwargs)
        if operation not in ITERATORS:
            return answer
        found: list[Any] = []
        try:
            found.extend(answer)
        except Exception as error:  # noqa: BLE001 - it is what is compared
            return Listed(found, error)
        return Listed(found)

    def _arguments(self, value: Any) -> Any:
        match value:
            case Until(seconds, naive):
                moment = datetime.fromtimestamp(self.now() / 1000 + seconds, UTC)
                return moment.astimezone().replace(tzinfo=None) if naive else moment
            case Request(task, args, options):
                return JobRequest(task, build(args), **self._arguments(options))
            case dict():
                return {key: self._arguments(part) for key, part in value.items()}
            case tuple():
                return tuple(self._arguments(part) for part in value)
            case list() if any(isinstance(part, Request) for part in value):
                return [self._arguments(part) for part in value]
        return build(value)

    def now(self) -> float:
        """Give this side's time in milliseconds."""
        return time.time() * 1000 + self.offset_ms

    # --- answers ---

    def outcome(self, answer: Any) -> Any:
        """Make what was returned or raised comparable."""
        if isinstance(answer, BaseException):
            cause = answer.__cause__
            return {
                "raised": type(answer).__name__,
                "is": type(answer).__module__,
                "message": str(answer),
                **{name: normal(value) for name, value in sorted(vars(answer).items())},
                "cause": cause if cause is None else type(cause).__name__,
            }
        return {"returned": self._value(answer)}

    def _value(self, answer: Any) -> Any:  # noqa: C901, PLR0912 - one case for each kind of answer
        match answer:
            case JobMetadata():
                fields: dict[str, Any] = {"type": type(answer).__name__}
                for field in attrs.fields(type(answer)):
                    value = getattr(answer, field.name)
                    if isinstance(value, datetime) and field.name.endswith("_time"):
                        fields[field.name] = self._moment(value)
                    elif field.name == "score" and value is not None:
                        assert isinstance(value, int)
                        fields["score"] = Moment(value - self.offset_ms)
                    else:
                        fields[field.name] = normal(value)
                if isinstance(answer, JobResult):
                    assert answer.enqueue_time <= answer.start_time + timedelta(seconds=2)
                    assert answer.start_time <= answer.finish_time
                return fields
            case QueueStats():
                score = answer.oldest_score
                oldest = None if score is None else Moment(score - self.offset_ms)
                return attrs.evolve(answer, oldest_score=oldest)
            case WorkerHealth():
                return attrs.evolve(answer, expires_in=Moment((answer.expires_in or 0) * 1000))
            case Listed():
                return self._listed(answer)
            case list():
                return [self._value(part) for part in answer]
            case tuple():
                return tuple(self._value(part) for part in answer)
            case dict():
                return {key: self._value(part) for key, part in answer.items()}
            case Moment():
                return answer
        return normal(answer)

    def _listed(self, answer: Listed) -> Any:
        """Make comparable what an iterator gave: jobs that ended side by side have no order."""
        found = [self._value(job) for job in sorted(answer.found, key=lambda job: job.id)]
        match answer.error:
            case None:
                return found
            case JobDeserializationError() as error if "ids=" in str(error):
                # Nor have those that a listing can't decode.
                return found, sorted(str(error).rpartition("ids=")[2].split(", "))
        return found, self.outcome(answer.error)

    def _moment(self, value: datetime) -> Moment:
        assert value.tzinfo is UTC
        assert value.microsecond % 1000 == 0
        return Moment(self.past(value.timestamp() * 1000))

    def past(self, ms: float) -> float:
        """Tell a time that was now once: as if no clock had been advanced."""
        return ms

    # --- what holds the jobs ---

    def reset(self) -> None:
        """Forget everything."""
        self.offset_ms = 0
        self.notes.clear()
        self.tokens.clear()
        self.waiting = 0

    def jump(self, seconds: int) -> None:
        """Let time pass."""
        raise NotImplementedError

    def put(self, key: str, value: bytes, seconds: int) -> None:
        """Write a value that lives so long."""
        raise NotImplementedError

    def put_number(self, key: str) -> None:
        """Count one more."""
        raise NotImplementedError

    def remove(self, key: str) -> None:
        """Remove a value."""
        raise NotImplementedError

    def _dump(self) -> dict[str, tuple[Any, int | None]]:
        """Give what is held, by key: value and life in ms, or members and scores."""
        raise NotImplementedError

    def has_rest_of(self, job_id: str) -> bool:
        """Tell whether the job's envelope is gone, but not its place, its tries or a wish."""
        held = self._dump()
        return keys.job(job_id) not in held and (
            keys.retry(job_id) in held
            or any(job_id in dict(value) for value, _ in held.values() if isinstance(value, list))
        )

    def state(self) -> dict[str, Any]:
        """Give all that is held, made comparable."""
        found: dict[str, Any] = {}
        for key, (value, life) in sorted(self._dump().items()):
            shown: Any = value
            if isinstance(value, list):
                scores = [(Moment(score - self.offset_ms), name) for name, score in value]
                shown = sorted(scores, key=lambda pair: pair[1])
            elif key.startswith(keys.once("")):
                token = key.removeprefix(keys.once(""))
                if token not in self.tokens:
                    continue
                offset = self.tokens[token]
                shown = [self._record(line, offset) for line in value.split(b"\n")]
            elif key.startswith((keys.job(""), keys.result(""))):
                shown = self._envelope(value)
            found[key] = (shown, None if life is None else Moment(life))
        return found

    @staticmethod
    def _record(line: bytes, offset: int) -> Any:
        """Make comparable what a marker says of a job of its call."""
        if not line:
            return None
        score, sent, job_id = line.split(b" ", 2)
        return Moment(int(score) - offset), Moment(int(sent) - offset), job_id

    def send(self, command: Command[Any]) -> Any:
        """Carry out a command as it is, and give the reply as it is."""
        raise NotImplementedError

    def send_many(self, jobs: Any, token: str, trouble: str) -> Any:
        """Send the call for many jobs that `enqueue_many` sends, and make its reply comparable.

        Args:
            jobs: For each job id, queue, policy, and seconds until it is due.
            token: The call's token; those of `enqueue_many` are random, and so never seen twice.
            trouble: ``late`` if the call may create nothing any more, ``clock`` if it comes from a
                machine whose clock is ahead, else nothing.
        """
        now = round(self.now()) + (5000 if trouble == "clock" else 0)
        words: list[Any] = []
        for job_id, queue_name, policy, seconds in jobs:
            request = JobRequest[Any]("echo", (job_id,), job_id=job_id, defer_by=seconds)
            envelope = payloads.encode_job(
                request, job_id=job_id, enqueue_time=now, codec=PickleCodec(), max_bytes=10**6
            )
            times = payloads.job_times(request, now=now, expires_extra_ms=keys.EXPIRES_EXTRA_MS)
            options = scripts.job_options(policy, times, fresh=False)
            words += [job_id, queue_name or DEFAULT_QUEUE, envelope, options]
        fence = now - 5000 if trouble == "late" else now + 10_000
        reply = self.send(
            scripts.enqueue_many(words, now=now, token=token, fence=fence, max_bytes=2**29)
        )
        return [self._answer(answer) for answer in reply[1:]]

    def _answer(self, answer: Any) -> Any:
        match answer:
            case int():
                return Moment(answer - self.offset_ms)
            case [b"repeated", score, sent, job_id]:
                offset = self.offset_ms
                return b"repeated", Moment(int(score) - offset), Moment(int(sent) - offset), job_id
            case [b"exists", score, running, result, job]:
                due = None if score is None else Moment(float(score) - self.offset_ms)
                bodies = [part if part is None else self._envelope(part) for part in (result, job)]
                return due, running, bodies
        return answer

    def _envelope(self, data: bytes) -> Any:
        try:
            envelope = pickle.loads(data)
        except Exception as error:  # noqa: BLE001 - whatever a pickle may raise
            return f"undecodable: {type(error).__name__}"
        return [
            (key, Moment(self.past(value)) if key in ("et", "st", "ft") else normal(value))
            for key, value in envelope.items()
        ]

    def close(self) -> None:
        """Leave nothing behind."""


class RedisSide(Side):
    """The sync queue on a server."""

    name = "SyncRedisArqQueue"

    def __init__(self, url: str, **options: Any) -> None:
        super().__init__()
        self.raw = redis.Redis.from_url(url)
        self._scripts = {text: self.raw.register_script(text) for text in (JUMP, DUMP)}
        self.queue = self._open(url, options)

    def _open(self, url: str, options: dict[str, Any]) -> Any:
        return SyncRedisArqQueue.from_url(url, **options)

    def reset(self) -> None:
        super().reset()
        self.raw.flushdb()

    def jump(self, seconds: int) -> None:
        self._scripts[JUMP](args=[seconds * 1000])

    def put(self, key: str, value: bytes, seconds: int) -> None:
        self.raw.set(key, value, ex=seconds)

    def put_number(self, key: str) -> None:
        self.raw.incr(key)
        self.raw.pexpire(key, 88_400_000)

    def remove(self, key: str) -> None:
        self.raw.delete(key)

    def send(self, command: Command[Any]) -> Any:
        return self.raw.execute_command(*command.words_with_script)

    def _dump(self) -> dict[str, tuple[Any, int | None]]:
        found: dict[str, tuple[Any, int | None]] = {}
        for key, value, life in self._scripts[DUMP]():
            name = key.decode()
            if name.endswith(":health-check"):
                continue
            if isinstance(value, list):
                pairs = zip(value[::2], value[1::2], strict=True)
                found[name] = [(member.decode(), float(score)) for member, score in pairs], None
            else:
                found[name] = value, None if life < 0 else life
        return found

    def close(self) -> None:
        self.queue.close()
        self.raw.close()


class AsyncRedisSide(RedisSide):
    """The async queue on a server."""

    name = "RedisArqQueue"

    def __init__(self, runner: asyncio.Runner, url: str, **options: Any) -> None:
        self.runner = runner
        super().__init__(url, **options)

    def _open(self, url: str, options: dict[str, Any]) -> Any:
        return self.runner.run(RedisArqQueue.from_url(url, **options))

    def _call(self, operation: str, args: Any, kwargs: Any) -> Any:
        return self.runner.run(call_async(self.queue, operation, args, kwargs))

    def close(self) -> None:
        self.runner.run(self.queue.aclose())
        self.raw.close()


class MockSide(Side):
    """The sync mock."""

    name = "SyncMockArqQueue"
    queue_class: type[Any] = SyncMockArqQueue

    def __init__(
        self,
        queue_class: type[Any] | None = None,
        codec: Codec | None = None,
        **options: Any,
    ) -> None:
        super().__init__()
        self.queue_class = queue_class or self.queue_class
        self._options = options if codec is None else {**options, "codec": codec}
        self._epochs: list[tuple[float, int]] = []
        self.reset()

    def reset(self) -> None:
        super().reset()
        self.queue = self.queue_class(**self._options)
        self._epochs = [(0, 0)]

    @property
    def store(self) -> Any:
        return self.queue.store

    def jump(self, seconds: int) -> None:
        self.queue.clock.advance(seconds)
        self.offset_ms += seconds * 1000
        self._epochs.append((self.now() - 1, self.offset_ms))

    def past(self, ms: float) -> float:
        # A clock that jumps skips times: each time that was ever now belongs to one epoch.
        return ms - next(offset for start, offset in reversed(self._epochs) if ms >= start)

    def put(self, key: str, value: bytes, seconds: int) -> None:
        self.store.set(key, value, seconds * 1000)

    def put_number(self, key: str) -> None:
        self.store.increase(key, 88_400_000)

    def remove(self, key: str) -> None:
        self.store.delete(key)

    def send(self, command: Command[Any]) -> Any:
        return self.store.execute(command.words)

    def _dump(self) -> dict[str, tuple[Any, int | None]]:
        store = self.store
        found: dict[str, tuple[Any, int | None]] = {}
        for key in list(store._values):
            value = store.get(key)
            if value is not None:
                end = store._values[key][1]
                found[key] = value, None if end is None else round(end - self.now())
        for key, members in store._sets.items():
            if members:
                found[key] = list(members.items()), None
        return found

    def close(self) -> None:
        with contextlib.suppress(AttributeError):
            self.queue.close()


class AsyncMockSide(MockSide):
    """The async mock."""

    name = "MockArqQueue"
    queue_class = MockArqQueue

    def __init__(self, runner: asyncio.Runner, queue_class: type[Any] | None = None, **kw: Any):
        self.runner = runner
        super().__init__(queue_class, **kw)

    def _call(self, operation: str, args: Any, kwargs: Any) -> Any:
        return self.runner.run(call_async(self.queue, operation, args, kwargs))

    def close(self) -> None:
        self.runner.run(self.queue.aclose())
