"""What ``TASKS`` says of a backend of arq's, and what is wrong with it. Nothing here connects."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, TypeVar

import attrs
from django.tasks.exceptions import InvalidTaskBackend

from arqade import (
    Codec,
    ConfigurationError,
    JSONCodec,
    PickleCodec,
    RedisSettings,
    SyncMockArqQueue,
)
from arqade._entries import WRONG, Problem
from arqade._opening import QueueOptions, codec_from, settings_from

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["MAX_QUEUE_CHARS", "TaskSettings", "TaskSettingsError", "read", "settings_of"]

MAX_QUEUE_CHARS: Final = 40
"""The longest name of a queue: it is part of the ids of results, which have less than 64."""

DAY: Final = 86_400

LONGEST: Final = 1_000 * 365 * DAY
"""The longest time, in seconds: later ones could not be told."""

DEFAULT_CODEC: Final[Codec] = JSONCodec()

DURATION: Final = (int, float, timedelta)

WORKER: Final[dict[str, tuple[type, ...]]] = {
    "allow_abort_jobs": (bool,),
    "health_check_interval": DURATION,
    "job_completion_wait": (int,),
    "job_timeout": DURATION,
    "log_results": (bool,),
    "max_burst_jobs": (int,),
    "max_jobs": (int,),
    "max_tries": (int,),
    "poll_delay": DURATION,
    "queue_read_limit": (int,),
    "retry_jobs": (bool,),
}
"""What may be said of the workers, by arq's names."""

POSITIVE: Final = frozenset(
    ("health_check_interval", "job_timeout", "max_jobs", "max_tries", "poll_delay")
)

T = TypeVar("T")


class TaskSettingsError(InvalidTaskBackend, ConfigurationError):
    """A value of the ``OPTIONS`` of a backend can't be used."""


@attrs.frozen
class TaskSettings:
    """The ``OPTIONS`` of a backend."""

    redis: RedisSettings = attrs.field(factory=RedisSettings)
    """Where the server is."""

    codec: Codec = DEFAULT_CODEC
    """How tasks and results become bytes."""

    prefix: str = ""
    """What arq's names of the queues begin with."""

    result_ttl: float | None = DAY
    """How many seconds results are kept; None for ever."""

    expires: float = 30 * DAY
    """How many seconds a task may wait for a worker, once it is due."""

    worker: Mapping[str, Any] = attrs.field(factory=dict)
    """What the workers are to do, by arq's names."""

    def arq_queue(self, queue_name: str) -> str:
        """Give arq's name of a queue."""
        return self.prefix + queue_name

    @property
    def queue_options(self) -> QueueOptions:
        """What the clients are opened with."""
        more = {"expires_extra_ms": round(self.expires * 1000)}
        return QueueOptions(settings=self.redis, codec=self.codec, more=more)


def settings_of(alias: str, options: object) -> TaskSettings:
    """Read the ``OPTIONS`` of a backend.

    Args:
        alias: The backend's alias.
        options: The dictionary.

    Raises:
        TaskSettingsError: A value can't be used; the message names alias and key.
    """
    found, problems = read(alias, options, ())
    for problem in problems:
        if problem.is_error or problem.code == NO_URL:
            raise TaskSettingsError(problem.message)
    return found


NO_URL: Final = "W050"


def read(
    alias: str, options: object, queues: Iterable[object]
) -> tuple[TaskSettings, list[Problem]]:
    """Read the ``OPTIONS`` of a backend, and look for what is wrong with it.

    Args:
        alias: The backend's alias.
        options: The dictionary.
        queues: The names of its queues.

    Returns:
        The settings, which count only if nothing is wrong; and what is wrong.
    """
    where = f"TASKS[{alias!r}]"
    if not isinstance(options, Mapping):
        message = f"{where}['OPTIONS'] must be a dictionary, not {type(options).__name__}"
        return TaskSettings(), [Problem("E050", message)]
    reading = _Reading(where, options)
    found = reading.settings(f"arq:tasks:{alias}:")
    for name in queues:
        reading.check_queue(found, name)
    return found, reading.problems


def _arq_name(value: str) -> str:
    # What takes such a name checks it; a mock needs no server for that.
    return SyncMockArqQueue(default_queue_name=value).default_queue_name


def _seconds(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | timedelta):
        raise TypeError(f"it must be seconds or a timedelta, not {type(value).__name__}")
    seconds = value.total_seconds() if isinstance(value, timedelta) else value
    if not 0 <= seconds <= LONGEST:
        raise ValueError(f"it must be from 0 to {LONGEST} seconds, not {seconds}")
    return seconds


def _result_ttl(value: Any) -> float | None:
    return None if value is None else _seconds(value)


def _expires(value: Any) -> float:
    seconds = _seconds(value)
    if not round(seconds * 1000):
        raise ValueError("it must be at least a millisecond: no worker could take a task")
    return seconds


def _worker(value: object) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise TypeError(f"it must be a dictionary, not {type(value).__name__}")
    for name, of_worker in value.items():
        check_worker_setting(name, of_worker)
    return dict(value)


def check_worker_setting(name: object, value: Any) -> None:
    """Check a value that is to be arq's.

    Raises:
        TypeError: It is of a wrong type.
        ValueError: There is no such setting, or its value is not allowed.
    """
    if name not in WORKER:
        raise ValueError(f"unknown {name!r}; {_suggestion(name, WORKER)}")
    kinds = WORKER[name]
    # Exactly: a bool would do for a number.
    if type(value) not in kinds:
        allowed = " or ".join(kind.__name__ for kind in kinds)
        raise TypeError(f"{name} must be {allowed}, not {type(value).__name__}")
    if name in POSITIVE and not value > type(value)(0):
        raise ValueError(f"{name} must be positive, not {value}")


OPTIONS: Final[dict[str, tuple[str, str, Callable[[Any], Any]]]] = {
    "URL": ("redis", "E052", settings_from),
    "CODEC": ("codec", "E053", codec_from),
    "PREFIX": ("prefix", "E054", _arq_name),
    "RESULT_TTL": ("result_ttl", "E055", _result_ttl),
    "EXPIRES": ("expires", "E055", _expires),
    "WORKER": ("worker", "E056", _worker),
}
"""The options: the field of `TaskSettings`, the number of the check, and what reads the value."""


class _Reading:
    """Reads the options of one backend, and goes on where something is wrong."""

    def __init__(self, where: str, options: Mapping[Any, Any]) -> None:
        self.problems: list[Problem] = []
        self._where = where
        self._options = options

    def settings(self, prefix: str) -> TaskSettings:
        """Give what is there, with defaults for what is missing or wrong."""
        values: dict[str, Any] = {"prefix": prefix}
        for key, value in self._options.items():
            if key not in OPTIONS:
                message = f"{self._where}['OPTIONS'] has an unknown key {key!r}"
                self._found("E051", message, _suggestion(key, OPTIONS))
                continue
            if key == "URL" and value is None:
                continue
            field, code, convert = OPTIONS[key]
            try:
                values[field] = convert(value)
            except WRONG as error:
                self._found(code, f"{self._where}['OPTIONS'][{key!r}]: {error}")
        if self._options.get("URL") is None:
            self._read_environment(values)
        found = TaskSettings(**values)
        if type(found.codec) is PickleCodec:
            self._found(
                "W051",
                f"{self._where} reads pickles: who can write to Redis can run code in this process",
                "Leave 'CODEC' out: tasks take and give nothing but JSON.",
            )
        return found

    def _read_environment(self, values: dict[str, Any]) -> None:
        try:
            values["redis"] = settings_from(None)
        except ConfigurationError as error:
            # No error of the checks: they may run where no task is enqueued, as in a build.
            self._found(NO_URL, f"{self._where}['OPTIONS'] has no 'URL', and {error}")

    def check_queue(self, found: TaskSettings, name: object) -> None:
        """Check that a queue can be had."""
        where = f"{self._where}['QUEUES'] has {name!r}"
        if not isinstance(name, str):
            self._found("E057", f"{where}: a queue's name must be a str, not {type(name).__name__}")
        elif not 0 < len(name) <= MAX_QUEUE_CHARS:
            self._found(
                "E057", f"{where}: a queue's name must have 1 to {MAX_QUEUE_CHARS} characters"
            )
        else:
            try:
                _arq_name(found.arq_queue(name))
            except ValueError as error:
                self._found("E057", f"{where}: {error}")

    def _found(self, code: str, message: str, hint: str | None = None) -> None:
        self.problems.append(Problem(code, message, hint))


def _suggestion(name: object, known: Iterable[str]) -> str:
    names = list(known)
    case = str.upper if names[0].isupper() else str.lower
    close = difflib.get_close_matches(case(str(name)), names, n=1)
    return f"did you mean {close[0]!r}?" if close else f"known are {', '.join(names)}"
