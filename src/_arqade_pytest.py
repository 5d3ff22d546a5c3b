"""arqade's pytest plugin: fixtures that give queues to tests, and the mark that sets them up.

pytest imports this module in every run, of whatever project. It lies beside the package, and the
fixtures import that when they are used: `arqade.pytest_plugin` is its public name.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from arqade import MockArqQueue, SyncMockArqQueue
    from arqade._protocol.memory import MemoryStore
    from arqade.embedded import RedisServer

__all__ = [
    "arqade_mock",
    "arqade_redis",
    "arqade_redis_server",
    "pytest_configure",
    "sync_arqade_mock",
]

OPTIONS = ("default_queue_name", "codec", "clock", "expires_extra_ms", "max_payload_bytes")
"""What the mark takes: the options of the mocks, except for the store, which is the test's."""

_STORE: pytest.StashKey[MemoryStore] = pytest.StashKey()


def pytest_configure(config: pytest.Config) -> None:
    """Register the mark."""
    options = ", ".join(f"{name}=..." for name in OPTIONS)
    config.addinivalue_line(
        "markers",
        f"arqade({options}): options of the queues that `arqade_mock` and `sync_arqade_mock` give.",
    )


def _options(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Give the options of the test's marks: the mock's own, and the store that its mocks share."""
    # Here and not above: the store's module needs redis-py.
    from arqade._protocol.memory import MemoryStore  # noqa: PLC0415 - see the module's docstring

    options: dict[str, Any] = {}
    for mark in request.node.iter_markers("arqade"):  # the nearest one first
        known = f"the options are {', '.join(OPTIONS)}"
        if mark.args:
            pytest.fail(f"pytest.mark.arqade takes its options by name; {known}", pytrace=False)
        for name in mark.kwargs.keys() - set(OPTIONS):
            pytest.fail(f"pytest.mark.arqade has no option {name!r}; {known}", pytrace=False)
        options = {**mark.kwargs, **options}
    clock = options.pop("clock", None)
    stash = request.node.stash
    if _STORE not in stash:
        stash[_STORE] = MemoryStore(clock)
    return {**options, "store": stash[_STORE]}


@pytest.fixture
def arqade_mock(request: pytest.FixtureRequest) -> Iterator[MockArqQueue]:
    """A queue in memory, for async code; ``@pytest.mark.arqade(...)`` gives it options."""
    from arqade import MockArqQueue  # noqa: PLC0415 - see the module's docstring

    queue = MockArqQueue(**_options(request))
    yield queue
    # Closing a mock waits for nothing, and this fixture needs no plugin for async tests.
    with contextlib.suppress(StopIteration):
        queue.aclose().send(None)


@pytest.fixture
def sync_arqade_mock(request: pytest.FixtureRequest) -> Iterator[SyncMockArqQueue]:
    """A queue in memory, for blocking code; it sees the jobs of the test's `arqade_mock`."""
    from arqade import SyncMockArqQueue  # noqa: PLC0415 - see the module's docstring

    with SyncMockArqQueue(**_options(request)) as queue:
        yield queue


@pytest.fixture(scope="session")
def arqade_redis_server() -> Iterator[RedisServer]:
    """A Redis or Valkey server of this test run's own."""
    from arqade import ArqadeError  # noqa: PLC0415 - see the module's docstring
    from arqade.embedded import RedisServer  # noqa: PLC0415 - as above

    try:
        server = RedisServer()
        server.start()
    except ArqadeError as error:
        # No skip: tests that nobody runs look like tests that pass.
        message = f"arqade_redis can't start a server: {error}"
        raise pytest.fail.Exception(message, pytrace=False) from None
    yield server
    server.stop()


@pytest.fixture
def arqade_redis(arqade_redis_server: RedisServer) -> str:
    """The URL of a Redis or Valkey server that is empty when the test begins."""
    import redis  # noqa: PLC0415 - see the module's docstring

    with redis.Redis.from_url(arqade_redis_server.url) as client:
        client.flushall()
    return arqade_redis_server.url
