from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
import redis

from arqade import ConfigurationError
from arqade._protocol import scripts
from arqade.embedded import RedisServer
from tests.faults.ledger import Ledger, table
from tests.harness.fault_proxy import FaultProxy
from tests.harness.servers import find_test_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

TIMEOUT = 240
"""Seconds for one test: with all its faults one takes longer than others may."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "faults" in item.path.parts:
            item.add_marker(pytest.mark.timeout(TIMEOUT))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    lines = table()
    if lines:
        terminalreporter.section("faults")
        for line in lines:
            terminalreporter.write_line(line)


@pytest.fixture
def fault_proxy(redis_url: str, raw: redis.Redis) -> Iterator[FaultProxy]:
    """A proxy before the server, which knows the scripts."""
    for script in (scripts.ENQUEUE, scripts.VIEW, scripts.CANCEL):
        raw.script_load(script.text)
    with FaultProxy(redis_url) as proxy:
        yield proxy


@pytest.fixture
def ledgers(request: pytest.FixtureRequest, server_url: str) -> Callable[..., Ledger]:
    """Makes a ledger: its arguments are the fault's name, a call's budget, and further secrets."""
    api = "sync" if "_sync" in request.path.parts else "async"
    password = urlsplit(server_url).password or ""

    def make(row: str, *, budget: float, secrets: Sequence[str] = ()) -> Ledger:
        return Ledger(f"{row} ({api})", budget=budget, secrets=[password, *secrets])

    return make


@pytest.fixture(scope="module")
def own_server() -> Iterator[RedisServer]:
    """A server that may be misconfigured."""
    server = RedisServer(binary=find_test_server(), config={"enable-debug-command": "yes"})
    try:
        server.start()
    except ConfigurationError:  # Redis 6 knows no such setting, and needs none.
        server = RedisServer(binary=find_test_server())
        server.start()
    yield server
    server.stop()


@pytest.fixture
def own_raw(own_server: RedisServer) -> Iterator[redis.Redis]:
    """A client of the server that may be misconfigured; its database is empty."""
    with redis.Redis.from_url(own_server.url) as client:
        client.flushall()
        yield client


@pytest.fixture
def own_proxy(own_server: RedisServer, own_raw: redis.Redis) -> Iterator[FaultProxy]:
    """A proxy before the server that may be misconfigured."""
    with FaultProxy(own_server.url) as proxy:
        yield proxy
