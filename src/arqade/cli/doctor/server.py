"""Versions, the clock, the configuration, and whether results are pushed."""

from __future__ import annotations

import platform
import time
from importlib import metadata
from typing import TYPE_CHECKING, Any, Final

from redis.exceptions import RedisError, ResponseError

from arqade.cli.doctor.report import Diagnosis, Level, from_finding, good, told
from arqade.cli.server import raw_client

if TYPE_CHECKING:
    from collections.abc import Iterator

    import redis

    from arqade import RedisSettings, SyncArqQueue

__all__ = ["configuration", "here", "pushes", "there"]

DISTRIBUTIONS: Final = {"arqade": "arqade", "redis": "redis-py", "hiredis": "hiredis", "arq": "arq"}

CHECKED: Final = {
    "eviction": "no key is evicted",
    "memory": "there is a limit, and room below it",
    "persistence": "jobs are written to disk",
    "replica": "this is the primary",
}
"""What ``check`` looks at, and what is true if it finds nothing."""


def here() -> Iterator[Diagnosis]:
    """Name the versions on this side."""
    versions = [f"Python {platform.python_version()}"]
    for distribution, name in DISTRIBUTIONS.items():
        try:
            versions.append(f"{name} {metadata.version(distribution)}")
        except metadata.PackageNotFoundError:
            versions.append(f"no {name}")
    yield told("client", ", ".join(versions))


def there(client: redis.Redis) -> Iterator[Diagnosis]:
    """Name the server's version, and compare its clock."""
    asked: Any = client
    try:
        info = asked.info("server")
    except ResponseError:
        info = {}
    name = str(info.get("server_name", "redis")).capitalize()
    version = info.get("valkey_version") or info.get("redis_version") or "of unknown version"
    yield told("server", f"{name} {version}")
    before = time.time()
    try:
        seconds, microseconds = asked.time()
    except ResponseError:
        return  # What the check finds says so.
    after = time.time()
    middle, half = (before + after) / 2, (after - before) / 2
    skew = (seconds + microseconds / 1e6 - middle) * 1000
    yield told(
        "clock",
        f"The server's clock is {skew:+.1f} ms from this machine's, give or take "
        f"{half * 1000:.1f} ms",
    )


def configuration(queue: SyncArqQueue) -> Iterator[Diagnosis]:
    """Tell what endangers jobs, and what does not."""
    findings = queue.check()
    found = {finding.code for finding in findings}
    yield from map(from_finding, findings)
    # What the server does not tell is not known to be well.
    if "unknown" not in found:
        for topic, message in CHECKED.items():
            if topic not in found:
                yield good(topic, message.capitalize())


def pushes(settings: RedisSettings) -> Iterator[Diagnosis]:
    """Tell whether the server pushes results to those who wait, by asking it to for a moment."""
    for protocol in (3, 2):
        mode = _try_tracking(settings, protocol)
        if mode is not None:
            yield good("push", f"The server pushes results to those who wait ({mode})")
            return
    yield Diagnosis(
        "push",
        Level.info,
        "The server does not push results, so those who wait ask again and again",
        "allow this user +client|tracking +client|id +hello, or use a server with CLIENT TRACKING",
    )


def _try_tracking(settings: RedisSettings, protocol: int) -> str | None:
    client: Any = raw_client(settings, protocol=protocol)
    try:
        # Of its own: what is pushed would shift the replies of others.
        with client.client() as connection:
            words = ["CLIENT", "TRACKING", "ON"]
            if protocol == 2:  # noqa: PLR2004 - the older protocol redirects to itself
                words += ["REDIRECT", connection.execute_command("CLIENT", "ID")]
            connection.execute_command(*words)
            connection.connection.disconnect()
    except RedisError:
        return None
    finally:
        client.close()
        client.connection_pool.disconnect()
    return f"RESP{protocol}"
