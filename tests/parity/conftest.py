"""How many random stories are told, and how many steps they had."""

from __future__ import annotations

import asyncio
import logging
import os
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import urlsplit, urlunsplit

import pytest
import redis
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.harness.servers import ServerInUseError
from tests.parity.machine import COUNT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.parity.machine import Machine

EXAMPLES_VARIABLE = "ARQADE_PARITY_EXAMPLES"
"""How many stories each machine tells; ``make parity`` sets it to thousands."""


BATCH = 250
"""So many stories at a time: Hypothesis remembers all of them until their end."""

STEPS = 30
"""The most steps of a story."""

Teller: TypeAlias = "Callable[[Callable[[], Machine], int], None]"


@pytest.fixture
def tell_stories() -> Teller:
    """Tells so many stories, unless the environment says another number."""

    def tell(make: Callable[[], Machine], stories: int) -> None:
        left = int(os.environ.get(EXAMPLES_VARIABLE) or stories)
        while left > 0:
            plan = settings(
                max_examples=min(left, BATCH),
                stateful_step_count=STEPS,
                deadline=None,
                derandomize=False,
                print_blob=True,
                report_multiple_bugs=False,
                suppress_health_check=list(HealthCheck),
            )
            run_state_machine_as_test(make, settings=plan)
            left -= BATCH

    return tell


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    """An event loop for a module."""
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture(scope="module")
def second_redis_url(server_url: str) -> Iterator[str]:
    """The next database of the same server; it begins empty."""
    parts = urlsplit(server_url)
    database = int(parts.path.strip("/") or 0) + 1
    url = urlunsplit(parts._replace(path=f"/{database}"))
    with redis.Redis.from_url(url) as client:
        if client.dbsize():
            raise ServerInUseError(f"database {database} of the tests' server is not empty")
        yield url
        client.flushdb()


@pytest.fixture(autouse=True)
def quiet_workers() -> Iterator[None]:
    """Jobs fail all the time here, as they should."""
    loggers = [logging.getLogger(name) for name in ("arq", "arqade")]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    yield
    for logger in loggers:
        logger.setLevel(logging.NOTSET)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if COUNT.steps:
        terminalreporter.section("parity")
    for title, steps in COUNT.steps.items():
        stories = COUNT.stories[title]
        terminalreporter.write_line(f"{title}: {steps} steps in {stories} random stories")
    for name, (stories, operation) in COUNT.noticed.items():
        terminalreporter.write_line(f"{name:60} noticed in story {stories:4} by {operation}")
