"""On what machine, with what packages, the measurements were made."""

from __future__ import annotations

import os
import platform
import time
from pathlib import Path
from typing import Any

from benchmarks.catalogue import SUBJECTS

PACKAGES = ("hiredis", "redis", "coredis")
"""What matters beside the subjects' own packages."""


def describe_machine(server_version: str) -> dict[str, Any]:
    """Describe this machine, and how busy it is before the measurements.

    Args:
        server_version: Name and version of the server.
    """
    release = platform.freedesktop_os_release() if Path("/etc/os-release").exists() else {}
    return {
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "system": f"{release.get('PRETTY_NAME', platform.system())}, {platform.release()}",
        "python": platform.python_version(),
        "server": server_version,
        "load": [round(load, 2) for load in os.getloadavg()],
        "started": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
    }


def _cpu_model() -> str:
    found = Path("/proc/cpuinfo")
    if found.exists():
        for line in found.read_text(encoding="utf-8").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()


def versions(packages: dict[str, dict[str, str]]) -> dict[str, dict[str, str]]:
    """Keep the versions that matter.

    Args:
        packages: The packages of each environment, with their versions.
    """
    names = {*PACKAGES, *(subject.package for subject in SUBJECTS.values())}
    return {
        environment: {name: found[name] for name in sorted(names) if name in found}
        for environment, found in packages.items()
    }


def lines(machine: dict[str, Any]) -> list[str]:
    """Tell it, line by line."""
    environments = [
        f"{environment.removeprefix('.venv-')}: "
        + ", ".join(f"{name} {version}" for name, version in found.items())
        for environment, found in machine.get("packages", {}).items()
    ]
    return [
        f"{machine['cpu']}, {machine['cores']} cores; {machine['system']}",
        f"Python {machine['python']}; {machine['server']}",
        *environments,
        f"{machine['started']}; load average at the start {machine['load'][0]:.2f}",
    ]
