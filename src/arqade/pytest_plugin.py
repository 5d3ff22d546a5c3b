"""The pytest plugin, which pytest loads by itself where arqade is installed.

This is its public name; it works with ``-p arqade.pytest_plugin``, too, where plugins are not
loaded by themselves. What pytest loads is a module beside this package, since importing anything
from here imports redis-py.
"""

from __future__ import annotations

from _arqade_pytest import (
    arqade_mock,
    arqade_redis,
    arqade_redis_server,
    pytest_configure,
    sync_arqade_mock,
)

__all__ = [
    "arqade_mock",
    "arqade_redis",
    "arqade_redis_server",
    "pytest_configure",
    "sync_arqade_mock",
]
