"""Celery that does not publish again, and Celery that waits a second for each reply."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from celery import Celery

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def _app(url: str, **settings: Any) -> Iterator[dict[str, Any]]:
    celery = Celery("benchmarks", broker=url)
    celery.conf.update(settings)

    @celery.task(name="resize", ignore_result=True)
    def resize(image: str, width: int) -> None:
        """Do nothing: no job is run."""

    try:
        yield {"enqueue": resize.apply_async}
    finally:
        celery.close()


def without_retries(url: str) -> contextlib.AbstractContextManager[dict[str, Any]]:
    """Open an application that publishes once."""
    return _app(url, task_publish_retry=False)


def with_timeout(url: str) -> contextlib.AbstractContextManager[dict[str, Any]]:
    """Open an application whose transport has a time-out."""
    return _app(url, broker_transport_options={"socket_timeout": 1})
