from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import redis

from tests.harness.servers import describe_server, serve

if TYPE_CHECKING:
    from collections.abc import Iterator


def pytest_report_header() -> str:
    return f"redis-py: {redis.__version__}; server: {describe_server()}"


@pytest.fixture(scope="session")
def server_url() -> Iterator[str]:
    """A server of the session's own."""
    yield from serve()


@pytest.fixture
def redis_url(server_url: str) -> Iterator[str]:
    """A server with an empty database."""
    with redis.Redis.from_url(server_url) as client:
        client.flushdb()
        yield server_url
        client.flushdb()


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"
