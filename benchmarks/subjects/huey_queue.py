"""Huey."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from huey import RedisHuey

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def queue(url: str) -> Iterator[dict[str, Any]]:
    """Open a queue."""
    huey = RedisHuey("default", url=url)

    @huey.task()
    def resize(image: str, width: int) -> None:
        """Do nothing: no job is run."""

    yield {"enqueue": lambda args, kwargs: resize(*args, **kwargs)}
