"""Stock workers with their own settings, whose one task notes that it ran.

Each module is run with the server's URL, and imports nothing but its client and redis-py.
"""

from __future__ import annotations

from typing import Final

import redis

RAN: Final = "benchmarks:ran"
"""A list: the argument of each job that ran, once for each run."""


class Notes:
    """Where a task notes that it ran.

    Args:
        url: The server.
    """

    def __init__(self, url: str) -> None:
        self._client = redis.Redis.from_url(url)

    def add(self, image: str) -> None:
        """Note a run."""
        self._client.rpush(RAN, image)
