"""How often to look for a result, where the server can't push it."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["poll_pauses"]

FIRST_PAUSE = 0.005
"""Seconds between the first two looks: many jobs take no longer."""

LONGEST_PAUSE = 0.5
"""Seconds between looks, at most; what arq's own client always waits."""

GROWTH = 1.5
"""Each pause is so many times the one before: a result comes at most half as late again."""


def poll_pauses(timeout: float | None) -> Iterator[float]:
    """Give the seconds to wait before each look, until the time is over.

    The first is 0, and the last one ends when the time is over.

    Args:
        timeout: Seconds in all; None for no limit.
    """
    end = math.inf if timeout is None else time.monotonic() + timeout
    pause = FIRST_PAUSE
    yield 0.0
    while (left := end - time.monotonic()) > 0:
        yield min(pause, left)
        pause = min(pause * GROWTH, LONGEST_PAUSE)
