"""Clients with other settings than their own, as their documentations show them.

Like `benchmarks.subjects`, but for ``enqueue`` alone, and ``metadata`` where there is one.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote, urlsplit


def parts_of(url: str) -> dict[str, Any]:
    """Give a server's URL as arguments.

    To redis-py they are not the same: a client that is made from a URL does not try again by
    itself, and one that is made from arguments does, from version 6 on.
    """
    parts = urlsplit(url)
    return {"host": parts.hostname, "port": parts.port, "password": unquote(parts.password or "")}
