from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.harness.worker import arq_process

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def worker(redis_url: str, request: pytest.FixtureRequest) -> Iterator[None]:
    """The worker of the examples, or of the module that is a parameter, on `queue`'s server."""
    module = getattr(request, "param", "docs.examples.worker")
    with arq_process(f"{module}.WorkerSettings", REDIS_URL=redis_url):
        yield
