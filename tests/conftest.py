from __future__ import annotations

import functools
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
import redis

from arqade.embedded import RedisServer
from tests.harness.canary import keep_secret
from tests.harness.proxy import Proxy
from tests.harness.servers import describe_server, serve
from tests.harness.stock import Stock

if TYPE_CHECKING:
    from collections.abc import Iterator

pytest_plugins = ["pytester", "tests.harness.canary"]


def pytest_report_header() -> str:
    return f"redis-py: {redis.__version__}; server: {describe_server()}"


@pytest.fixture(scope="session", autouse=True)
def _secret_passwords() -> Iterator[None]:
    """The passwords of all servers that tests start are secrets."""
    start = RedisServer.start

    @functools.wraps(start)
    def start_secretly(server: RedisServer) -> None:
        start(server)
        keep_secret(server.password)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RedisServer, "start", start_secretly)
        yield


@pytest.fixture(scope="session")
def server_url() -> Iterator[str]:
    """A server of the session's own."""
    for url in serve():
        keep_secret(urlsplit(url).password)
        yield url


@pytest.fixture
def redis_url(server_url: str) -> Iterator[str]:
    """A server with an empty database."""
    with redis.Redis.from_url(server_url) as client:
        client.flushdb()
        yield server_url
        client.flushdb()


@pytest.fixture(scope="module")
def module_redis_url(server_url: str) -> Iterator[str]:
    """A server with a database that the tests of a module share; it begins empty."""
    with redis.Redis.from_url(server_url) as client:
        client.flushdb()
        yield server_url
        client.flushdb()


@pytest.fixture(scope="session")
def stock(server_url: str) -> Iterator[Stock]:
    """A client of stock arq on the same server."""
    with Stock(server_url) as stock:
        yield stock


@pytest.fixture
def raw(redis_url: str) -> Iterator[redis.Redis]:
    """redis-py's blocking client on the same server, to look and act behind the queue's back."""
    with redis.Redis.from_url(redis_url) as client:
        yield client


@pytest.fixture
def proxy(redis_url: str) -> Iterator[Proxy]:
    """A proxy before the server, on which faults can be called down."""
    with Proxy(redis_url) as proxy:
        yield proxy


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"
