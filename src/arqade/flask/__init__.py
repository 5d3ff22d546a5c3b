"""Queues for Flask: named in the configuration of the application, opened when first used.

`current_queue` is for blocking views, `current_async_queue` for asynchronous ones. There is a
command, ``flask arqade``.
"""

from __future__ import annotations

from arqade.flask._extension import (
    Arqade,
    ArqadeQueues,
    current_async_queue,
    current_queue,
    get_async_queue,
    get_queue,
)

__all__ = [
    "Arqade",
    "ArqadeQueues",
    "current_async_queue",
    "current_queue",
    "get_async_queue",
    "get_queue",
]
