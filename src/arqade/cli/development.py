"""A worker that is started again whenever its code changes."""

from __future__ import annotations

import contextlib
import os
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from arqade._signals import stop
from arqade.embedded import RedisServer

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Development"]

LOOK_SECONDS: Final = 0.4
"""Between looks at the files."""

NO_CODE: Final = frozenset({"__pycache__", "node_modules", "site-packages"})
"""Folders that are not looked into, beside hidden ones and virtual environments."""

Snapshot = dict[str, tuple[int, int]]
"""When each file was changed, and its size."""


class Development:
    """A worker with its code in sight.

    Args:
        settings: Where the worker's settings are, as for arq.
        directory: Where its code is.
    """

    def __init__(self, settings: str, directory: Path) -> None:
        self._settings = settings
        self._directory = directory

    def run_with_server(self) -> None:
        """Run a server and the worker until something raises.

        Raises:
            ConfigurationError: There is no program of a server.
            KeyboardInterrupt: On Ctrl-C.
        """
        with RedisServer() as server, tempfile.TemporaryDirectory(prefix="arqade-dev-") as folder:
            # With the password, which belongs on no terminal and in no command line.
            place = Path(folder, "url")
            place.touch(0o600)
            place.write_text(server.url, encoding="utf-8")
            click.echo(
                f"{server.version} runs in process {server.pid}, and keeps nothing. "
                "In another terminal:\n"
                f'  export ARQADE_URL="$(cat {shlex.quote(str(place))})"'
            )
            self.run(server.url)

    def run(self, url: str) -> None:
        """Run the worker until something raises.

        Args:
            url: The server's URL.

        Raises:
            KeyboardInterrupt: On Ctrl-C.
        """
        seen = snapshot(self._directory)
        while True:
            with self._worker(url) as worker:
                changed = self._wait_for_change(seen, worker)
            seen = snapshot(self._directory)
            click.echo(f"{changed} has changed: the worker starts again.")

    @contextlib.contextmanager
    def _worker(self, url: str) -> Iterator[subprocess.Popen[bytes]]:
        worker = subprocess.Popen(  # noqa: S603 - running the user's worker is the purpose
            [sys.executable, "-m", "arqade.cli.dev_worker", self._settings],
            env={
                **os.environ,
                "ARQADE_URL": url,
                "REDIS_URL": url,
                # Python tells two versions of a file apart by seconds and size, which is too
                # coarse for one that is saved twice in a moment.
                "PYTHONDONTWRITEBYTECODE": "1",
            },
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for this process, which stops the worker once
        )
        try:
            yield worker
        finally:
            stop(worker)

    def _wait_for_change(self, seen: Snapshot, worker: subprocess.Popen[bytes]) -> str:
        """Wait until files differ, and name the first that does."""
        ended = False
        while True:
            now = snapshot(self._directory)
            if now != seen:
                different = {path for path, _ in seen.items() ^ now.items()}
                return os.path.relpath(min(different))
            if not ended and worker.poll() is not None:
                ended = True
                click.echo(f"The worker has ended with {worker.returncode}; change a file.")
            time.sleep(LOOK_SECONDS)


def snapshot(directory: Path) -> Snapshot:
    """Look at all Python files in a directory and the folders in it."""
    found: Snapshot = {}
    folders = [directory]
    while folders:
        for path in _entries(folders.pop()):
            with contextlib.suppress(OSError):  # It is gone by now.
                if path.suffix == ".py":
                    state = path.stat()
                    found[str(path)] = state.st_mtime_ns, state.st_size
                elif _may_have_code(path):
                    folders.append(path)
    return found


def _entries(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []  # It is gone by now, or of another user.


def _may_have_code(path: Path) -> bool:
    if path.name.startswith(".") or path.name in NO_CODE or path.is_symlink():
        return False
    return path.is_dir() and not (path / "pyvenv.cfg").exists()
