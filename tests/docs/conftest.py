from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.harness.worker import ROOT, ended, python_with_arq, stock_environment

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def worker(redis_url: str, request: pytest.FixtureRequest) -> Iterator[None]:
    """The worker of the examples, or of the module that is a parameter, on `queue`'s server."""
    module = getattr(request, "param", "docs.examples.worker")
    python = [python_with_arq(), "-m", "arq", f"{module}.WorkerSettings"]
    environment = stock_environment(REDIS_URL=redis_url)
    with ended(subprocess.Popen(python, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL)):
        yield
