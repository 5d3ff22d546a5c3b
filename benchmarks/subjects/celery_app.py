"""Celery with Redis for its broker; results are ignored, so none has to be waited for."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from celery import Celery

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def app(url: str) -> Iterator[dict[str, Any]]:
    """Open an application; it keeps its connections in a pool."""
    celery = Celery("benchmarks", broker=url)

    @celery.task(name="resize", ignore_result=True)
    def resize(image: str, width: int) -> None:
        """Do nothing: no job is run."""

    try:
        yield {"enqueue": resize.apply_async}
    finally:
        celery.close()
