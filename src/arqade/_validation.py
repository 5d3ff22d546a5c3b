"""Rules for the values that users hand in: ids, queue names, durations, times.

They keep out what a stock worker can't survive: arq decodes every member of a queue as UTF-8,
reads scores as integers of milliseconds, and keeps its own keys beside the queues.
"""

from __future__ import annotations

import math
import unicodedata
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

__all__ = [
    "MAX_TIME_MS",
    "Duration",
    "check_duration",
    "check_integer",
    "check_job_id",
    "check_name",
    "check_queue_name",
    "check_task_name",
    "datetime_to_ms",
    "duration_to_ms",
    "ms_to_datetime",
]

Duration: TypeAlias = int | float | timedelta
"""A length of time: seconds, or a timedelta."""

MAX_NAME_BYTES = 512
"""The longest id or queue name, in bytes of UTF-8."""

MAX_TIME_MS = 253_402_300_799_999
"""The last millisecond that a datetime can hold, since the Unix epoch."""

RESERVED_PREFIXES = (
    "arq:job:",
    "arq:result:",
    "arq:in-progress:",
    "arq:retry:",
    "arq:abort",
    "arqade:",
)
RESERVED_SUFFIX = ":health-check"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def check_name(what: str, value: object) -> str:
    """Give back a name as a plain `str`, or raise.

    Args:
        what: What the name is, for the message.
        value: The name: 1 to 512 bytes of UTF-8 without control characters.

    Raises:
        TypeError: It is no `str`.
        ValueError: It is empty, too long, or can't be a name.
    """
    if not isinstance(value, str):
        raise TypeError(f"{what} must be a str, not {type(value).__name__}")
    # A str subclass such as an enum's member would be pickled as that class.
    text = str.__str__(value)
    if not text:
        raise ValueError(f"{what} must not be empty")
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        raise ValueError(f"{what} must be encodable as UTF-8: it has a lone surrogate") from None
    if size > MAX_NAME_BYTES:
        raise ValueError(f"{what} must be at most {MAX_NAME_BYTES} bytes of UTF-8, not {size}")
    if not text.isprintable() and any(unicodedata.category(char) == "Cc" for char in text):
        raise ValueError(f"{what} must not have control characters")
    return text


def check_job_id(value: str) -> str:
    """Give back a job's id as a plain `str`; errors as of `check_name`."""
    return check_name("job_id", value)


def check_task_name(value: str) -> str:
    """Give back the name of a worker's function as a plain `str`; errors as of `check_name`."""
    return check_name("task_name", value)


def check_queue_name(value: str) -> str:
    """Give back a queue's name as a plain `str`.

    Raises:
        TypeError: It is no `str`.
        ValueError: It can't be a name, or would overwrite keys of arq's or of arqade's own.
    """
    name = check_name("queue_name", value)
    # With the suffix: a worker keeps the record of its health under the queue's name.
    if (name + RESERVED_SUFFIX).startswith(RESERVED_PREFIXES) or name.endswith(RESERVED_SUFFIX):
        raise ValueError(f"queue_name must not lie under a reserved prefix, as {name!r} does")
    return name


def check_integer(what: str, value: object, *, least: int, most: int) -> int:
    """Give back an integer within bounds.

    Raises:
        TypeError: It is no `int`; a `bool` is none.
        ValueError: It is out of bounds.
    """
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{what} must be an int, not {type(value).__name__}")
    if not least <= value <= most:
        raise ValueError(f"{what} must be from {least} to {most}, not {value}")
    return int(value)


def duration_to_ms(what: str, value: object) -> int:
    """Turn seconds or a timedelta into milliseconds, rounded as arq does.

    Raises:
        TypeError: It is neither a number nor a timedelta.
        ValueError: It is not finite, or longer than time lasts.
    """
    if isinstance(value, timedelta):
        seconds = value.total_seconds()
    elif isinstance(value, int | float) and not isinstance(value, bool):
        # Not float(value): an int may be too large for a float.
        if isinstance(value, int) and abs(value) > MAX_TIME_MS:
            raise ValueError(f"{what} is too long: {value} seconds")
        seconds = float(value)
    else:
        raise TypeError(f"{what} must be seconds or a timedelta, not {type(value).__name__}")
    if not math.isfinite(seconds):
        raise ValueError(f"{what} must be finite, not {seconds}")
    if abs(seconds) * 1000 > MAX_TIME_MS:
        raise ValueError(f"{what} is too long: {seconds:g} seconds")
    return round(seconds * 1000)


def datetime_to_ms(what: str, value: object) -> int:
    """Turn a datetime into milliseconds since the epoch; a naive one is local time, as in arq.

    Raises:
        TypeError: It is no datetime.
        ValueError: It is out of the range of the platform's local time.
    """
    if not isinstance(value, datetime):
        raise TypeError(f"{what} must be a datetime, not {type(value).__name__}")
    try:
        aware = value if value.utcoffset() is not None else value.astimezone()
        return round((aware - _EPOCH) / _MILLISECOND)
    except (NotImplementedError, OverflowError, OSError, ValueError) as error:
        raise ValueError(f"{what} is out of range: {value!r}") from error


def ms_to_datetime(value: int) -> datetime:
    """Turn milliseconds since the epoch into an aware UTC datetime.

    Raises:
        TypeError: It is no number.
        OverflowError: No datetime can hold it.
    """
    # By addition: a float of seconds would lose milliseconds to rounding.
    return _EPOCH + value * _MILLISECOND


def check_duration(what: str, value: Duration, *, zero: bool) -> None:
    """Check a length of time: seconds, or a timedelta.

    Args:
        what: What it is called.
        value: The length.
        zero: Whether it may be 0.

    Raises:
        TypeError: It is of another type.
        ValueError: It is negative, or 0 where that is not allowed, or too long.
    """
    duration_to_ms(what, value)
    # Not by milliseconds: half a millisecond is a positive time.
    seconds = value.total_seconds() if isinstance(value, timedelta) else value
    if seconds < 0 or (seconds == 0 and not zero):
        raise ValueError(f"{what} must {'not be negative' if zero else 'be positive'}: {value}")
