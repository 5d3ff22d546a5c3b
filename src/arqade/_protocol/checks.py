"""What of a server's configuration and state endangers jobs: questions, and what answers mean."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from arqade._protocol.scripts import Command
from arqade.models import Finding, Severity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from arqade.exceptions import QueueServerError

__all__ = [
    "HEALTHY",
    "PersistenceSetting",
    "clock",
    "config",
    "info",
    "persistence",
    "persistence_setting",
    "refused",
    "server",
    "worst_first",
]

PersistenceSetting: TypeAlias = Literal["save", "appendfsync"]
"""Settings of which INFO does not tell."""

OLDEST = (6, 2)
"""The oldest version of Redis that arqade supports. Valkey began with a later one."""

INFO_SKEW = 1.0
"""Seconds by which two clocks may differ without a word."""

WARNING_SKEW = 5.0
"""Seconds by which two clocks may differ without a warning."""

FULL = 0.9
"""The part of its maxmemory that a server may use without a warning."""

HEALTHY: Mapping[str, str] = {
    "redis_version": "7.4.0",
    "redis_mode": "standalone",
    "role": "master",
    "maxmemory": "1073741824",
    "maxmemory_policy": "noeviction",
    "used_memory": "0",
    "aof_enabled": "1",
    "aof_last_write_status": "ok",
    "rdb_last_bgsave_status": "ok",
}
"""What INFO says, as far as it matters here, of a server that is fit for jobs."""

NEEDED = {
    "redis_version": r"\d+\.\d+",
    "role": r"\w+",
    "maxmemory": r"\d+$",
    "maxmemory_policy": r"\w+",
    "aof_enabled": r"[01]$",
}
"""Fields of INFO without which something can't be told, and how they begin."""


def info() -> Command[dict[str, str]]:
    """Ask what the server says of itself, field by field."""
    # Without sections: Redis before 7 takes one at most.
    return Command(("INFO",), _read_info, repeatable=True, changes=False)


def _read_info(reply: bytes) -> dict[str, str]:
    lines = (line.partition(":") for line in reply.decode(errors="replace").splitlines())
    return {name: value for name, colon, value in lines if colon}


def config(name: PersistenceSetting) -> Command[str | None]:
    """Ask for one setting; the answer is None if there is no such setting."""
    return Command(("CONFIG", "GET", name), _read_config, repeatable=True, changes=False)


def _read_config(reply: list[bytes] | dict[bytes, bytes]) -> str | None:
    # A borrowed client may speak RESP3, which has mappings.
    values = [*reply.values()] if isinstance(reply, dict) else reply[1::2]
    return values[0].decode(errors="replace") if values else None


def refused(command: Command[Any], error: QueueServerError) -> Finding:
    """Say what it means that the server refused to answer."""
    question = " ".join(map(str, command.words))
    return Finding(
        "unknown",
        Severity.info,
        f"What {question} would tell is not known, since the server refused it "
        f"({error.__cause__ or error})",
        "let this user run TIME, INFO and CONFIG GET, or ask those who run the server",
    )


def clock(before: float, at_server: float, after: float) -> Iterator[Finding]:
    """Compare clocks.

    Args:
        before: This machine's time when the server was asked, in seconds.
        at_server: The server's time.
        after: This machine's time when the answer was there.
    """
    # A slow answer must raise no false alarm: the server looked at its clock in between.
    difference = max(before - at_server, at_server - after)
    if difference > INFO_SKEW:
        side = "ahead of" if at_server < before else "behind"
        yield Finding(
            "clock",
            Severity.warning if difference > WARNING_SKEW else Severity.info,
            f"This machine's clock is {difference:.1f} s {side} the server's, by which arqade "
            "goes; stock arq clients and workers go by their machine's, and run jobs too early or "
            "too late if it is wrong",
            "let both machines get their time by NTP",
        )


def server(info: Mapping[str, str]) -> Iterator[Finding]:
    """Give what is wrong with a server, as far as INFO tells."""
    for check in CHECKS:
        yield from check(info)


def _version(info: Mapping[str, str]) -> Iterator[Finding]:
    text = info.get("redis_version", "")
    found = re.match(r"(\d+)\.(\d+)", text)
    if found and (int(found[1]), int(found[2])) < OLDEST:
        yield Finding(
            "version",
            Severity.error,
            f"Redis {text} is older than {OLDEST[0]}.{OLDEST[1]}, the oldest that arqade is made "
            "for",
            "upgrade the server to a version that still gets corrections",
        )


def _cluster(info: Mapping[str, str]) -> Iterator[Finding]:
    if "cluster" in info.get("redis_mode", "") or info.get("cluster_enabled") == "1":
        yield Finding(
            "cluster",
            Severity.error,
            "The server is in cluster mode, for which arqade is not made; with several nodes it "
            "refuses jobs",
            "use a server that is in no cluster",
        )


def _role(info: Mapping[str, str]) -> Iterator[Finding]:
    if (info.get("role") or "master") == "master":
        return
    is_writable = info.get("slave_read_only") == "0"
    fate = "loses jobs when it synchronizes" if is_writable else "refuses jobs"
    is_cut_off = info.get("master_link_status") == "down"
    link = "; its link to the primary is down" if is_cut_off else ""
    yield Finding(
        "replica",
        Severity.error,
        f"The server is a replica, which {fate}{link}",
        "connect to the primary, through Sentinel if it may change",
    )


def _eviction(info: Mapping[str, str]) -> Iterator[Finding]:
    policy, most = info.get("maxmemory_policy") or "noeviction", _number(info, "maxmemory")
    if policy == "noeviction":
        return
    # All keys of a job have a time to live, but not the queue itself.
    lost = "jobs and results" if policy.startswith("volatile") else "jobs, results and whole queues"
    when = "once maxmemory is set and reached" if most == 0 else "when maxmemory is reached"
    yield Finding(
        "eviction",
        Severity.error,
        f"With maxmemory-policy {policy} the server drops {lost} {when}",
        "set maxmemory-policy to noeviction",
    )


def _memory(info: Mapping[str, str]) -> Iterator[Finding]:
    most, used = _number(info, "maxmemory"), _number(info, "used_memory") or 0
    if most is None:
        return
    if most == 0:
        yield Finding(
            "memory",
            Severity.info,
            "There is no maxmemory, and a server that grows may be ended by its machine",
            "set maxmemory to what the machine can spare, with maxmemory-policy noeviction",
        )
        return
    part = (used - (_number(info, "mem_not_counted_for_evict") or 0)) / most
    if part > FULL:
        keeps = info.get("maxmemory_policy") == "noeviction"
        yield Finding(
            "memory",
            Severity.warning,
            f"{part:.0%} of maxmemory are in use, and a full server "
            f"{'refuses jobs' if keeps else 'drops keys'}",
            "raise maxmemory, keep results for a shorter time, or remove data",
        )


def _writing(info: Mapping[str, str]) -> Iterator[Finding]:
    failures = {
        "aof_last_write_status": "The last write to the append-only file",
        "rdb_last_bgsave_status": "The last snapshot",
    }
    for field, what in failures.items():
        if (info.get(field) or "ok") != "ok":
            yield Finding(
                "persistence",
                Severity.error,
                f"{what} failed, so a restart loses jobs, and the server may refuse new ones",
                "look into the server's log; often a disk is full",
            )


def _untold(info: Mapping[str, str]) -> Iterator[Finding]:
    missing = [name for name, form in NEEDED.items() if not re.match(form, info.get(name, ""))]
    if missing:
        yield Finding(
            "unknown",
            Severity.info,
            f"INFO says nothing of {', '.join(missing)}, or nothing that is understood",
            "ask those who run the server",
        )


CHECKS: tuple[Callable[[Mapping[str, str]], Iterator[Finding]], ...] = (
    _version, _cluster, _role, _eviction, _memory, _writing, _untold,
)  # fmt: skip


def persistence_setting(info: Mapping[str, str]) -> PersistenceSetting | None:
    """Name the setting that INFO lacks, to tell how jobs come to the disk."""
    settings: dict[str, PersistenceSetting] = {"0": "save", "1": "appendfsync"}
    return settings.get(info.get("aof_enabled", ""))


def persistence(name: PersistenceSetting, value: str | None) -> Iterator[Finding]:
    """Say what a restart loses.

    Args:
        name: What `persistence_setting` named.
        value: Its value; None if the server does not tell.
    """
    severity = Severity.warning
    if name == "appendfsync":
        if value != "no":
            return
        message = (
            "The append-only file reaches the disk when the system likes (appendfsync no), and a "
            "machine that fails loses the jobs of half a minute"
        )
        cure = "set appendfsync to everysec, or to always"
    else:
        snapshot = "the last snapshot" + (", if it makes any" if value is None else "")
        message = f"The append-only file is off, and a restart loses the jobs since {snapshot}"
        cure = "set appendonly to yes"
        if value == "":
            severity = Severity.error
            message = "The server keeps nothing on disk, and a restart loses all jobs"
    yield Finding("persistence", severity, message, cure)


def worst_first(findings: list[Finding]) -> list[Finding]:
    """Sort findings by their severity."""
    order = list(Severity)
    return sorted(findings, key=lambda finding: -order.index(finding.severity))


def _number(info: Mapping[str, str], name: str) -> int | None:
    text = info.get(name, "")
    return int(text) if text.isdecimal() else None
