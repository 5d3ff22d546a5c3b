"""Text for a reader's eye: what a payload holds must not steer the terminal."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from arqade import JobMetadata

__all__ = ["arguments", "counted", "due", "moment", "shown", "span", "value_text", "visible"]

_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_UNITS = ((2 * _DAY, _DAY, "d"), (2 * _HOUR, _HOUR, "h"), (2 * _MINUTE, _MINUTE, "min"))
"""The least number of seconds from which a unit is used, its seconds, and its name."""

_MAX_SHOWN = 2000
"""Characters of one value that are shown at most; JSON has it whole."""


def visible(text: str) -> str:
    """Give a text in one line, with escapes for all that is no printable character."""
    if text.isprintable():
        return text
    return "".join(
        part if part.isprintable() else part.encode("unicode_escape", "surrogatepass").decode()
        for part in text
    )


def shown(value: object) -> str:
    """Give the `repr` of a value in one line, cut off if it is very long."""
    try:
        text = repr(value)
    except Exception:  # noqa: BLE001 - with a codec of the user's, it may be of any class
        text = f"<{type(value).__qualname__}>"
    if len(text) > _MAX_SHOWN:
        text = f"{text[:_MAX_SHOWN]}... ({len(text)} characters; --json shows all)"
    return visible(text)


def value_text(plain: Any) -> str:
    """Give a plain JSON value for a shell: a text but for control characters, else JSON."""
    if isinstance(plain, str):
        return "\n".join("\t".join(map(visible, line.split("\t"))) for line in plain.split("\n"))
    return json.dumps(plain, indent=2)


def counted(number: int, what: str) -> str:
    """Give a number and what it counts, as in ``1 job`` and ``2,000 jobs``."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def span(seconds: float) -> str:
    """Give a duration in the unit that suits it, such as ``12 s`` or ``3 h``."""
    for least, size, unit in _UNITS:
        if seconds >= least:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s" if seconds >= 1 else f"{seconds * 1000:.0f} ms"


def due(score: int | None) -> str:
    """Tell how far off the time is at which a job is due, in milliseconds since the epoch."""
    if score is None:
        return "-"
    seconds = score / 1000 - time.time()
    return f"in {span(seconds)}" if seconds > 0 else f"{span(-seconds)} ago"


def moment(when: datetime) -> str:
    """Give a time to the millisecond."""
    return when.astimezone(UTC).isoformat(" ", "milliseconds").replace("+00:00", " UTC")


def arguments(job: JobMetadata[Any]) -> str:
    """Give a job's arguments as in a call."""
    words = [shown(value) for value in job.args]
    words += [f"{visible(name)}={shown(value)}" for name, value in job.kwargs.items()]
    return ", ".join(words) or "none"
