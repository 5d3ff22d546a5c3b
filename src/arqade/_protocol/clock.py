"""The server's time, as far as it is known here."""

from __future__ import annotations

import time

__all__ = ["ServerClock"]


class ServerClock:
    """Estimates the server's time from what it says in its replies.

    Until the first reply it is this machine's time. Afterwards it is not ahead of the server's by
    more than the rounding of a millisecond, so that a job for now is not deferred; it goes by the
    monotonic clock, so that setting this machine's time does not disturb it.
    """

    def __init__(self) -> None:
        self._ahead = time.time() * 1000 - time.monotonic() * 1000

    def now(self) -> int:
        """Give the server's time in milliseconds since the epoch."""
        return int(time.monotonic() * 1000 + self._ahead)

    def learn(self, server_time: int) -> None:
        """Take the server's time, in milliseconds, from a reply that has just come."""
        self._ahead = server_time - time.monotonic() * 1000
